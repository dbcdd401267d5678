"""What docs/explanation/security.md promises, over the whole corpus: whatever the bytes, a command ends with its exit code and in words, executes
nothing, starts nothing, talks to nobody, and touches no file but those that it was given and its output.

Many command lines run in one process (tests/batch.py), under strace where there is one and under Python's audit hooks always; a few in
processes of their own. What may be touched beside the case's own folder is INSTALLATION and SYSTEM in tests/touched.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from archc.cli import main

from .corpus import CASES, CODE_RAN, CORPUS, Case, find_faults, place
from .program import RAW
from .touched import STRACE, Touch, read_trace, tracing, trespasses

ROOT = Path(__file__).parent.parent
SECONDS = 600  # a bound for hangs: a batch takes a tenth of it on a busy machine
# what answers otherwise than the corpus wants, and why
KNOWN = {
    "onnx-fn-chain-bench": "is answered as it wants, by a process of `archc bench`, which is not allowed here",
}
WORKER = (
    r"archc\.runtime\.worker|^v?fork\(|^clone3?\("  # what `archc run` may start: the process of a model from elsewhere
)
COMMANDS = [case for case in CASES if case["class"] != "scenario" and case["id"] not in KNOWN]


def chosen(command: str, *classes: str) -> list[Case]:
    return [case for case in COMMANDS if case["command"][0] == command and (not classes or case["class"] in classes)]


CHECKED = chosen("check")
OTHERS = [case for case in COMMANDS if case["command"][0] not in ("check", "build", "run")]
BATCHES = {
    **{f"check {n}": CHECKED[n::4] for n in range(4)},
    "build": chosen("build"),
    "models": chosen("run", "onnx"),
    "photos": [case for case in chosen("run") if case["class"] != "onnx"] + OTHERS,
}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base.yaml of the corpus, built."""
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    assert main(["build", str(CORPUS / "base.yaml"), "--proof", "none", "--export", "onnx", "-o", str(path)]) == 0
    return path


def private(folder: Path) -> dict[str, str]:
    """The environment of a process whose home and temporary folder are below `folder`, and where nothing keeps it from writing there."""
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    kept = {
        key: value for key, value in os.environ.items() if key not in ("CI", "ARCHC_DEBUG", "ORT_DISABLE_TELEMETRY")
    }
    own = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    return {**kept, **own, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def run_batch(root: Path, lines: Sequence[tuple[Path, list[str]]]) -> list[dict[str, Any]]:
    """The answers to command lines, each with its folder, in one process; `touched` has what strace saw, too."""
    given, answers, trace = root / "cases.json", root / "answers.jsonl", root / "trace"
    given.write_text(json.dumps([{"folder": str(folder), "arguments": words} for folder, words in lines]), "utf-8")
    command = [*tracing(trace), sys.executable, "-m", "tests.batch", str(given), str(answers)]
    try:
        done = subprocess.run(command, env=private(root), cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
        ending = f"exit {done.returncode} {done.stderr[-800:]}"
    except subprocess.TimeoutExpired:
        ending = f"not done after {SECONDS} s"
    found = [json.loads(line) for line in answers.read_text("utf-8").splitlines()] if answers.exists() else []
    assert len(found) == len(lines), f"{ending}: died or hung in {lines[len(found)]}"
    assert done.returncode == 0, ending
    seen = read_trace(trace) if STRACE else {}
    for answer in found:
        answer["touched"] = [*map(Touch._make, answer["touched"]), *seen.get(answer["folder"], [])]
    return found


def wrong_in(answer: dict[str, Any], output: Path, processes: str = "(?!)", named: Sequence[Path] = (),
             temporary: Sequence[Path] = ()) -> list[str]:  # fmt: skip
    """What breaks a promise in an answer of a batch; it may read what is `named`, and write to `temporary` folders beside the output."""
    folder, code, text = Path(answer["folder"]), answer["code"], answer["text"]
    wrong = [f"exit code {code}"] if code not in (0, 1, 2, 3) else []
    wrong += ["a traceback"] if "Traceback" in text else []
    wrong += ["raw characters"] if RAW.search(text) else []
    wrong += ["code was executed"] if any(folder.parent.rglob(CODE_RAN)) else []
    wrong += [
        f"touched {touch}" for touch in trespasses(answer["touched"], [folder, *named], [output, *temporary], processes)
    ]
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("name", BATCHES)
def test_the_corpus(name: str, tmp_path: Path, model: Path) -> None:
    check_corpus(BATCHES[name], tmp_path, model)


def test_a_part_of_the_corpus(tmp_path: Path, model: Path) -> None:
    """Each class of inputs, in the fast group."""
    builds, photos = chosen("build")[::9], [case for case in chosen("run") if case["class"] == "image"][::6]
    check_corpus([*CHECKED[::12], *builds, *chosen("run", "onnx")[::9], *photos], tmp_path, model)


def check_corpus(cases: Sequence[Case], root: Path, model: Path) -> None:
    """Every case keeps every promise, and is answered as the corpus wants."""
    lines = []
    for number, case in enumerate(cases):
        folder, output = root / str(number) / "a" / "in", root / str(number) / "out"
        folder.mkdir(parents=True)
        output.mkdir()
        lines.append((folder, place(case, folder, output, model)))
    wrong: dict[str, list[str]] = {}
    for number, (case, answer) in enumerate(zip(cases, run_batch(root, lines), strict=True)):
        processes = WORKER if case["command"][0] == "run" else "(?!)"
        found = wrong_in(answer, root / str(number) / "out", processes)
        if case["command"][0] != "check":  # those are held by tests/test_corpus.py
            found += find_faults(case, answer["code"], answer["text"])
        if found:
            wrong[case["id"]] = found
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


ALONE = ["tag-eval", "compose-extends-dotdot-near", "compose-extends-symlink", "valid-labels-words", "set-code", "ckpt-pth-evil-eval",
         "ckpt-st-good", "onnx-ext-dotdot", "onnx-foreign-good", "image-ok-jpg"]  # fmt: skip


@pytest.mark.skipif(
    not STRACE, reason="strace is not installed (apt-get install strace): only what Python's audit hooks see is held"
)
@pytest.mark.parametrize("identity", ALONE)
def test_a_process_of_its_own(identity: str, tmp_path: Path, model: Path) -> None:
    """From a process's first system call to its last."""
    (case,) = (case for case in CASES if case["id"] == identity)
    folder, output, trace = tmp_path / "a" / "in", tmp_path / "out", tmp_path / "trace"
    folder.mkdir(parents=True)
    output.mkdir()
    words = place(case, folder, output, model)
    start = [sys.executable, "-c", "import sys; from archc.cli import main; sys.exit(main())"]
    done = subprocess.run([*tracing(trace), *start, *words], env=private(tmp_path), cwd=folder, capture_output=True, text=True,
                          timeout=SECONDS)  # fmt: skip
    (own, *others) = read_trace(trace, str(folder))[str(folder)]
    assert own.kind == "process"
    answer = {"folder": folder, "code": done.returncode, "text": done.stdout + "\n" + done.stderr, "touched": others}
    assert not wrong_in(answer, output, WORKER if words[0] == "run" else "(?!)")
    assert not find_faults(case, done.returncode, answer["text"])


WIDE = """archspec: 1
name: wide
input: {image: [3, 8, 8]}
labels: [ant, bee, cat]
graph: [{conv: {out: 16, kernel: 3, padding: 1}}, relu, flatten, {linear: 300}, relu, {linear: 3}]
"""


@pytest.mark.skipif(not STRACE, reason="strace is not installed")
def test_a_run_writes_to_the_cache_alone(tmp_path: Path) -> None:
    """The first run writes an entry, the second reads it; a third is told not to look."""
    folder, trace = tmp_path / "in", tmp_path / "trace"
    folder.mkdir()
    (folder / "wide.yaml").write_text(WIDE, "utf-8")
    built = main(["build", str(folder / "wide.yaml"), "--proof", "none", "-o", str(folder / "wide.onnx")])
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    environment = private(tmp_path)
    del environment["ARCHC_CACHE_SIZE"]
    environment.pop("XDG_CACHE_HOME", None)
    caches = tmp_path / "home" / ".cache"
    start = [sys.executable, "-m", "archc", "run", "wide.onnx", "a.png", "--format", "json"]
    for options, state, allowed in (([], "written", [caches]), ([], "hit", [caches]), (["--no-cache"], "none", [])):
        done = subprocess.run([*tracing(trace), *start, *options], env=environment, cwd=folder, capture_output=True, text=True,
                              timeout=SECONDS)  # fmt: skip
        assert built == done.returncode == 0 and json.loads(done.stdout)["cache"]["state"] == state
        (_, *touched) = read_trace(trace, str(folder))[str(folder)]
        assert not trespasses(touched, [folder], allowed)


# ---- that the watch sees what it is there for

MISDEEDS: list[tuple[str, str]] = [
    ("read", "open('/etc/passwd').read()"),
    ("read", "open('../secret').read()"),
    ("read", "import os; os.symlink('/etc/hostname', 'link'); open('link').read()"),
    ("write", "open('../left', 'w').close()"),
    ("write", "import os; os.mkdir('../folder')"),
    ("write", "import os; os.rename('mine', '../mine')"),
    ("write", "import os; os.remove('../secret')"),
    ("process", "import subprocess; subprocess.run(['true'])"),
    ("process", "import os; os.system('true')"),
    ("process", "import os; os.fork() or os._exit(0)"),
    ("socket", "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"),
]


@pytest.mark.parametrize(
    "watcher", ["hooks", pytest.param("strace", marks=pytest.mark.skipif(not STRACE, reason="no strace"))]
)
@pytest.mark.parametrize("kind, code", MISDEEDS)
def test_a_misdeed_is_seen(kind: str, code: str, watcher: str, tmp_path: Path) -> None:
    folder, trace = tmp_path / "in", tmp_path / "trace"
    folder.mkdir()
    (folder / "mine").touch()
    (tmp_path / "secret").touch()
    script = f"""
import json, os, sys
from tests import batch
os.chdir({str(folder)!r})
sys.addaudithook(batch.watch)
exec({code!r})
print(json.dumps(batch.touched))
"""
    tracer = tracing(trace) if watcher == "strace" else []
    done = subprocess.run([*tracer, sys.executable, "-c", script], env=private(tmp_path), cwd=ROOT, capture_output=True, text=True,
                          check=True, timeout=SECONDS)  # fmt: skip
    hooks = [Touch(*each) for each in json.loads(done.stdout)]
    seen = read_trace(trace)[str(folder)] if tracer else hooks
    assert kind in [touch.kind for touch in trespasses(seen, [folder], [folder])], seen


@pytest.mark.parametrize("chosen_by_user, expected", [(None, "1"), ("0", "0")])
def test_telemetry_is_off(chosen_by_user: str | None, expected: str, tmp_path: Path) -> None:
    """Unless a user wants it. That nothing is written or sent then, the corpus shows."""
    environment = private(tmp_path) | ({} if chosen_by_user is None else {"ORT_DISABLE_TELEMETRY": chosen_by_user})
    script = "import os, archc.runtime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def test_the_page_names_tests_that_there_are() -> None:
    page = (ROOT / "docs" / "explanation/security.md").read_text("utf-8")
    named = re.findall(r"(tests/\w+\.py)::(\w+)", page)
    assert len(named) > 15
    assert not [(file, name) for file, name in named if f"\ndef {name}(" not in (ROOT / file).read_text("utf-8")]
