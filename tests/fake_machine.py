"""A machine for the doctor: a folder of packages that are not what they say, and shared libraries of a few bytes."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ONNXRUNTIME = """
__version__ = version = "1.20.0"
cuda_version = {cuda!r}
class InferenceSession: pass
def get_available_providers(): return ["CUDAExecutionProvider", "CPUExecutionProvider"]
def preload_dlls(): print("noise")
"""
DRIVER = """
int cuInit(unsigned flags) {{ return {status}; }}
int cuDeviceGetCount(int *count) {{ *count = 1; return 0; }}
int cuDriverGetVersion(int *version) {{ *version = {version}; return 0; }}
"""


class Machine:
    """Two folders: `packages` comes before all others where Python looks, `libraries` where the loader does."""

    def __init__(self, folder: Path) -> None:
        self.packages, self.libraries, self.work = (folder / name for name in ("packages", "libraries", "work"))
        for each in (self.packages, self.libraries, self.work):
            each.mkdir()
        self.variables: dict[str, str] = {}
        # sound, but quick to import
        self.add_package("torch", "class Tensor: pass")
        self.add_package("onnx", "checker = None")

    def add_package(self, module: str, text: str) -> Path:
        """A package with this `__init__.py`."""
        (self.packages / module).mkdir(exist_ok=True)
        (self.packages / module / "__init__.py").write_text(text, "utf-8")
        return self.packages / module

    def add_distribution(self, name: str, version: str, module: str = "", lines: Sequence[str] = ()) -> None:
        """The notes of an installed distribution that holds `module`."""
        folder = self.packages / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, ""])
        )
        (folder / "top_level.txt").write_text(module + "\n")

    def add_onnxruntime(self, cuda: str, needed: Sequence[str], tensorrt: Sequence[str] = ()) -> None:
        """An onnxruntime whose providers ask the loader for the libraries `needed` and `tensorrt`."""
        package = self.add_package("onnxruntime", ONNXRUNTIME.format(cuda=cuda))
        (package / "capi").mkdir(exist_ok=True)
        write_library(package / "capi" / "libonnxruntime_providers_cuda.so", needed)
        if tensorrt:
            write_library(package / "capi" / "libonnxruntime_providers_tensorrt.so", tensorrt)

    def add_library(self, name: str) -> None:
        """A library that loads."""
        compile_library(self.libraries / name, "int nothing;")

    def add_driver(self, version: int, status: int = 0) -> None:
        """NVIDIA's driver for CUDA `version`, which counts by thousands; with `status` it finds no GPU."""
        compile_library(self.libraries / "libcuda.so.1", DRIVER.format(version=version, status=status))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs archc there."""
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("CUDA_", "TMPDIR", "ARCHC_"))
        }
        environment |= {"PYTHONPATH": str(self.packages), "LD_LIBRARY_PATH": str(self.libraries), **self.variables}
        return subprocess.run(
            [sys.executable, "-m", "archc", *words],
            cwd=self.work,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )

    def examine(self) -> tuple[dict[str, dict[str, Any]], int]:
        """The findings of `archc doctor` by name, and its exit code."""
        done = self.run("doctor", "--format", "json")
        assert not done.stderr, done.stderr
        return {each["name"]: each for each in json.loads(done.stdout)["findings"]}, done.returncode


def compile_library(path: Path, text: str) -> None:
    """A shared library of C."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler
    subprocess.run([compiler, "-shared", "-fPIC", "-x", "c", "-o", str(path), "-"], input=text.encode(), check=True)


def write_library(path: Path, needed: Sequence[str]) -> None:
    """An ELF file of 64 bits with a dynamic section that asks for `needed`, and nothing else.

    Its segment is loaded at an address that is not its place in the file, as in a real one.
    """
    address, offset = 0x400000, 64 + 2 * 56
    texts, entries = b"\0", b""
    for name in needed:
        entries += struct.pack("<QQ", 1, len(texts))
        texts += name.encode() + b"\0"
    table = offset + len(entries) + 32
    entries += struct.pack("<QQQQ", 5, address + table, 0, 0)
    size = table + len(texts)
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 4096)
    dynamic = struct.pack("<IIQQQQQQ", 2, 6, offset, address + offset, address + offset, len(entries), len(entries), 8)
    path.write_bytes(head + load + dynamic + entries + texts)
