"""What a terminal, or a log, shows of a training run: all of it on standard error, as standard output has the answer alone."""

from __future__ import annotations

import math
import sys
import time

from ..compiler.diagnostics import clean
from ..text.layout import encodable, fold_line, output_width
from ..text.training import COLUMNS, INDENT, describe_epoch, describe_plan, describe_step
from ..training.watching import EpochReport, RunPlan, StepReport, Watcher
from .progress import STEP_S, StatusLine, describe_time

# lines of a log for the steps of one epoch, and the shortest epoch that has them
LINES, LONG_EPOCH = 10, 200


class TrainingProgress(Watcher):
    """On a terminal one line that changes, and a line that stays for each epoch; elsewhere plain lines, ten for the steps of a long epoch."""

    def __init__(self) -> None:
        self.line = StatusLine()
        self.plan: RunPlan | None = None
        self.report: StepReport | None = None
        self.shown_at = 0.0
        # when the first step was done, and which it was: before it workers start, and nothing is known
        self.first: tuple[float, int] | None = None
        self.terminal = sys.stderr.isatty()

    def begin(self, plan: RunPlan) -> None:
        self.plan, self.first = plan, None
        for line in describe_plan(plan):
            for part in fold_line(line, output_width(sys.stderr), INDENT, cut=False):
                self.keep(part)

    def tick(self, step: int, epoch: int) -> None:
        now = time.monotonic()
        self.first = self.first or (now, step)
        if self.terminal and self.plan and now - self.shown_at >= STEP_S:
            self.shown_at = now
            self.line.show(describe_step(self.plan, step, epoch, self.report, self.time_left(step), COLUMNS))

    def glance(self, report: StepReport) -> None:
        self.report = report

    def step(self, report: StepReport) -> None:
        self.report = report
        if self.terminal or not self.plan or self.plan.steps_per_epoch < LONG_EPOCH:
            return
        every = max(self.plan.recipe.log.every, -(-self.plan.steps_per_epoch // LINES))
        # the report that reaches or passes a tenth of the epoch
        if report.step // every > max(report.step - self.plan.recipe.log.every, 0) // every:
            self.keep(describe_step(self.plan, report.step, report.epoch, report, self.time_left(report.step), COLUMNS))

    def epoch(self, report: EpochReport) -> None:
        if self.plan:
            self.keep(describe_epoch(self.plan, report, describe_time(report.seconds)))
            if report.val and not math.isfinite(report.val.loss):
                self.keep(
                    f"note: the loss on the validation pictures is {report.val.loss}: weights are too large, or a picture's values"
                )

    def end(self, reason: str) -> None:
        """Removes the line that changes; what ended the run is said by whoever ends the command."""
        self.line.clear()

    def keep(self, text: str) -> None:
        """A line that stays."""
        self.line.clear()
        print(encodable(clean(text), sys.stderr), file=sys.stderr, flush=True)

    def time_left(self, step: int) -> str:
        """As the steps of this run went so far, validations included; empty where that says nothing yet."""
        if not self.plan or self.first is None or step <= self.first[1]:
            return ""
        began, first = self.first
        return describe_time((time.monotonic() - began) / (step - first) * (self.plan.steps - step))
