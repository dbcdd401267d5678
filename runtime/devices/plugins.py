"""Devices whose provider comes in a package of its own, beside any onnxruntime that takes plugins (1.23 and newer).

A plugin is a shared library. Registered with onnxruntime, it names the devices that it takes of those that are here; a session is
given one of them. It is registered once in a process, under the provider's name, and stays.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from platform import machine
from typing import Any

from ..packages import distribution_of, import_package, install_line
from ..pip import install_command, installed_version
from .device import CPU_NODES, Device, DeviceOption, Trouble, write_option
from .nvidia import missing_driver

REGISTERING = threading.Lock()
# as OpenVINO calls them, where a device lists what it is good at
CAPABILITIES = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}


def register_plugin(package: str, provider: str) -> list[Any]:
    """The devices that a plugin takes here, onnxruntime's OrtEpDevice each; it is registered first, where it is not yet.

    Raises RuntimeFault `package-missing` where its package does not import, and what onnxruntime raises where it takes no plugins
    (AttributeError) or not this one.
    """
    import onnxruntime

    module = import_package(package.replace("-", "_"))
    find_library = getattr(module, "get_library_path", None) or module.library_path
    with REGISTERING:
        if not (found := list_plugin_devices(provider)):
            try:
                onnxruntime.register_execution_provider_library(provider, str(find_library()))
            # its own exceptions share no root but this
            except Exception as error:
                if "already registered" not in str(error):
                    raise
            found = list_plugin_devices(provider)
    return found


def list_plugin_devices(provider: str) -> list[Any]:
    """The devices of the plugins that are registered already, for one provider. (A plugin has others, as `.AUTO`, which choose again.)"""
    import onnxruntime

    return [each for each in onnxruntime.get_ep_devices() if each.ep_name == provider]


def is_installed(package: str) -> bool:
    """Whether a plugin is here, by its module: TensorRT's comes in packages of several names."""
    try:
        return find_spec(package.replace("-", "_")) is not None
    except (ImportError, ValueError):
        return False


def find_plugin_trouble(package: str, provider: str, advice: str) -> Trouble:
    """Why a plugin cannot be used here; `advice` says what to do where it takes none of the devices that are here."""
    if not is_installed(package):
        return Trouble(f"the package {package} is not installed", install_line(package))
    called = f"{package} {installed_version(package) or ''}".rstrip()
    onnxruntime = import_package("onnxruntime")
    if not hasattr(onnxruntime, "register_execution_provider_library"):
        return Trouble(
            f"this onnxruntime ({onnxruntime.__version__}) takes no plugins",
            install_command(f"{distribution_of('onnxruntime')}>=1.24"),
        )
    try:
        found = register_plugin(package, provider)
    # a package that does not import, a library that does not load, and onnxruntime's own exceptions
    except Exception as error:
        why = " ".join(str(error).split())[:300] or type(error).__name__
        return Trouble(f"{called} does not load: {why}", install_line(package, over=True))
    if not found:
        return Trouble(f"{called} takes none of the devices here{describe_maker()}", advice)
    return Trouble()


def describe_maker() -> str:
    """Who made the processor, in brackets, as some plugins take those of one maker only; empty where onnxruntime does not say."""
    makers = [each.device.vendor for each in list_plugin_devices("CPUExecutionProvider")]
    return f" (the processor is by {makers[0]})" if makers and makers[0] else ""


def pick_devices(choice_of: Device, settings: Mapping[str, str]) -> Sequence[Any]:
    """The one device of a plugin that a session is given: the first, or for OpenVINO the first of the hardware that is asked for."""
    found = register_plugin(choice_of.package, choice_of.provider)
    wanted = settings.get(HARDWARE.name)
    if wanted:
        found = [each for each in found if kind_of(each) == wanted]
    return found[:1]


def kind_of(device: Any) -> str:
    """What OpenVINO calls the hardware of a device, without its number: cpu, gpu or npu."""
    return str(device.ep_metadata.get("ov_device", "")).partition(".")[0].lower()


def list_own(provider: str, settings: Mapping[str, str], threads: int | None) -> tuple[Any, ...]:
    """A plugin's provider with nothing but its defaults."""
    return ((provider, {}),)


def leave_precision(settings: Mapping[str, str]) -> str:
    """What a provider that nobody has tried computes in."""
    return "the provider's choice"


# -- OpenVINO ----------------------------------------------------------------------------------------------------------

HARDWARE = DeviceOption("hardware", ("cpu", "gpu", "npu"), "it is there on each machine that OpenVINO takes")
PRECISION = DeviceOption("precision", ("f32", "bf16", "f16"),
                         "on a processor with AMX OpenVINO takes bf16 by itself, whose 8 bits are not what was proved")  # fmt: skip


def list_openvino(settings: Mapping[str, str], threads: int | None) -> tuple[Any, ...]:
    """OpenVINO's options travel as one text of JSON, by hardware. Its threads are its own: onnxruntime's number means nothing to it."""
    config = {"INFERENCE_PRECISION_HINT": settings["precision"]}
    if threads and settings["hardware"] == "cpu":
        config["INFERENCE_NUM_THREADS"] = str(threads)
    return ((OPENVINO.provider, {"load_config": json.dumps({settings["hardware"].upper(): config})}),)


def find_openvino_refusal(settings: Mapping[str, str]) -> Trouble:
    """Why OpenVINO cannot be used as `settings` ask: no such hardware, or none that computes in that precision.

    It would take another precision and say nothing.
    """
    found = register_plugin(OPENVINO.package, OPENVINO.provider)
    there = [kind_of(each) for each in found]
    if settings["hardware"] not in there:
        return Trouble(f"OpenVINO finds no {settings['hardware']} here", write_option("hardware", there[0]))
    (device,) = pick_devices(OPENVINO, settings)
    can = str(device.ep_metadata.get("OPTIMIZATION_CAPABILITIES", "")).split()
    name = device.ep_metadata.get("FULL_DEVICE_NAME", settings["hardware"])
    if can and CAPABILITIES[settings["precision"]] not in can:
        has = [precision for precision, word in CAPABILITIES.items() if word in can]
        return Trouble(f"OpenVINO does not compute in {settings['precision']} on this {settings['hardware']} ({name})",
                       write_option("precision", has[0] if has else "f32"))  # fmt: skip
    return Trouble()


def mlx_trouble() -> Trouble:
    """Why MLX cannot be used: it is for Apple's own processors."""
    if (sys.platform, machine()) != ("darwin", "arm64"):
        return Trouble("MLX runs on macOS with Apple silicon only", "run on the device cpu")
    return find_plugin_trouble(MLX.package, MLX.provider, "it needs macOS 14 or newer")


def rtx_trouble() -> Trouble:
    """Why TensorRT for RTX cannot be used: no driver, or what its plugin says."""
    missing = missing_driver()
    return (
        missing
        if missing.cause
        else find_plugin_trouble(RTX.package, RTX.provider, "it takes NVIDIA RTX GPUs from Ampere on")
    )


OPENVINO: Device = Device(
    "openvino",
    "OpenVINOExecutionProvider",
    "Intel's processors, GPUs and NPUs, by OpenVINO",
    "the package onnxruntime-ep-openvino, onnxruntime 1.23 or newer, Linux or Windows on x86-64",
    lambda: find_plugin_trouble(OPENVINO.package, OPENVINO.provider,
                                "OpenVINO's plugin takes Intel's devices only: run on the device cpu"),
    list_openvino,
    (PRECISION, HARDWARE, CPU_NODES),
    lambda settings: settings["precision"],
    package="onnxruntime-ep-openvino",
    find_refusal=find_openvino_refusal,
    tried="processors, by archc's tests",
)  # fmt: skip
RTX: Device = Device(
    "nv-tensorrt-rtx",
    "NvTensorRTRTXExecutionProvider",
    "an NVIDIA RTX GPU, by TensorRT for RTX",
    "the package onnxruntime-ep-nv-tensorrt-rtx, onnxruntime 1.24 or newer, an NVIDIA driver",
    lambda: rtx_trouble(),
    partial(list_own, "NvTensorRTRTXExecutionProvider"),
    (CPU_NODES,),
    leave_precision,
    package="onnxruntime-ep-nv-tensorrt-rtx",
    is_nvidia=True,
)
WEBGPU: Device = Device(
    "webgpu",
    "WebGpuExecutionProvider",
    "a GPU, by WebGPU",
    "the package onnxruntime-ep-webgpu, onnxruntime 1.24.4 or newer; on Linux libvulkan.so.1 and a Vulkan driver",
    lambda: find_plugin_trouble(
        WEBGPU.package, WEBGPU.provider, "on Linux: apt-get install libvulkan1, and the GPU's Vulkan driver"
    ),
    partial(list_own, "WebGpuExecutionProvider"),
    (CPU_NODES,),
    leave_precision,
    package="onnxruntime-ep-webgpu",
)
MLX: Device = Device(
    "mlx",
    "MLXExecutionProvider",
    "Apple silicon, by MLX",
    "the package onnxruntime-ep-mlx, onnxruntime 1.31 or newer, macOS 14 or newer",
    lambda: mlx_trouble(),
    partial(list_own, "MLXExecutionProvider"),
    (CPU_NODES,),
    leave_precision,
    package="onnxruntime-ep-mlx",
)
