"""Times and energy as `archc bench --format json` wrote them. What no file states is not there: nothing is worked out in its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from ..compiler.diagnostics import Failure, clean
from ..compiler.other_files import MODEL_SUFFIX
from ..json_files import read_json_file

HOW = "archc bench … --format json > FILE writes them"


class Setting(NamedTuple):
    """Under what a time was measured; times of different settings do not compare."""

    processor: str
    device: str
    batch: int

    @property
    def description(self) -> str:
        return f"{self.device}, batch {self.batch:,}, {self.processor}"


class Measurement(NamedTuple):
    """What was measured of a model, for one picture: the median time in milliseconds, and energy in joules where it was told."""

    model: str
    setting: Setting
    time_ms: float
    joules: float | None


def read_measurements(paths: Sequence[str]) -> tuple[Measurement, ...]:
    """The measurements in files of `archc bench --format json`. Raises Failure for a file that is not there, or is no such document."""
    return tuple(found for path in paths for found in read_file(path))


def read_file(path: str) -> list[Measurement]:
    """The timings that a file of `archc bench --format json` holds. Raises Failure `not-bench-results` for any other."""
    wrong = Failure("not-bench-results", f"`{clean(path)}` holds no results of `archc bench`", HOW)
    return read_json_file(path, parse_results, wrong)


def parse_results(document: Any) -> list[Measurement]:
    """The timings of a document. Raises what a look-up raises where it is none."""
    told = document["machine"].get("processor")
    processor = read_text(told) if told else "unknown processor"
    return [parse_timing(each, processor) for each in document["timings"]]


def parse_timing(timing: Any, processor: str) -> Measurement:
    """A timing. Raises ValueError, KeyError or TypeError for what is none."""
    batch = timing["batch"]
    if type(batch) is not int or batch < 1:
        raise ValueError
    joules = timing.get("joules_per_image")
    return Measurement(
        read_text(timing["model"]),
        Setting(processor, read_text(timing["device"]), batch),
        read_positive(timing["latency_ms"]["p50"]) / batch,
        None if joules is None else read_positive(joules),
    )


def read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def read_positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError
    return float(value)


def is_of(measurement: Measurement, name: str, stem: str) -> bool:
    """Whether a measurement is of the net of this name, or of the file of this stem: models are told by their files' names."""
    model = PurePath(measurement.model)
    told = model.stem if model.suffix.lower() in (MODEL_SUFFIX, ".yaml", ".yml") else measurement.model
    return told in (name, stem)
