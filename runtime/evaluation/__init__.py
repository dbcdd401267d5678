"""How well a classifier does on pictures whose classes are known.

examples.py  pictures with their classes: a folder a class, or a csv
matching.py  which class of the model a folder's name means
tally.py     rows of a Predictor in, a ClassificationReport out
evaluate.py  all of it together: `evaluate`
page.py      a ClassificationReport as one page of HTML that needs nothing else; thumbnails.py makes its pictures
"""

from __future__ import annotations

from .evaluate import evaluate
from .page import format_page
from .tally import ClassificationReport

__all__ = ["ClassificationReport", "evaluate", "format_page"]
