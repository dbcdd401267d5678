"""Small data sets for the tests of training: pictures in folders, in a csv, and in MNIST's form."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def make_picture(path: Path, size: tuple[int, int] = (20, 16), mode: str = "RGB", seed: int = 0) -> Path:
    """A picture of smooth random colours; `size` is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.random.default_rng(seed).integers(0, 256, (4, 5, 4), dtype=np.uint8)
    picture = Image.fromarray(colours, "RGBA").resize(size, Image.Resampling.BICUBIC)
    if mode == "I;16":
        Image.fromarray((np.asarray(picture.convert("L")).astype(np.uint16) * 257 - 100).clip(0).astype(np.uint16)).save(path)  # fmt: skip
    else:
        picture.convert(mode).save(path)
    return path


def make_folders(root: Path, counts: Mapping[str, int], **how: Any) -> Path:
    """So many pictures in each folder of `root`."""
    for number, (folder, count) in enumerate(counts.items()):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for at in range(count):
            make_picture(root / folder / f"{at:02}.png", seed=100 * number + at, **how)
    return root


def idx_bytes(values: np.ndarray[Any, Any], kind: int = 8) -> bytes:
    """An array of unsigned bytes as an idx file."""
    return struct.pack(f">HBB{values.ndim}I", 0, kind, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def make_idx(root: Path, packed: bool = True, train: int = 30, val: int = 10, classes: int = 10) -> Path:
    """MNIST's four files with random pictures of 28×28; the classes come in turn."""
    root.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", train), ("t10k", val)):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28))
        for name, values in (("images-idx3", images), ("labels-idx1", np.arange(count) % classes)):
            content = idx_bytes(values)
            path = root / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
    return root
