"""RUN/broken.csv: which pictures could not be read and were skipped, each once, with why."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from ..compiler.destinations import write_failure
from ..compiler.diagnostics import Failure

NAME = "broken.csv"


class BrokenPictures:
    """The pictures of a run that could not be read; a run that goes on knows those of before. Without a folder nothing is written.

    `add` raises Failure `broken-pictures` where there are more than `limit`.
    """

    def __init__(self, folder: Path | None, limit: int) -> None:
        self.path, self.limit = folder / NAME if folder else None, limit
        self.found = read_broken(self.path) if self.path else {}

    @property
    def count(self) -> int:
        """How many different pictures."""
        return len(self.found)

    def add(self, pictures: Iterable[tuple[str, str]]) -> int:
        """Keeps pictures by their name, with why each is broken; gives how many are new."""
        new = {name: why for name, why in pictures if name not in self.found}
        if new:
            self.found.update(new)
        if new and self.path:
            try:
                starts = not self.path.exists()
                with open(self.path, "a", encoding="utf-8", errors="surrogateescape", newline="") as file:
                    csv.writer(file, lineterminator="\n").writerows([("picture", "why")] * starts + [*new.items()])
            except OSError as error:
                raise write_failure(self.path, error) from None
        if self.count > self.limit:
            last, why = next(reversed(self.found.items()))
            raise Failure("broken-pictures", f"{self.count:,} pictures could not be read, and the recipe allows {self.limit:,}; the last: {name_once(last, why)}",
                          f"mend or remove those that {self.path or NAME} lists; or allow more: --set data.broken={2 * self.count}", 1)  # fmt: skip
        return len(new)

    def note(self) -> str:
        """What is said of them when the run ends; empty where there are none."""
        if not self.found:
            return ""
        first, why = next(iter(self.found.items()))
        what = "1 picture was skipped, as it" if self.count == 1 else f"{self.count:,} pictures were skipped, as they"
        return f"{what} could not be read: {name_once(first, why)}" + (
            f" …; {self.path} lists them" if self.count > 1 and self.path else ""
        )


def name_once(name: str, why: str) -> str:
    """A picture and why it cannot be read; most reasons name it."""
    return why if name in why else f"`{name}`: {why}"


def read_broken(path: Path) -> dict[str, str]:
    """The pictures that a broken.csv lists, with why."""
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return {}
    rows = [row for row in csv.reader(text[: text.rfind("\n") + 1].splitlines()) if len(row) == 2]
    return {row[0]: row[1] for row in rows[1:]}
