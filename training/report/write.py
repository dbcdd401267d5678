"""RUN/report.html from what lies in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...compiler.files import atomic_write
from ...runtime.evaluation import ClassificationReport
from ..broken import NAME as BROKEN
from ..broken import read_broken
from ..metrics import NAME as METRICS
from ..metrics import read_metrics
from ..run_folder import RunFolder
from ..watching import RunEnd, RunPlan
from .curves import draw_charts
from .ensemble_page import EnsembleRecord, format_ensemble
from .page import RunRecord, format_run
from .series import find_best, make_charts, read_epochs


def write_report(
    plan: RunPlan, end: RunEnd, versions: Mapping[str, str], evaluation: ClassificationReport | None = None
) -> Path:
    """Writes the report of a run, whole or not at all; gives its path.

    It reads metrics.csv, recipe.yaml, spec.yaml and broken.csv in `plan.folder`. `evaluation` is what the best weights answer on the validation
    pictures. Raises Failure where it cannot be written, and RuntimeFault `package-missing` without matplotlib.
    """
    folder = RunFolder(plan.folder)
    rows = [*read_metrics(folder.path / METRICS)]
    epochs = read_epochs(rows)
    best = find_best(epochs, plan.recipe.checkpoint.best)
    charts = make_charts(rows, plan, best)
    record = RunRecord(plan, end, charts, draw_charts(charts), epochs, best, read_texts(folder), versions, read_broken(folder.path / BROKEN), evaluation)  # fmt: skip
    with atomic_write(folder.report) as partial:
        partial.write_text(format_run(record), "utf-8", "replace")
    return folder.report


def write_ensemble(folder: RunFolder, record: EnsembleRecord) -> None:
    """Writes the report of an ensemble, whole or not at all. Raises Failure where it cannot be written."""
    with atomic_write(folder.report) as partial:
        partial.write_text(format_ensemble(record, read_texts(folder)), "utf-8", "replace")


def read_texts(folder: RunFolder) -> dict[str, str]:
    """The recipe and the spec of a run, by their titles; what is not there is left out."""
    places = {"Recipe": folder.recipe, "Spec": folder.spec}
    return {name: place.read_text("utf-8", "replace") for name, place in places.items() if place.is_file()}
