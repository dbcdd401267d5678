"""Pairs of ops answer alike in torch and in onnxruntime, optimised or not: a sample always, every pair in `make soak`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import SystemRandom

import pytest

from archc.compiler.diagnostics import Failure

from .op_pairs import Pair, all_pairs

SEED = 20140917


def faults(pairs: Iterator[Pair], path: Path) -> tuple[int, list[str]]:
    """How many of the pairs could be built, and what is wrong with those that fail."""
    built, found = 0, []
    for pair in pairs:
        try:
            built += pair.check(path)
        except Failure as failure:
            if failure.code != "opset-unsupported":
                found.append(f"{pair}: {failure.message}")
    return built, found


def test_a_sample_of_pairs(tmp_path: Path) -> None:
    built, found = faults(islice(all_pairs(SEED), 100), tmp_path / "pair.onnx")
    assert built > 50 and found == []


@pytest.mark.slow
def test_more_pairs(tmp_path: Path) -> None:
    built, found = faults(islice(all_pairs(SEED + 1), 1000), tmp_path / "pair.onnx")
    assert built > 500 and found == []


@pytest.mark.soak
def test_every_pair(tmp_path: Path) -> None:
    start = int(os.environ.get("SEED") or SystemRandom().randrange(2**32))
    print(f"\nevery pair of ops; again with `make soak SEED={start}`", flush=True)
    built, found = faults(all_pairs(start), tmp_path / "pair.onnx")
    print(f"{built} were built")
    assert built > 50_000 and found == []
