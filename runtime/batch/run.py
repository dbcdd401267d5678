"""A model on many pictures, into a file of results: bounded in memory, on all cores, and gone on with after a kill."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from ..cores import count_cores
from ..faults import RuntimeFault
from ..packages import import_package
from ..trust import find_data
from .columns import Column, Columns
from .formats import FORMATS, ResultsFormat
from .journal import RECORD, PictureList, Unfinished, read_object, write_whole
from .pipeline import map_in_order
from .predictor import Predictor, iterate_batches

# a part is written after so many pictures, numbers or seconds: what a kill costs at most
PART_ROWS, PART_VALUES, PART_S = 1024, 2**20, 30.0
FORM = 1
MISSING = "image-missing"


class Summary(NamedTuple):
    """What a run came to.

    results   the file with the rows
    pictures  how many there are
    resumed   how many of them had their rows from earlier runs
    errors    how many have no answer, by the code of their error
    seconds   how long it took
    """

    results: Path
    pictures: int
    resumed: int
    errors: dict[str, int]
    seconds: float

    @property
    def answered(self) -> int:
        """How many pictures have an answer."""
        return self.pictures - sum(self.errors.values())

    @property
    def exit_code(self) -> int:
        """0 where all pictures were answered, 2 where no picture is there at all, else 1."""
        return 0 if not self.errors else 2 if self.errors == {MISSING: self.pictures} else 1


def run_pictures(
    predictor: Predictor, paths: Iterable[str], results: str | os.PathLike[str], *, batch: int = 8, restart: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:  # fmt: skip
    """Writes a row for each picture of `paths`, in their order, to a file.

    predictor  the model
    paths      the pictures, as `find_images` gives them
    results    the file: .csv, .jsonl or .parquet by its suffix
    batch      how many pictures each of the predictor's threads runs at once
    restart    begins anew where there are results of another run, or a part of them
    progress   is called with how many pictures are done, and of how many

    What is done is kept beside the results until they are whole; the same call goes on from there. Where the results of the same run are
    there and whole, nothing is done.

    Raises RuntimeFault `results-differ` where results, or those of an unfinished run, are of another model, other options or other pictures,
    unless `restart` says that they may go; `results-in-use` where another process writes them; and as Predictor does.
    """
    began, place = time.monotonic(), Path(results)
    form = find_format(place)
    unfinished = Unfinished(place)
    try:
        found = unfinished.list_pictures(keep_apart(paths, place))
        run = describe_run(predictor, place, found)
        before = None if restart else unfinished.read_run()
        if before:
            check_same(before, run, f"the unfinished run in `{unfinished.folder}`", unfinished.folder / "pictures")
            unfinished.resume(found.number)
        elif not restart and place.exists():
            return read_finished(place, run, time.monotonic() - began)
        else:
            unfinished.begin(run)
        resumed = unfinished.done
        if progress:
            progress(resumed, found.number)
        add_rows(unfinished, predictor, form, batch, with_total(progress, found.number))
        with unfinished.writing(place) as file:
            form.join(unfinished.part_paths(), file, predictor.columns)
        errors = dict(sum((Counter(part.errors) for part in unfinished.parts), Counter[str]()))
        record = {**run, "results": {"bytes": place.stat().st_size, "errors": errors}}
        write_whole(record_path(place), json.dumps(record, indent=1).encode() + b"\n")
        unfinished.remove()
        return Summary(place, found.number, resumed, errors, time.monotonic() - began)
    finally:
        unfinished.close()


def find_format(results: Path) -> ResultsFormat:
    """The format of a file by its suffix. Raises RuntimeFault (usage) for any other, and `package-missing` where its package is."""
    form = FORMATS.get(results.suffix.lower())
    if form is None:
        raise RuntimeFault("usage", f"`{results}`: results are one of {', '.join(FORMATS)}", exit_code=2)
    if form.package:
        import_package(form.package, f"a {results.suffix}", "write a .csv or .jsonl, which need nothing")
    return form


def keep_apart(paths: Iterable[str], results: Path) -> Iterator[str]:
    """The paths, each looked at where results are there already. Raises RuntimeFault `output-is-input` for one that is the results."""
    there = results.stat() if results.exists() else None
    for path in paths:
        if there and os.path.exists(path) and os.path.samestat(os.stat(path), there):
            raise RuntimeFault(
                "output-is-input",
                f"`{results}` is what is read; it is not overwritten",
                "choose another place with `-o`",
                2,
            )
        yield path


def add_rows(
    unfinished: Unfinished, predictor: Predictor, form: ResultsFormat, batch: int, progress: Callable[[int], None]
) -> None:
    """Runs the model on the pictures that have no rows yet, and writes a part now and then, and when it is stopped."""
    columns = predictor.columns
    part: list[Columns] = []

    def write() -> None:
        if part:
            rows = {column.name: [value for each in part for value in each[column.name]] for column in columns}
            errors = Counter(code for code in rows["error"] if code)
            part.clear()
            unfinished.add(form.encode(rows, columns), len(rows["path"]), dict(errors))

    limit, workers = part_rows(columns), predictor.options.threads or count_cores()
    last, waiting = time.monotonic(), 0
    try:
        for found in map_in_order(predictor, iterate_batches(unfinished.pictures(), batch), workers):
            part.append(found)
            waiting += len(found["path"])
            progress(unfinished.done + waiting)
            if waiting >= limit or time.monotonic() - last > PART_S:
                write()
                last, waiting = time.monotonic(), 0
    finally:
        write()


def part_rows(columns: Iterable[Column]) -> int:
    """How many rows are a part, so that its numbers fit into memory."""
    from math import prod

    numbers = sum(prod(column.shape) for column in columns if column.kind == "values")
    return max(1, min(PART_ROWS, PART_VALUES // max(numbers, 1)))


def with_total(progress: Callable[[int, int], None] | None, count: int) -> Callable[[int], None]:
    """`progress` as a function of the pictures that are done alone, of `count`; one that does nothing where there is no `progress`."""
    return (lambda done: None) if progress is None else lambda done: progress(done, count)


def describe_run(predictor: Predictor, results: Path, pictures: PictureList) -> dict[str, Any]:
    """What decides the rows, as JSON: two runs whose descriptions are equal give the same rows."""
    session, options = predictor.session, predictor.options
    labels = session.labels
    return {
        "archc_results": FORM,
        "model": {"name": session.name, "sha256": digest_model(predictor)},
        "device": session.describe_device(),
        "options": {
            "top": options.top,
            "outputs": [*options.outputs] if options.outputs is not None else None,
            "labels": sha256("\0".join(labels).encode("utf-8", "surrogatepass")).hexdigest() if labels else None,
            "max_pixels": options.max_pixels,
        },
        "pictures": {**pictures._asdict(), "folder": os.path.realpath(os.curdir)},
        "format": results.suffix.lower(),
        "columns": [{**column._asdict(), "shape": [*column.shape]} for column in predictor.columns],
    }  # fmt: skip


def digest_model(predictor: Predictor) -> str:
    """The SHA-256 of the model's file and of the data beside it."""
    digest = sha256()
    path = predictor.session.artifact.path
    for each in (path, *(path.parent / name for name in sorted(find_data(predictor.session.artifact)))):
        with each.open("rb") as file:
            for piece in iter(partial(file.read, 2**20), b""):
                digest.update(piece)
    predictor.session.artifact.check_unchanged()
    return digest.hexdigest()


def check_same(before: dict[str, Any], run: dict[str, Any], told: str, listed: Path | None = None) -> None:
    """Raises RuntimeFault `results-differ` where `before` is of another run; it says in what."""
    differences = [*find_differences(before, run)]
    if not differences:
        return
    go_on = ""
    if (
        listed
        and differences == [each for each in differences if each.startswith("the pictures")]
        and before["pictures"]["folder"] == run["pictures"]["folder"]
    ):
        go_on = f"`archc run … - < {listed}` goes on with the pictures that it began with; or "
    raise RuntimeFault("results-differ", f"{told} is of another run: {'; '.join(differences)}",
                       f"{go_on}write elsewhere with -o; --restart, or restart=True in Python, throws away what is there", 2)  # fmt: skip


def find_differences(before: dict[str, Any], run: dict[str, Any]) -> Iterator[str]:
    """In what two runs differ, each in words."""
    if before.get("archc_results") != FORM:
        yield "another version of archc wrote it"
        return
    if not all(isinstance(before.get(name), dict) for name in ("model", "options", "pictures")):
        yield "its record is damaged"
        return
    for key, what in (
        ("model", "the model"),
        ("device", "the device"),
        ("format", "the kind of file"),
        ("columns", "the columns"),
    ):
        if before.get(key) != run[key] and not (key == "columns" and before.get("model") != run["model"]):
            old, new = (each.get(key) for each in (before, run))
            yield (
                f"{what} was {old}, and is {new}"
                if key in ("device", "format")
                else f"{what} {'are others' if key == 'columns' else 'is another'}"
            )
    for name, value in run["options"].items():
        if (old := before["options"].get(name)) != value:
            yield f"the {name} are others" if name in ("labels", "outputs") else f"{name} was {old}, and is {value}"
    if (old := before["pictures"]) != (new := run["pictures"]):
        if old.get("folder") != new["folder"]:
            yield f"it was begun in `{old.get('folder')}`"
        else:
            yield f"the pictures are others: they were {old.get('number')}, and are {new['number']}"


def record_path(results: Path) -> Path:
    """The file beside finished results that says what they are a run of."""
    return results.with_name(results.name + RECORD)


def read_finished(results: Path, run: dict[str, Any], seconds: float) -> Summary:
    """The summary of results that are whole. Raises RuntimeFault `results-differ` where they are not those of `run`."""
    record = read_object(record_path(results))
    if record is None:
        raise RuntimeFault("results-differ", f"`{results}` is there already, and nothing says what it is",
                           "write elsewhere with -o; --restart, or restart=True in Python, replaces it when the new one is whole", 2)  # fmt: skip
    check_same(record, run, f"`{results}`")
    whole = record.get("results")
    if (
        not isinstance(whole, dict)
        or whole.get("bytes") != results.stat().st_size
        or not isinstance(whole.get("errors"), dict)
    ):
        raise RuntimeFault("results-differ", f"`{results}` was changed since it was written",
                           "write elsewhere with -o; --restart, or restart=True in Python, replaces it", 2)  # fmt: skip
    return Summary(results, run["pictures"]["number"], run["pictures"]["number"], whole["errors"], seconds)
