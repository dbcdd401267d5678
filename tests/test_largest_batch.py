"""A batch that does not fit in memory: the fault names the largest one that does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archc
from archc.runtime import Session
from archc.runtime.inference import lacks_memory
from archc.runtime.largest_batch import find_largest_batch

from .session_calls import fault
from .worker_process import linux

SPEC = """archspec: 1
name: net
input: {image: [3, 8, 8]}
graph: [conv: 4, relu, global_avg_pool, {name: fc, linear: 5}]
"""
# a net that needs much more memory for an image than the image has
WIDE = SPEC.replace("[3, 8, 8]", "[3, 64, 64]").replace("conv: 4", "conv: {out: 128, kernel: 3, padding: 1}")
CHILD = """
import resource, sys
import numpy as np
from archc.runtime import RuntimeFault, Session
session = Session("net.onnx", device="cpu", threads=1)
images = np.zeros((256, 3, 64, 64), np.float32)
session.run(images[:1])
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 112 * 2**20,) * 2)
try:
    session.run(images)
except RuntimeFault as fault:
    print(fault.code, fault.exit_code, fault.message, fault.help, sep="|")
    if "largest" in fault.message:
        session.run(images[:int(fault.message.split()[-1])])
        print("runs")
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    (tmp_path / "net.yaml").write_text(SPEC, "utf-8")
    archc.load(tmp_path / "net.yaml").export_onnx(tmp_path / "net.onnx", proof="none")
    return Session(tmp_path / "net.onnx", device="cpu", threads=1)


@pytest.mark.parametrize("asked", [1, 2, 3, 7, 64, 100, 1000, 65536])
def test_the_largest_is_found_in_few_tries(asked: int) -> None:
    for limit in {0, 1, 2, 5, asked // 3, asked // 2, asked - 1}:
        if limit >= asked:
            continue
        tries: list[int] = []

        def fits(size: int, limit: int = limit, tries: list[int] = tries) -> bool:
            assert 0 < size < asked
            tries.append(size)
            return size <= limit

        assert find_largest_batch(fits, asked) == limit
        assert len(tries) <= 2 * asked.bit_length() and len(set(tries)) == len(tries)


LACKING = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Available memory of 0 is smaller than requested bytes; "
    "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 822083584"
)
# as an H100 said it of a map of 700 × 1024 × 224 × 224
TOO_LARGE = (
    "Error in execution: Non-zero status code returned while running Conv node. Name:'first' Status Message: CUDNN failure 3000: "
    "CUDNN_STATUS_NOT_SUPPORTED ; GPU=0 ; hostname=vm ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cudnn_common.cc ; line=82 ; "
    "expr=cudnnSetTensorNdDescriptor(tensor_, dataType, static_cast<int>(rank), dims.data(), strides.data());"
)


class Small:
    """A session whose device has memory for some rows only; how it says that is onnxruntime's own words for it."""

    def __init__(self, session: Any, rows: int, words: str = LACKING) -> None:
        self.session, self.rows, self.words = session, rows, words

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, names: Any, arrays: Any) -> Any:
        if len(next(iter(arrays.values()))) > self.rows:
            raise RuntimeError(self.words)
        return self.session.run(names, arrays)


@pytest.mark.parametrize(
    ("rows", "said", "help"),
    [
        (37, "with a batch of 100; the largest that fits is 37", "--batch 37, or batch=37 in Python"),
        (1, "with a batch of 100; the largest that fits is 1", "--batch 1"),
        (0, "with a batch of 100, nor then with a batch of 1", "--batch 1, or batch=1 in Python"),
    ],
)
def test_a_device_of_little_memory(session: Session, rows: int, said: str, help: str) -> None:
    session.session.session = Small(session.session.session, rows)  # type: ignore[union-attr]
    found = fault(session.run, np.zeros((100, 3, 8, 8), np.float32))
    assert (found.code, found.exit_code) == ("out-of-memory", 3)
    assert said in found.message and help in found.help
    # and pictures, which are batched by us
    photos = np.zeros((100, 8, 8, 3), np.uint8)
    assert said in fault(session.classify, photos, batch=100).message
    if rows:
        assert len(session.classify(photos, batch=rows)) == 100


def test_a_tensor_of_too_many_numbers(session: Session) -> None:
    session.session.session = Small(session.session.session, 37, TOO_LARGE)  # type: ignore[union-attr]
    found = fault(session.run, np.zeros((100, 3, 8, 8), np.float32))
    assert (found.code, found.exit_code) == ("out-of-memory", 3)
    assert found.message == (
        "cuDNN takes no tensor of 2,147,483,648 numbers or more, and net on cpu makes one with a batch of 100; the largest that fits is 37"
    )
    assert "memory" not in found.message and "--batch 37" in found.help


def test_a_model_of_one_batch_has_no_smaller_one(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(SPEC, "utf-8")
    archc.load(tmp_path / "net.yaml").export_onnx(tmp_path / "net.onnx", proof="none", batch=8)
    session = Session(tmp_path / "net.onnx", device="cpu", threads=1)
    session.session.session = Small(session.session.session, 4)  # type: ignore[union-attr]
    found = fault(session.run, np.zeros((8, 3, 8, 8), np.float32))
    assert found.code == "out-of-memory" and "largest" not in found.message


@pytest.mark.parametrize(
    ("message", "lacking"),
    [
        ("CUDA failure 2: out of memory ; GPU=0", True),
        ("CUDNN_STATUS_ALLOC_FAILED", True),
        ("CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", True),
        ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED", True),
        ("std::bad_alloc", True),
        ("[GPU] clEnqueue failed: CL_OUT_OF_DEVICE_MEMORY", True),
        ("VK_ERROR_OUT_OF_HOST_MEMORY", True),
        ("CUDNN failure 8: CUDNN_STATUS_EXECUTION_FAILED", False),
        ("Got: 4 Expected: 3", False),
        ("CUDNN failure 3000: CUDNN_STATUS_NOT_SUPPORTED ; expr=cudnnConvolutionForward(", False),
    ],
)
def test_what_says_that_memory_is_lacking(message: str, lacking: bool) -> None:
    assert lacks_memory(RuntimeError(message)) is lacking


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    "allocator",
    [{}, {"MALLOC_TRIM_THRESHOLD_": "1000000000"}, {"MALLOC_MMAP_MAX_": "0"}, {"MALLOC_ARENA_MAX": "1"}],
    ids=str,
)
def test_a_process_of_little_memory(allocator: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(WIDE, "utf-8")
    archc.load(tmp_path / "net.yaml").export_onnx(tmp_path / "net.onnx", proof="none")
    # numpy's own threads would take a part of the memory, how large a part depends on what else runs
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **allocator}
    command = [sys.executable, "-W", "ignore", "-c", CHILD]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told, *runs = done.stdout.splitlines()
    assert told.startswith("out-of-memory|3|there is not enough memory to run net on cpu with a batch of 256")
    if not runs:
        assert "nor then with a batch of 1" in told
        return
    # 2 MiB an image behind the convolution, in 112 MiB less what libraries take for themselves. How much less differs by CPU
    assert runs == ["runs"] and 1 <= int(told.split("|")[2].split()[-1]) <= 56
