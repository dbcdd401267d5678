"""The csv files of a run as they are read back: whatever is in them, and whatever ended the writer, whole rows are read and the rest is not."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path


def read_rows(path: Path) -> list[list[str]]:
    """The whole rows of a file; a row may have line ends inside quotes. None where there is no such file."""
    return [row for row, _ in split_rows(read_text(path))]


def format_row(cells: Sequence[str]) -> str:
    """A line of the file. The library puts a name with a lone \\r into no quotes."""
    out = io.StringIO()
    odd = any("\r" in cell for cell in cells)
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL if odd else csv.QUOTE_MINIMAL).writerow(cells)
    return out.getvalue()


def cut_torn_end(path: Path) -> None:
    """Takes off the row at the end of a file that was not written whole, so that the next one is not read as a part of it."""
    text = read_text(path)
    whole = max((end for _, end in split_rows(text)), default=0)
    if whole < len(text):
        os.truncate(path, len(text[:whole].encode("utf-8", "surrogateescape")))


def read_text(path: Path) -> str:
    """The text of a plain file; empty where there is none."""
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else ""


def split_rows(text: str) -> Iterator[tuple[list[str], int]]:
    """Each whole row, with where it ends in the text. A line that is no row is left out, and what comes behind it is read."""
    used = 0

    def lines() -> Iterator[str]:
        nonlocal used
        # a line ends with \n alone: names have other line ends in them
        for line in io.StringIO(text, newline="\n"):
            used += len(line)
            yield line

    left = lines()
    reader = csv.reader(left, strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            reader = csv.reader(left, strict=True)
            continue
        if text.endswith("\n", 0, used):
            yield row, used
