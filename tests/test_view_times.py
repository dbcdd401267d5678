"""`archc view --profile FILE`: measured times stand on the steps they are of, and a profile of another net is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archc
from archc.model_view import times as model_times

from .program import Run, program

SPEC = """archspec: 1
name: small
params: {width: 16, classes: 5}
input: {image: [3, 16, 16]}
graph:
  - {name: stem, conv: {out: $width, kernel: 3, padding: 1, bias: false}}
  - batch_norm
  - relu
  - {name: next, conv: {out: 32, kernel: 3}}
  - {name: head, aux: 0.3, steps: [global_avg_pool, {name: fc, linear: $classes}]}
  - global_avg_pool
  - {name: fc, linear: $classes}
"""
Row = dict[str, Any]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SPEC, "utf-8")
    return program(capsys)


def row(step: str, ms: float, macs: int = 0, covers: tuple[str, ...] = ()) -> Row:
    return {"step": step, "op": "Conv", "line": "", "covers": [step, *covers] if step else [], "ms": ms, "share": 0.1, "macs": macs, "bytes": 1}  # fmt: skip


# as for a batch of two
ROWS = [row("stem", 4.0, 2 * 16 * 16 * 16 * 27, ("2",)), row("next", 2.0, 2 * 14 * 14 * 32 * 16 * 9), row("5", 0.5),
        row("fc", 0.2, 2 * 32 * 5), row("fc/Flatten", 0.1), row("image/pixels", 0.4), row("", 0.8)]  # fmt: skip


def write(rows: list[Row] = ROWS, **changed: Any) -> None:
    """Writes a profile."""
    facts = {"model": "small", "device": "cpu", "batch": 2, "threads": None, "runs": 10, "run_ms": 9, "kernels_ms": 8,
             "ceilings": {}, "by": "step", "rows": rows}  # fmt: skip
    Path("p.json").write_text(json.dumps(facts | changed), "utf-8")


def times(ran_to: str) -> dict[str, float | None]:
    """The times of a drawing by path, and those of the whole."""
    drawing = json.loads(Path(ran_to).read_text("utf-8"))
    return {each[0]: each[9] for each in drawing["nodes"]} | {"": drawing["totals"].get("time_ms")}


def test_what_archc_profile_writes(run: Run) -> None:
    archc.load("small.yaml").export_onnx("small.onnx", proof="none")
    Path("p.json").write_text(run("profile", "small.onnx", "--runs", "2", "--format", "json").out, "utf-8")
    whole = json.loads(Path("p.json").read_text("utf-8"))["kernels_ms"]
    for source in ("small.yaml", "small.onnx"):
        assert run("view", source, "--profile", "p.json", "-o", "net.json").code == 0
        found = times("net.json")
        assert found[""] == pytest.approx(whole) and (found["stem"] or 0) > 0
    assert run("view", "small.yaml", "--profile", "p.json", "-o", "net.svg").code == 0
    # the legend of the heat
    assert " ms, " in Path("net.svg").read_text("utf-8")


@pytest.mark.filterwarnings("ignore:4 rows are few")
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_profile_of_fewer_bits_has_its_times_by_steps(run: Run, precision: str) -> None:
    """onnxruntime renames what it makes of such a file; each layer's time stands at its step, in both pictures."""
    np.savez("pixels.npz", image=np.random.default_rng(0).normal(size=(4, 3, 16, 16)).astype(np.float32))
    rounding = {"calibrate": "pixels.npz", "max_error": 1.0} if precision == "int8" else {}
    archc.load("small.yaml").export_onnx("small.onnx", proof="none", precision=precision, **rounding)
    Path("p.json").write_text(run("profile", "small.onnx", "--runs", "2", "--format", "json").out, "utf-8")
    for source in ("small.yaml", "small.onnx"):
        ran = run("view", source, "--profile", "p.json", "-o", "net.json")
        assert ran.code == 0, ran.err
        found = times("net.json")
        assert (found["stem"] or 0) > 0 and (found["next"] or 0) > 0 and (found["fc"] or 0) > 0


def test_a_time_stands_where_it_was_measured(run: Run) -> None:
    """Of one image; what was fused has none of its own, what belongs to no step is told."""
    write()
    assert run("view", "small.yaml", "--profile", "p.json", "-o", "net.json").code == 0
    found = times("net.json")
    assert found == {"stem": 2.0, "1": None, "2": None, "next": 1.0, "5": 0.25, "fc": pytest.approx(0.15), "head.0": None, "head.fc": None,
                     "": pytest.approx(4.0)}  # fmt: skip
    summary = json.loads(Path("net.json").read_text("utf-8"))["summary"]
    assert "small on cpu, 2 at once, the median of 10 runs" in summary and "0.6 of 4 ms are of no step" in summary
    assert run("view", "small.yaml", "--profile", "p.json", "--only", "next", "-o", "net.json").code == 0
    assert times("net.json") == {"next": 1.0, "": 1.0}


WRONG: dict[str, tuple[Callable[[], None], list[str], str, str]] = {
    "no file": (lambda: None, [], "file-missing", "no file `p.json`"),
    "no JSON": (lambda: Path("p.json").write_text("{") and None, [], "not-a-profile", "is no profile"),
    "deep JSON": (lambda: Path("p.json").write_text("[" * 10**5) and None, [], "not-a-profile", "is no profile"),
    "another document": (lambda: Path("p.json").write_text("[1]") and None, [], "not-a-profile", "is no profile"),
    "by block": (lambda: write(by="block"), [], "not-a-profile", "times by block"),
    "no rows": (lambda: write([]), [], "not-a-profile", "is no profile"),
    "a time that is none": (lambda: write([row("stem", float("nan"))]), [], "not-a-profile", "is no profile"),
    "a time below nothing": (lambda: write([row("stem", -1.0)]), [], "not-a-profile", "is no profile"),
    "an infinite count": (lambda: write([row("stem", 1.0) | {"macs": float("inf")}]), [], "not-a-profile", "is no profile"),
    "no batch": (lambda: write(batch=0), [], "not-a-profile", "is no profile"),
    "a step more": (lambda: write([*ROWS, row("more\x1b[31m", 1.0)]), [], "profile-mismatch", "`more\\x1b[31m`, which is not in small"),
    "a layer less": (lambda: write([r for r in ROWS if r["step"] not in ("next", "")]), [], "profile-mismatch", "no time of `next`"),
    "a wider net": (write, ["--set", "width=32"], "profile-mismatch", "`stem` has 442,368 MACs here and 221,184 there"),
    "other classes": (write, ["--set", "classes=3"], "profile-mismatch", "`fc` has 192 MACs here and 320 there"),
    "of no step": (lambda: write([*ROWS, row("", 20.0)]), [], "profile-mismatch", "76% of the time in `p.json` is of kernels that onnxruntime made of the model and named after none of its nodes (Conv)"),
    "heat without times": (lambda: None, ["--heat", "time"], "usage", "needs times"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_profile_of_this_net(run: Run, what: str) -> None:
    prepare, words, code, message = WRONG[what]
    prepare()
    given = [] if code == "usage" else ["--profile", "p.json"]
    ran = run("view", "small.yaml", *given, *words, "-o", "net.svg", "--format", "json")
    error = json.loads(ran.out)["error"]
    assert (error["code"], ran.code) == (code, 2 if code in ("usage", "file-missing") else 1), error
    assert message in error["message"] and not Path("net.svg").exists()


@pytest.mark.parametrize("least, code", [(0.8, 0), (0.9, 1)])
def test_so_much_of_the_time_is_told_at_least(run: Run, monkeypatch: pytest.MonkeyPatch, least: float, code: int) -> None:  # fmt: skip
    """85 % of the time is that of steps."""
    write()
    monkeypatch.setattr(model_times, "LEAST_TOLD", least)
    assert run("view", "small.yaml", "--profile", "p.json", "-o", "net.svg").code == code
