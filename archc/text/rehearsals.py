"""What `archc train --dry-run` and `--overfit-batch` tell, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..compiler.counts import count_of, format_bytes
from ..training.recipe.write import plain_init
from .training import describe_plan, format_loss

if TYPE_CHECKING:
    from ..training.overfitting import OverfitTrial
    from ..training.rehearsal import EpochStart, Rehearsal

# rows of a list for people; JSON has all
SHOWN = 12


def rehearsal_text(found: Rehearsal) -> str:
    """What people read of a dry run."""
    memory, step = found.memory, found.step
    left = f" of {format_bytes(found.available)} that are left" if found.available is not None else ""
    rate = step.pictures * found.plan.world_size / step.step_s if step.step_s else 0.0
    lines = [
        *describe_plan(found.plan),
        f"  members   {found.members:,}, trained one after the other; this is of the first" if found.members > 1 else "",
        f"  data      {found.how}" if found.how else "",
        *list_rows("pictures by class", [f"{each.name}: {each.train:,}" + (f" + {each.val:,}" if found.plan.val else "") for each in found.classes]),
        *list_rows("augmentation", [" ".join([each.name, *(f"{name}={value}" for name, value in each.values.items())]) for each in found.augment] or ["none"]),
        *list_rows("learning rate at the start of an epoch", [f"{each.epoch}: {each.lr:.4g}" for each in rate_changes(found.epochs)]),
        f"memory of a step, {count_of(found.at_once, 'picture')} at once: about {format_bytes(memory.total(found.at_once))}{left}",
        f"  weights {format_bytes(memory.weights)}, gradients {format_bytes(memory.gradients)}, optimizer {format_bytes(memory.optimizer)}, "
        f"each picture {format_bytes(memory.likely)}",
        *list_rows(f"{found.plan.folder} would hold", [f"{each.name}" + (f" {format_bytes(each.bytes)}" if each.bytes else "") for each in found.files]),
        f"one step took {step.step_s:.3g} s ({rate:.3g} images/s), its pictures {step.loading_s:.3g} s; loss {format_loss(step.loss)}",
        *(f"not read: {name}: {why}" for name, why in found.broken[:SHOWN]),
        "nothing was written",
    ]  # fmt: skip
    return "\n".join(line for line in lines if line)


def list_rows(title: str, rows: Sequence[str]) -> Iterator[str]:
    """A title with a line for each of the first rows."""
    yield title
    yield from (f"  {row}" for row in rows[:SHOWN])
    if len(rows) > SHOWN:
        yield f"  and {len(rows) - SHOWN:,} more"


def rate_changes(epochs: Sequence[EpochStart]) -> Iterator[EpochStart]:
    """The first epoch, and those that begin with another learning rate than the one before; of a rate that always changes, some."""
    changed = [each for at, each in enumerate(epochs) if not at or each.lr != epochs[at - 1].lr]
    every = -(-len(changed) // (SHOWN - 1))
    yield from (each for at, each in enumerate(changed) if at % max(every, 1) == 0 or each is changed[-1])


def rehearsal_json(found: Rehearsal) -> dict[str, Any]:
    """What `--format json` prints of a dry run. Sizes are bytes, times seconds."""
    plan, memory = found.plan, found.memory
    return {
        "net": plan.net,
        "parameters": plan.parameters,
        "recipe": plan.recipe.name,
        "recipe_origin": plan.recipe.origin,
        "members": found.members,
        "device": plan.device,
        "world_size": plan.world_size,
        "pictures": {"train": plan.train, "val": plan.val},
        "classes": [each._asdict() for each in found.classes],
        "batch": plan.recipe.batch,
        "accumulate": plan.recipe.accumulate,
        "steps": plan.steps,
        "steps_per_epoch": plan.steps_per_epoch,
        "epochs": [each._asdict() for each in found.epochs],
        "init": plain_init(plan.recipe.init),
        "augment": [{each.name: dict(each.values)} for each in found.augment],
        "memory": {**memory._asdict(), "at_once": found.at_once, "total": memory.total(found.at_once), "available": found.available},
        "files": [each._asdict() for each in found.files],
        "step": found.step._asdict(),
        "broken": [{"picture": name, "why": why} for name, why in found.broken],
    }  # fmt: skip


def overfit_text(found: OverfitTrial) -> str:
    """What people read of one batch that was to be learned by heart."""
    steps = len(found.losses)
    course = f"loss {format_loss(found.losses[0])} to {format_loss(found.losses[-1])} in {count_of(steps, 'step')} ({found.seconds:.3g} s)"
    if found.learned:
        return f"{found.net} can learn: it told all {count_of(found.pictures, 'picture')} of a batch right, {course}"
    lines = [
        f"{found.net} did not learn a batch of {count_of(found.pictures, 'picture')} by heart: it tells {found.right:,} right, {course}"
    ]
    return "\n".join([*lines, *(f"  {advice}" for advice in found.advice)])


def overfit_json(found: OverfitTrial) -> dict[str, Any]:
    """What `--format json` prints of it."""
    return {**found._asdict(), "losses": list(found.losses), "advice": list(found.advice)}
