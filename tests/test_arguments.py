"""Numbers and words that Python and the command line are given: each is used as it is meant, or refused by its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import archc
from archc import Failure, SpecError
from archc.runtime import RuntimeFault, Session

from .program import Run, program

TINY = """archspec: 1
name: tiny
params: {classes: 10}
input: {image: [3, 8, 8]}
graph: [conv: 4, relu, global_avg_pool, {name: fc, linear: $classes}]
"""
PICTURES = np.zeros((3, 8, 8, 3), np.uint8)
ROWS = np.zeros((3, 3, 8, 8), np.float32)
VALUES = [-1, 0, 3, 1e99, 2**63, 2**31, -(2**70), math.nan, math.inf, True, "3", 3.0, None, np.int64(3), np.float32(3), b"3", 3j,
          np.array([3, 3]), object()]  # fmt: skip
WHOLE = ["3", "np.int64(3)"]
LARGE = ["2147483648", "9223372036854775808"]
NO_VALUE = ["None"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec, its model and a picture."""
    found = tmp_path_factory.mktemp("arguments")
    (found / "tiny.yaml").write_text(TINY, "utf-8")
    archc.load(found / "tiny.yaml").export_onnx(found / "tiny.onnx", proof="none")
    Image.new("RGB", (8, 8)).save(found / "a.png")
    (found / "held" / "1").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(found / "held" / "1" / "a.png")
    return found


@pytest.fixture(scope="module")
def session(folder: Path) -> Session:
    return Session(folder / "tiny.onnx", device="cpu")


Give = Callable[[Any, Session, Path], Any]


def export(**given: Any) -> Give:
    """What an argument of export_onnx does, which is the one name in `given`."""
    (name,) = given
    return lambda value, _, folder: archc.load(folder / "tiny.yaml").export_onnx(
        folder / "x.onnx", **{"proof": "none", name: value}
    )


# each argument: how it is given, and which of the values it takes
ARGUMENTS: dict[str, tuple[Give, list[str]]] = {
    "threads": (lambda v, s, f: Session(f / "tiny.onnx", device="cpu", threads=v), [*WHOLE, *NO_VALUE]),
    "device": (lambda v, s, f: Session(f / "tiny.onnx", device=v), []),
    "top": (lambda v, s, f: len(s.classify(PICTURES, top=v)[0].top), [*WHOLE, *LARGE]),
    "batch": (lambda v, s, f: len(s.classify(PICTURES, batch=v)), WHOLE),
    "max_pixels": (lambda v, s, f: len(s.classify([f / "a.png"], max_pixels=v, errors="keep")), [*WHOLE, *LARGE]),
    "errors": (lambda v, s, f: s.classify(PICTURES, errors=v), []),
    "progress": (lambda v, s, f: len(s.classify(PICTURES, progress=v)), NO_VALUE),
    "predict batch": (lambda v, s, f: len([*s.predict(PICTURES, batch=v)]), WHOLE),
    "predict outputs": (lambda v, s, f: len([*s.predict(PICTURES, v)]), NO_VALUE),
    "run": (lambda v, s, f: s.run(v), []),
    "run outputs": (lambda v, s, f: s.run(ROWS, v), NO_VALUE),
    "logits": (lambda v, s, f: s.logits(v), []),
    "probabilities": (lambda v, s, f: s.probabilities(v), []),
    "params": (lambda v, s, f: archc.load(f / "tiny.yaml", params=v), NO_VALUE),
    "a param": (lambda v, s, f: archc.load(f / "tiny.yaml", params={"classes": v}), WHOLE),
    "seed": (export(seed=0), ["0", *WHOLE, "2147483648"]),
    "opset": (export(opset=0), NO_VALUE),
    "batch of a file": (export(batch=0), [*WHOLE, *NO_VALUE]),
    "phase": (export(phase=0), []),
    "precision": (export(precision=0), []),
    "store": (export(store=0), NO_VALUE),
    "io": (export(io=0), []),
    "input_type": (export(input_type=0), []),
    "max_error": (
        lambda v, s, f: archc.load(f / "tiny.yaml").export_onnx(
            f / "x.onnx", proof="none", precision="fp16", max_error=v
        ),
        NO_VALUE,
    ),
    "proof": (export(proof=0), []),
    "keep_aux": (export(keep_aux=0), ["True"]),
    "fold": (export(fold=0), ["True"]),
    "weights_input": (export(weights_input=0), NO_VALUE),
    "weights_key": (export(weights_key=0), NO_VALUE),
    "weights_prefix": (export(weights_prefix=0), NO_VALUE),
    "weights_skip": (export(weights_skip=0), []),
    "weights_map": (export(weights_map=0), NO_VALUE),
    "weights": (export(weights=0), NO_VALUE),
    "seed of a module": (lambda v, s, f: archc.load(f / "tiny.yaml").to_torch(seed=v), ["0", *WHOLE, "2147483648"]),
}
TAKES_TRUE = {"proof"}  # by its old meaning, whether there is one; that takes torch, and other tests have it


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_is_used_or_refused(session: Session, folder: Path, name: str) -> None:
    give, takes = ARGUMENTS[name]
    for value in VALUES:
        text = repr(value)
        if name in TAKES_TRUE and value is True:
            continue
        refused = refusal(lambda value=value: give(value, session, folder))  # type: ignore[misc]
        assert (refused is None) == (text in takes), f"{name}={text}: {refused or 'it is taken'}"
        if refused and not isinstance(refused, SpecError):
            assert refused.exit_code in (1, 2) and len(refused.message) > 15


def refusal(call: Callable[[], Any]) -> Failure | RuntimeFault | SpecError | None:
    """What a call raises that is meant for a user; None where it raises nothing. A param goes through the spec, so it may be a SpecError."""
    try:
        call()
    except (Failure, RuntimeFault, SpecError) as refused:
        return refused
    return None


def test_counts_are_used_as_they_are_meant(session: Session, folder: Path) -> None:
    for top in (1, 3, np.int64(3), 10, 2**31):
        assert [len(each.top) for each in session.classify(PICTURES, top=top)] == [min(top, 10)] * 3
    for batch in (1, 2, 3, np.int64(8)):
        assert len(session.classify(PICTURES, batch=batch)) == 3
    built = archc.load(folder / "tiny.yaml").export_onnx(folder / "b.onnx", batch=np.int64(3), proof="none")
    assert Session(built.artifacts[0].path, device="cpu").fixed_batch == 3


@pytest.mark.parametrize(
    "value", [v for v in VALUES if not isinstance(v, (str, bytes))], ids=lambda v: type(v).__name__
)
def test_what_is_no_path_is_a_type_error_or_a_fault(folder: Path, value: Any) -> None:
    for call in (
        lambda: Session(value),
        lambda: archc.load(value),
        lambda: archc.load(folder / "tiny.yaml").export_onnx(value, proof="none"),
    ):
        with pytest.raises((TypeError, Failure, RuntimeFault)) as refused:
            call()
        assert "not" in str(refused.value)


# -- the command line --------------------------------------------------------------------------------------------------

WORDS = [
    "-1",
    "0",
    "3",
    "1e99",
    str(2**63),
    str(2**31),
    "nan",
    "inf",
    "True",
    "3.0",
    "",
    "None",
    "0x3",
    "\N{ARABIC-INDIC DIGIT THREE}",
    "3_0",
    "9" * 400,
    "9" * 5000,
    "-" + "9" * 30,
]
RUN = ["run", "tiny.onnx", "a.png", "--device", "cpu"]
EVAL = ["eval", "tiny.onnx", "held", "--device", "cpu"]
BUILD = ["build", "tiny.yaml", "--proof", "none", "-o", "x.onnx"]
MANY = [str(2**31), str(2**63)]
# each option: the line before it, and which words it takes
OPTIONS = {
    "cost --batch": (["cost", "tiny.yaml"], ["3"]),
    "view --to": (["view", "tiny.yaml"], []),
    "view --depth": (["view", "tiny.yaml", "-o", "x.svg"], ["0", "3", str(2**31), str(2**63), "9" * 400]),
    "view --style": (["view", "tiny.yaml", "-o", "x.svg"], []),
    "view --heat": (["view", "tiny.yaml", "-o", "x.svg"], []),
    "view --theme": (["view", "tiny.yaml", "-o", "x.svg"], []),
    "view --scale": (["view", "tiny.yaml", "-o", "x.png"], ["3", "3.0"]),
    "view --port": (["view", "tiny.yaml"], []),
    "build --seed": (BUILD, ["0", "3", str(2**31)]),
    "build --opset": (BUILD, []),
    "build --batch": (BUILD, ["3"]),
    "build --phase": (BUILD, []),
    "build --precision": (BUILD, []),
    "build --store": (BUILD, []),
    "build --io": (BUILD, []),
    "build --input-type": (BUILD, []),
    "build --max-error": ([*BUILD, "--precision", "fp16"], []),
    "build --calibration": ([*BUILD, "--precision", "int8", "--calibrate", "inputs"], []),
    "build --jobs": (["build", "tin?.yaml", "--proof", "none", "-o", "built"], ["3", *MANY, "9" * 400]),
    "build --proof": (BUILD, []),
    "build --export": (BUILD, []),
    "build --weights-input": (BUILD, []),
    "run --top": (RUN, ["3", *MANY, "9" * 400]),
    "run --batch": (RUN, ["3"]),
    "run --threads": (RUN, ["3"]),
    "run --max-pixels": (RUN, [*MANY, "9" * 400]),  # 3 is taken, and the picture is larger
    "run --device": (["run", "tiny.onnx", "a.png"], []),
    "run --outputs": (RUN, []),
    "eval --mistakes": (EVAL, ["0", "3"]),
    "eval --batch": (EVAL, ["3"]),
    "eval --threads": (EVAL, ["3"]),
    "eval --max-pixels": (EVAL, [*MANY, "9" * 400]),
    "eval --device": (["eval", "tiny.onnx", "held"], []),
    "bench --batch": (["bench", "tiny.onnx", "--seconds", "0.1", "--device", "cpu"], ["3"]),
    "bench --seconds": (["bench", "tiny.onnx", "--device", "cpu", "--threads", "1"], ["3", "3.0"]),
    "bench --threads": (["bench", "tiny.onnx", "--seconds", "0.1", "--device", "cpu"], ["3"]),
    "profile --batch": (["profile", "tiny.onnx", "--runs", "1"], ["3"]),
    "profile --runs": (["profile", "tiny.onnx"], ["3"]),
    "profile --threads": (["profile", "tiny.onnx", "--runs", "1"], ["3"]),
    "profile --top": (["profile", "tiny.onnx", "--runs", "1"], ["3", *MANY, "9" * 400]),
    "profile --depth": (["profile", "tiny.onnx", "--runs", "1", "--by", "block"], ["3"]),
    "profile --by": (["profile", "tiny.onnx", "--runs", "1"], []),
    "verify --proof": (["verify", "tiny.onnx"], []),
    "verify --tolerance": (
        ["verify", "tiny.onnx", "tiny.onnx"],
        ["3", "1e99", str(2**63), str(2**31), "3.0"],
    ),
    "show --phase": (["show", "tiny.yaml"], []),
    "show --after": (["show", "tiny.yaml"], []),
    "show --depth": (["show", "tiny.yaml"], ["3"]),
    "cost --by": (["cost", "tiny.yaml"], []),
    "cost --depth": (["cost", "tiny.yaml", "--by", "block"], ["3"]),
    "cost --precision": (["cost", "tiny.yaml"], []),
    "cost --on": (["cost", "tiny.yaml"], []),
    "compare --style": (["compare", "tiny.yaml"], []),
    "compare --metric": (["compare", "tiny.yaml"], []),
    "compare --x": (["compare", "tiny.yaml"], []),
    "cost --at": (["cost", "tiny.yaml"], ["3"]),
    "cost --optimizer": (["cost", "tiny.yaml", "--training"], []),
    "train --epochs": (["train", "--resume", "nowhere"], []),
    "train --device": (["train", "--resume", "nowhere"], []),
    "train --weights-input": (["train", "tiny.yaml", "--dry-run"], []),
    "check --format": (["check", "tiny.yaml"], []),
}


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(folder)
    return program(capsys)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_used_or_refused(run: Run, option: str) -> None:
    line, takes = OPTIONS[option]
    flag = option.split()[1]
    for word in WORDS:
        ran = run(*line, flag, word)
        if word in takes:
            assert ran.code == 0, f"{option} {word}: {ran.err}"
        elif option.endswith("--max-pixels") and word == "3":
            assert ran.code == 1 and "image-too-large" in ran.err + ran.out
        else:
            assert ran.code == 2 and "error[" in ran.err and not ran.out, f"{option} {word!r}: {ran.code} {ran.err}"


def test_every_option_that_takes_a_number_or_a_word_is_among_them() -> None:
    import click

    from archc.cli.commands import COMMANDS, cli

    context = click.Context(cli)
    found = set()
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        for each in command.params:
            if (
                isinstance(each, click.Option)
                and not each.is_flag
                and not isinstance(each.type, click.types.StringParamType)
            ):
                found.add(f"{name} {max(each.opts, key=len)}")
    assert {each for each in found if not each.endswith("--format")} <= set(OPTIONS)
