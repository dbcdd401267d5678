"""The private folders in which outputs are made: they go with their process, and what a killed one left goes with the next."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from archc.compiler.content_names import DIGITS
from archc.compiler.files import JOURNAL, LOCK, NEW, SUFFIX, atomic_write, take_lock

posix = pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")


def dead_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def make_folder(beside: Path, pid: int) -> Path:
    """A private folder as a process with this number makes it, in the middle of its writing."""
    private = beside.with_name(f".{beside.name}.{pid}.x7_1hdkq{SUFFIX}")
    (private / NEW).mkdir(parents=True)
    return private


def write(target: Path) -> None:
    with atomic_write(target) as path:
        path.write_text("new")


def test_private_folders_are_private_and_go(tmp_path: Path) -> None:
    """Also where the block is left by an exception of its own; two writers of one file do not meet."""
    target = tmp_path / "a.txt"
    with suppress(ZeroDivisionError), atomic_write(target) as path:
        folder = path.parent.parent
        assert folder.parent == tmp_path and folder.name.endswith(SUFFIX)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        raise ZeroDivisionError
    assert not os.listdir(tmp_path)
    with atomic_write(target) as first:
        with atomic_write(target) as second:
            second.write_text("second")
        first.write_text("first")
    assert target.read_text() == "first" and os.listdir(tmp_path) == ["a.txt"]


def test_what_was_left_is_told_by_its_name(tmp_path: Path) -> None:
    """Other outputs keep theirs. Earlier versions had files for folders: of those the process's number decides."""
    target, dead = tmp_path / "a.onnx", dead_process()
    left, another = make_folder(target, dead), make_folder(tmp_path / "a.onnx.b", dead)
    older, running = (tmp_path / f".a.onnx.{pid}{SUFFIX}" for pid in (dead, os.getppid()))
    older.touch()
    running.touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / f".a.onnx.{dead}.link{SUFFIX}"
    link.symlink_to(elsewhere)
    write(target)
    assert set(tmp_path.iterdir()) == {target, another, running, elsewhere} and not left.exists()
    assert not os.listdir(elsewhere)


@posix
def test_the_lock_says_what_is_in_use(tmp_path: Path) -> None:
    """Not the number: in containers one that was killed has the next one's, and one that runs has none that is seen here."""
    target = tmp_path / "a.onnx"
    make_folder(target, os.getpid())
    used = make_folder(target, dead_process())
    lock = take_lock(used)
    assert lock is not None
    write(target)
    assert set(tmp_path.iterdir()) == {target, used}
    os.close(lock)
    write(target)
    assert os.listdir(tmp_path) == ["a.onnx"]


@posix
def test_a_killed_process_gives_its_lock_back(tmp_path: Path) -> None:
    target = tmp_path / "a.onnx"
    script = """
import os, sys
from pathlib import Path
from archc.compiler.files import atomic_write
with atomic_write(Path(sys.argv[1])) as path:
    print(path.parent.parent, flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    private = Path(process.stdout.readline().strip())
    # as a process in a container whose number no process here has, and then as this one
    moved = private.rename(private.with_name(private.name.replace(str(process.pid), str(dead_process()))))
    write(target)
    assert moved.exists()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    moved.rename(private.with_name(private.name.replace(str(process.pid), str(os.getpid()))))
    write(target)
    assert os.listdir(tmp_path) == ["a.onnx"]


@posix
@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOLCK])
def test_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """There the process's number decides."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    target = tmp_path / "a.onnx"
    running = make_folder(target, os.getppid())
    make_folder(target, dead_process())
    write(target)
    assert set(tmp_path.iterdir()) == {target, running}


@posix
@pytest.mark.parametrize("how", ["removed", "locked", "made anew"])
def test_another_build_may_take_a_folder_before_its_lock_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It looks like one that was left. Then a second one is made."""
    import fcntl

    real, met, locks = fcntl.flock, [], []

    def meet(descriptor: int, operation: int) -> None:
        if not met:
            met.append(next(path for path in tmp_path.iterdir() if path.name.endswith(SUFFIX)))
            if how == "locked":
                locks.append(os.open(met[0] / LOCK, os.O_RDWR))
                real(locks[0], operation)
            else:
                (met[0] / LOCK).unlink()
                (met[0] / LOCK).touch() if how == "made anew" else met[0].rmdir()
        real(descriptor, operation)

    monkeypatch.setattr("fcntl.flock", meet)
    with atomic_write(tmp_path / "a.onnx") as path:
        path.write_text("new")
        assert met and path.parent.parent != met[0]
    assert (tmp_path / "a.onnx").read_text() == "new"
    for lock in locks:
        os.close(lock)


def test_data_stays_in_the_journal_until_it_is_known_whether_it_is_named(tmp_path: Path) -> None:
    """A file beside it cannot be read, but at the last build. The folders with journals do not become more without end."""
    target, closed = tmp_path / "m", tmp_path / "closed"
    closed.touch()
    readable = False

    def named_data(path: Path) -> Mapping[str, bool]:
        if path == closed and not readable:
            raise PermissionError(errno.EACCES, "closed")
        return dict.fromkeys(path.read_text().split(), True)

    def build(data: str) -> None:
        with atomic_write(target, named_data) as path:
            path.write_text(data)
            (path.parent / data).write_text(contents[data])

    contents = {f"m-{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}.onnx.data": text for text in "123"}
    first, second, third = contents
    for data in (first, first, second, second, first, second, first):
        build(data)
        left = [path for path in tmp_path.iterdir() if path.name.endswith(SUFFIX)]
        assert all((path / JOURNAL).exists() and not (path / NEW).exists() for path in left)
        assert target.read_text() == data and (tmp_path / data).exists()
    assert 1 <= len(left) <= 2 and (tmp_path / second).exists()
    readable = True
    build(third)
    assert sorted(os.listdir(tmp_path)) == sorted([third, "closed", "m"])
