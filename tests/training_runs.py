"""Runs that never ran: plans and reports for whoever watches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from archc.training.measures import Measures
from archc.training.recipe.recipe import LogRules, Recipe
from archc.training.watching import EpochReport, RunPlan, StepReport, Watcher

HEADS = ("aux1", "aux2")
CLASSES = tuple(f"class {at}" for at in range(10))


def make_plan(
    folder: Path, epochs: int = 3, steps_per_epoch: int = 20, first_step: int = 0, heads: tuple[str, ...] = HEADS
) -> RunPlan:
    recipe = Recipe("small", 32, epochs=epochs, source="a paper, 2015", origin="zoo:small", log=LogRules(every=5))
    return RunPlan("small_net", recipe, folder, CLASSES, 640, 100, steps_per_epoch, epochs * steps_per_epoch, first_step, "cpu", 1, heads,
                   ("logits",), 11_200_000)  # fmt: skip


def report_step(plan: RunPlan, step: int, loss: float | None = None) -> StepReport:
    loss = 2.3 / (1 + step / 20) if loss is None else loss
    epoch = (step - 1) // plan.steps_per_epoch + 1
    losses = {"logits": loss / 2, **dict.fromkeys(plan.heads, loss)}
    return StepReport(step, epoch, loss, losses, 0.1 / epoch, 412.3, min(step / 80, 1))


def report_epoch(plan: RunPlan, epoch: int) -> EpochReport:
    measures = Measures(2.0 / epoch, 1 - 0.5 / epoch, 1 - 0.1 / epoch, 100)
    return EpochReport(epoch, epoch * plan.steps_per_epoch, 2.3 / epoch, measures, epoch != 3, 0.1 / epoch, 12.3, 0)


def events(plan: RunPlan) -> Iterator[StepReport | EpochReport]:
    """All reports of a run, from its first step on."""
    for step in range(plan.first_step + 1, plan.steps + 1):
        if step % plan.recipe.log.every == 0:
            yield report_step(plan, step)
        if step % plan.steps_per_epoch == 0:
            yield report_epoch(plan, step // plan.steps_per_epoch)


def play(plan: RunPlan, *watchers: Watcher, until: int | None = None) -> None:
    """Tells watchers a run up to the step `until`."""
    for watcher in watchers:
        watcher.begin(plan)
    for event in events(plan):
        if until is not None and event.step > until:
            break
        for watcher in watchers:
            watcher.tick(event.step, event.epoch)
            watcher.step(event) if isinstance(event, StepReport) else watcher.epoch(event)
    for watcher in watchers:
        watcher.end("finished")
