"""Goals, held against results: a goal holds, does not, or was not measured, and then why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .result import Result
from .tables import Choice, format_value

YES, NO, NOT_MEASURED = "yes", "no", "not measured"
FEATURES = {
    "sha_ni": "SHA",
    "avx512_vnni": "VNNI",
}  # as a reader knows them


class Goal(NamedTuple):
    """A bound on one figure, `key`, of all rows that have the values of `where`: the worst of them counts.

    `choose` makes the rows that are judged of a result's. The goal is for processors with the features of `needs` and without those of
    `lacks`, and for cards whose name has `card` in it. `form` is how the figure is written.
    """

    text: str
    key: str
    where: Mapping[str, Any] = {}
    least: float | None = None
    most: float | None = None
    form: str = ""
    needs: Sequence[str] = ()
    lacks: Sequence[str] = ()
    card: str = ""
    choose: Choice = list


class Verdict(NamedTuple):
    """Whether a goal holds; `figure` is what was measured, `why` is the reason for what was not."""

    goal: Goal
    holds: str
    figure: str = ""
    why: str = ""


def judge(goal: Goal, result: Result | None) -> Verdict:
    """The verdict on one goal by one result; None is a benchmark that was run nowhere."""
    if result is None:
        return Verdict(goal, NOT_MEASURED, why="the benchmark was not run")
    if why := find_obstacle(goal, result.machine):
        return Verdict(goal, NOT_MEASURED, why=why)
    rows = [row for row in goal.choose(result.rows) if all(row.get(key) == value for key, value in goal.where.items())]
    if failures := [row["failed"] for row in rows if "failed" in row]:
        return Verdict(goal, NO, why=failures[0])
    figures = [row[goal.key] for row in rows if row.get(goal.key) is not None]
    if not figures:
        return Verdict(goal, NOT_MEASURED, why="not in this run")
    worst = max(figures) if goal.least is None else min(figures)
    low = goal.least is None or worst >= goal.least
    high = goal.most is None or worst <= goal.most
    return Verdict(goal, YES if low and high else NO, format_value(worst, goal.form))


def find_obstacle(goal: Goal, machine: Mapping[str, Any]) -> str:
    """Why the goal is not for a machine; empty where it is."""
    if goal.card and goal.card not in str(machine.get("gpu", "")):
        return f"it is no {goal.card}"
    if (goal.needs or goal.lacks) and "features" not in machine:
        return "the processor's features were not recorded"
    features = machine.get("features", ())
    for feature in goal.needs:
        if feature not in features:
            return f"this CPU has no {FEATURES.get(feature, feature)}"
    for feature in goal.lacks:
        if feature in features:
            return f"this CPU has {FEATURES.get(feature, feature)}"
    return ""
