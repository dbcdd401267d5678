"""Writes pictures of Fashion-MNIST as PNG files, and beside them pictures.csv with the class of each, for `archc run` and `archc eval`.

    python examples/fetch_fashion_mnist.py
    python examples/write_fashion.py FOLDER [--data build/fashion_mnist] [--part t10k] [--each 2]

`--each` takes only so many pictures of each class, the first ones. Those in examples/fashion/pictures were written with `--each 2`.
"""

from __future__ import annotations

import argparse
import csv
import sys
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

import archc
from archc.training.data.idx import find_idx, read_idx

HERE = Path(__file__).parent
SPEC = HERE / "fashion" / "resnet20_fashion.yaml"


def main() -> int:
    """Writes what is asked for, and says how many pictures there are."""
    parser = argparse.ArgumentParser(
        description="Writes pictures of Fashion-MNIST as PNG files, with their classes in pictures.csv."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--data", type=Path, default=HERE.parent / "build" / "fashion_mnist", help="where the four idx files are"
    )
    parser.add_argument("--part", choices=("train", "t10k"), default="t10k")
    parser.add_argument("--each", type=int, help="how many of each class; all of them unless told")
    options = parser.parse_args()
    files = find_idx(options.data, options.part)
    if files is None:
        parser.error(
            f"{options.data} has no {options.part}-images-idx3-ubyte.gz: python examples/fetch_fashion_mnist.py {options.data}"
        )
    pixels, classes = read_idx(files)
    labels = archc.load(SPEC).checked.labels
    assert labels is not None
    chosen = sorted(
        int(index) for each in range(len(labels)) for index in islice(np.flatnonzero(classes == each), options.each)
    )
    options.folder.mkdir(parents=True, exist_ok=True)
    with open(options.folder / "pictures.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        for index in chosen:
            name = f"{options.part}_{index:05}.png"
            Image.fromarray(pixels[index]).save(options.folder / name, optimize=True)
            table.writerow((name, labels[classes[index]]))
    print(f"{options.folder}: {len(chosen):,} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
