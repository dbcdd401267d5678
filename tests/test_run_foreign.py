"""`archc run` on models from elsewhere: one message, one document, and an end at Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from .foreign_models import HARMLESS, KINDS, constant, endless_loop, filled, make, nested_functions, node, port, save
from .program import program
from .worker_process import linux, wait_until_gone


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
