"""Where a model runs. CUDA that was asked for and does not work is an error with its cause, never a silent CPU.

onnxruntime lists CUDA when its wheel has it and falls back without an exception, so the driver and the libraries are
tried here first, and a session is believed only when it says itself that CUDA is its first provider.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import sys
from typing import Any, NamedTuple

from .faults import RuntimeFault

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
    """The device that was taken, its providers with options, and why."""

    device: str
    providers: tuple[Any, ...]
    reason: str


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def cuda_major() -> int | None:
    """The CUDA that this onnxruntime is built for; None where its wheel has none or does not say."""
    import onnxruntime

    version = str(getattr(onnxruntime, "cuda_version", "") or "")
    head = version.split(".")[0]
    return int(head) if head.isdigit() else None


def missing_libraries() -> list[str]:
    """CUDA's libraries that do not load, after those of torch and of the nvidia wheels were tried."""
    import onnxruntime

    # preload_dlls prints what it could not load, and stdout is the answer's
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    wanted = LIBRARIES.get(cuda_major() or 0, ()) if sys.platform == "linux" else ()
    return [name for name in wanted if not loads(name)]


def driver_trouble() -> tuple[str, str]:
    """Why the driver cannot be used, and what to do; empty where it can. Asks the driver itself, and holds no memory."""
    if not loads(DRIVER):
        return (
            f"no NVIDIA driver is here: {DRIVER} does not load",
            "run on a machine with an NVIDIA GPU and its driver, or use --device cpu",
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


def trouble(device: str) -> tuple[str, str]:
    """Why `device` cannot be used, and what to do; empty where it can."""
    import onnxruntime

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
    if device == "tensorrt" and sys.platform == "linux" and not loads(TENSORRT):
        return f"TensorRT's library does not load: {TENSORRT}", "install TensorRT 10, or use --device cuda"
    return "", ""


def choose(device: str) -> DeviceChoice:
    """The providers for a device. Raises RuntimeFault (environment) where one that was named cannot be had."""
    if device not in ("auto", *PROVIDERS):
        raise RuntimeFault("device-unavailable", f"there is no device `{device}`", "auto, cuda, tensorrt or cpu", 2)
    cpu = DeviceChoice("cpu", (PROVIDERS["cpu"],), "asked for")
    if device == "cpu":
        return cpu
    wanted = "cuda" if device == "auto" else device
    why, fix = trouble(wanted)
    if not why:
        options = (PROVIDERS["cuda"], CUDA_OPTIONS)
        providers = (options,) if wanted == "cuda" else (PROVIDERS["tensorrt"], options)
        return DeviceChoice(wanted, providers, "asked for" if device != "auto" else "a CUDA device works")
    if device == "auto":
        return cpu._replace(reason=why)
    raise RuntimeFault("device-unavailable", f"--device {device} cannot be used: {why}", fix, 3)
