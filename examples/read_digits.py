"""Reads held-out handwritten digits with onnxruntime, through a built lenet5_modern, and prints how many were right.

    archc build lenet5_modern --weights archspecs/lenet/lenet5_modern.safetensors --export onnx -o build/lenet5_modern.onnx
    python examples/read_digits.py build/lenet5_modern.onnx

The digits are PNG files, which are read as `archc run` reads a user's. Neither the compiler nor torch is imported.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from digits import images, split

from archc.runtime import Session


def accuracy(model: str | Path) -> tuple[int, int]:
    """How many of the held-out digits were right, and how many there are."""
    pictures, answers = images()
    _, held_out = split(len(pictures))
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{index}.png" for index in held_out]
        for index, file in zip(held_out, files, strict=True):
            pictures[index].save(file)
        results = Session(model, device="cpu").classify(files, top=1, batch=64)
    right = sum(
        int(result.top[0].label == str(answers[index])) for result, index in zip(results, held_out, strict=True)
    )
    return right, len(held_out)


def main() -> int:
    right, count = accuracy(sys.argv[1] if len(sys.argv) > 1 else "build/lenet5_modern.onnx")
    print(f"{right} of {count} held-out digits read right: accuracy {right / count:.2%}")
    return 0 if right / count >= 0.97 else 1


if __name__ == "__main__":
    sys.exit(main())
