"""Models from elsewhere run in a process of their own: what they do there ends there, in one clear message, and takes nothing with it."""

from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
from onnx import TensorProto, helper

from archc.runtime import Session, WorkerLimits, limits, remote
from archc.runtime.frames import write_frame
from archc.runtime.remote import RemoteEngine, RemoteError

from .foreign_models import (
    HARMLESS,
    KINDS,
    constant,
    endless_loop,
    filled,
    make,
    nested_functions,
    node,
    port,
    save,
    sparse_weight,
)
from .session_calls import fault
from .worker_process import linux, start_otherwise, worker_of

PICTURE = np.full((1, 3, 8, 8), 2, np.float32)


def test_it_answers_as_in_this_process(tmp_path):
    path = save(HARMLESS, tmp_path / "a.onnx")
    apart, here = Session(path, device="cpu"), Session(path, device="cpu", trust=True)
    assert isinstance(apart.session, RemoteEngine) and not isinstance(here.session, RemoteEngine)
    assert repr(apart) == repr(here) and apart.session.doubt and not here.session.doubt
    assert apart.inputs == here.inputs and apart.outputs == here.outputs and apart.providers == here.providers
    np.testing.assert_array_equal(apart.run(PICTURE)["y"], here.run(PICTURE)["y"])
    assert apart.nodes_by_provider() == here.nodes_by_provider() == {"CPUExecutionProvider": 1}
    found = apart.run(PICTURE)["y"]
    found += 1  # it is the caller's own


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_answer_arrives(tmp_path, kind):
    nodes, output = KINDS[kind]
    model = make(
        nodes, outputs=[output], weights=[constant("zero", [0])], imports=[helper.make_opsetid("ai.onnx.ml", 3)]
    )
    path = save(model, tmp_path / "a.onnx")
    apart, here = (Session(path, device="cpu", trust=trust).run(PICTURE)["y"] for trust in (False, True))
    assert type(apart) is type(here)
    if isinstance(here, np.ndarray):
        assert apart.dtype == here.dtype and apart.shape == here.shape
    assert str(apart) == str(here)


def test_texts_are_called_so(tmp_path):
    nodes, output = KINDS["texts"]
    session = Session(save(make(nodes, outputs=[output]), tmp_path / "a.onnx"), device="cpu")
    assert "y string (N, 3, 8, 8)" in repr(session) and session.outputs["y"].dtype == "object"


# -- what misbehaves ---------------------------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize(("model", "limits", "code", "said"), [
    (nested_functions(3000), WorkerLimits(), "model-refused", "SIGSEGV"),
    (endless_loop(), WorkerLimits(seconds=2), "model-limits", "takes over 2 s when it is run"),
    (filled(2**28), WorkerLimits(), "model-limits", "takes over 512 MiB of memory when it is run"),
    (filled(2**50), WorkerLimits(), "model-limits", "MiB of memory"),
    (sparse_weight(2**28), WorkerLimits(), "model-limits", "takes over 512 MiB of memory when it is opened"),
    (sparse_weight(2**30), WorkerLimits(), "model-refused", "exceeds"),
    (make([node("Relu", ["x"], ["y"])], opset=9999), WorkerLimits(), "model-refused", "9999"),
    (make([node("Relu", ["x"], ["y"]), node("Tanh", ["x"], ["y"])]), WorkerLimits(), "model-refused", "Duplicate"),
    (make([node("Conv", ["x", "w"], ["y"], group=0)], weights=[constant("w", np.ones((3, 3, 1, 1)), np.float32)]), WorkerLimits(), "run-failed", "Conv"),
    (make([node("Expand", ["x", "s"], ["e"]), node("ReduceMax", ["e", "a"], ["y"], keepdims=0)], weights=[constant("s", [2**24, 1, 3, 8, 8]), constant("a", [0])]),
     WorkerLimits(), "model-limits", "512 MiB"),
], ids=["functions", "loop", "constant", "huge constant", "sparse", "huge sparse", "opset", "twice", "group", "expand"])  # fmt: skip
def test_what_a_model_does_to_its_process_is_one_fault(tmp_path, model, limits, code, said):
    path = save(model, tmp_path / "a.onnx")
    found = fault(lambda: Session(path, device="cpu", limits=limits).run(PICTURE))
    assert (
        found.code == code and said in found.message and "a.onnx" in found.message + "a.onnx" * (code == "run-failed")
    )
    assert found.exit_code == 1
    if code == "model-limits":
        assert "--trust" in found.help and "trust=True" in found.help and "limits=" in found.help


@linux
def test_the_limit_is_met_on_whatever_device_is_chosen(tmp_path):
    """It is told as the limit that it is, not as a machine without memory: that a GPU may be here, too, changes nothing."""
    found = fault(Session, save(sparse_weight(2**28), tmp_path / "a.onnx"), device="auto")
    assert found.code == "model-limits" and "takes over 512 MiB of memory when it is opened" in found.message


@linux
def test_limits_grow_with_what_there_is_to_do(tmp_path):
    limits = WorkerLimits()
    assert limits.time(2**20, 2**20) == limits.seconds + limits.seconds_per_model_mib + limits.seconds_per_input_mib
    assert (
        limits.memory(3, 2) == limits.memory_bytes + 3 * limits.memory_per_model_byte + 2 * limits.memory_per_input_byte
    )
    path = save(filled(2**24), tmp_path / "a.onnx")
    assert (
        fault(Session(path, device="cpu", limits=WorkerLimits(memory_bytes=2**24)).run, PICTURE).code == "model-limits"
    )
    assert Session(path, device="cpu", limits=WorkerLimits(memory_bytes=2**28)).run(PICTURE)["y"].shape == PICTURE.shape


@linux
def test_limits_do_not_grow_without_end(tmp_path, monkeypatch):
    """Files may say that they are larger than they are, and inputs may be large: a user alone lifts the cap."""
    few, many = WorkerLimits(), WorkerLimits(seconds=10_000, memory_bytes=2**62)
    assert few.time(2**50, 2**50) == limits.MAX_GROWN_S and few.memory(2**50, 2**50) == limits.machine_memory() < 2**50
    assert many.time(2**50, 2**50) == 10_000 and many.memory(2**50, 2**50) == 2**62
    assert (
        type(WorkerLimits(memory_bytes=np.int64(2**62), memory_per_model_byte=np.int64(2**62)).memory(2**50, 2)) is int
    )
    monkeypatch.setattr(os, "sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else -1)
    assert few.memory(2**70, 0) == 2**63 - 1
    # a file of one hole lifts nothing
    model = make(
        [node("Exp", ["x"], ["e"]), node("Add", ["e", "w"], ["y"])], weights=[constant("w", np.ones(1), np.float32)]
    )
    (weight,) = model.graph.initializer
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "w.data", "offset": "0", "length": "4"}.items():
        weight.external_data.add(key=key, value=value)
    (tmp_path / "w.data").touch()
    os.truncate(tmp_path / "w.data", 2**40)
    opened = Session(save(model, tmp_path / "a.onnx"), device="cpu").session
    assert isinstance(opened, RemoteEngine) and opened.model_bytes == (tmp_path / "a.onnx").stat().st_size


NO_LIMITS = [5, 0, (), (30, 2**29), {"seconds": 1}, *(WorkerLimits(**{name: value}) for name, value in (
    ("seconds", 0), ("seconds", -1), ("seconds", float("nan")), ("seconds", float("inf")), ("seconds", "5"), ("seconds", True), ("seconds", 10**400),
    ("memory_bytes", 0), ("memory_bytes", 1.5), ("memory_bytes", 2**63), ("memory_bytes", "1 GB"), ("memory_bytes", None),
    ("seconds_per_model_mib", -1), ("seconds_per_input_mib", float("inf")), ("memory_per_model_byte", 0.5), ("memory_per_input_byte", -1),
))]  # fmt: skip


@pytest.mark.parametrize("wrong", NO_LIMITS, ids=repr)
def test_limits_that_are_none(tmp_path, wrong):
    path = save(HARMLESS, tmp_path / "a.onnx")
    found = fault(Session, path, device="cpu", limits=wrong)
    assert (found.code, found.exit_code) == ("usage", 2) and "limits" in found.message and "expected" in found.message


@linux
def test_the_largest_limits_are_kept(tmp_path):
    path = save(HARMLESS, tmp_path / "a.onnx")
    most = WorkerLimits(seconds=2.0**62, memory_bytes=2**63 - 1, seconds_per_model_mib=0, memory_per_model_byte=2**62)
    assert Session(path, device="cpu", limits=most).run(PICTURE)["y"].shape == PICTURE.shape


@linux
def test_paths_of_any_kind_lead_to_its_modules(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path, os.fsencode(tmp_path)])
    assert Session(save(HARMLESS, tmp_path / "a.onnx"), device="cpu").run(PICTURE)["y"].shape == PICTURE.shape


@linux
def test_a_model_with_texts_that_are_none(tmp_path):
    """In a branch, where archc's own reader does not look."""

    def branch(name: str):
        nodes = [node("NonZero", ["x"], ["n"]), node("Cast", ["n"], [name], to=TensorProto.FLOAT)]
        return helper.make_graph(nodes, name, [], [port(name, shape=["N", "QQ"])])

    model = make([node("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b"))], [port("x"), port("c", TensorProto.BOOL, [])],
                 [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])  # fmt: skip
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString().replace(b"QQ", b"\xff\xfe"))
    found = fault(Session, path, device="cpu")
    assert (found.code, found.exit_code) == ("model-refused", 1) and "a.onnx" in found.message


@linux
@pytest.mark.parametrize("hard", [2**28, 2**40], ids=["low", "high"])
def test_a_hard_limit_that_is_there_stays(tmp_path, hard):
    """As `ulimit -d` sets it: who may not raise it again would get an error of Python's instead of a model."""
    path = save(HARMLESS, tmp_path / "a.onnx")
    code = ("import resource, sys; from archc.runtime import Session; resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]),) * 2);"
            "s = Session(sys.argv[1], device='cpu', threads=1); print(open(f'/proc/{s.session.process.popen.pid}/limits').read())")  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", code, path, str(hard)], capture_output=True, text=True, check=False)
    (line,) = [line.split() for line in ran.stdout.splitlines() if line.startswith("Max data size")] or [ran.stderr]
    assert int(line[4]) == hard and 0 < int(line[3]) <= min(hard, 2**31)


TEXTS = make(
    [node("Cast", ["x"], ["t"], to=TensorProto.STRING), node("Expand", ["long", "s"], ["y"])],
    outputs=[port("y", TensorProto.STRING, [80])],
    weights=[helper.make_tensor("long", TensorProto.STRING, [1], [b"a" * 2**20]), constant("s", [80])],
)


@linux
def test_more_texts_than_may_be_sent_are_told_as_such(tmp_path, monkeypatch):
    session = Session(save(TEXTS, tmp_path / "a.onnx"), device="cpu", limits=WorkerLimits(memory_bytes=2**31))
    before = worker_of(session)
    found = fault(session.run, PICTURE)
    assert found.code == "model-limits" and "answers with more than 64 MiB of texts" in found.message
    assert worker_of(session) == before
    # what the other process says of its size is not believed
    session = Session(save(HARMLESS, tmp_path / "b.onnx"), device="cpu")
    monkeypatch.setattr("archc.runtime.frames.MAX_HEAD", 2**4)
    monkeypatch.setattr("archc.runtime.remote.write_frame", write_anyway)
    found = fault(session.run, PICTURE)
    assert found.code == "model-limits" and "answers with more than" in found.message


def write_anyway(*what) -> None:
    """Writes a frame, however large it is."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("archc.runtime.frames.MAX_HEAD", 2**26)
        write_frame(*what)


def test_texts_that_are_given_are_limited_too(tmp_path, monkeypatch):
    model = make([node("Concat", ["x", "x"], ["y"], axis=0)], [port("x", TensorProto.STRING, ["N"])], [port("y", TensorProto.STRING, ["M"])])  # fmt: skip
    session = Session(save(model, tmp_path / "a.onnx"), device="cpu")
    monkeypatch.setattr("archc.runtime.frames.MAX_HEAD", 2**20)
    found = fault(session.run, np.array(["a" * 2**20], object))
    assert found.code == "model-limits" and "is given more than 1 MiB of texts" in found.message
    assert session.run(np.array(["a"], object))["y"].tolist() == ["a", "a"]


REFUSED = "def fail(*_): raise ValueError('not allowed')\nworker.Engine = fail"
CUT_OFF = "import os, struct\ndef cut(file, *_): file.write(b'ab'); file.flush(); os._exit(9)\nworker.write_frame = cut"
SENSELESS = "def babble(file, *_): file.write(b'\\0' * 16); file.flush()\nworker.write_frame = babble"


@linux
@pytest.mark.parametrize(("code", "said"), [
    (REFUSED, "onnxruntime cannot load `{}`: not allowed"),
    (CUT_OFF, "onnxruntime crashed (with exit code 9) when `{}` was opened"),
    (SENSELESS, "the process of `{}` answered with what is no answer when it was opened"),
], ids=["refused", "cut off", "senseless"])  # fmt: skip
def test_how_it_fails_is_told_apart(tmp_path, monkeypatch, code, said):
    monkeypatch.setattr(remote, "LAST_BREATH_S", 5 if code == CUT_OFF else 0.01)
    start_otherwise(monkeypatch, code)
    path = save(HARMLESS, tmp_path / "a.onnx")
    found = fault(lambda: Session(path, device="cpu"))
    assert (found.code, found.message, found.exit_code) == ("model-refused", said.format(path), 1)


@linux
@pytest.mark.parametrize("how", ["no interpreter", "no process"])
def test_a_process_that_does_not_start(tmp_path, monkeypatch, how):
    path = save(HARMLESS, tmp_path / "a.onnx")
    if how == "no interpreter":
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    else:
        monkeypatch.setattr(subprocess, "Popen", refuse_to_fork)
    # those of earlier tests close theirs now and not in between
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    found = fault(lambda: Session(path, device="cpu"))
    assert (found.code, found.exit_code) == ("device-unavailable", 3) and "does not start" in found.message
    assert ("No such file" in found.message) == (how == "no interpreter") and "--trust" in found.help
    assert len(os.listdir("/proc/self/fd")) == before


def refuse_to_fork(*_, **__):
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


@linux
def test_a_limit_that_is_met_as_the_answer_comes(tmp_path, monkeypatch):
    """The answer holds, and the next call finds no dead process."""
    session = Session(save(HARMLESS, tmp_path / "a.onnx"), device="cpu")
    first = worker_of(session)

    class LateWatch(remote.Watch):
        def __exit__(self, *what: object) -> None:
            super().__exit__(*what)
            self.met = "time"
            self.process.popen.kill()

    with monkeypatch.context() as patched:
        patched.setattr(remote, "Watch", LateWatch)
        assert session.run(PICTURE)["y"].shape == PICTURE.shape
    assert session.run(PICTURE)["y"].shape == PICTURE.shape and worker_of(session) != first
    before = weakref.finalize._registry.copy()
    for _ in range(2):
        session.session.process.end()
        session.run(PICTURE)
    assert weakref.finalize._registry == before


@pytest.mark.parametrize(
    ("error", "code"),
    [(RemoteError("MatMul"), "run-failed"), (MemoryError(), "out-of-memory"), (ValueError(), "run-failed")],
)
def test_a_warm_up_fails_as_any_run_does(tmp_path, monkeypatch, error, code):
    def fail(*_):
        raise error

    session = Session(save(HARMLESS, tmp_path / "a.onnx"), device="cpu", trust=True)
    session.warm_up(rows=3)
    monkeypatch.setattr(session.session, "run", fail)
    assert fault(session.warm_up).code == fault(session.run, PICTURE).code == code


def test_a_warm_up_of_a_model_that_stops(tmp_path):
    model = make([node("Exp", ["x"], ["e"]), node("Reshape", ["e", "s"], ["y"])], weights=[constant("s", [7, 7])])
    path = save(model, tmp_path / "a.onnx")
    for trust in (False, True):
        assert fault(Session(path, device="cpu", trust=trust).warm_up).code == "run-failed"


def test_nothing_of_where_the_user_stands_is_imported(tmp_path, monkeypatch):
    """`python -m` would put the current folder before the libraries."""
    path = save(HARMLESS, tmp_path / "a.onnx")
    for name in ("numpy", "json", "onnxruntime", "archc"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    assert Session(path, device="cpu").run(PICTURE)["y"].shape == PICTURE.shape
    assert not (tmp_path / "was-run").exists()
