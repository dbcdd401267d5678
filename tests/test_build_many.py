"""`archc build` of several specs: on all cores, none stops another, and nothing is built where the outputs cannot be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archc.build.pool import Died, run_each

from .program import Run, program

run = pytest.fixture(program)
posix = pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
TINY = """archspec: 1
name: tiny
input: {image: [3, 8, 8]}
graph: [conv: 4, relu, global_avg_pool, {name: fc, linear: 10}]
"""
BAD = TINY.replace("relu", "rellu")
FAST = ("--proof", "none", "--jobs", "2")


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three good specs and a bad one, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    for name, text in {"a": TINY, "b": BAD, "c": TINY, "a-b": TINY}.items():
        (tmp_path / "specs" / f"{name}.yaml").write_text(text, "utf-8")
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_one_that_fails_stops_no_other(run: Run, specs: Path) -> None:
    code, out, err = run("build", "specs/*.yaml", "none.yaml", "lenet5_1998", "-o", "out/", *FAST)
    assert code == 2
    assert names(specs / "out") == {"a.onnx", "a-b.onnx", "c.onnx", "lenet5_1998.onnx"}
    lines = out.splitlines()
    assert sorted(line.split()[:2] for line in lines[:-1]) == [
        ["failed", "none.yaml"], ["failed", os.path.join("specs", "b.yaml")],
        *(["ok", os.path.join("out", f"{name}.onnx")] for name in ("a-b", "a", "c", "lenet5_1998")),
    ]  # fmt: skip
    assert all(line.endswith("  untrained") for line in lines[:-1] if line.startswith("ok"))
    assert lines[-1].startswith("4 nets built, 2 failed, ")
    assert "error[unknown-op]" in err and "b.yaml:4" in err and "error[no-such-spec]" in err


def test_the_document_holds_each_build_in_the_order_of_the_specs(run: Run, specs: Path) -> None:
    (specs / "out").mkdir()
    code, out, _ = run("build", "specs/c.yaml", "specs/[ab].yaml", "--format", "json", "-o", "out", *FAST)
    document = json.loads(out)
    assert (code, document["ok"]) == (1, False)
    assert [Path(each["spec"]).name for each in document["builds"]] == ["c.yaml", "a.yaml", "b.yaml"]
    assert [each["ok"] for each in document["builds"]] == [True, True, False]
    alone = json.loads(run("build", "specs/c.yaml", "--format", "json", "-o", "alone.onnx", "--proof", "none").out)
    built = document["builds"][0]
    assert set(built) == {*alone, "spec", "ok"}
    assert built["artifacts"][0]["sha256"] == alone["artifacts"][0]["sha256"]
    assert (document["builds"][2]["error"]["code"], document["builds"][2]["error"]["exit_code"]) == ("unknown-op", 1)
    assert document["builds"][2]["diagnostics"][0]["line"] == 4


def test_a_pattern_takes_a_folder_even_if_it_matches_one(run: Run, specs: Path) -> None:
    assert run("build", "specs/c*.yaml", "-o", "out", *FAST).code == 0
    assert names(specs / "out") == {"c.onnx"}
    assert run("build", "specs/c.yaml", "specs/./c.yaml", "specs/c*", *FAST).code == 0
    assert (specs / "c.onnx").exists(), "without -o they go here, and a spec that is named twice is built once"


def test_a_file_that_is_called_as_a_pattern_is_a_file(run: Run, specs: Path) -> None:
    (specs / "n[1].yaml").write_text(TINY, "utf-8")
    assert run("build", "n[1].yaml", "-o", "n.onnx", "--proof", "none").code == 0
    assert (specs / "n.onnx").is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["specs/*.yml", "-o", "out"], "no-such-spec", "`specs/*.yml`"),
        (["specs/a.yaml", "other/A.yaml", "-o", "out"], "bad-option", "would both write"),
        (["specs/a-b.yaml", "a_b.yaml", "--export", "torch", "-o", "out"], "bad-option", "a_b.py"),
        (["specs/*.yaml", "-o", "-"], "usage", "several specs"),
        (["specs/*.yaml", "-o", "a_b.yaml"], "usage", "several specs"),
        (["specs/*.yaml", "-o", "net.onnx"], "usage", "several specs"),
        (["specs/*.yaml", "-o", "none/out"], "no-such-folder", "none"),
        (["specs/a.yaml", "-", "-o", "out"], "usage", "standard input"),
        (["specs/*.yaml", "--weights", "a.pth", "-o", "out"], "usage", "--weights"),
        (["specs/*.yaml", "--weights-skip", "fc", "-o", "out"], "bad-option", "--weights-skip"),
        (["specs/*.yaml", "--jobs", "0", "-o", "out"], "usage", "--jobs"),
        (["specs/a.yaml", "--jobs", "2", "-o", "out"], "usage", "--jobs is for several specs"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_built(run: Run, specs: Path, words: list[str], code: str, said: str) -> None:  # fmt: skip
    (specs / "other").mkdir()
    (specs / "other" / "A.yaml").write_text(TINY, "utf-8")
    (specs / "a_b.yaml").write_text(TINY, "utf-8")
    before = {str(path) for path in specs.rglob("*")}
    found, out, err = run("build", *words, "--proof", "none")
    assert (found, out) == (2, "")
    assert f"error[{code}]" in err and said in err
    assert {str(path) for path in specs.rglob("*")} == before


def test_where_all_fail_no_folder_is_left(run: Run, specs: Path) -> None:
    assert run("build", "specs/b.yaml", "none", "-o", "out", *FAST).code == 2
    assert not (specs / "out").exists()


@pytest.mark.slow
def test_both_exports_of_many(run: Run, specs: Path) -> None:
    assert (
        run("build", "specs/a.yaml", "specs/a-b.yaml", "--export", "onnx", "--export", "torch", "-o", "out", *FAST).code
        == 0
    )
    assert {name for name in names(specs / "out") if not name.endswith(".safetensors")} == {
        "a.onnx",
        "a.py",
        "a-b.onnx",
        "a_b.py",
    }


# -- processes ---------------------------------------------------------------------------------------------------------


def square_or_die(number: int) -> int:
    if number < 0:
        os._exit(7)
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


@posix
def test_a_process_that_dies_fails_its_task_alone() -> None:
    tasks = [1, 0, 2, -1, 3]
    assert dict(run_each(square_or_die, tasks, 2)) == {0: 1, 1: Died(-9), 2: 4, 3: Died(7), 4: 9}
    assert dict(run_each(square_or_die, [0, -1, 4], 1)) == {0: Died(-9), 1: Died(7), 2: 16}
    assert dict(run_each(square_or_die, [], 3)) == {}


def running() -> dict[str, str]:
    """The processes that run, each with the one that began it."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    return {pid: parent for pid, parent, state in map(str.split, listed.splitlines()) if not state.startswith("Z")}


@posix
@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupt_ends_all_and_leaves_nothing(specs: Path, number: int, group: bool) -> None:
    command = [
        sys.executable,
        "-m",
        "archc",
        "build",
        "vgg16",
        "vgg19",
        "vgg13",
        "-o",
        "out",
        "--format",
        "json",
        *FAST,
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(command, cwd=specs, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip
    until = time.monotonic() + 100
    while not list(specs.glob("out/.*")) and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    below = {pid for pid, parent in running().items() if parent == str(process.pid)}
    (os.killpg if group else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, err.decode().splitlines()[-1]) == (130, "interrupted")
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert below, "it was building"
    until = time.monotonic() + 20
    while (left := below & set(running())) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left
    whole = names(specs / "out") if (specs / "out").exists() else {"none"}
    assert whole and not {name for name in whole if name.startswith(".")}, "what was done by then, or no folder at all"
    shutil.rmtree(specs / "out", ignore_errors=True)


@posix
def test_a_process_that_only_starts_says_nothing_of_an_interrupt() -> None:
    """Ctrl-C reaches all processes; in one in which Python still starts it would be a traceback."""
    script = (
        "import os, signal\n"
        "from archc.build.pool import PoolProcess\n"
        "worker = PoolProcess(abs, 1)\n"
        "os.kill(worker.process.pid, signal.SIGINT)\n"
        "worker.process.join()\n"
        "print(worker.process.exitcode)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=100, check=True
    )
    assert (done.stdout, done.stderr) == ("130\n", "")
