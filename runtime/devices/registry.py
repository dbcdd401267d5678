"""The devices that archc knows, and the choice of one. If the user names a device and it does not work, that is an error with its cause.

`auto` takes CUDA where it works, else the CPU, and never a plugin: what is installed beside onnxruntime must not change a model's
answers (OpenVINO's differ in the last digits, and with another precision in the first).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..faults import RuntimeFault
from ..libraries import DRIVER, can_load
from ..packages import import_package
from .device import NOTHING, Device, DeviceChoice, Trouble
from .nvidia import CUDA, TENSORRT
from .plugins import MLX, OPENVINO, RTX, WEBGPU

CPU = Device(
    "cpu",
    "CPUExecutionProvider",
    "this machine's processor, by onnxruntime",
    "onnxruntime, of any kind",
    Trouble,
    lambda settings, threads: ("CPUExecutionProvider",),
    tried="by all of archc's tests",
    arena="cpu:0",
)
DEVICES = (CPU, CUDA, TENSORRT, OPENVINO, RTX, WEBGPU, MLX)
PROVIDERS = {device.name: device.provider for device in DEVICES}


def device_names() -> list[str]:
    """What a device may be called, `auto` first."""
    return ["auto", *PROVIDERS]


def find_device(name: Any) -> Device:
    """The device called so. Raises RuntimeFault `device-unavailable` (usage) with the nearest name and all of them."""
    for device in DEVICES:
        # an array is equal to no text, and says so for each of its elements
        if isinstance(name, str) and device.name == name:
            return device
    from difflib import get_close_matches

    near = (
        [CUDA.name]
        if str(name).lower() in ("gpu", "nvidia")
        else get_close_matches(str(name).lower(), device_names(), 1)
    )
    meant = f"did you mean {near[0]}? " if near else ""
    raise RuntimeFault("device-unavailable", f"there is no device `{name}`",
                       f"{meant}the devices are {', '.join(device_names())}; archc doctor says which work here", 2)  # fmt: skip


def device_trouble(name: str) -> Trouble:
    """Why the device cannot be used here, and what to do; two empty texts where it can."""
    return find_device(name).find_trouble()


def choose_device(name: Any, asked: Mapping[str, str] = NOTHING, threads: int | None = None) -> DeviceChoice:
    """The device called `name`, with its options as `asked`; `auto` takes CUDA where it works, else the CPU.

    Raises RuntimeFault for an unknown device, and an option that it has not (usage); where a device other than `auto` cannot be used,
    or onnxruntime does not import (environment).
    """
    automatic = isinstance(name, str) and name == "auto"
    device = CUDA if automatic else find_device(name)
    if automatic and asked:
        option = next(iter(asked))
        having = [each.name for each in DEVICES if option in (known.name for known in each.options)]
        raise RuntimeFault("usage", f"the option `{option}` goes with a device, and `auto` leaves that open",
                           f"name one that has it: {', '.join(having)}" if having else "no device has such an option", 2)  # fmt: skip
    settings = device.read_options(asked)
    import_package("onnxruntime", "a session")
    found = device.find_trouble()
    if not found.cause:
        found = device.find_refusal(settings)
    if not found.cause:
        return make_choice(device, settings, threads, "a CUDA device works" if automatic else "asked for")
    if automatic:
        # its driver is what shows that there is one
        return make_choice(CPU, {}, threads, found.cause)._replace(gpu_unusable=can_load(DRIVER))
    raise RuntimeFault("device-unavailable", f"the device {name} cannot be used: {found.cause}", found.fix, 3)


def make_choice(device: Device, settings: Mapping[str, str], threads: int | None, reason: str) -> DeviceChoice:
    """A device with its options, as a session takes it."""
    return DeviceChoice(device.name, device.list_providers(settings, threads), reason, device.name_precision(settings), settings)  # fmt: skip


def refuse_precision(name: Any, precision: str) -> None:
    """Raises RuntimeFault `device-unavailable` where the device does not run a file of this precision (fp32, fp16, int8).

    `auto` takes none of those that refuse one.
    """
    reason = "" if isinstance(name, str) and name == "auto" else find_device(name).cannot_run.get(precision)
    if reason:
        raise RuntimeFault("device-unavailable", f"the device {name} does not run a model of {precision}: {reason}",
                           "run it on another device, or build it in another precision", 3)  # fmt: skip
