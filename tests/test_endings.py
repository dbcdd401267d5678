"""However a command ends, a program that asked for a format gets one valid document on standard output; people read standard error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from archc.cli.commands import COMMANDS, cli
from archc.cli.errors import known_failure
from archc.compiler.diagnostics import Failure
from archc.interruption import requested_format
from archc.runtime.faults import RuntimeFault

from .program import Ran, Run, program

TINY = """archspec: 1
name: tiny
params: {classes: 10}
input: {image: [3, 8, 8]}
graph: [conv: 4, relu, global_avg_pool, {name: fc, linear: $classes}]
"""
WRONG = TINY.replace("relu", "rleu")
OTHER_FILES = {
    "model.ONNX": b"\x08\x0a", "model.bin": b"\x08\x0a", "w.pth": b"PK\x03\x04", "w.safetensors": b'\x40\0\0\0\0\0\0\0{"a"', "picture": b"\x89PNG\r\n",
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in a folder that holds a sound spec, a wrong one, and one that nothing can be made of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHC_DEBUG", raising=False)
    Path("tiny.yaml").write_text(TINY, "utf-8")
    Path("wrong.yaml").write_text(WRONG, "utf-8")
    Path("open.yaml").write_text(TINY.replace("classes: 10", "classes: int"), "utf-8")
    Path("text.txt").write_text("no model\n", "utf-8")
    for name, data in OTHER_FILES.items():
        Path(name).write_bytes(data + bytes(64))
    return program(capsys)


class Failing(NamedTuple):
    """A command line without its --format, the exit code, and the code that it is told under."""

    arguments: list[str]
    exit_code: int
    code: str


FAILING = [
    Failing(["chekc", "tiny.yaml"], 2, "usage"),
    Failing(["check"], 2, "usage"),
    Failing(["check", "tiny.yaml", "--frob"], 2, "usage"),
    Failing(["check", "tiny.yaml", "--set"], 2, "usage"),
    Failing(["check", "missing.yaml"], 2, "no-such-spec"),
    Failing(["check", "missing/*.yaml"], 2, "no-such-spec"),
    Failing(["run", "missing/*.onnx", "photo.png"], 2, "no-such-model"),
    Failing(["explain", "missing/*.yaml"], 2, "no-such-spec"),
    *(
        Failing([command, name], 1, "not-a-spec")
        for command, names in {
            "check": OTHER_FILES,
            "cost": OTHER_FILES,
            "show": ["model.ONNX"],
            "compare": ["w.pth"],
            "build": ["model.bin"],
        }.items()
        for name in names
    ),
    Failing(["init", "mine", "--from", "model.bin"], 1, "not-a-spec"),
    Failing(["view", "w.pth"], 1, "not-a-spec"),
    Failing(["explain", "picture", "conv1"], 1, "not-a-spec"),
    Failing(["check", "tiny.yaml", "--set", "classes"], 2, "set-unknown"),
    Failing(["check", "tiny.yaml", "--set", "classes=ten"], 2, "set-value"),
    Failing(["check", "tiny.yaml", "--set", "clases=1"], 2, "set-unknown"),
    Failing(["check", "a\x1b[31m\u202e.yaml"], 2, "no-such-spec"),
    Failing(["show"], 2, "usage"),
    Failing(["show", "wrong.yaml"], 1, "unknown-op"),
    Failing(["show", "tiny.yaml", "--after", "nothing"], 2, "no-such-pass"),
    Failing(["show", "tiny.yaml", "--depth", "0"], 2, "usage"),
    Failing(["cost"], 2, "usage"),
    Failing(["cost", "tiny.yaml", "--share"], 2, "usage"),
    Failing(["cost", "tiny.yaml", "--batch", "0"], 2, "usage"),
    Failing(["cost", "tiny.yaml", "--on", "h20"], 2, "usage"),
    Failing(["cost", "tiny.yaml", "--at", "3x"], 2, "usage"),
    Failing(["cost", "alexnet_2012", "--at", "200"], 2, "input-size"),
    Failing(["cost", "tiny.yaml", "--on", "v100-16gb", "--precision", "int8"], 2, "usage"),
    Failing(["cost", "tiny.yaml", "wrong.yaml"], 1, "unknown-op"),
    Failing(["cost", "open.yaml"], 1, "open-params"),
    Failing(["diff"], 2, "usage"),
    Failing(["diff", "tiny.yaml"], 2, "usage"),
    Failing(["diff", "-", "-"], 2, "usage"),
    Failing(["diff", "tiny.yaml", "missing.yaml"], 2, "no-such-spec"),
    Failing(["diff", "tiny.yaml", "wrong.yaml"], 1, "unknown-op"),
    Failing(["diff", "wrong.yaml", "tiny.yaml"], 1, "unknown-op"),
    Failing(["diff", "tiny.yaml", "open.yaml"], 1, "open-params"),
    Failing(["diff", "tiny.yaml", "--set", "clases=1"], 2, "set-unknown"),
    Failing(["diff", "HEAD:tiny.yaml", "tiny.yaml"], 2, "no-such-revision"),
    Failing(["view"], 2, "usage"),
    Failing(["view", "wrong.yaml"], 1, "unknown-op"),
    Failing(["view", "open.yaml"], 1, "open-params"),
    Failing(["view", "tiny.yaml", "-o", "net.gif"], 2, "usage"),
    Failing(["view", "tiny.yaml", "-o", "net.svg", "--to", "dot"], 2, "usage"),
    Failing(["view", "tiny.yaml", "-o", "net.dot", "--heat", "macs"], 2, "bad-option"),
    Failing(["view", "tiny.yaml", "-o", "no/where.svg"], 2, "no-such-folder"),
    Failing(["view", "tiny.yaml", "--only", "fcc"], 2, "no-such-step"),
    Failing(["view", "tiny.yaml", "--to", "svg", "-o", "-"], 2, "usage"),
    Failing(["compare", "tiny.yaml", "wrong.yaml"], 1, "unknown-op"),
    Failing(["compare", "open.yaml"], 1, "open-params"),
    Failing(["compare", "--family", "googlnet"], 2, "no-such-spec"),
    Failing(["compare", "tiny.yaml", "-o", "chart.pdf"], 2, "usage"),
    Failing(["compare", "tiny.yaml", "-o", "chart.svg"], 1, "nothing-to-draw"),
    Failing(["compare", "tiny.yaml", "--protocol", "val-1-crop"], 2, "usage"),
    Failing(["compare", "tiny.yaml", "--x", "time"], 2, "usage"),
    Failing(["compare", "tiny.yaml", "--bench", "missing.json"], 2, "file-missing"),
    Failing(["compare", "tiny.yaml", "--bench", "text.txt"], 1, "not-bench-results"),
    Failing(["build"], 2, "usage"),
    Failing(["build", "wrong.yaml"], 1, "unknown-op"),
    Failing(["build", "tiny.yaml", "--opset", "99"], 2, "opset-unsupported"),
    Failing(["build", "tiny.yaml", "--opset", "last"], 2, "usage"),
    Failing(["build", "tiny.yaml", "--phase", "train"], 2, "bad-option"),
    Failing(["build", "tiny.yaml", "--weights", "missing.pth"], 2, "weights-missing-file"),
    Failing(["build", "tiny.yaml", "-o", "no/where.onnx"], 2, "no-such-folder"),
    Failing(["build", "tiny.yaml", "-o", "-"], 2, "usage"),
    Failing(["run"], 2, "usage"),
    Failing(["run", "missing.onnx", "a.png"], 2, "no-such-model"),
    Failing(["run", "text.txt", "a.png"], 1, "not-a-model"),
    Failing(["bench"], 2, "usage"),
    Failing(["bench", "missing.onnx"], 2, "no-such-model"),
    Failing(["profile"], 2, "usage"),
    Failing(["profile", "text.txt"], 1, "not-a-model"),
    Failing(["verify"], 2, "usage"),
    Failing(["verify", "text.txt"], 1, "not-a-model"),
    Failing(["cache", "emptied"], 2, "usage"),
    Failing(["cache", "clear", "missing.onnx"], 2, "no-such-model"),
    Failing(["run", "missing.onnx", "a.png", "-o", "a.csv"], 2, "no-such-model"),
    Failing(["run", "text.txt", "a.png", "--restart"], 2, "usage"),
    Failing(["eval"], 2, "usage"),
    Failing(["eval", "text.txt", "photos"], 1, "not-a-model"),
    Failing(["train"], 2, "usage"),
    Failing(["train", "tiny.yaml"], 2, "usage"),
    Failing(["train", "tiny.yaml", "-o", "run"], 2, "no-such-recipe"),
    Failing(["train", "tiny.yaml", "-o", "text.txt"], 2, "run-exists"),
    Failing(["train", "tiny.yaml", "digits", "-o", "run"], 2, "no-pictures"),
    Failing(["train", "tiny.yaml", "digits", "-o", "run", "--set", "clases=3"], 2, "set-unknown"),
    Failing(["train", "wrong.yaml", "digits", "-o", "run", "--data", "."], 1, "unknown-op"),
    Failing(["train", "open.yaml", "digits", "-o", "run", "--data", "."], 1, "open-params"),
    Failing(["train", "--resume", "run"], 2, "no-such-run"),
    Failing(["train", "--resume", "run", "tiny.yaml"], 2, "usage"),
    Failing(["init"], 2, "usage"),
    Failing(["init", "a b"], 2, "net-name"),
    Failing(["init", "tiny"], 2, "file-exists"),
    Failing(["init", "mine", "--from", "wrongest.yaml"], 2, "no-such-spec"),
    Failing(["init", "mine", "-o", "-"], 2, "usage"),
    Failing(["list", "nothing-of-that-name"], 2, "no-such-spec"),
    Failing(["list", "--recipes", "nothing-of-that-name"], 2, "no-such-recipe"),
    Failing(["schema", "much"], 2, "usage"),
    Failing(["ops", "covn"], 2, "no-such-op"),
    Failing(["explain"], 2, "usage"),
    Failing(["explain", "no-such-code"], 2, "unknown-code"),
    Failing(["explain", "tiny.yaml"], 2, "usage"),
    Failing(["explain", "tiny.yaml", "cf"], 2, "no-such-step"),
    Failing(["explain", "tiny.yaml:1"], 2, "no-such-step"),
    Failing(["explain", "missing.yaml:1"], 2, "no-such-spec"),
    Failing(["explain", "wrong.yaml", "fc"], 1, "unknown-op"),
    Failing(["explain", "open.yaml:5"], 1, "open-params"),
    Failing(["doctor", "now"], 2, "usage"),
]


def check_error(ran: Ran, exit_code: int, code: str) -> dict[str, Any]:
    """The one document of a command that failed; its facts are those that people read."""
    document = json.loads(ran.out)
    assert set(document) == {"ok", "error", "diagnostics"} and document["ok"] is False
    error = document["error"]
    assert (error["code"], error["exit_code"]) == (code, exit_code) and ran.code == exit_code
    assert set(error) == {"code", "message", "help", "exit_code"} and error["message"]
    assert ran.err
    return document


@pytest.mark.parametrize("failing", FAILING, ids=lambda f: " ".join(f.arguments).encode("ascii", "replace").decode())
def test_json_is_one_document(run: Run, failing: Failing) -> None:
    command, *rest = failing.arguments
    for form in (["--format", "json"], ["--format=json"]):
        document = check_error(run(command, *form, *rest), failing.exit_code, failing.code)
    if rest[-2:] != ["-o", "-"]:  # that is wrong with JSON only
        told = run(*failing.arguments)
        assert told.code == failing.exit_code and not told.out
    assert bool(document["diagnostics"]) is (failing.exit_code == 1 and failing.code in ("unknown-op", "open-params"))
    assert run("explain", failing.code).code == 0


def test_every_command_is_among_them() -> None:
    assert {failing.arguments[0] for failing in FAILING} >= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_format_and_says_what_is_wrong_in_it(run: Run, name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    choices = next(p.type.choices for p in command.params if p.name == "form")  # type: ignore[attr-defined]
    assert "json" in choices
    check_error(run(name, "--frob", "--format", "json"), 2, "usage")
    check_error(run(name, "--format", "json", "--format", "json", "--frob"), 2, "usage")


@pytest.mark.parametrize("failing", [f for f in FAILING if f.arguments[0] in ("check", "chekc")], ids=str)
def test_sarif_and_github_too(run: Run, failing: Failing) -> None:
    command, *rest = failing.arguments
    log = json.loads(run(command, "--format", "sarif", *rest).out)
    (found,) = log["runs"]
    assert [each["ruleId"] for each in found["results"]] == [failing.code]
    assert found["invocations"] == [{"executionSuccessful": False, "exitCode": failing.exit_code}]
    ran = run(command, "--format", "github", *rest)
    assert ran.code == failing.exit_code
    assert ran.out.startswith(f"::error title=archc {failing.code}::") and ran.out.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "exit_code", "code"),
    [
        (ZeroDivisionError("oh\x1b[31m"), 70, "internal"),
        (RecursionError("deep"), 70, "internal"),
        (Failure("disk-full", "the disk is full", "make room", 3), 3, "disk-full"),
        (MemoryError(), 3, "out-of-memory"),
        (OSError(28, "No space left on device", "x"), 3, "os-error"),
        (OSError("without a number"), 70, "internal"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: repr(value)[:20],
)
@pytest.mark.parametrize("arguments", [["check", "tiny.yaml"], ["cost", "tiny.yaml"], ["build", "tiny.yaml"]])
def test_what_nobody_expects(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], error: BaseException, exit_code: int, code: str
) -> None:
    from archc.compiler import driver

    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(driver, "check", broken)
    check_error(run(*arguments, "--format", "json"), exit_code, code)
    assert run(*arguments).out == ""
    assert run("explain", code).code == 0


def test_an_interrupted_process_leaves_a_document(tmp_path: Path) -> None:
    """A real signal, while the command waits for a spec on standard input."""
    process = subprocess.Popen(
        [sys.executable, "-m", "archc", "check", "-", "--format", "json"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdin
    process.stdin.write(b"#" * 200_000)  # a pipe holds a third of it: once all is written, the command is reading
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == "interrupted" and err.decode() == "interrupted\n"


def test_a_closed_output_is_no_traceback() -> None:
    """Standard output whose disk is full: the message is on standard error, and the exit code is the environment's."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full:
        for arguments in (["list", "--format", "json"], ["check", "missing", "--format", "json"]):
            done = subprocess.run(
                [sys.executable, "-m", "archc", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
            assert done.returncode in (2, 3) and "Traceback" not in done.stderr and "error[" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "form"),
    [
        ([], "text"),
        (["check", "x"], "text"),
        (["check", "--format", "json"], "json"),
        (["check", "--format=sarif", "x"], "sarif"),
        (["check", "--format", "json", "--format", "text"], "text"),
        (["check", "--format", "xml"], "text"),
        (["check", "--format"], "text"),
        (["list", "--format", "markdown"], "text"),
        (["check", "--", "--format", "json"], "text"),
    ],
)
def test_the_format_of_a_line_that_may_be_wrong(arguments: list[str], form: str) -> None:
    assert requested_format(arguments) == form


@pytest.mark.parametrize(
    "arguments",
    [["check", "tiny.yaml"], ["check", "wrong.yaml", "tiny.yaml"], ["show", "tiny.yaml"], ["cost", "tiny.yaml"],
     ["cost", "tiny.yaml", "tiny.yaml"], ["diff", "tiny.yaml", "--set", "classes=3"], ["build", "tiny.yaml", "--no-verify", "-o", "x.txt"], ["init", "mine"], ["list"], ["schema"],
     ["ops"], ["ops", "conv"], ["explain", "usage"], ["explain", "tiny.yaml", "fc"], ["explain", "tiny.yaml:5"],
     ["show", "tiny.yaml", "--tree"], ["doctor"]],
    ids=" ".join,
)  # fmt: skip
def test_an_answer_is_one_document_too(run: Run, arguments: list[str], capsys: Callable[..., Any]) -> None:
    assert json.loads(run(*arguments, "--format", "json").out) is not None


def test_a_fault_of_the_runtime_keeps_its_facts() -> None:
    fault = RuntimeFault("run-failed", "it stopped", "look at it", 3)
    for failure in (Failure.of(fault), known_failure(fault)):
        assert isinstance(failure, Failure) and vars(failure) == vars(fault)
