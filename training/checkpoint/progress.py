"""How far a run is: all that it knows beside its tensors, as a frozen value that a checkpoint's header holds as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..schedules import Plateau
from .typed import read_fields


class LossSums(NamedTuple):
    """Losses added one step after the other, so that the sum does not depend on when it was read: `steps` of them, `values` by name.

    The loss that is differentiated has the name "". `right` adds the shares of pictures told right, over the `counted` steps where no
    pictures were mixed.
    """

    steps: int = 0
    values: Mapping[str, float] = MappingProxyType({})
    right: float = 0.0
    counted: int = 0

    def add(self, names: tuple[str, ...], rows: list[list[float]], rights: list[float] | None = None) -> LossSums:
        """The sums with more steps; a row has a value for each name, and a step with whole classes a share that was told right."""
        values, right = dict.fromkeys(names, 0.0) | dict(self.values), self.right
        for share in rights or ():
            right += share
        for row in rows:
            for name, value in zip(names, row, strict=True):
                values[name] += value
        return LossSums(self.steps + len(rows), values, right, self.counted + len(rights or ()))

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return self._asdict() | {"values": dict(self.values)}

    def mean(self, name: str = "") -> float:
        """The mean over the steps; NaN without any."""
        return self.values[name] / self.steps if self.steps else float("nan")

    @property
    def top1(self) -> float | None:
        """The share of the pictures that were told right; None where it was not counted."""
        return self.right / self.counted if self.counted else None


class Best(NamedTuple):
    """The best weights so far.

    step   the optimizer step after which they were measured
    value  of the metric, on the validation pictures; None without such, where they are the last weights
    """

    step: int
    value: float | None


class Progress(NamedTuple):
    """After `step` steps of the run.

    `epoch_losses` are of the epoch that is under way, `report_losses` since the last report. `scaler` is the state of the scaling
    of fp16's gradients.
    """

    step: int = 0
    plateau: Plateau = Plateau()
    best: Best | None = None
    epoch_losses: LossSums = LossSums()
    report_losses: LossSums = LossSums()
    scaler: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values; Python writes a float so that it is read as the same one."""
        return {
            "step": self.step,
            "plateau": self.plateau._asdict(),
            "best": self.best._asdict() if self.best else None,
            "epoch_losses": self.epoch_losses.to_json(),
            "report_losses": self.report_losses.to_json(),
            "scaler": dict(self.scaler) if self.scaler else None,
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Progress:
        """The value that to_json wrote. Raises ValueError for anything else."""
        return read_fields(cls, given, "progress")
