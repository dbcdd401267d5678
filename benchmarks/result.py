"""Results as they are kept: one JSON file a benchmark and machine, or a folder of them where a benchmark has sections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "results"
Row = dict[str, Any]


class Result(NamedTuple):
    """What one run of a benchmark found. `source` is the file or folder, from benchmarks/results/.

    `date` is an ISO day, `note` what a reader should know beside, written by hand; both may be empty. A row of a file in a
    folder has the file's name as its `section`.
    """

    source: str
    command: str
    date: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    note: str
    rows: list[Row]


def load_results(name: str, folder: Path = FOLDER) -> list[Result]:
    """All results of a benchmark: NAME.json is this project's own machine's, NAME.WORD.json another's; without `.json` it is a folder.

    Raises ValueError for a file that is not in the form of machine.write_results, with its name.
    """
    found = [path for path in sorted(folder.glob(f"{name}*")) if path.name.split(".")[0] == name and (path.is_dir() or path.suffix == ".json")]  # fmt: skip
    results = (load_result(path, folder) for path in found)
    return [each for each in results if each.rows]


def load_result(path: Path, folder: Path) -> Result:
    """One result; the files of a folder are of one run, and what they share is taken from the first."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    rows: list[Row] = []
    first: dict[str, Any] = {}
    for file in files:
        try:
            document = json.loads(file.read_text("utf-8"))
            own = document["rows"]
            first = first or {key: document[key] for key in ("command", "machine", "versions")} | document
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is not in the form of benchmarks/machine.py: {error!r}") from error
        rows += [{"section": file.stem, **row} for row in own] if path.is_dir() else own
    source = path.relative_to(folder).as_posix() + ("/" if path.is_dir() else "")
    command, machine, versions = (first.get(key, {}) for key in ("command", "machine", "versions"))
    return Result(source, command, first.get("date", ""), machine, versions, first.get("note", ""), rows)
