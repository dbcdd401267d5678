"""Arrays to calibrate with, from an .npz: their headers are checked first, then only the chosen rows are kept, in a temporary file.

numpy.load reads a whole array into memory, however large it is; here one row is there at a time.
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

from ...compiler.diagnostics import Failure, nearest
from ...compiler.ir.graph import Graph
from .split import split_inputs

MAX_HEADER = 10_000
SUFFIX = ".npy"


class ArrayInput(NamedTuple):
    """What an input takes: its name, numpy's word for its element type, and its sizes without the rows."""

    name: str
    dtype: str
    sizes: tuple[int, ...]

    def __str__(self) -> str:
        """`float32 (N, 3, 224, 224)`."""
        return f"{self.dtype} (N, {', '.join(map(str, self.sizes))})"


class Arrays:
    """Rows of arrays by the inputs' names. Only the rows that `split_inputs` chooses are there."""

    words = "row", "rows"

    def __init__(self, count: int, rows: Mapping[int, int], arrays: Mapping[str, Any]) -> None:
        """`rows` says where in `arrays` each row of the file is."""
        self.count, self.rows, self.arrays = count, rows, arrays

    def read(self, at: int) -> Mapping[str, Any]:
        """One row of each array."""
        return {name: array[self.rows[at]] for name, array in self.arrays.items()}


def open_arrays(path: Path, graph: Graph, dtype: str) -> Arrays:
    """The arrays of an .npz for the inputs of `graph`. Raises Failure `calibration-data` where they do not fit, or cannot be read."""
    inputs = {value.name: ArrayInput(value.name, dtype, tuple(value.type.sizes)) for value in graph.inputs}
    with reading(path), zipfile.ZipFile(path) as archive:
        members = {name.removesuffix(SUFFIX): name for name in archive.namelist()}
        check_names(path, members, inputs)
        counts = {name: read_count(path, archive, members[name], port) for name, port in inputs.items()}
        count, *others = counts.values()
        if any(other != count for other in others):
            rows = ", ".join(f"`{name}` has {each}" for name, each in counts.items())
            raise Failure("calibration-data", f"the arrays in `{path}` belong together row by row, and {rows}")
        split = split_inputs(count)
        chosen = sorted((*split.calibrating, *split.held_out))
        arrays = {name: keep_rows(path, archive, members[name], port, chosen) for name, port in inputs.items()}
    return Arrays(count, {row: at for at, row in enumerate(chosen)}, arrays)


def check_names(path: Path, members: Mapping[str, str], inputs: Mapping[str, ArrayInput]) -> None:
    """Raises Failure `calibration-data` unless the file has an array for each input, and no other."""
    wanted = f"the inputs: {', '.join(f'{name} {port}' for name, port in inputs.items())}"
    unknown = [name for name in members if name not in inputs]
    for name in inputs:
        if name not in members:
            near = nearest(name, unknown) or (unknown[0] if len(unknown) == 1 else "")
            hint = f"; is `{near}` meant?" if near else ""
            raise Failure("calibration-data", f"`{path}` has no array for the input `{name}`{hint}", wanted)
    if unknown:
        raise Failure("calibration-data", f"`{path}` has an array `{unknown[0]}`, and the net no such input", wanted)


def read_count(path: Path, archive: zipfile.ZipFile, member: str, port: ArrayInput) -> int:
    """The number of rows of an array. Raises Failure `calibration-data` where its header does not fit the input `port`."""
    import numpy as np

    with archive.open(member) as file:
        shape, in_rows, dtype = read_header(file)
    count, sizes = (shape or (0,))[0], shape[1:]
    fits = sizes == port.sizes and count > 0
    if not fits or str(dtype) != port.dtype:
        raise Failure("calibration-data", f"`{port.name}` in `{path}` is {dtype} {shape}, and the net takes {port}",
                      f"save {port.name}.astype('{port.dtype}')" if fits and dtype.kind == np.dtype(port.dtype).kind else "pictures as they are go into a folder")  # fmt: skip
    if not in_rows:
        raise Failure("calibration-data", f"`{port.name}` in `{path}` is stored by columns",
                      "save numpy.ascontiguousarray(array)")  # fmt: skip
    return count


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, Any]:
    """The shape of a .npy, whether its rows stand one after another, and its element type. Raises ValueError for what is none."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    shape, by_columns, dtype = readers[version](file, max_header_size=MAX_HEADER)
    return shape, not by_columns or len(shape) < 2, dtype


def keep_rows(path: Path, archive: zipfile.ZipFile, member: str, port: ArrayInput, chosen: Sequence[int]) -> Any:
    """The `chosen` rows of an array, in order, mapped from a temporary file. Raises Failure `calibration-data` for one that is not finite."""
    import numpy as np

    sizes = port.sizes
    size = np.dtype(port.dtype).itemsize * prod(sizes)
    kept = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as what is mapped from it
    with archive.open(member) as file:
        _, _, dtype = read_header(file)
        at = 0
        for row in chosen:
            skip(file, (row - at) * size)
            array = np.frombuffer(read_all(file, size), dtype).astype(port.dtype)
            if not np.isfinite(array).all():
                raise Failure("calibration-data", f"row {row} of `{port.name}` in `{path}` is not finite")
            kept.write(array.tobytes())
            at = row + 1
    kept.flush()
    return np.memmap(kept, port.dtype, "r", shape=(len(chosen), *sizes))


def skip(file: IO[bytes], count: int) -> None:
    """Reads past `count` bytes."""
    while count > 0:
        count -= len(read_all(file, min(count, 2**20)))


def read_all(file: IO[bytes], count: int) -> bytes:
    """`count` bytes. Raises EOFError where there are fewer."""
    data = file.read(count)
    if len(data) != count:
        raise EOFError("an array is cut off")
    return data


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Makes a Failure `calibration-data` of whatever a file that is no .npz, or a damaged one, raises inside the block."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError, NotImplementedError) as error:
        why = " ".join(str(getattr(error, "strerror", None) or error).split())[:120] or type(error).__name__
        raise Failure("calibration-data", f"`{path}` is no .npz that can be read: {why}", exit_code=1) from None
