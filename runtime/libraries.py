"""Shared libraries: which ones onnxruntime's providers ask the loader for, by the names in their own files, and where such files are."""

from __future__ import annotations

import ctypes
import glob
import os
import re
import struct
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
NVIDIA = re.compile(r"lib(cu|nv)\w+\.so\.\d+")
# asked for when the first convolution runs, so that a provider's file does not always name it
CUDNN = "libcudnn.so.9"
SYSTEM_FOLDERS = ("/usr/local/cuda*/lib64", "/usr/local/cuda*/lib", "/usr/local/cuda*/targets/*/lib", "/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib",
                  "/lib/*-linux-gnu", "/lib64", "/usr/local/lib", "/opt/*/lib")  # fmt: skip
# inside a folder of Python packages
WHEEL_FOLDERS = ("nvidia/*/lib", "nvidia/*/lib/*-linux-gnu", "torch/lib", "tensorrt_libs", "tensorrt*_libs")
LOAD, DYNAMIC = 1, 2
NEEDED, STRING_TABLE = 1, 5
MAX_ENTRIES = 4096


def can_load(library: str) -> bool:
    """Whether a shared library loads, with all that it needs."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def wanted_libraries(device: str) -> tuple[str, ...]:
    """NVIDIA's libraries that onnxruntime's provider for `device` (cuda or tensorrt) loads, without the driver's own.

    They are read from the provider's file. None where there is no such file, as on Windows or in the wheel for the CPU.
    """
    needed = provider_needs(device)
    if device == "tensorrt":
        return tuple(name for name in needed if name.startswith("libnv"))
    if not needed or any(name.startswith("libcudnn.") for name in needed):
        return needed
    cudnn = [name for name in provider_needs("tensorrt") if name.startswith("libcudnn.")]
    return (*needed, *(cudnn or [CUDNN]))


def provider_needs(device: str) -> tuple[str, ...]:
    """NVIDIA's libraries that the file of a provider names, without the driver's own; none where there is no such file."""
    try:
        package = find_spec("onnxruntime")
    except (ImportError, ValueError):
        package = None
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder) / "capi" / f"libonnxruntime_providers_{device}.so"
        if path.is_file():
            try:
                return tuple(name for name in read_needed(path) if NVIDIA.fullmatch(name) and name != DRIVER)
            except (OSError, ValueError):
                return ()
    return ()


def cuda_major_wanted() -> int | None:
    """The major version of CUDA that onnxruntime is built for, from the name of CUDA's runtime; None where it is built without."""
    found = next((name for name in wanted_libraries("cuda") if name.startswith("libcudart.so.")), "")
    return int(found.rpartition(".")[2]) if found else None


def read_needed(path: Path) -> tuple[str, ...]:
    """The libraries that an ELF file asks the loader for (DT_NEEDED), in their order. Raises ValueError for what is no such file."""
    with path.open("rb") as file:
        try:
            return tuple(needed_names(file))
        except struct.error as error:
            raise ValueError(f"{path} is cut off") from error


def needed_names(file: BinaryIO) -> Iterator[str]:
    """The names, from the header over the segments and the dynamic section to the table of texts."""
    head = file.read(64)
    if head[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no ELF file of 64 bits, lowest byte first")
    start, size, count = *struct.unpack_from("<Q", head, 32), *struct.unpack_from("<HH", head, 54)
    segments = []
    for at in range(min(count, MAX_ENTRIES)):
        file.seek(start + at * size)
        kind, _, offset, address, _, length = struct.unpack("<IIQQQQ", file.read(40))
        segments.append((kind, offset, address, length))
    entries: list[tuple[int, int]] = []
    for _, offset, _, length in (each for each in segments if each[0] == DYNAMIC):
        file.seek(offset)
        entries += list(struct.iter_unpack("<QQ", file.read(min(length, MAX_ENTRIES * 16) // 16 * 16)))
    table = next((value for tag, value in entries if tag == STRING_TABLE), 0)
    texts = next((offset + table - address for kind, offset, address, length in segments
                  if kind == LOAD and address <= table < address + length), table)  # fmt: skip
    for tag, value in entries:
        if tag == NEEDED:
            file.seek(texts + value)
            yield file.read(256).partition(b"\0")[0].decode("ascii", "replace")


def other_versions(library: str) -> list[Path]:
    """Files of the same library, as the loader or a wheel would have it, of whatever version: libcudnn.so.8 for libcudnn.so.9."""
    stem = library[: library.index(".so") + 3]
    named = re.compile(re.escape(stem) + r"\.\d+")
    found = {path for folder in library_folders() for path in files_in(folder) if named.fullmatch(path.name)}
    return sorted(found)


def files_in(folder: Path) -> Sequence[Path]:
    """What lies in a folder; nothing where it cannot be read."""
    try:
        return [*folder.iterdir()]
    except OSError:
        return []


def library_folders() -> list[Path]:
    """Where libraries may be: LD_LIBRARY_PATH, Python packages that bring them, and the system's folders. Each once."""
    found = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    for packages in sys.path:
        if packages and os.path.isdir(packages):
            found += [
                each for pattern in WHEEL_FOLDERS for each in glob.glob(os.path.join(glob.escape(packages), pattern))
            ]
    found += [each for pattern in SYSTEM_FOLDERS for each in glob.glob(pattern)]
    return [*dict.fromkeys(Path(os.path.realpath(each)) for each in found)]
