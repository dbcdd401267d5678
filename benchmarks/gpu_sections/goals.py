"""The goals of a card, held against the rows of a folder of results: met, not met, or not measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .contender import EAGER, KERNELS, is_archc
from .plan import Section, name_case
from .rows import MEASURED, Row

GOAL_CASE = ("resnet50", 256, "fp16")
GOAL_IMAGES_PER_S = 20_000
# what the goal was set against: the layer-wise limit of an H200, nothing fused
GOAL_LIMIT = 32_000
MET, NOT_MET, NOT_MEASURED = "met", "not met", "not measured"


def judge_goals(results: Path, sections: Sequence[Section]) -> Iterator[str]:
    """A line for each goal."""
    files = {section.name: read_file(results / f"{section.name}.json") for section in sections}
    # a figure of the processor is none of a card
    cards = {name: found for name, found in files.items() if found and found["machine"].get("device") == "cuda"}
    yield judge_throughput(cards)
    yield judge_eager({name: rows_of(found) for name, found in cards.items()})


def judge_throughput(files: dict[str, dict[str, Any]]) -> str:
    """ResNet-50, 256 images at once, half floats; on another card than an H200 in proportion to its limit."""
    case = name_case(*GOAL_CASE)
    goal = f"{case} at least {GOAL_IMAGES_PER_S:,} images/s on an H200"
    rows = [
        row for row in rows_of(files.get(case)) if row["mode"] == KERNELS and is_archc(str(row.get("contender", "")))
    ]
    if not rows:
        return f"{NOT_MEASURED}: {goal}"
    best = max(rows, key=lambda row: float(row["images_per_s"]))
    said = f"{best['images_per_s']:,.0f} images/s by `{best['contender']}`"
    wanted = float(GOAL_IMAGES_PER_S)
    card = str(files[case]["machine"].get("gpu", ""))
    if "H200" not in card:
        limits = [row for row in rows_of(files.get("limit")) if row["what"] == f"{case}: limit, unfused"]
        if not limits:
            return f"{NOT_MEASURED}: {goal}; {said} on {card}, and no limit of that card (--section ceilings,limit)"
        wanted *= limits[0]["images_per_s"] / GOAL_LIMIT
        goal += f", {wanted:,.0f} on {card} in proportion to its limit"
    return f"{MET if best['images_per_s'] >= wanted else NOT_MET}: {goal}; {said}"


def judge_eager(files: dict[str, list[Row]]) -> str:
    """In each case that was measured, the fastest of archc's contenders is not slower than torch eager, beyond the noise."""
    goal = f"never slower than {EAGER}"
    cases: dict[str, list[Row]] = {}
    for name, rows in files.items():
        for row in rows:
            if is_archc(str(row.get("contender", ""))) and "time_over_eager" in row:
                cases.setdefault(f"{name}, {row['mode']}", []).append(row)
    if not cases:
        return f"{NOT_MEASURED}: {goal}"
    fastest = {name: min(rows, key=lambda row: float(row["time_over_eager"])) for name, rows in cases.items()}
    slower = [f"{name} ({row['time_over_eager']:.2f} of its time)" for name, row in fastest.items()
              if row["time_over_eager"] > 1 and row["time_over_eager_beyond_noise"]]  # fmt: skip
    return f"{NOT_MET if slower else MET}: {goal}, {len(cases)} cases measured" + (f": slower in {'; '.join(slower)}" if slower else "")  # fmt: skip


def rows_of(found: dict[str, Any] | None) -> list[Row]:
    """The rows that were measured."""
    return [row for row in found["rows"] if row["status"] == MEASURED] if found else []


def read_file(path: Path) -> dict[str, Any]:
    """A file of results; nothing where it is not there."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found
