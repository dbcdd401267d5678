"""Where a model runs. CUDA that was asked for and does not work is an error with its cause, never a silent CPU.

onnxruntime lists CUDA when its wheel has it and falls back without an exception, so the libraries are tried here first,
and a session is believed only when it says itself that CUDA is its first provider.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any, NamedTuple

from .faults import RuntimeFault

DRIVER = "libcuda.so.1"
LIBRARIES = (
    "libcudart.so.13",
    "libcublas.so.13",
    "libcublasLt.so.13",
    "libcudnn.so.9",
    "libcufft.so.12",
    "libcurand.so.10",
)
PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider", "cpu": "CPUExecutionProvider"}
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}


class Choice(NamedTuple):
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


def trouble(device: str) -> tuple[str, str]:
    """Why `device` cannot be used, and what to do; empty where it can."""
    import onnxruntime

    wanted = PROVIDERS[device]
    if wanted not in onnxruntime.get_available_providers():
        return (
            f"this onnxruntime ({onnxruntime.__version__}) is built without {wanted}",
            "pip install onnxruntime-gpu, with no onnxruntime beside it",
        )
    if not loads(DRIVER):
        return (
            f"no NVIDIA driver is here: {DRIVER} does not load",
            "run on a machine with an NVIDIA GPU and its driver, or use --device cpu",
        )
    with contextlib.suppress(Exception):
        onnxruntime.preload_dlls()
    missing = [name for name in LIBRARIES if not loads(name)]
    if missing:
        return f"CUDA's libraries do not load: {', '.join(missing)}", "pip install 'onnxruntime-gpu[cuda,cudnn]'"
    return "", ""


def choose(device: str) -> Choice:
    """The providers for a device. Raises RuntimeFault (environment) where one that was named cannot be had."""
    cpu = Choice("cpu", (PROVIDERS["cpu"],), "asked for")
    if device == "cpu":
        return cpu
    wanted = "cuda" if device == "auto" else device
    why, fix = trouble(wanted)
    if not why:
        options = (PROVIDERS["cuda"], CUDA_OPTIONS)
        providers = (options,) if wanted == "cuda" else (PROVIDERS["tensorrt"], options)
        return Choice(wanted, providers, "asked for" if device != "auto" else "a CUDA device works")
    if device == "auto":
        return cpu._replace(reason=why)
    raise RuntimeFault("device-unavailable", f"--device {device} cannot be used: {why}", fix, 3)
