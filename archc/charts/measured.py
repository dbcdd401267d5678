"""Times and energy as `archc bench --format json` wrote them. What no file states is not there: nothing is worked out in its place."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from ..compiler.diagnostics import Failure
from ..compiler.other_files import MODEL_SUFFIX

LARGEST_FILE = 64 * 1024 * 1024


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
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise Failure(
            "file-missing", f"there is no file `{path}`", "archc bench … --format json > FILE writes one", 2
        ) from None
    except OSError as error:
        raise Failure("file-unreadable", f"`{path}` cannot be read: {error.strerror or error}", exit_code=2) from error
    try:
        if len(data) > LARGEST_FILE:
            raise ValueError
        document = json.loads(data)
        processor = (
            read_text(document["machine"]["processor"]) if document["machine"].get("processor") else "unknown processor"
        )
        return [parse_timing(each, processor) for each in document["timings"]]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise Failure("not-bench-results", f"`{path}` holds no results of `archc bench`",
                      "archc bench … --format json > FILE writes them") from None  # fmt: skip


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
