"""NVIDIA's GPUs, by the providers in onnxruntime's own wheel: CUDA and TensorRT.

onnxruntime lists CUDA whenever its wheel has it, and falls back to the CPU without an exception. So the driver and the libraries
are tried here first, and a session counts as on CUDA only if it has CUDA as its first provider.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
from collections.abc import Mapping
from typing import Any

from ..libraries import DRIVER, can_load, cuda_major_wanted, wanted_libraries
from ..packages import ONNXRUNTIME_WHEELS, import_package, requirement_of
from ..pip import extra_command, replace_command
from .device import CPU_NODES, Device, DeviceOption, Trouble

CUDA_PROVIDER, TENSORRT_PROVIDER = "CUDAExecutionProvider", "TensorrtExecutionProvider"
INDEX = DeviceOption("index", ("0",), "the first GPU; nvidia-smi counts them", counts=True)
TF32 = DeviceOption(
    "tf32", ("off", "on"), "it rounds the inputs of products to 10 bits: not what a proof to 1e-4 allows"
)
SEARCH = DeviceOption("search", ("heuristic", "exhaustive", "default"),
                      "as fast as exhaustive in steady state, and far faster on a shape's first run")  # fmt: skip
NHWC = DeviceOption(
    "nhwc",
    ("off", "on"),
    "it pays in tf32 and in half floats (docs/explanation/performance.md); in f32 it was not measured",
)

# CUDA has no kernel for biases of 32-bit integers, and none that multiplies 8-bit ones: what of an int8 file does not change from run to run
# becomes float32 when it is opened, and its activations are rounded as on the CPU
WITHOUT_INT8_PRODUCTS = {"session.disable_quant_qdq": "1"}


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


def missing_driver() -> Trouble:
    """What is wrong where the NVIDIA driver is not here; no trouble where it is."""
    if can_load(DRIVER):
        return Trouble()
    return Trouble(
        f"no NVIDIA driver is here: {DRIVER} does not load",
        "run on a machine with an NVIDIA GPU and its driver, or on the device cpu",
    )


def driver_trouble() -> Trouble:
    """Why the NVIDIA driver cannot be used, and what to do. It takes no memory on the GPU."""
    missing = missing_driver()
    if missing.cause:
        return missing
    driver = ctypes.CDLL(DRIVER)
    count, version = ctypes.c_int(0), ctypes.c_int(0)
    major = cuda_major()
    if major and not driver.cuDriverGetVersion(ctypes.byref(version)) and version.value // 1000 < major:
        return Trouble(
            f"the NVIDIA driver is for CUDA {version.value // 1000}.{version.value % 1000 // 10}, onnxruntime is built for CUDA {major}",
            "update the driver, or install an onnxruntime-gpu for the CUDA it has",
        )
    status = driver.cuInit(0)
    if status or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return Trouble(
            f"the NVIDIA driver is here, but finds no GPU that it can use (cuInit says {status})",
            "nvidia-smi says why",
        )
    return Trouble()


def cuda_trouble(provider: str = CUDA_PROVIDER) -> Trouble:
    """Why CUDA cannot be used: the wheel has no `provider`, or the driver or CUDA's libraries are not here."""
    onnxruntime = import_package("onnxruntime")
    if provider not in onnxruntime.get_available_providers():
        return Trouble(
            f"this onnxruntime ({onnxruntime.__version__}) is built without {provider}",
            replace_command(ONNXRUNTIME_WHEELS, requirement_of("onnxruntime-gpu")),
        )
    found = driver_trouble()
    if found.cause:
        return found
    missing = missing_libraries()
    if missing:
        return Trouble(f"CUDA's libraries do not load: {', '.join(missing)}", extra_command("cuda"))
    return Trouble()


def tensorrt_trouble() -> Trouble:
    """Why TensorRT cannot be used: what CUDA needs, and its own libraries."""
    found = cuda_trouble(TENSORRT_PROVIDER)
    missing = [] if found.cause else [name for name in wanted_libraries("tensorrt") if not can_load(name)]
    if missing:
        return Trouble(
            f"TensorRT's libraries do not load: {', '.join(missing)}",
            "archc doctor says how, or run on the device cuda",
        )
    return found


def cuda_options(settings: Mapping[str, str]) -> dict[str, str]:
    """The CUDA provider's options, as onnxruntime calls them."""
    switch = {"off": "0", "on": "1"}
    return {
        "device_id": settings["index"],
        "cudnn_conv_algo_search": settings["search"].upper(),
        "use_tf32": switch[settings["tf32"]],
        "prefer_nhwc": switch[settings["nhwc"]],
    }


def list_cuda(settings: Mapping[str, str], threads: int | None) -> tuple[Any, ...]:
    """CUDA with its options; the threads are the CPU's."""
    return ((CUDA_PROVIDER, cuda_options(settings)),)


def list_tensorrt(settings: Mapping[str, str], threads: int | None) -> tuple[Any, ...]:
    """TensorRT, with CUDA for the nodes that it leaves: both are the GPU."""
    cuda = {option.name: option.default for option in CUDA.options} | {"index": settings["index"]}
    own = {"device_id": settings["index"], "trt_fp16_enable": "1" if settings["precision"] == "f16" else "0"}
    return ((TENSORRT_PROVIDER, own), (CUDA_PROVIDER, cuda_options(cuda)))


def name_tensorrt_precision(settings: Mapping[str, str]) -> str:
    """TensorRT takes TF32 for f32 on its own, unless NVIDIA's variable forbids it to all of its libraries."""
    tf32 = settings["precision"] == "f32" and os.environ.get("NVIDIA_TF32_OVERRIDE") != "0"
    return "tf32" if tf32 else settings["precision"]


CUDA = Device(
    "cuda",
    CUDA_PROVIDER,
    "an NVIDIA GPU, by onnxruntime's CUDA provider",
    "onnxruntime-gpu, an NVIDIA driver, and the libraries of CUDA and cuDNN",
    lambda: cuda_trouble(),
    list_cuda,
    (INDEX, TF32, SEARCH, NHWC, CPU_NODES),
    lambda settings: "tf32" if settings["tf32"] == "on" else "f32",
    tried="an H100 (docs/explanation/performance.md); no GPU in the tests",
    memory="cuda",
    arena="gpu:{index}",
    is_nvidia=True,
    session=WITHOUT_INT8_PRODUCTS,
)
TENSORRT = Device(
    "tensorrt",
    TENSORRT_PROVIDER,
    "an NVIDIA GPU, by TensorRT; what it leaves runs on CUDA",
    "what cuda needs, and TensorRT's libraries",
    lambda: tensorrt_trouble(),
    list_tensorrt,
    (INDEX, DeviceOption("precision", ("f32", "f16"), "what the file says; f16 is faster and less exact"), CPU_NODES),
    name_tensorrt_precision,
    cannot_run={"int8": "TensorRT takes signed symmetric activations only, and archc's int8 files have unsigned ones"},
    # as CUDA calls them, which allocates for both
    memory=CUDA.memory,
    arena=CUDA.arena,
    is_nvidia=True,
)
CUDA_OPTIONS = cuda_options({option.name: option.default for option in CUDA.options})
