"""A model and its data are one commit: whatever ends a build, the old pair is there or the new one, and the next build clears up."""

from __future__ import annotations

import random
import runpy
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archc.compiler.backends import BACKENDS
from archc.compiler.files import SUFFIX, atomic_write
from archc.runtime.inference import create_cpu_session

from .killing import Builder, Ended, How

OLD, NEW = 1, 2  # seeds
SPEC = """archspec: 1
name: net
input: {image: [3, 8, 8]}
graph:
  - {name: a, conv: {out: 24, kernel: 3}}
  - relu
  - {name: b, conv: {out: 24, kernel: 5}}
  - global_avg_pool
  - {name: fc, linear: 10}
"""
IMAGE = np.random.default_rng(0).standard_normal((1, 3, 8, 8), dtype=np.float32)


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    with Builder() as found:
        yield found


class Pair:
    """A model with data beside it in a folder, and what the old and the new one answer."""

    def __init__(self, builder: Builder, folder: Path, suffix: str) -> None:
        self.builder, self.spec, self.output = builder, folder / "net.yaml", folder / "out" / f"m{suffix}"
        self.spec.write_text(SPEC, "utf-8")
        self.output.parent.mkdir()
        self.answers, self.listings = {}, {}
        for seed in (NEW, OLD):
            assert self.build(seed).code == 0
            self.answers[seed], self.listings[seed] = self.answer(), self.names()
        assert not np.array_equal(self.answers[OLD], self.answers[NEW])
        assert [len(names) for names in self.listings.values()] == [2, 2]

    def build(self, seed: int, how: How = "", at: int = 0, **options: Any) -> Ended:
        return self.builder.build(self.spec, self.output, seed, how, at, **options)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.output.parent.iterdir())

    def answer(self) -> Any:
        """What the model answers as it is there now."""
        if self.output.suffix == ".onnx":
            return create_cpu_session(self.output).run(None, {"image": IMAGE})[0]
        with torch.no_grad():
            return runpy.run_path(str(self.output))["load"]()(torch.from_numpy(IMAGE)).numpy()

    def check(self, ended: Ended, about: str) -> None:
        """The pair is the old or the new one, and whole; what a build that failed left is the old one alone; the next build clears up."""
        found = self.answer()
        same = [seed for seed in (OLD, NEW) if np.array_equal(found, self.answers[seed])]
        assert same, f"{about}: neither the old nor the new"
        if ended.code > 0:
            assert ended in ((3, "disk-full"), (3, "cannot-write"), (130, "interrupted")), f"{about}: {ended}"
            # what an interrupt leaves between two steps, archc/interruption.py removes by its name
            names = [name for name in self.names() if ended.code == 3 or not name.endswith(SUFFIX)]
            assert same == [NEW] or names == self.listings[OLD], f"{about}: {names}"
        assert ended.code != 0 or same == [NEW]
        assert self.build(OLD).code == 0
        assert self.names() == self.listings[OLD], f"{about}: {self.names()}"
        assert np.array_equal(self.answer(), self.answers[OLD])


@pytest.fixture(params=[".onnx", ".py"])
def pair(builder: Builder, tmp_path: Path, request: pytest.FixtureRequest) -> Pair:
    """An old pair, of an ONNX file or of a Python file."""
    return Pair(builder, tmp_path, request.param)


@pytest.mark.parametrize(
    ("pair", "how"),
    # `kill before` of an ONNX file is below, with the writes
    [(".onnx", "fail 28"), (".onnx", "interrupt after"), (".py", "kill before")],
    indirect=["pair"],
)
def test_every_step_towards_the_disk(pair: Pair, how: How) -> None:
    """The n-th fsync, rename and the like fails, or is the last that the process does, or Ctrl-C comes right after it."""
    check_every_step(pair, how, writes=False)


# each way with one kind of model in CI, and each kind with one; the same steps of both are in the soak, where they take minutes
IN_CI = {(".onnx", "kill before"), (".py", "fail 28")}


@pytest.mark.parametrize(
    ("pair", "how"),
    [
        pytest.param(suffix, how, marks=pytest.mark.slow if (suffix, how) in IN_CI else pytest.mark.soak)
        for suffix in (".onnx", ".py")
        for how in ("fail 28", "kill before", "fail 5", "fail 18", "kill after", "interrupt after")
    ],
    indirect=["pair"],
)
def test_every_step_and_every_write(pair: Pair, how: How) -> None:
    """By ENOSPC, EIO and EXDEV, and by a signal just before the step or just after it."""
    check_every_step(pair, how, writes=True)


def check_every_step(pair: Pair, how: How, writes: bool) -> None:
    steps = int(pair.build(NEW, "count", writes=writes).said)
    assert steps > 10
    assert pair.build(OLD).code == 0
    for at in range(1, steps + 1):
        ended = pair.build(NEW, how, at, writes=writes)
        assert ended.code == -9 if how.startswith("kill") else ended.code >= 0
        pair.check(ended, f"{how} at step {at} of {steps}")


@pytest.mark.parametrize("how", ["limit fails", "limit kills"])
def test_a_write_that_is_cut_off(pair: Pair, how: How) -> None:
    """The disk takes so many bytes of a file and no more, in the middle of a write by whomever."""
    sizes = sorted(path.stat().st_size for path in pair.output.parent.iterdir())
    for at in (0, 1, 4096, sizes[0] - 1, sizes[0], sizes[1] // 2, sizes[1] - 1):
        ended = pair.build(NEW, how, at)
        assert ended == (3, "disk-full") if how == "limit fails" else ended.code < 0, f"{how} at byte {at}: {ended}"
        pair.check(ended, f"{how} at byte {at}")


def test_killed_at_any_moment(pair: Pair) -> None:
    check_kills(pair, 5)


# its first five are those of CI
@pytest.mark.soak
def test_killed_three_hundred_times(pair: Pair) -> None:
    check_kills(pair, 300)


def check_kills(pair: Pair, times: int) -> None:
    began = time.perf_counter()
    assert pair.build(NEW).code == 0
    lasts = time.perf_counter() - began
    assert pair.build(OLD).code == 0
    moments = random.Random(4)
    for n in range(times):
        delay = moments.random() * lasts * 1.2
        pair.check(pair.build(NEW, delay=delay), f"kill {n} after {delay:.4f} s")


# -- which data goes ---------------------------------------------------------------------------------------------------


def test_two_builds_are_the_same_names_and_bytes(pair: Pair) -> None:
    before = {path.name: path.read_bytes() for path in pair.output.parent.iterdir()}
    assert pair.build(OLD).code == 0
    assert {path.name: path.read_bytes() for path in pair.output.parent.iterdir()} == before


def test_data_that_another_model_names_stays(pair: Pair) -> None:
    """The user copied the model, under whatever name; both answer as before."""
    copy = pair.output.with_name(f"copy{pair.output.suffix}")
    shutil.copy(pair.output, copy)
    assert pair.build(NEW).code == 0
    assert set(pair.names()) == {copy.name, *pair.listings[OLD], *pair.listings[NEW]}
    assert np.array_equal(pair.answer(), pair.answers[NEW])
    pair.output = copy
    assert np.array_equal(pair.answer(), pair.answers[OLD])


def test_what_archc_did_not_write_or_the_model_does_not_name_stays(pair: Pair) -> None:
    """Data that looks alike, of an earlier model; links; and a model from elsewhere that names other files as its data."""
    folder, data = pair.output.parent, next(name for name in pair.listings[OLD] if name != pair.output.name)
    alike = folder / data.replace("m-", "m-0")
    alike.write_bytes(b"not named")
    assert pair.build(NEW).code == 0 and alike.exists() and not (folder / data).exists()
    (folder / "precious.txt").write_bytes(b"mine")
    (folder.parent / data).write_bytes(b"outside")
    for name in ("precious.txt", f"../{data}", data):
        pair.output.write_bytes(foreign_model(pair.output.suffix, name))
        (folder / data).write_bytes(b"of another")
        assert pair.build(NEW).code == 0
        assert (folder / "precious.txt").exists() and (folder / data).exists() and (folder.parent / data).exists()


def foreign_model(suffix: str, data: str) -> bytes:
    """A model of another tool's that names `data`; for a path outside, one that says it is archc's."""
    if suffix == ".py":
        return f'def load(weights="{data}"):\n    return weights\n'.encode()
    import onnx

    tensor = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value=data)
    graph = onnx.GraphProto(name="g", initializer=[tensor])
    producer = "archc" if data.startswith("..") else "another"
    return bytes(onnx.ModelProto(ir_version=8, producer_name=producer, graph=graph).SerializeToString())


@pytest.mark.parametrize("suffix", [".onnx", ".py"])
def test_a_model_that_cannot_be_read_whole_keeps_all_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """It may name any data: the limit is met before the names are, in whatever message of the file."""
    named = BACKENDS["torch" if suffix == ".py" else "onnx"].named_data
    data = "m-0123456789ab" + (".safetensors" if suffix == ".py" else ".onnx.data")
    model = tmp_path / f"copy{suffix}"
    model.write_bytes(foreign_model(suffix, data))
    assert named(model) == {data: False}
    limit = "torch.data_names.MAX_SOURCE" if suffix == ".py" else "onnx.data_names.MAX_FIELDS"
    for most in range(5 if suffix == ".py" else 11):
        monkeypatch.setattr(f"archc.compiler.backends.{limit}", most)
        with pytest.raises(OSError, match="too"):
            named(model)
    old, now = tmp_path / data, tmp_path / "m"
    old.touch()
    now.write_bytes(b"old")
    with atomic_write(
        now, lambda path: {data: True} if path == now and now.read_bytes() == b"old" else named(path)
    ) as path:
        path.write_bytes(b"new")
    assert now.read_bytes() == b"new" and old.exists()


def test_a_pair_of_an_earlier_version_loads_and_goes(builder: Builder, tmp_path: Path) -> None:
    """Its data was called as the model: `m.onnx.data`, `m.safetensors`."""
    import onnx

    pair = Pair(builder, tmp_path, ".onnx")
    model = onnx.load(pair.output)
    for path in pair.output.parent.iterdir():
        path.unlink()
    onnx.save(model, pair.output, save_as_external_data=True, location="m.onnx.data", size_threshold=4096)
    assert pair.names() == ["m.onnx", "m.onnx.data"] and np.array_equal(pair.answer(), pair.answers[OLD])
    assert pair.build(NEW).code == 0 and pair.names() == pair.listings[NEW]

    (tmp_path / "two").mkdir()
    pair = Pair(builder, tmp_path / "two", ".py")
    data = next(path for path in pair.output.parent.iterdir() if path != pair.output)
    text = pair.output.read_text("utf-8").replace(
        f'.resolve().with_name("{data.name}")', '.with_suffix(".safetensors")'
    )
    pair.output.write_text(text, "utf-8")
    data.rename(data.with_name("m.safetensors"))
    assert np.array_equal(pair.answer(), pair.answers[OLD])
    assert pair.build(NEW).code == 0 and pair.names() == pair.listings[NEW]


def test_a_pair_through_a_link(pair: Pair) -> None:
    """The link stays, and both files are where it leads; the Python file finds its weights from the link, too."""
    link = pair.spec.with_name(f"latest{pair.output.suffix}")
    link.symlink_to(pair.output)
    real, pair.output = pair.output, link
    assert pair.build(NEW).code == 0 and link.is_symlink()
    if pair.output.suffix == ".py":
        assert np.array_equal(pair.answer(), pair.answers[NEW])
    pair.output = real
    assert np.array_equal(pair.answer(), pair.answers[NEW]) and pair.names() == pair.listings[NEW]


def test_a_name_as_long_as_a_name_may_be(pair: Pair) -> None:
    pair.output = pair.output.with_name("n" * (255 - len(pair.output.suffix)) + pair.output.suffix)
    for seed in (OLD, NEW):
        assert pair.build(seed).code == 0
        assert np.array_equal(pair.answer(), pair.answers[seed]) and len(pair.names()) == 4
