"""The report that a run ends with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from ..compiler.diagnostics import Failure
from ..runtime.faults import RuntimeFault
from .checkpoint.identity import current_versions
from .data.worker_faults import worker_faults
from .run_folder import RunFolder
from .watching import RunEnd, RunPlan

if TYPE_CHECKING:
    from .data import TrainingData
    from .learner import Learner
    from .loop import Course
    from .losses import ClassOutput


class ReportedNet(NamedTuple):
    """What a report tells of the net: its `name`, the `output` that tells the classes, and the `data` that it learned."""

    name: str
    output: ClassOutput
    data: TrainingData


def report_run(net: ReportedNet, learner: Learner, course: Course, plan: RunPlan, end: RunEnd) -> list[str]:
    """Writes report.html at the end of a run, with the best weights on the validation pictures where it is finished: somebody waits for the
    end of one that was interrupted. Gives remarks. A report that cannot be written costs no run: that is said."""
    from .report.evaluation import evaluate_module
    from .report.weights import load_best
    from .report.write import write_report

    try:
        evaluation = None
        if end.is_finished and net.data.val is not None and course.val is not None and course.best.is_file():
            module, place = load_best(learner.network, course.best), course.recipe.data.val or course.recipe.data.train
            with worker_faults(), course.val.whole() as batches:
                evaluation = evaluate_module(module, batches, net.data.val, net.output, net.data.classes, model=net.name,
                                             place=place, matched=net.data.how)  # fmt: skip
        write_report(plan, end, list_versions(learner.fabric.device.type), evaluation)
    except (Failure, RuntimeFault) as fault:
        return [f"there is no report.html: {fault.message}"]
    return []


def list_versions(device: str) -> dict[str, str]:
    """What a report says that a run was made with."""
    return {"python": sys.version.split()[0], **current_versions(device)}


def is_finished_report(folder: RunFolder) -> bool:
    """Whether the report of a run's folder is there, and tells of the whole run."""
    from .report.page import FINISHED

    try:
        return FINISHED in folder.report.read_text("utf-8", "replace")
    except OSError:
        return False
