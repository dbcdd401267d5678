"""How long the process of a model from elsewhere lives: with its session, its parent, its threads and copies; and how it is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from archc.runtime import Session

from .foreign_models import (
    HARMLESS,
    constant,
    endless_loop,
    make,
    node,
    save,
)
from .session_calls import fault
from .worker_process import KILLED, is_alive, linux, start_otherwise, wait_until_gone, worker_of

PICTURE = np.full((1, 3, 8, 8), 2, np.float32)


@linux
def test_the_next_call_starts_it_again(tmp_path, monkeypatch):
    session = Session(save(HARMLESS, tmp_path / "a.onnx"), device="cpu")
    for how in (signal.SIGKILL, signal.SIGTERM):
        first = worker_of(session)
        os.kill(first, how)
        session.session.process.popen.wait()
        assert session.run(PICTURE)["y"].shape == PICTURE.shape and worker_of(session) != first
    # while it answers, it may well be the model's doing
    start_otherwise(monkeypatch, KILLED)
    session.session.process.end()
    found = fault(session.run, PICTURE)
    assert found.code == "run-failed" and "SIGKILL" in found.message
    monkeypatch.undo()
    assert session.run(PICTURE)["y"].shape == PICTURE.shape


@linux
def test_a_fault_of_the_model_s_own_leaves_it_running(tmp_path):
    shape = constant("s", [7, 7])
    session = Session(save(make([node("Exp", ["x"], ["e"]), node("Reshape", ["e", "s"], ["y"], name="fold")], weights=[shape]),
                           tmp_path / "a.onnx"), device="cpu")  # fmt: skip
    before = worker_of(session)
    found = fault(session.run, PICTURE)
    assert found.code == "run-failed" and "`fold` (Reshape)" in found.message and worker_of(session) == before


@linux
def test_it_ends_with_the_session(tmp_path):
    session = Session(save(HARMLESS, tmp_path / "a.onnx"), device="cpu")
    process = worker_of(session)
    assert is_alive(process)
    del session
    assert not is_alive(process)


@linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_process_that_started_it(tmp_path, how):
    """Even in the middle of an endless loop, and without a word of the one that ends."""
    path = save(endless_loop(), tmp_path / "a.onnx")
    code = ("import sys, numpy; from archc.runtime import Session; s = Session(sys.argv[1], device='cpu');"
            "print(s.session.process.popen.pid, flush=True); s.run(numpy.zeros((1, 3, 8, 8), 'float32'))")  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        assert is_alive(worker)
        parent.send_signal(how)
        parent.wait()
    wait_until_gone(worker)


@linux
def test_it_outlives_the_thread_that_opened_it(tmp_path):
    """A server opens its models in any thread."""
    path, made = save(HARMLESS, tmp_path / "a.onnx"), []
    thread = threading.Thread(target=lambda: made.append(Session(path, device="cpu")))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert is_alive(worker_of(made[0])) and made[0].run(PICTURE)["y"].shape == PICTURE.shape


@linux
def test_threads_may_share_it(tmp_path):
    session, answers = Session(save(HARMLESS, tmp_path / "a.onnx"), device="cpu"), {}

    def ask(number: int) -> None:
        answers[number] = session.run(np.full((1, 3, 8, 8), number, np.float32))["y"][0, 0, 0, 0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: pytest.approx(np.exp(np.float32(number)), rel=1e-5) for number in range(8)}


@linux
def test_a_copy_of_this_process_starts_its_own(tmp_path):
    session = Session(save(HARMLESS, tmp_path / "a.onnx"), device="cpu")
    child = os.fork()
    if child == 0:
        works = session.run(PICTURE)["y"].shape == PICTURE.shape
        session.session.process.end()
        os._exit(0 if works else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert session.run(PICTURE)["y"].shape == PICTURE.shape
