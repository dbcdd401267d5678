"""What is said of a run to people, beside what watchers are told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..compiler.diagnostics import list_names
from ..compiler.spelling import as_word
from .checkpoint.progress import Progress
from .run_folder import RunFolder
from .schedules import SCHEDULES
from .watching import RunEnd, RunPlan


def describe_end(progress: Progress, plan: RunPlan, run: Path) -> list[str]:
    """That a run which was to go on had nothing left to do, and how it becomes longer."""
    if plan.first_step < plan.steps:
        return []
    recipe = plan.recipe
    if recipe.epochs is None or SCHEDULES[recipe.schedule.name].spans_run:
        longer = f"a new run goes on from its weights: --weights {as_word(RunFolder(run).best)}"
    else:
        longer = f"--resume {as_word(run)} --epochs {2 * recipe.epochs} makes it longer"
    return [f"the run was finished already, after step {progress.step:,}; {longer}"]


def describe_interruption(progress: Progress, plan: RunPlan, run: Path) -> RunEnd:
    """What a report says of a run that somebody has ended."""
    return RunEnd(
        f"interrupted after step {progress.step:,} of {plan.steps:,}", f"archc train --resume {as_word(run)} goes on"
    )


def describe_missing(missing: Sequence[str]) -> str:
    """Which tensors start from the seed, by their steps."""
    if not missing:
        return ""
    steps = list_names(dict.fromkeys(name.rpartition(".")[0] or name for name in missing), "`{}`")
    return f", and {len(missing)} from the seed: those of {steps}"
