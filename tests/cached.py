"""Models in a cache of a test's own: nets, the fixtures `cache` and `model`, and what is in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archc
from archc.runtime import Session
from archc.runtime.cache import store

posix = pytest.mark.skipif(os.name != "posix", reason="owners, modes and locks are Unix's")
WIDE = """archspec: 1
name: wide
input: {image: [3, 8, 8]}
labels: [ant, bee, cat]
graph: [{conv: {out: 16, kernel: 3, padding: 1}}, relu, flatten, {name: a, linear: 300}, relu, {name: fc, linear: 3}]
"""
NETS = {
    "a fixed batch": (WIDE, {"batch": 2}),
    "several inputs": ("""archspec: 1
name: two
input: {left: [3, 8, 8], right: [3, 8, 8]}
graph: [{from: left}, {concat: [[], {from: right}]}, {conv: 4}, batch_norm, relu, global_avg_pool, {linear: 3}]""", {}),
    "several outputs": ("""archspec: 1
name: three
input: {image: [3, 8, 8]}
graph: [{name: c, conv: {out: 8, kernel: 3}, output: early}, batch_norm, {relu: null, output: middle}, global_avg_pool, {linear: 3}]""", {}),
}  # fmt: skip


def build(spec: str, path: Path, seed: int = 1, **options: Any) -> Path:
    """Builds a spec at `path`."""
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".yaml").write_text(spec, "utf-8")
    archc.load(path.with_suffix(".yaml")).export_onnx(path, proof="none", seed=seed, **options)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, which is not there yet."""
    monkeypatch.setenv("ARCHC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ARCHC_CACHE_SIZE")
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A net of 1.2 MB, with labels."""
    return build(WIDE, tmp_path / "wide.onnx")


def feeds(session: Session, rows: int = 2) -> dict[str, Any]:
    """Arrays that the session takes, the same each time."""
    rng = np.random.default_rng(1)
    shapes = {name: (rows, *port.shape[1:]) for name, port in session.inputs.items()}
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}  # type: ignore[arg-type]


def facts(session: Session) -> dict[str, Any]:
    """What a session says of its model, and answers."""
    answers = session.run(feeds(session))
    return {
        "answers": {name: (each.shape, each.tobytes()) for name, each in answers.items()},
        "ports": (session.inputs, session.outputs),
        "metadata": session.artifact.metadata,
        "outline": vars(session.artifact.graph),
        "identity": session.artifact.file_identity,
        "labels": session.labels,
        "verdict": session.verdict,
        "text": repr(session),
        "nodes": session.nodes_by_provider(),
    }


def state(model: Path, **options: Any) -> str:
    """What the cache is to the model's next session; its answers are those of a session without."""
    session = Session(model, device="cpu", threads=1, **options)
    plain = Session(model, device="cpu", threads=1, cache=False)
    assert plain.cache.state == "none"
    arrays = feeds(session)
    found, expected = session.run(arrays), plain.run(arrays)
    assert {name: each.tobytes() for name, each in found.items()} == {k: v.tobytes() for k, v in expected.items()}
    return session.cache.state


def entries(cache: Path) -> list[Path]:
    """The folders of its entries."""
    return store.list_folders(cache) if cache.exists() else []


def leftovers(cache: Path) -> list[str]:
    """What is in the cache beside its entries and its lock."""
    return [each.name for each in cache.iterdir() if each not in entries(cache) and each.name != store.LOCK]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
