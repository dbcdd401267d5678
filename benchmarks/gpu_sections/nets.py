"""One net at one batch in one precision: archc, torch eager, torch.compile and torch's own export, in turn.

A few contenders are open at the same time, since each holds its own memory of the card; torch eager and the fastest of archc's so far
run with each of these parts, so that ratios are of the same rounds. A slow compiler is in the last part, and costs no other its figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.util import find_spec

from .case import Case, set_tf32
from .contender import EAGER, KERNELS, MODES, Opened, Recipe
from .device import Device, open_device
from .ort_contenders import archc_recipes, export_recipes
from .plan import Task
from .rows import LEFT_OUT, MEASURED, NEEDS_CARD, Row, failed, measured, planned, unmeasured
from .timing import FULL, REHEARSAL, Times, compare, figures, time_in_turn
from .torch_contenders import compiled_recipes, eager_recipes

# contenders that are new in a part; by VGG-16 at 256 images in float32 (some 10 GB each, not measured) on a card of 80 GB
TOGETHER = 4
# relative L2 of an answer; half floats and TF32 lose at most a hundredth, and who computes something else is not timed
MOST_ERROR = 0.1


def measure(task: Task) -> Iterator[Row]:
    """A row for each contender and mode."""
    device = open_device(task.device)
    case = Case(task.settings["net"], task.settings["batch"], task.settings["precision"], device, task.models)
    eager, *others = list_recipes(case.precision, task.autotune, task.contenders)
    for recipe in (eager, *others):
        for mode in MODES:
            yield planned(name_row(recipe.name, mode), **facts_of(case, recipe.name, mode))
    prepare_torch(case)
    fastest: Row | None = None
    for start in range(0, len(others), TOGETHER):
        part = others[start : start + TOGETHER]
        again = [each for each in others if fastest and each.name == fastest["contender"]]
        against = {"eager": EAGER, "archc": again[0].name if again else ""}
        for row in measure_part(task, case, [eager, *again, *part], [*again, *([eager] if start else [])], against):
            yield row
            if row["status"] == MEASURED and row["mode"] == KERNELS and row["contender"].startswith("archc"):
                fastest = row if fastest is None or row["p50_ms"] < fastest["p50_ms"] else fastest


def list_recipes(precision: str, autotune: bool, wanted: Sequence[str] = ()) -> list[Recipe]:
    """The contenders in a precision, all or those that a pattern names: torch eager first, and the one that takes longest to open last."""
    eager, *pixels = eager_recipes(precision)
    others = [*archc_recipes(precision), *pixels, *export_recipes(precision), *compiled_recipes(autotune)]
    return [
        eager,
        *(each for each in others if not wanted or any(fnmatchcase(each.name, pattern) for pattern in wanted)),
    ]


def prepare_torch(case: Case) -> None:
    """torch as one who wants it fast sets it: TF32 as the section says, and cuDNN's algorithms tried."""
    import torch

    assert case.reference is not None
    set_tf32((case.precision == "tf32", case.precision == "tf32"))
    torch.backends.cudnn.benchmark = True


def measure_part(task: Task, case: Case, recipes: Sequence[Recipe], again: Sequence[Recipe], against: Mapping[str, str]) -> Iterator[Row]:  # fmt: skip
    """The rows of contenders that are open at the same time; those of `again` have their rows from an earlier part.

    `against` are the contenders that each is held against, by what the figures call them.
    """
    opened: dict[str, Opened] = {}
    facts: dict[str, Mapping[str, object]] = {}
    for recipe in recipes:
        found = find_reason(task, case.device, recipe) or open_contender(case, recipe)
        if isinstance(found, tuple):
            opened[recipe.name], facts[recipe.name] = found
        elif recipe not in again:
            for mode in MODES:
                yield {**found, "what": name_row(recipe.name, mode), **facts_of(case, recipe.name, mode)}
    done = {recipe.name for recipe in again}
    for mode in MODES:
        for row in time_mode(task, case, opened, mode, against):
            if row["contender"] not in done:
                yield {**facts[row["contender"]], **row}
    opened.clear()
    case.device.release()


def find_reason(task: Task, device: Device, recipe: Recipe) -> Row | None:
    """Why a contender is not opened; None where it is."""
    if recipe.needs_card and not device.is_card:
        return unmeasured("", NEEDS_CARD, "an option of the CUDA provider")
    if recipe.package and not find_spec(recipe.package):
        return unmeasured("", LEFT_OUT, f"the package {recipe.package} is not here")
    if not task.rehearsal and task.ends - time.monotonic() < recipe.seconds:
        return planned("")
    return None


def open_contender(case: Case, recipe: Recipe) -> tuple[Opened, dict[str, object]] | Row:
    """A contender that has run once, with how far its answer lies from the reference, and what opening it took; a row where it failed."""
    case.device.release()
    before, began = case.device.used_bytes(), time.perf_counter()
    try:
        opened = recipe.open(case)
        open_s = time.perf_counter() - began
        error = case.error_of(opened.answer())
        if not error <= MOST_ERROR:
            return failed("", f"its answer lies {error:.2g} from torch's in float32, relative L2")
        for run in opened.runs.values():
            run()
        case.device.synchronise()
    except Exception as problem:
        case.device.release()
        return failed("", problem)
    taken = case.device.used_bytes() - before
    return opened, {**opened.facts, "relative_l2": error, "open_s": open_s, "device_bytes": taken}


def time_mode(task: Task, case: Case, opened: Mapping[str, Opened], mode: str, against: Mapping[str, str]) -> Iterator[Row]:  # fmt: skip
    """The rows of one mode, as they are known so far and then as they are."""
    for name, each in opened.items():
        if mode in each.without:
            yield unmeasured(name_row(name, mode), LEFT_OUT, each.without[mode], **facts_of(case, name, mode))
    runs = {name: each.runs[mode] for name, each in opened.items() if mode in each.runs}
    effort = REHEARSAL if task.rehearsal else FULL
    for found in time_in_turn(runs, case.device, effort, task.ends):
        for name, times in found.items():
            facts = facts_of(case, name, mode)
            if isinstance(times, Exception):
                yield failed(name_row(name, mode), times, **facts)
            elif times.runs:
                ratios = compare_with(times, found, {each: other for each, other in against.items() if other != name})
                yield measured(name_row(name, mode), **facts, **figures(times, case.batch), **ratios)


def compare_with(ours: Times, found: Mapping[str, Times | Exception], against: Mapping[str, str]) -> dict[str, object]:
    """How a contender's times compare with those of others that ran in the same rounds."""
    ratios: dict[str, object] = {}
    for called, name in against.items():
        theirs = found.get(name)
        if isinstance(theirs, Times) and theirs.rounds:
            ratios |= {**compare(ours, theirs, called), f"{called}_is": name}
    return ratios


def name_row(contender: str, mode: str) -> str:
    return f"{contender}: {mode}"


def facts_of(case: Case, contender: str, mode: str) -> dict[str, object]:
    """What tells a row from others."""
    return {"net": case.net, "batch": case.batch, "precision": case.precision, "contender": contender, "mode": mode}
