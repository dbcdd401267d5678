"""Models from elsewhere run in a process of their own: what they do there ends there, in one clear message, and takes nothing with it."""

from __future__ import annotations

import errno
import gc
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from archc.runtime import Session, WorkerLimits, limits, remote
from archc.runtime.frames import LENGTHS, BrokenFrame, FrameTooLarge, read_frame, write_frame
from archc.runtime.remote import RemoteEngine, RemoteError

from .foreign_models import constant, endless_loop, filled, make, nested_functions, node, port, save, sparse_weight
from .program import program
from .session_calls import fault

PICTURE = np.full((1, 3, 8, 8), 2, np.float32)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory and signals are Linux's")
HARMLESS = make([node("Exp", ["x"], ["y"])])  # an operator that archc does not write


def worker_of(session: Session) -> int:
    """The process in which a session's model runs."""
    assert isinstance(session.session, RemoteEngine) and session.session.process.is_running
    return session.session.process.popen.pid


def is_alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + 60
    while is_alive(process):
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.02)


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


KINDS = {
    "numbers": ([node("Cast", ["x"], ["y"], to=TensorProto.INT8)], port("y", TensorProto.INT8)),
    "booleans": ([node("IsNaN", ["x"], ["y"])], port("y", TensorProto.BOOL)),
    "texts": ([node("Cast", ["x"], ["y"], to=TensorProto.STRING)], port("y", TensorProto.STRING)),
    "halves": ([node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16)], port("y", TensorProto.FLOAT16)),
    "nothing in it": ([node("Slice", ["x", "zero", "zero"], ["y"])], port("y")),
    "a number": ([node("ReduceLogSum", ["x"], ["y"], keepdims=0)], port("y", TensorProto.FLOAT, [])),
    "a sequence": ([node("SequenceConstruct", ["x", "x"], ["y"])], helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)),
    "no value": (
        [node("Optional", [], ["y"], type=helper.make_tensor_type_proto(TensorProto.FLOAT, ["N"]))],
        helper.make_value_info("y", helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["N"]))),
    ),
    "mappings": (
        [node("Flatten", ["x"], ["f"]), node("ZipMap", ["f"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[*range(192)])],
        helper.make_value_info("y", helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])))),
    ),
}  # fmt: skip


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


REPLACED = "import archc.runtime.worker as worker\n"


def start_otherwise(monkeypatch, code: str) -> None:
    """The process of the next model does `code` first, which may replace what is in worker.py."""
    set_up, _, begin = remote.START.partition("from archc")
    monkeypatch.setattr(remote, "START", f"{set_up}\n{REPLACED}{code}\nfrom archc{begin}")


REFUSED = "def fail(*_): raise ValueError('not allowed')\nworker.Engine = fail"
KILLED = "import os\nworker.Engine.run = lambda *_: os.kill(os.getpid(), 9)"
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
def test_a_profiled_run_fails_as_any_run_does(tmp_path, monkeypatch, error, code):
    def fail(*_):
        raise error

    session = Session(save(HARMLESS, tmp_path / "a.onnx"), device="cpu", trust=True)
    monkeypatch.setattr(session.session, "count_nodes", fail)
    monkeypatch.setattr(session.session, "run", fail)
    assert fault(session.nodes_by_provider).code == fault(session.run, PICTURE).code == code


def test_a_profiled_run_of_a_model_that_stops(tmp_path):
    model = make([node("Exp", ["x"], ["e"]), node("Reshape", ["e", "s"], ["y"])], weights=[constant("s", [7, 7])])
    path = save(model, tmp_path / "a.onnx")
    for trust in (False, True):
        assert fault(Session(path, device="cpu", trust=trust).nodes_by_provider).code == "run-failed"


# -- the command -------------------------------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("group", [False, True], ids=["alone", "as a terminal does"])
def test_ctrl_c_ends_an_endless_loop_at_once(tmp_path, group):
    save(endless_loop(), tmp_path / "a.onnx")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "archc", "run", "a.onnx", "a.png", "--device", "cpu"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as ran:  # fmt: skip
        worker = wait_for_child(ran.pid)
        time.sleep(1)  # by then it runs the model, or is about to
        (os.killpg if group else os.kill)(ran.pid, signal.SIGINT)
        out, err = ran.communicate(timeout=60)
    assert (ran.returncode, out, err) == (130, "", "interrupted\n")
    wait_until_gone(worker)


def wait_for_child(process: int) -> int:
    """The one child of a process, when it has one."""
    children = Path(f"/proc/{process}/task/{process}/children")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.02)
    raise AssertionError("it has no child")


@linux
@pytest.mark.parametrize("model", [nested_functions(3000), filled(2**28)], ids=["functions", "constant"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_command_says_one_thing(tmp_path, monkeypatch, capfd, model, form):
    monkeypatch.chdir(tmp_path)
    save(model, tmp_path / "a.onnx")
    Image.new("RGB", (8, 8)).save("a.png")
    ran = program(capfd)("run", "a.onnx", "a.png", "--device", "cpu", "--format", form)
    assert ran.code == 1 and ran.err.count("error[") == 1 and "terminate" not in ran.err
    if form == "json":
        assert json.loads(ran.out)["error"]["code"] in ran.err


POOLED = [node("GlobalAveragePool", ["x"], ["p"]), node("Flatten", ["p"], ["f"])]
LONG = "n" * 70_000
ODD = {
    **{f"type {kind}": make([*POOLED, node("Cast", ["f"], ["y"], to=kind)], outputs=[port("y", kind, ["N", 3])])
       for kind in (TensorProto.BOOL, TensorProto.STRING, TensorProto.INT64, TensorProto.DOUBLE, TensorProto.FLOAT16)},
    "bfloat16": make([node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)], outputs=[port("y", TensorProto.BFLOAT16)]),
    "int4": make([node("Cast", ["x"], ["y"], to=TensorProto.INT4)], outputs=[port("y", TensorProto.INT4)], opset=21),
    "complex": make([node("Identity", ["z"], ["y"])], [port("z", TensorProto.COMPLEX64, [1])], [port("y", TensorProto.COMPLEX64, [1])]),
    "a long name": make([*POOLED, node("Identity", ["f"], [LONG])], outputs=[port(LONG, shape=["N", 3])]),
    "a name with a nul": make([*POOLED, node("Identity", ["f"], ["a\0/../b"])], outputs=[port("a\0/../b", shape=["N", 3])]),
    "no channels": make([node("Slice", ["x", "a", "a", "b"], ["y"])], outputs=[port("y", shape=["N", 0, 8, 8])], weights=[constant("a", [0]), constant("b", [1])]),
    "no classes": make([*POOLED, node("MatMul", ["f", "w"], ["y"])], outputs=[port("y", shape=["N", 0])], weights=[constant("w", np.ones((3, 0)), np.float32)]),
    "height 0": make([node("Relu", ["x"], ["y"])], [port("x", shape=["N", 3, 0, 8])], [port("y", shape=["N", 3, 0, 8])]),
    "batch 0": make([node("Relu", ["x"], ["y"])], [port("x", shape=[0, 3, 8, 8])], [port("y", shape=[0, 3, 8, 8])]),
    "a huge input": make([node("Relu", ["x"], ["y"])], [port("x", shape=["N", 3, 60000, 60000])], [port("y", shape=["N", 3, 60000, 60000])]),
    "many channels": make([node("Relu", ["x"], ["y"])], [port("x", shape=["N", 10**9, 8, 8])], [port("y", shape=["N", 10**9, 8, 8])]),
    "a huge batch": make([node("Relu", ["x"], ["y"])], [port("x", shape=[10**7, 3, 8, 8])], [port("y", shape=[10**7, 3, 8, 8])]),
    "more rows": make([node("Concat", ["x", "x"], ["y"], axis=0)], outputs=[port("y", shape=["M", 3, 8, 8])]),
    "fewer rows": make([node("ReduceSum", ["x", "a"], ["y"])], outputs=[port("y", shape=["M", 3, 8, 8])], weights=[constant("a", [0])]),
    "not finite": make([*POOLED, node("Div", ["f", "z"], ["y"])], outputs=[port("y", shape=["N", 3])], weights=[constant("z", 0, np.float32)]),
    "no input": make([node("Constant", [], ["y"], value=constant("v", [[1, 2]], np.float32))], [], [port("y", shape=[1, 2])]),
    "no output": make([node("Relu", ["x"], ["y"])], outputs=[]),
    "texts as input": make([node("Identity", ["x"], ["y"])], [port("x", TensorProto.STRING)], [port("y", TensorProto.STRING)]),
    "a sequence as input": make([node("SequenceLength", ["x"], ["y"])], [helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)],
                                [port("y", TensorProto.INT64, [])]),
    **{f"a {kind}": make(KINDS[kind][0], outputs=[KINDS[kind][1]], imports=[helper.make_opsetid("ai.onnx.ml", 3)])
       for kind in ("a sequence", "no value", "mappings")},
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_whatever_a_model_takes_and_gives_the_command_answers_or_says_why(tmp_path, monkeypatch, capsys, odd):
    """In this process, as that is quicker: what comes of the answers is the same."""
    monkeypatch.chdir(tmp_path)
    save(ODD[odd], tmp_path / "a.onnx")
    Image.new("RGB", (9, 9), (5, 100, 200)).save("a.png")
    for more in (
        [],
        ["--format", "json"],
        ["--outputs", "all", "--format", "json"],
        ["-o", "o.npz"],
        ["-o", "o.png"],
        ["-o", "o.json"],
    ):
        for pictures in (["a.png"], ["a.png", "a.png"]):
            if more == ["-o", "o.png"] and len(pictures) > 1:
                continue
            ran = program(capsys)("run", "a.onnx", *pictures, "--device", "cpu", "--trust", *more)
            assert ran.code in (0, 1, 2) and ran.err.count("error[") <= len(pictures), ran.err


def test_trust_opens_it_in_this_process(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(HARMLESS, tmp_path / "a.onnx")
    Image.new("RGB", (8, 8)).save("a.png")
    started = []
    monkeypatch.setattr("archc.runtime.remote.Process", lambda folder: started.append(folder) or 1 / 0)
    assert program(capsys)("run", "a.onnx", "a.png", "--device", "cpu", "--trust").code == 0 and not started
    program(capsys)("run", "a.onnx", "a.png", "--device", "cpu")
    assert started


def test_nothing_of_where_the_user_stands_is_imported(tmp_path, monkeypatch):
    """`python -m` would put the current folder before the libraries."""
    path = save(HARMLESS, tmp_path / "a.onnx")
    for name in ("numpy", "json", "onnxruntime", "archc"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    assert Session(path, device="cpu").run(PICTURE)["y"].shape == PICTURE.shape
    assert not (tmp_path / "was-run").exists()


# -- what the two say to each other ------------------------------------------------------------------------------------


VALUES = [
    np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 4), np.int8), np.float64(3), np.array(5, np.uint64), np.array([True]),
    np.array([["a", "\u202e"]], object), None, "text", 7, 0.5, [np.ones(2), [None, "x"]], {1: 0.25, "b": np.ones(1)}, np.arange(8)[::2],
    np.array([1 + 2j]), float("nan"),
]  # fmt: skip


def frame_of(*values) -> bytes:
    file = io.BytesIO()
    write_frame(file, {"head": 1}, values)
    return file.getvalue()


def test_values_come_back_as_they_were():
    head, found = read_frame(io.BytesIO(frame_of(*VALUES)), 2**20)
    assert head == {"head": 1} and str(found) == str([v.item() if isinstance(v, np.generic) else v for v in VALUES])
    assert read_frame(io.BytesIO(b""), 2**20) is None
    with pytest.raises(TypeError):
        frame_of(object())


@pytest.mark.parametrize("text", [
    b"", b"{", b"[]", b"{}", b'{"values": 1}', b'{"values": [{}]}', b'{"values": [{"array": "O", "shape": [1]}]}',
    b'{"values": [{"array": "<f4", "shape": [-1]}]}', b'{"values": [{"array": "<f4", "shape": [1e9]}]}', b'{"values": [{"array": "<f4", "shape": [99]}]}',
    b'{"values": [{"array": "<f4,<f4", "shape": [1]}]}', b'{"values": [{"array": "V9", "shape": []}]}', b'{"values": [{"plain": [1]}]}',
    b'{"values": [{"map": [[{"list": []}, {"plain": 1}]]}]}', b'{"values": [' + b'{"list": [' * 99 + b"]}" * 99 + b"]}",
    b"[" * 100_000, b'{"values": [{"texts": ["a"], "shape": [7]}]}',
])  # fmt: skip
def test_what_is_no_frame(text):
    with pytest.raises(BrokenFrame):
        read_frame(io.BytesIO(LENGTHS.pack(len(text), 4) + text + b"\0" * 4), 2**20)


def test_every_cut_and_every_changed_byte_of_a_frame_is_told_or_a_frame():
    whole = frame_of(*VALUES)
    rng = np.random.default_rng(0)
    for at in range(1, len(whole), 3):
        changed = bytearray(whole)
        changed[at] = int(rng.integers(256))
        with pytest.raises(BrokenFrame):
            read_frame(io.BytesIO(whole[:at]), 2**20)
        try:
            read_frame(io.BytesIO(bytes(changed)), 2**20)
        except BrokenFrame:
            pass


def test_no_number_of_a_frame_is_believed():
    for head, size in ((2**60, 0), (0, 2**60), (2**27, 2**27)):
        with pytest.raises(FrameTooLarge):
            read_frame(io.BytesIO(LENGTHS.pack(head, size)), 2**20)
