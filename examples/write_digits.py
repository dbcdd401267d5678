"""Writes scikit-learn's handwritten digits as files that `archc train` and `archc eval` read.

    python examples/write_digits.py FOLDER [--form imagefolder|idx] [--side 8]

As an imagefolder they are PNG files in FOLDER/train/0 … FOLDER/val/9; as idx, the four files of MNIST's names. The 450 digits that examples/digits.py
holds out are `val`, in both forms. `--side` enlarges the 8×8 pixels, for nets that want more.
"""

from __future__ import annotations

import argparse
import gzip
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from digits import images, split
from PIL import Image

IDX_NAMES = {"train": "train", "val": "t10k"}


def write_imagefolder(folder: Path, side: int) -> None:
    """PNG files by part and class, named by the picture's place in scikit-learn's data."""
    pictures, answers = enlarged(side)
    for part, indices in parts().items():
        for index in indices:
            place = folder / part / str(answers[index])
            place.mkdir(parents=True, exist_ok=True)
            pictures[index].save(place / f"{index:04}.png")


def write_idx(folder: Path, side: int) -> None:
    """MNIST's four files: big-endian sizes behind a magic number, then bytes; the same bytes each time, as gzip writes no time."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures, answers = enlarged(side)
    pixels = np.stack([np.asarray(picture) for picture in pictures])
    for part, indices in parts().items():
        write_gzip(folder / f"{IDX_NAMES[part]}-images-idx3-ubyte.gz", pixels[indices])
        write_gzip(folder / f"{IDX_NAMES[part]}-labels-idx1-ubyte.gz", answers[indices].astype(np.uint8))


def write_gzip(path: Path, values: Any) -> None:
    """Bytes of any shape as an idx file."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes(), mtime=0))


def parts() -> Mapping[str, Any]:
    """The indices of the pictures of each part."""
    learn, held_out = split(len(images()[0]))
    return {"train": learn, "val": held_out}


def enlarged(side: int) -> tuple[list[Image.Image], Any]:
    """All pictures of so many pixels a side, and an array of which digit each is."""
    pictures, answers = images()
    if side != 8:
        pictures = [each.resize((side, side), Image.Resampling.BILINEAR) for each in pictures]
    return pictures, answers


WRITERS = {"imagefolder": write_imagefolder, "idx": write_idx}


def main() -> int:
    """Writes what is asked for, and says how many pictures there are."""
    parser = argparse.ArgumentParser(description="Writes scikit-learn's digits as files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--form", choices=WRITERS, default="imagefolder")
    parser.add_argument("--side", type=int, default=8, help="of the square pictures, in pixels")
    options = parser.parse_args()
    WRITERS[options.form](options.folder, options.side)
    counts = ", ".join(f"{len(indices)} in {part}" for part, indices in parts().items())
    print(f"{options.folder}: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
