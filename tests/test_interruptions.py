"""Ctrl-C and SIGTERM at any moment: 130, one word, one document where one was asked for, and nothing left behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import archc
from archc.cli.errors import Ending, print_document
from archc.compiler.diagnostics import Failure
from archc.compiler.files import SUFFIX, TOKEN
from archc.interruption import DOCUMENTS, GRACE_S
from archc.runtime import Session

posix = pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
TINY = """archspec: 1
name: tiny
params: {classes: 10}
input: {image: [3, 8, 8]}
graph: [conv: 4, relu, global_avg_pool, {name: fc, linear: $classes}]
"""
SIGNAL_AT = Path(__file__).with_name("signal_at.py")
COMMANDS = {
    "check": ["check", "tiny.yaml"],
    "cost": ["cost", "tiny.yaml", "--format", "json"],
    "sarif": ["check", "tiny.yaml", "--format", "sarif"],
    "run": ["run", "tiny.onnx", "a.png", "--format", "json"],
    "written": ["run", "tiny.onnx", "a.png", "-o", "a.npz"],
    "init": ["init", "mine"],
    "build": ["build", "tiny.yaml", "-o", "out.onnx"],
    "stdout": ["build", "tiny.yaml", "--proof", "none", "-o", "-"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, once."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "tiny.yaml").write_text(TINY, "utf-8")
    archc.load(str(folder / "tiny.yaml")).export_onnx(folder / "tiny.onnx", proof="none")
    return folder / "tiny.onnx"


@pytest.fixture
def folder(tmp_path: Path, model: Path) -> Path:
    """A folder with what the commands read."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "tiny.yaml").write_text(TINY, "utf-8")
    shutil.copy(model, work)
    Image.new("RGB", (8, 8)).save(work / "a.png")
    (tmp_path / "tmp").mkdir()
    return work


def run_in(folder: Path, words: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Runs Python in the folder, with a folder beside it for temporary files."""
    environment = {**os.environ, "TMPDIR": str(folder.parent / "tmp"), "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, timeout=120, check=False, env=environment
    )


def check_interrupted(
    folder: Path, before: set[str], done: subprocess.CompletedProcess[bytes], words: list[str]
) -> None:
    """One word and 130; one document, or the answer, where the format was asked for; in the folder what was there before."""
    assert (done.returncode, done.stderr) == (130, b"interrupted\n"), done.stderr.decode()[-2000:]
    assert set(os.listdir(folder)) - {"a.npz", "mine.yaml", "archspec.schema.json", "out.onnx"} == before
    assert set(os.listdir(folder.parent / "tmp")) <= {".ses"}  # onnxruntime's own, made when it is imported
    if "--format" in words:
        document = json.loads(done.stdout)
        assert (
            "interrupted" in json.dumps(document) or "runs" in document or "results" in document or "name" in document
        )


def interrupt_at(folder: Path, kind: str, event: int, number: str, name: str) -> None:
    """Runs a command that is sent a signal at one event."""
    before = set(os.listdir(folder))
    done = run_in(folder, [str(SIGNAL_AT), kind, str(event), number, *COMMANDS[name]])
    check_interrupted(folder, before, done, COMMANDS[name])


@posix
@pytest.mark.parametrize(
    ("name", "kind", "event", "number"),
    [
        ("check", "IMPORTS", 1, "SIGINT"),
        ("check", "IMPORTS", 90, "SIGTERM"),
        ("check", "CALLS", 40_000, "SIGINT"),
        ("cost", "IMPORTS", 30, "SIGINT"),
        ("cost", "CALLS", 90_000, "SIGTERM"),
        ("run", "IMPORTS", 200, "SIGINT"),
        ("run", "CALLS", 150_000, "SIGINT"),
        ("build", "IMPORTS", 150, "SIGINT"),
    ],
)
def test_a_signal_at_one_event(folder: Path, name: str, kind: str, event: int, number: str) -> None:
    interrupt_at(folder, kind, event, number, name)


def count_events(folder: Path, kind: str, name: str) -> int:
    """How many events a whole run of the command has."""
    done = run_in(folder, [str(SIGNAL_AT), kind, "0", "SIGINT", *COMMANDS[name]])
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    for made in ("mine.yaml", "archspec.schema.json", "a.npz", "out.onnx"):
        (folder / made).unlink(missing_ok=True)
    return int(done.stderr.split()[-1])


def sweep(folder: Path, kind: str, name: str, times: int, draw: random.Random) -> None:
    """Interrupts a command at many events, both signals in turn."""
    total = count_events(folder, kind, name)
    for at in range(times):
        # the last events are after the answer, when nothing is left to interrupt
        event = 1 + int((total * 0.97 - 1) * draw.random())
        interrupt_at(folder, kind, event, ("SIGINT", "SIGTERM")[at % 2], name)
        for made in ("mine.yaml", "archspec.schema.json", "a.npz", "out.onnx"):
            (folder / made).unlink(missing_ok=True)


SWEPT = [(name, kind) for name in COMMANDS for kind in ("IMPORTS", "CALLS") if (name, kind) != ("build", "CALLS")]


@posix
@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), SWEPT)
def test_signals_over_the_whole_of_a_command(folder: Path, name: str, kind: str) -> None:
    sweep(folder, kind, name, 4, random.Random(f"{name} {kind}"))


@posix
@pytest.mark.soak
@pytest.mark.parametrize(("name", "kind"), [*SWEPT, ("build", "CALLS")])
def test_many_signals_over_the_whole_of_a_command(folder: Path, name: str, kind: str) -> None:
    sweep(folder, kind, name, 40, random.Random())


@posix
@pytest.mark.parametrize("delay", [0.0, 0.2, 0.5, 2.0])
def test_a_signal_at_some_time(folder: Path, delay: float) -> None:
    """As people do it. What comes before archc's first line is Python's own; what comes late finds the command done."""
    before = set(os.listdir(folder))
    script = "import sys; from archc.__main__ import main; print('begun', flush=True); sys.exit(main())"
    command = [sys.executable, "-c", script, *COMMANDS["build"]]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout and process.stdout.readline() == b"begun\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) in ((130, b"interrupted\n"), (0, b""))
    assert set(os.listdir(folder)) - {"out.onnx"} == before


# what a command may be at, as the body of a function; each goes on for minutes
STUCK = {
    "a long call of a library": "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)",
    "one that swallows": "import time\n    while True:\n        try: time.sleep(60)\n        except BaseException: pass",
    "a finaliser": "import time\n    class Late:\n        def __del__(self): time.sleep(0.5)\n    while True: Late()",
    "a thread": "from concurrent.futures import ThreadPoolExecutor as P; import time\n    with P(1) as p: p.submit(time.sleep, 60).result()",
}


@posix
@pytest.mark.parametrize("what", STUCK)
def test_what_does_not_answer_is_ended_and_leaves_nothing(folder: Path, what: str) -> None:
    """A private folder as compiler/files.py makes it is removed by its name; another process's is not, though its number is the
    same in another container, or stands in the output's name."""
    other = folder / ".out.onnx.1.archc-partial"
    other.write_bytes(b"")
    before = set(os.listdir(folder))
    script = f"""
import os, sys
from archc.__main__ import main
from archc import interruption
def command():
    import archc.compiler.files as files
    interruption.limit_long_calls()
    private = f".out.onnx.{{os.getpid()}}.{{files.TOKEN}}x{{files.SUFFIX}}"  # it goes, but no file that it links to
    os.makedirs(private)
    for others in (".out.onnx.{{}}.{{}}x", ".net.{{}}.onnx.1.{{}}x"):
        os.makedirs(others.format(os.getpid(), "0" * len(files.TOKEN)) + files.SUFFIX)
    os.symlink(os.path.abspath("a.png"), private + "/link")
    print('begun', flush=True)
    {STUCK[what]}
sys.exit(interruption.run_interruptibly(command))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    for sent in (1, 2):  # a second one need not wait
        process = subprocess.Popen([sys.executable, "-c", script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment)  # fmt: skip
        assert process.stdout and process.stdout.readline() == b"begun\n"
        for _ in range(sent):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (130, b"", b"interrupted\n")
        number, token = process.pid, "0" * len(TOKEN)
        others = {f".out.onnx.{number}.{token}x{SUFFIX}", f".net.{number}.onnx.1.{token}x{SUFFIX}"}
        assert set(os.listdir(folder)) == before | others
        for name in others:
            (folder / name).rmdir()


@posix
def test_an_ignored_signal_stays_ignored(folder: Path) -> None:
    """A shell starts what runs behind it with SIGINT ignored."""
    command = [sys.executable, str(SIGNAL_AT), "CALLS", "40000", "SIGINT", *COMMANDS["check"]]
    ignore: Callable[[], Any] = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, preexec_fn=ignore, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")


@posix
def test_who_imports_archc_keeps_the_signals() -> None:
    script = """
import signal, sys
before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
import archc, archc.cli, archc.interruption
archc.load("lenet5_modern"); archc.cli.main(["check", "lenet5_modern"])
assert before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
assert signal.set_wakeup_fd(-1) == -1 and sys.unraisablehook is sys.__unraisablehook__
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.parametrize("form", DOCUMENTS)
def test_the_documents_are_those_of_any_other_error(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_document(Ending("", Failure("interrupted", "interrupted", exit_code=130)), form)
    printed = capsys.readouterr().out
    assert (
        DOCUMENTS[form] == printed.strip() if form == "github" else json.loads(DOCUMENTS[form]) == json.loads(printed)
    )


def test_the_time_that_clauses_get_is_what_the_docs_say() -> None:
    assert f"{GRACE_S:.0f} second" in (Path(__file__).parent.parent / "docs" / "reference/cli.md").read_text("utf-8")


@pytest.mark.parametrize("event", [1, 10, 100, 1000, 5000, 20_000])
def test_an_interrupt_passes_through_python_as_it_is(model: Path, event: int) -> None:
    """At any call of archc's functions it stays a KeyboardInterrupt."""
    count = 0

    def profile(_frame: Any, kind: str, _argument: Any) -> None:
        nonlocal count
        count += kind in ("call", "c_call")
        if count == event:
            sys.setprofile(None)
            raise KeyboardInterrupt

    def work(times: int, watch: Any = None) -> None:
        sys.setprofile(watch)
        for _ in range(times):
            archc.load(model.parent / "tiny.yaml").cost()
            session = Session(model, device="cpu")
            session.classify(np.zeros((3, 8, 8, 3), np.uint8), errors="keep")

    work(1)
    try:
        with pytest.raises(KeyboardInterrupt):
            work(100, profile)
    finally:
        sys.setprofile(None)


SLOW_REMOVAL = """
import os, time
from archc import interruption
from archc.compiler import files

removed = files.abandon

def remove_slowly(path):
    print("removing", flush=True)
    time.sleep(2.5 * interruption.GRACE_S)
    removed(path)

files.abandon = remove_slowly
os.mkdir(f".x.{os.getpid()}.{files.TOKEN}{files.SUFFIX}")

def command():
    interruption.limit_long_calls()
    print("begun", flush=True)
    time.sleep(60)
    return 0

interruption.run_interruptibly(command)
"""


@posix
def test_what_is_being_removed_is_removed_whole(tmp_path: Path) -> None:
    """Neither a second signal, nor the time that a long call may take, ends a process that removes its temporary files."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen([sys.executable, "-c", SLOW_REMOVAL], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)  # fmt: skip
    assert process.stdout and process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == b"removing\n"
    assert len(os.listdir(tmp_path)) == 1
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"interrupted\n")
    assert os.listdir(tmp_path) == []
