"""The folder of the warm-start cache: whose it is, how large it grows, several at once, and whatever ends a write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from archc.runtime import Session
from archc.runtime.cache import entry, folder, start, store

from .cached import WIDE, build, cache, entries, feeds, leftovers, model, posix, state
from .program import program

__all__ = ["cache", "model"]  # the fixtures


# -- the folder -----------------------------------------------------------------------------------------------------------


def others_may_write(cache: Path, patch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    cache.chmod(0o777)


def somebody_elses(cache: Path, patch: pytest.MonkeyPatch) -> None:
    cache.mkdir(0o700)
    patch.setattr(folder.os, "geteuid", lambda: os.stat(cache).st_uid + 1)


def in_somebody_elses(cache: Path, patch: pytest.MonkeyPatch) -> None:
    """As `sudo archc` in a user's home: nothing is made there."""
    real = os.stat(cache.parent).st_uid
    patch.setattr(folder.os, "geteuid", lambda: real + 1)
    if real == 0:
        patch.setattr(
            Path,
            "stat",
            lambda self, **_: (
                os.stat_result((0o40700, 1, 1, 1, 4242, 0, 0, 0, 0, 0)) if self == cache.parent else os.stat(self)
            ),
        )


def a_file(cache: Path, patch: pytest.MonkeyPatch) -> None:
    cache.write_text("", "utf-8")


def below_a_file(cache: Path, patch: pytest.MonkeyPatch) -> None:
    cache.parent.joinpath("file").write_text("", "utf-8")
    patch.setenv("ARCHC_CACHE", str(cache.parent / "file" / "cache"))


def no_room(cache: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(start.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))  # type: ignore[attr-defined]


def a_full_disk(cache: Path, patch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    patch.setattr(start, "force_to_disk", fail)


TROUBLE = {
    others_may_write: "others may write",
    somebody_elses: "another user",
    in_somebody_elses: "another user",
    a_file: "no folder",
    below_a_file: "cannot be used",
    no_room: "no room",
    a_full_disk: "no space left",
}


@posix
@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_cache_that_cannot_be_used_fails_no_run(
    trouble: Callable[[Path, pytest.MonkeyPatch], None], model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    picture = model.with_name("a.png")
    Image.new("RGB", (8, 8)).save(picture)
    with monkeypatch.context() as patch:
        trouble(cache, patch)
        run = program(capsys)
        told = run("run", str(model), str(picture))
        as_json = json.loads(run("run", str(model), str(picture), "--format", "json").out)
        quiet = run("run", str(model), str(picture), "--no-cache")
    assert told.code == 0 and "ant" in told.out and told.err.count("note: the next start") == 1
    assert TROUBLE[trouble] in told.err and TROUBLE[trouble] in as_json["cache"]["reason"]
    assert as_json["cache"]["state"] == "none"
    assert quiet.code == 0 and quiet.out == told.out and "next start" not in quiet.err
    assert entries(cache) == [] if cache.is_dir() else True


@posix
def test_a_folder_is_the_users_alone(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_CACHE", str(cache / "deep" / "down"))
    os.umask(old := os.umask(0))
    state(model)
    made = [cache, cache / "deep", cache / "deep" / "down", *entries(cache / "deep" / "down")]
    assert [each.stat().st_mode & 0o777 for each in made] == [0o700] * 4 and old >= 0


@posix
def test_an_entry_that_others_made_is_not_read(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state(model) == "written"
    (place,) = entries(cache)
    place.chmod(0o777)
    assert [state(model), state(model)] == ["written", "hit"]


@posix
@pytest.mark.parametrize("given, found", [
    ({"ARCHC_CACHE": "/x/y", "XDG_CACHE_HOME": "/z"}, "/x/y"), ({"XDG_CACHE_HOME": "/z"}, "/z/archc"), ({"XDG_CACHE_HOME": "z"}, "/home/me/.cache/archc"),
    ({}, "/home/me/.cache/archc"), ({"ARCHC_CACHE": ""}, "/home/me/.cache/archc"),
])  # fmt: skip
def test_where_the_cache_is(given: dict[str, str], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("ARCHC_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **given}.items():
        monkeypatch.setenv(name, value)
    assert str(folder.find_folder()) == found


@pytest.mark.parametrize("text, size", [
    ("", 4 * 2**30), ("0", 0), ("123", 123), ("500M", 500 * 2**20), ("1.5G", 3 * 2**29), ("2 GiB", 2**31), ("1k", 1024), ("1TB", 2**40),
    ("-1", None), ("much", None), ("1X", None), ("1e9", None), ("٣", None), ("9" * 40, None),
])  # fmt: skip
def test_how_large_it_may_grow(text: str, size: int | None, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setenv("ARCHC_CACHE_SIZE", text)
    if size is not None:
        assert folder.read_bound() == size
        return
    for arguments in (["cache"], ["run", str(model), "a.png"]):
        ran = program(capsys)(*arguments)
        assert ran.code == 2 and "ARCHC_CACHE_SIZE" in ran.err
    assert Session(model, device="cpu", cache=False)


def test_the_least_recently_used_goes_first(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [build(WIDE, tmp_path / f"{name}.onnx") for name in "abc"]
    assert [state(each) for each in models[:2]] == ["written"] * 2
    places = entries(cache)
    sizes = [store.measure_folder(each) for each in places]
    monkeypatch.setenv("ARCHC_CACHE_SIZE", str(sum(sizes) + sizes[0] // 2))
    assert state(models[0]) == "hit"  # so b was used before a
    mapped = Session(models[1], device="cpu")
    before = mapped.run(feeds(mapped))["logits"]
    os.utime(places[1], (1, 1))
    assert state(models[2]) == "written"
    assert {Path(found.model).stem for each in entries(cache) if (found := entry.read_notes(each))} == {"a", "c"}
    assert (mapped.run(feeds(mapped))["logits"] == before).all()  # it lives on in the session that has it
    assert state(models[1]) == "written" and len(entries(cache)) == 2


# -- several at once, and ends of every kind ------------------------------------------------------------------------------


OPENING = """
import hashlib, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import numpy as np
from archc.runtime import Session
for _ in range(int(sys.argv[3])):
    session = Session(sys.argv[2], device="cpu", threads=1)
    answer = session.run(np.ones((2, 3, 8, 8), np.float32))["logits"]
    print(session.cache.state, hashlib.sha256(answer.tobytes()).hexdigest())
"""


@posix
@pytest.mark.slow
def test_many_at_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six processes on three models, in a cache that holds two of them."""
    models = [build(WIDE, tmp_path / f"{name}.onnx", seed=seed) for seed, name in enumerate("abc")]
    state(models[0])
    monkeypatch.setenv("ARCHC_CACHE_SIZE", str(2 * store.measure_folder(entries(cache)[0]) + 10_000))
    command = [sys.executable, "-c", OPENING, str(Path(__file__).parent.parent)]
    workers = [
        subprocess.Popen([*command, str(models[at % 3]), "20"], stdout=subprocess.PIPE, text=True) for at in range(6)
    ]
    told = [{*each.communicate(timeout=240)[0].splitlines()} for each in workers]
    assert [each.returncode for each in workers] == [0] * 6
    assert {line.split()[0] for lines in told for line in lines} <= {"hit", "written", "none"}
    answers = [{line.split()[1] for lines in told[at::3] for line in lines} for at in range(3)]
    assert [len(each) for each in answers] == [1] * 3 and len(set.union(*answers)) == 3
    assert 1 <= len(entries(cache)) <= 2
    assert [state(each) for each in models for _ in range(2)][1::2] == ["hit"] * 3 and leftovers(cache) == []


@posix
def test_who_finds_another_writing_does_not_wait(model: Path, cache: Path) -> None:
    folder.open_folder(create=True)
    with store.lock_cache(cache), store.private_folder(cache) as private:
        session = Session(model, device="cpu")
        assert (session.cache.state, session.cache.help) == ("none", "") and "being written" in session.cache.reason
        assert private.is_dir()
    assert state(model) == "written"


# one process imports everything once, and forks for each session
KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import onnxruntime
import archc.runtime.session
from archc.runtime.cache import start, store
count = 0

def counted(real, at):
    def step(*given, **named):
        global count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **named)
    return step

PLACES = [(os, "fsync"), (os, "replace"), (os, "mkdir"), (start, "create_ort_session"), (start, "checksum"), (store, "remove_entry")]
for line in sys.stdin:
    child = os.fork()
    if not child:
        for place, name in PLACES:
            setattr(place, name, counted(getattr(place, name), int(line)))
        archc.runtime.session.Session(sys.argv[2], device="cpu")
        os._exit(count)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@posix
@pytest.mark.slow
def test_killed_at_any_step(model: Path, cache: Path) -> None:
    """A first session is killed before each of its steps towards the disk; the next one finds nothing wrong, and sweeps what is left."""
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(Path(__file__).parent.parent), str(model)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout

        def open_and_kill(at: int) -> int:
            print(at, file=process.stdin, flush=True)
            return int(process.stdout.readline())  # type: ignore[union-attr]

        steps = open_and_kill(0)
        assert steps > 8 and entries(cache)
        ends = []
        for at in range(1, steps + 1):
            shutil.rmtree(cache)
            assert open_and_kill(at) == -9
            ends.append(state(model))
            assert leftovers(cache) == [] and state(model) == "hit"
        assert {*ends} == {"written", "hit"}
        process.stdin.close()


@posix
def test_a_write_that_is_cut_off(model: Path, cache: Path) -> None:
    """The system lets no file grow over a limit, which cuts onnxruntime's own writing off: the session is there all the same."""
    code = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv[1]); from archc.runtime import Session\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, -1))\n"
        "found = Session(sys.argv[2], device='cpu'); print(found.cache.state, [*found.outputs])"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(Path(__file__).parent.parent), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["none", "['logits']"], done.stderr
    assert entries(cache) == [] and leftovers(cache) == []
