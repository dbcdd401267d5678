"""Where a model runs. If the user asks for CUDA and it does not work, that is an error with its cause; it never runs on the CPU
instead.

onnxruntime lists CUDA whenever its wheel has it, and falls back to the CPU without an exception. So the driver and the libraries
are tried here first, and a session counts as on CUDA only if it has CUDA as its first provider.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import sys
from typing import Any, NamedTuple

from .faults import RuntimeFault
from .packages import import_package

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
# by the major version of CUDA that onnxruntime is built for
LIBRARIES = {
    12: ("libcudart.so.12", "libcublas.so.12", "libcublasLt.so.12", "libcudnn.so.9", "libcufft.so.11", "libcurand.so.10"),
    13: ("libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcudnn.so.9", "libcufft.so.12", "libcurand.so.10"),
}  # fmt: skip
TENSORRT = "libnvinfer.so.10"
PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider", "cpu": "CPUExecutionProvider"}
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}


class DeviceChoice(NamedTuple):
    """The device to run on, its providers with their options, and the reason for this device."""

    device: str
    providers: tuple[Any, ...]
    reason: str


def can_load(library: str) -> bool:
    """Whether a shared library loads, with all that it needs."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def cuda_major() -> int | None:
    """The major version of CUDA that this onnxruntime is built for; None where it is built without, or does not say."""
    onnxruntime = import_package("onnxruntime")
    version = str(getattr(onnxruntime, "cuda_version", "") or "")
    head = version.split(".")[0]
    return int(head) if head.isdigit() else None


def missing_libraries() -> list[str]:
    """The CUDA libraries that do not load. Those of torch and of the nvidia wheels are loaded first, if they are installed."""
    onnxruntime = import_package("onnxruntime")
    # preload_dlls prints what it could not load, and stdout is the answer's
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    wanted = LIBRARIES.get(cuda_major() or 0, ()) if sys.platform == "linux" else ()
    return [name for name in wanted if not can_load(name)]


def driver_trouble() -> tuple[str, str]:
    """Why the NVIDIA driver cannot be used, and what to do; two empty texts where it can. It takes no memory on the GPU."""
    if not can_load(DRIVER):
        return (
            f"no NVIDIA driver is here: {DRIVER} does not load",
            "run on a machine with an NVIDIA GPU and its driver, or on the device cpu",
        )
    driver = ctypes.CDLL(DRIVER)
    count, version = ctypes.c_int(0), ctypes.c_int(0)
    status = driver.cuInit(0)
    if status or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return (
            f"the NVIDIA driver is here, but finds no GPU that it can use (cuInit says {status})",
            "nvidia-smi says why",
        )
    major = cuda_major()
    if major and not driver.cuDriverGetVersion(ctypes.byref(version)) and version.value // 1000 < major:
        return (
            f"the NVIDIA driver is for CUDA {version.value // 1000}, onnxruntime is built for CUDA {major}",
            "update the driver, or install an onnxruntime-gpu for the CUDA it has",
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
        return f"CUDA's libraries do not load: {', '.join(missing)}", "pip install 'onnxruntime-gpu[cuda,cudnn]'"
    if device == "tensorrt" and sys.platform == "linux" and not can_load(TENSORRT):
        return f"TensorRT's library does not load: {TENSORRT}", "install TensorRT 10, or run on the device cuda"
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
        return cpu._replace(reason=why)
    raise RuntimeFault("device-unavailable", f"the device {device} cannot be used: {why}", fix, 3)
