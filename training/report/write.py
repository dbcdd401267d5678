"""RUN/report.html from what lies in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...compiler.files import atomic_write
from ...runtime.evaluation import ClassificationReport
from ..broken import read_broken
from ..metrics import NAME as METRICS
from ..metrics import read_metrics
from ..watching import RunPlan
from .curves import draw_charts
from .page import RunRecord, format_run
from .series import find_best, make_charts, read_epochs

NAME = "report.html"
TEXTS = {"Recipe": "recipe.yaml", "Spec": "spec.yaml"}


def write_report(
    plan: RunPlan, reason: str, versions: Mapping[str, str], evaluation: ClassificationReport | None = None
) -> Path:
    """Writes the report of a run, whole or not at all; gives its path.

    It reads metrics.csv, recipe.yaml, spec.yaml and broken.csv in `plan.folder`. `reason` is what ended the run ("finished", else in
    words), `evaluation` the best weights on the validation pictures. Raises Failure where it cannot be written, and RuntimeFault
    `package-missing` without matplotlib.
    """
    folder = plan.folder
    rows = [*read_metrics(folder / METRICS)]
    epochs = read_epochs(rows)
    best = find_best(epochs, plan.recipe.checkpoint.best)
    charts = make_charts(rows, plan, best)
    texts = {
        name: (folder / file).read_text("utf-8", "replace") for name, file in TEXTS.items() if (folder / file).is_file()
    }
    record = RunRecord(plan, reason, charts, draw_charts(charts), epochs, best, texts, versions, read_broken(folder / "broken.csv"), evaluation)  # fmt: skip
    with atomic_write(folder / NAME) as partial:
        partial.write_text(format_run(record), "utf-8", "replace")
    return folder / NAME
