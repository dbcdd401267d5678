"""scikit-learn's handwritten digits as lenet5_modern takes them, and the one split for training and reading.

The images are 1797 real scans (UCI) of 8×8 pixels with 17 greys. They become 8-bit grey images, as a user would have, and go through
the spec's own preprocessing: the shorter side is resized to 32, then (pixel / 255 - mean) / std.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

HELD_OUT = 450
SEED = 0


def images() -> tuple[list[Image.Image], Any]:
    """All digits as 8-bit grey images, and an array of which digit each of them is."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return [Image.fromarray(image) for image in grey], digits.target


def split(count: int) -> tuple[Any, Any]:
    """The indices of the images to train on, and of those held out; the same every time."""
    order = np.random.default_rng(SEED).permutation(count)
    return order[HELD_OUT:], order[:HELD_OUT]


def tensor(pictures: Iterable[Image.Image]) -> Any:
    """A float32 array (N, 1, 32, 32): the preprocessing of archspecs/lenet/lenet5_modern.yaml, written out."""
    pixels = [np.asarray(p.resize((32, 32), Image.Resampling.BILINEAR), np.float32) for p in pictures]
    return ((np.stack(pixels) / 255 - 0.5) / 0.5)[:, None].astype(np.float32)
