"""RUN/report.html: how a run went, as one page that needs nothing else.

evaluation.py  the best weights on the validation pictures, as `archc eval` counts them
series.py      what metrics.csv holds, as lines over epochs; the best epoch
curves.py      these as SVG (matplotlib's home here)
page.py        all of it as HTML; write.py reads it from the run's folder
ensemble_page.py  an ensemble: its members beside their average
"""

from __future__ import annotations

from .evaluation import evaluate_module
from .write import write_report

__all__ = ["evaluate_module", "write_report"]
