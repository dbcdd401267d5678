"""What an int8 build calibrates with: a folder or a .csv of pictures, or an .npz of arrays by the inputs' names. A part is held out, to measure with.

Pictures become inputs as `archc run` makes them: the same reader, and the preprocessing of the spec. One is decoded at a time; of arrays
only the chosen rows are kept, in a file. Which are taken depends on their order alone, so that two builds take the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ...compiler.diagnostics import Failure
from ...compiler.ir.graph import Graph
from ...runtime.evaluation.examples import is_csv, read_csv
from ...runtime.faults import PictureFault, RuntimeFault
from ...runtime.images import read_input
from ...runtime.preprocess import Preprocess
from ...runtime.sources import images_in
from .arrays import open_arrays
from .measure import Feed
from .split import HELD_OUT_EVERY, MOST, split_inputs

# with fewer, the ranges are those of a few pictures, and other pictures go beyond them
FEW = 50
# of the inputs of one batch: small ones run many at once, and one photo alone, as all values of a batch are in memory together
BATCH_BYTES, MOST_AT_ONCE = 2**20, 32
Row = Mapping[str, Any]
# is told how many inputs were read, of how many
Progress = Callable[[int, int], None]


class InputSource(Protocol):
    """Inputs by their number, each as arrays by the inputs' names, without the batch's dimension."""

    count: int
    # what one and several of them are called
    words: tuple[str, str]

    def read(self, at: int) -> Row:
        """The input with the number `at`. Raises PictureFault where it cannot be read."""


class CalibrationSet:
    """The inputs to calibrate with and to measure on, as batches. `unreadable` has what could not be read so far, with the reason."""

    def __init__(self, place: str, source: InputSource, batch: int | None) -> None:
        """`place` is what messages call it; `batch` is the net's fixed number of images at once, None where that is open."""
        self.place, self.source, self.batch = place, source, batch
        self.split = split_inputs(source.count)
        self.unreadable: dict[int, RuntimeFault] = {}
        self.progress: Progress | None = None
        self.read = self.to_read = 0

    def count_passes(self, passes: int, progress: Progress | None) -> None:
        """From now on `progress` is told how many inputs were read, where each is read so often."""
        self.progress = progress
        self.to_read = passes * (len(self.split.calibrating) + len(self.split.held_out or self.split.calibrating))

    def calibrating(self) -> Iterator[Feed]:
        """The batches that the ranges are of. Raises Failure `calibration-data` where no picture can be read."""
        yield from self.batches(self.split.calibrating)
        if self.unreadable.keys() >= {*self.split.calibrating}:
            raise self.refuse_all(self.split.calibrating)

    def refuse_all(self, numbers: Sequence[int], which: str = "") -> Failure:
        """The Failure for inputs of which none can be read: it gives the first reason. `which` of the set they are."""
        first = self.unreadable[numbers[0]]
        return Failure(
            "calibration-data",
            f"none of the {len(numbers)} {which}{self.source.words[1]} in `{self.place}` can be read: {first}",
            first.help,
        )

    @property
    def held_out(self) -> HeldOut:
        """The batches that the error is measured on: those of the calibration itself where there are too few to hold any out."""
        return HeldOut(self, self.split.held_out or self.split.calibrating)

    def batches(self, numbers: Sequence[int]) -> Iterator[Feed]:
        """The inputs of these numbers, as many at once as the net takes, or as have BATCH_BYTES where any number does.

        A last batch that does not fill a fixed size is left out; where it is the only one, its inputs are repeated.
        """
        rows: list[Row] = []
        found = False
        for row in self.rows(numbers):
            rows.append(row)
            if len(rows) == (self.batch or rows_at_once(row)):
                yield stack_rows(rows)
                rows, found = [], True
        if rows and not (found and self.batch):
            yield stack_rows([rows[at % len(rows)] for at in range(self.batch or len(rows))])

    def rows(self, numbers: Sequence[int]) -> Iterator[Row]:
        """The inputs of these numbers, without those that cannot be read."""
        for at in numbers:
            try:
                yield self.source.read(at)
            except PictureFault as fault:
                self.unreadable[at] = fault.without_traceback()
            self.read += 1
            if self.progress is not None:
                self.progress(min(self.read, self.to_read), self.to_read)

    def describe_held_out(self) -> str:
        """What the error is measured on, in words, behind its number."""
        if not self.split.held_out:
            return f"{self.source.words[1]} of the calibration itself, as fewer than {HELD_OUT_EVERY} cannot spare one"
        return f"held-out {self.source.words[1]} of {self.place}"

    def notes(self) -> tuple[str, ...]:
        """What is to be said of it: how much was taken, what could not be read, and whether it is little."""
        one, many = self.source.words
        taken = len(self.split.calibrating) + len(self.split.held_out)
        found = []
        if taken < self.source.count:
            found.append(f"of the {self.source.count} {many} in `{self.place}`, {taken} were taken, evenly spaced")
        if self.unreadable:
            first = next(iter(self.unreadable.values()))
            count = len(self.unreadable)
            found.append(
                f"{count} {one if count == 1 else many} could not be read, and {'is' if count == 1 else 'are'} left out: {first}"
            )
        if taken - len(self.unreadable) < FEW:
            found.append(f"{taken - len(self.unreadable)} {one if taken == 1 else many} {'is' if taken == 1 else 'are'} few to calibrate with: other pictures go beyond "
                         f"their ranges; {FEW} to {MOST} of all kinds that the net will meet are better")  # fmt: skip
        return tuple(found)


class HeldOut(Sequence[Feed]):
    """Batches that are read again each time that they are asked for, as together they may not fit into memory."""

    def __init__(self, calibration: CalibrationSet, numbers: Sequence[int]) -> None:
        self.calibration, self.numbers = calibration, numbers

    def __iter__(self) -> Iterator[Feed]:
        yield from self.calibration.batches(self.numbers)
        if self.calibration.unreadable.keys() >= {*self.numbers}:
            raise self.calibration.refuse_all(self.numbers, "held-out ")

    @property
    def inputs(self) -> int:
        """How many inputs the batches hold, as far as it is known which cannot be read; none twice."""
        found = len(self.numbers) - len(self.calibration.unreadable.keys() & {*self.numbers})
        size = self.calibration.batch or 1
        return found // size * size or found

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, at: Any) -> Any:
        return [*self][at]


def rows_at_once(row: Row) -> int:
    """How many inputs like this one run at once."""
    size: int = sum(array.nbytes for array in row.values())
    return max(1, min(MOST_AT_ONCE, BATCH_BYTES // size))


def stack_rows(rows: Sequence[Row]) -> Feed:
    """Inputs as one batch."""
    import numpy as np

    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


# -- where they come from -----------------------------------------------------------------------------------------------


class Pictures:
    """Pictures by their paths, for a net of one input."""

    words = "picture", "pictures"

    def __init__(self, paths: Sequence[str], name: str, how: Preprocess) -> None:
        self.paths, self.name, self.how = paths, name, how
        self.count = len(paths)

    def read(self, at: int) -> Row:
        """One picture, as `archc run` reads it."""
        return {self.name: read_input(self.paths[at], self.paths[at], self.how)}


def open_calibration(
    place: Path, graph: Graph, preprocess: Mapping[str, Any] | None, batch: int | None, dtype: str = "float32"
) -> CalibrationSet:
    """The set in the folder, the .csv or the .npz `place`, for the inputs of `graph`; `preprocess` is what the spec says, None where it says nothing,
    and `dtype` what the file takes: float32, or uint8 for pixels.

    Raises Failure `calibration-data` for what is not there, is neither, or does not fit the inputs, and `no-images` for a folder without.
    """
    if not place.exists():
        raise Failure("calibration-data", f"there is no folder and no file `{place}` to calibrate with", exit_code=2)
    if place.is_dir() or is_csv(str(place)):
        return CalibrationSet(place.name or str(place), open_pictures(place, graph, preprocess, dtype), batch)
    if place.suffix.lower() != ".npz" or not place.is_file():
        raise Failure("calibration-data", f"`{place}` is no folder of pictures, no .csv that names some, and no .npz of arrays",
                      "give a folder, or save arrays by the inputs' names: numpy.savez('inputs.npz', "
                      f"{graph.inputs[0].name}=array)", 2)  # fmt: skip
    return CalibrationSet(place.name, open_arrays(place, graph, dtype), batch)


def open_pictures(folder: Path, graph: Graph, preprocess: Mapping[str, Any] | None, dtype: str) -> Pictures:
    """The pictures of a folder, at any depth, sorted by path; or those that a .csv names, in its order. Raises Failure where the net takes none, or does not say how."""
    first, *others = graph.inputs
    arrays = f"give an .npz: numpy.savez('inputs.npz', {', '.join(f'{each.name}=…' for each in graph.inputs)})"
    if others:
        raise Failure(
            "calibration-data",
            f"`{folder}` has pictures, and the net has {len(graph.inputs)} inputs",
            arrays,
            2,
        )
    if preprocess is None:
        raise Failure("calibration-data", f"`{folder}` has pictures, and the spec has no `preprocess`, so nothing says which "
                      "numbers the net takes for them", f"write preprocess: {{mean: […], std: […]}} into the spec, or {arrays}")  # fmt: skip
    try:
        channels, height, width = first.type.sizes
        how = Preprocess.parse(dict(preprocess), (channels, height, width), dtype == "uint8")
        paths = [path for path, _ in read_csv(str(folder))] if is_csv(str(folder)) else [*images_in(str(folder))]
        return Pictures(paths, first.name, how)
    except RuntimeFault as fault:
        if fault.code == "no-images":
            fault.help = "pictures are known by their endings, at any depth; " + arrays
        raise Failure.of(fault) from fault
    except OSError as error:
        raise Failure(
            "calibration-data", f"the folder `{folder}` cannot be read: {str(error.strerror).lower()}", exit_code=2
        ) from None
