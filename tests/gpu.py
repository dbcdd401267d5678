"""Where the tests of a GPU run: on CUDA, and nowhere where there is none.

ARCHC_REHEARSE_GPU=1 runs them on the CPU, so that a test that was changed can be tried before a card is at hand; what only a card has is left out.
"""

from __future__ import annotations

import os

import pytest

REHEARSAL = bool(os.environ.get("ARCHC_REHEARSE_GPU"))
DEVICE = "cpu" if REHEARSAL else "cuda"


def needs_gpu(works: bool) -> pytest.MarkDecorator:
    """Skips a module where CUDA does not work for what it tests."""
    return pytest.mark.skipif(not works and not REHEARSAL, reason="there is no NVIDIA GPU that works here")


only_on_a_card = pytest.mark.skipif(REHEARSAL, reason="the CPU has nothing like it")
