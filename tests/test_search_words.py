"""Words that people type into the search of the site, in other words than archc's own: each stands on a page that answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
WORDS = {
    "grayscale": "reference/runtime.md",
    "black and white": "reference/runtime.md",
    "alpha channel": "reference/runtime.md",
    "transparent": "reference/runtime.md",
    "custom dataset": "howto/train.md",
    "fine-tune": "howto/classes.md",
    "transfer learning": "howto/classes.md",
    "quantize": "howto/precision.md",
    "mAP": "howto/maps.md",
    "mean average precision": "howto/maps.md",
    "GPU memory": "howto/cuda.md",
}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_leads_to_its_answer(word: str) -> None:
    text = " ".join((DOCS / WORDS[word]).read_text("utf-8").split())
    assert re.search(rf"\b{word}\b", text, re.I if word.islower() else 0)
