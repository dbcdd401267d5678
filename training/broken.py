"""RUN/broken.csv: which pictures could not be read and were skipped, each once, with why."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler.counts import count_of
from ..compiler.destinations import write_failure
from ..compiler.diagnostics import Failure
from ..compiler.spelling import as_word
from .devices import ask_first
from .tables import format_row, read_rows

if TYPE_CHECKING:
    from lightning_fabric import Fabric

NAME = "broken.csv"
HEAD = ("picture", "why")


class BrokenPictures:
    """The pictures of a run that could not be read, for training and for validation; a run that goes on knows those of before. Without a
    folder nothing is written.

    Each process `add`s what it met, and all of them `gather` what all have met, so that they count alike: both raise Failure
    `broken-pictures` where there are more than `limit`. The first process alone writes.
    """

    def __init__(self, folder: Path | None, limit: int, fabric: Fabric | None = None) -> None:
        self.path, self.limit = folder / NAME if folder else None, limit
        self.fabric = fabric if fabric is not None and fabric.world_size > 1 else None
        self.found: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        if self.path is not None:
            self.found = (
                ask_first(self.fabric, partial(read_broken, self.path)) if self.fabric else read_broken(self.path)
            )
        # they stopped the run, and may have been mended since: they are counted anew
        self.stale = len(self.found) > limit
        if self.stale:
            self.found = {}

    @property
    def count(self) -> int:
        """How many different pictures."""
        return len(self.found)

    def add(self, pictures: Iterable[tuple[str, str]]) -> int:
        """Keeps pictures by their name, with why each is broken; gives how many are new. With several processes they wait to be gathered."""
        if self.fabric is not None:
            self.waiting.update(pictures)
            return 0
        return self.count_in(pictures)

    def gather(self) -> None:
        """Keeps what the processes have met since they last called this; all of them call it."""
        if self.fabric is None:
            return
        from torch import distributed

        met: list[Any] = [None] * self.fabric.world_size
        distributed.all_gather_object(met, self.waiting)
        self.waiting = {}
        self.count_in(item for each in met for item in each.items())

    def count_in(self, pictures: Iterable[tuple[str, str]]) -> int:
        """Keeps pictures, and raises where there are too many; gives how many are new."""
        if self.stale and self.path and (self.fabric is None or self.fabric.is_global_zero):
            self.path.unlink(missing_ok=True)
        self.stale = False
        new = self.keep(pictures)
        if self.count > self.limit:
            raise self.over_limit()
        return new

    def over_limit(self) -> Failure:
        """What is said where there are more than the limit. What begun runs are to do changes no picture's name, which would be another run."""
        last, why = next(reversed(self.found.items()))
        help = f"mend or remove them; or allow more: --set data.broken={2 * self.count}"
        if self.path is not None:
            run = self.path.parent
            help = (f"mend those that {self.path} lists, or allow more (`broken: {2 * self.count}` in {run / 'recipe.yaml'}); "
                    f"then archc train --resume {as_word(run)} goes on")  # fmt: skip
        return Failure("broken-pictures", f"{count_of(self.count, 'picture')} could not be read, and the recipe allows {self.limit:,}; the last: {name_once(last, why)}",
                       help, 1)  # fmt: skip

    def keep(self, pictures: Iterable[tuple[str, str]]) -> int:
        """Keeps pictures, however many there are: what stopped a run is in the list, too. Gives how many are new."""
        met = dict(pictures)
        # a run that goes on reads its pictures by their whole paths, and may have begun with others
        known = {os.path.abspath(name) for name in self.found} if met else set()
        new = {name: why for name, why in met.items() if os.path.abspath(name) not in known}
        self.found.update(new)
        if new and self.path and (self.fabric is None or self.fabric.is_global_zero):
            try:
                starts = not self.path.exists()
                with open(self.path, "a", encoding="utf-8", errors="surrogateescape", newline="") as file:
                    file.write("".join(map(format_row, [HEAD] * starts + [*new.items()])))
            except OSError as error:
                raise write_failure(self.path, error) from None
        return len(new)

    def note(self) -> str:
        """What is said of them when the run ends; empty where there are none."""
        if not self.found:
            return ""
        first, why = next(iter(self.found.items()))
        were = "was skipped, as it" if self.count == 1 else "were skipped, as they"
        return f"{count_of(self.count, 'picture')} {were} could not be read: {name_once(first, why)}" + (
            f" …; {self.path} lists them" if self.count > 1 and self.path else ""
        )


def name_once(name: str, why: str) -> str:
    """A picture and why it cannot be read; most reasons name it."""
    return why if name in why else f"`{name}`: {why}"


def read_broken(path: Path) -> dict[str, str]:
    """The pictures that a broken.csv lists, with why."""
    rows = [row for row in read_rows(path) if len(row) == 2]
    return {row[0]: row[1] for row in rows if tuple(row) != HEAD}
