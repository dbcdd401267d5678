"""Where a model runs. If the user asks for CUDA and it does not work, that is an error with its cause; it never runs on the CPU
instead.

onnxruntime lists CUDA whenever its wheel has it, and falls back to the CPU without an exception. So the driver and the libraries
are tried here first, and a session counts as on CUDA only if it has CUDA as its first provider.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
from typing import Any, NamedTuple

from .faults import RuntimeFault
from .libraries import DRIVER, can_load, cuda_major_wanted, wanted_libraries
from .packages import OURS, import_package

PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider", "cpu": "CPUExecutionProvider"}
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}


class DeviceChoice(NamedTuple):
    """The device to run on, its providers with their options, and the reason for this device.

    `gpu_unusable` says that a GPU seems to be here, and that `auto` could not take it: then the reason is worth a person's time.
    """

    device: str
    providers: tuple[Any, ...]
    reason: str
    gpu_unusable: bool = False


def cuda_major() -> int | None:
    """The major version of CUDA that this onnxruntime is built for; None where it is built without, or does not say."""
    onnxruntime = import_package("onnxruntime")
    head = str(getattr(onnxruntime, "cuda_version", "") or "").split(".")[0]
    return int(head) if head.isdigit() else cuda_major_wanted()


def missing_libraries() -> list[str]:
    """The CUDA libraries that do not load. Those of torch and of the nvidia wheels are loaded first, if they are installed."""
    onnxruntime = import_package("onnxruntime")
    # preload_dlls prints what it could not load, and stdout is the answer's
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    return [name for name in wanted_libraries("cuda") if not can_load(name)]


def driver_trouble() -> tuple[str, str]:
    """Why the NVIDIA driver cannot be used, and what to do; two empty texts where it can. It takes no memory on the GPU."""
    if not can_load(DRIVER):
        return (
            f"no NVIDIA driver is here: {DRIVER} does not load",
            "run on a machine with an NVIDIA GPU and its driver, or on the device cpu",
        )
    driver = ctypes.CDLL(DRIVER)
    count, version = ctypes.c_int(0), ctypes.c_int(0)
    major = cuda_major()
    if major and not driver.cuDriverGetVersion(ctypes.byref(version)) and version.value // 1000 < major:
        return (
            f"the NVIDIA driver is for CUDA {version.value // 1000}.{version.value % 1000 // 10}, onnxruntime is built for CUDA {major}",
            "update the driver, or install an onnxruntime-gpu for the CUDA it has",
        )
    status = driver.cuInit(0)
    if status or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return (
            f"the NVIDIA driver is here, but finds no GPU that it can use (cuInit says {status})",
            "nvidia-smi says why",
        )
    return "", ""


def device_trouble(device: str) -> tuple[str, str]:
    """Why `device` (cuda or tensorrt) cannot be used, and what to do; two empty texts where it can."""
    onnxruntime = import_package("onnxruntime")
    wanted = PROVIDERS[device]
    if wanted not in onnxruntime.get_available_providers():
        return (
            f"this onnxruntime ({onnxruntime.__version__}) is built without {wanted}",
            "pip install onnxruntime-gpu, with no onnxruntime beside it",
        )
    why, fix = driver_trouble()
    if why:
        return why, fix
    missing = missing_libraries()
    if missing:
        return f"CUDA's libraries do not load: {', '.join(missing)}", f"pip install '{OURS}[cuda]'"
    missing = [name for name in wanted_libraries(device) if not can_load(name)] if device == "tensorrt" else []
    if missing:
        return (
            f"TensorRT's libraries do not load: {', '.join(missing)}",
            "archc doctor says how, or run on the device cuda",
        )
    return "", ""


def choose_device(device: str) -> DeviceChoice:
    """The device and providers for `device`; `auto` takes CUDA where it works, else the CPU.

    Raises RuntimeFault for an unknown device (usage), and where a device other than `auto` cannot be used, or onnxruntime does
    not import (environment).
    """
    if not isinstance(device, str) or device not in ("auto", *PROVIDERS):
        raise RuntimeFault("device-unavailable", f"there is no device `{device}`", "auto, cuda, tensorrt or cpu", 2)
    import_package("onnxruntime", "a session")
    cpu = DeviceChoice("cpu", (PROVIDERS["cpu"],), "asked for")
    if device == "cpu":
        return cpu
    wanted = "cuda" if device == "auto" else device
    why, fix = device_trouble(wanted)
    if not why:
        options = (PROVIDERS["cuda"], CUDA_OPTIONS)
        providers = (options,) if wanted == "cuda" else (PROVIDERS["tensorrt"], options)
        return DeviceChoice(wanted, providers, "asked for" if device != "auto" else "a CUDA device works")
    if device == "auto":
        # its driver is what shows that there is one
        return cpu._replace(reason=why, gpu_unusable=can_load(DRIVER))
    raise RuntimeFault("device-unavailable", f"the device {device} cannot be used: {why}", fix, 3)
