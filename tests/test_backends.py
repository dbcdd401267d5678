"""Builds: the torch module, the stand-alone export, the ONNX file, and the proof that they agree."""

from __future__ import annotations

import copy
import errno
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

import archc
from archc.build.build import build
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.diagnostics import Failure
from archc.compiler.driver import check, run_passes
from archc.compiler.weights.given import StateDict
from archc.compiler.weights.rewrite import RewrittenSource
from archc.compiler.weights.seeded import SeededSource
from archc.runtime.inference import create_cpu_session

SMALL = """
archspec: 1
name: small
params: {classes: 5}
input: {image: [3, 12, 12]}
preprocess: {crop: 12, mean: [0.5], std: [0.25]}
labels: [a, b, c, d, e]
graph:
  - {name: stem, conv: {out: 8, kernel: 3, padding: 1, bias: false}}
  - {name: bn, batch_norm}
  - relu
  - {name: head, aux: 0.3, steps: [global_avg_pool, {name: fc, linear: $classes}]}
  - residual:
      body: [{name: c, conv: {out: 8, kernel: 3, padding: 1}}, {name: n, batch_norm}]
  - dropout: 0.5
  - global_avg_pool
  - {name: fc, linear: $classes}
"""


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    return check("small.yaml")


def test_two_phases_of_one_module(small):
    net = to_torch(small.graph, SeededSource(small.graph.params()))
    assert isinstance(net, torch.fx.GraphModule)
    assert list(net.state_dict()) and set(net.state_dict()) == set(small.graph.params())
    x = torch.randn(4, 3, 12, 12)
    trained = net.train()(x)
    assert {k: tuple(v.shape) for k, v in trained.items()} == {"logits": (4, 5), "head": (4, 5)}
    (trained["logits"].sum() + trained["head"].sum()).backward()
    assert all(p.grad is not None for p in net.parameters())
    assert tuple(net.eval()(x).shape) == (4, 5)


def test_tensors_that_the_weights_lack_keep_torch_s_start(small):
    seeded = SeededSource(small.graph.params())
    given = {name: seeded.get(name) for name in seeded.names() if name != "stem.weight"}
    net = to_torch(small.graph, StateDict(given)).state_dict()
    bound = (3 * 9) ** -0.5  # nn.Conv2d's own: uniform to 1 / sqrt(fan in)
    assert 0.9 * bound < net["stem.weight"].abs().max() <= bound
    for name, values in given.items():
        np.testing.assert_array_equal(net[name].numpy(), values)


def test_copies_and_pickles(small):
    net = to_torch(small.graph, SeededSource(small.graph.params())).eval()
    x = torch.randn(2, 3, 12, 12)
    with torch.no_grad():
        for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
            assert torch.equal(other(x), net(x))
            assert list(other.state_dict()) == list(net.state_dict())
            assert set(other.train()(x)) == {"logits", "head"}


@pytest.mark.slow  # torch's compiler takes ten seconds to import
def test_exports_and_compiles(small):
    net = to_torch(small.graph, SeededSource(small.graph.params())).eval()
    x = torch.randn(2, 3, 12, 12)
    with torch.no_grad():
        expected = net(x)
        assert torch.allclose(torch.export.export(net, (x,)).module()(x), expected)
        compiled = torch.compile(net, backend="eager")
        assert torch.allclose(compiled(x), expected)
        net.train()
        assert set(compiled(x)) == {"logits", "head"}


def test_stand_alone_export_runs_without_archc(small, tmp_path):
    build(small, exports=("torch",), output=tmp_path / "out.py")
    net = to_torch(small.graph, SeededSource(small.graph.params())).eval()
    x = torch.linspace(-1, 1, 3 * 144).reshape(1, 3, 12, 12)
    program = ("import sys, json, torch; sys.path.insert(0, sys.argv[1]); import out; net = out.load()\n"
               "x = torch.linspace(-1, 1, 3 * 144).reshape(1, 3, 12, 12)\n"
               "with torch.no_grad(): logits = net(x).tolist(); heads = sorted(net.train()(x.repeat(2, 1, 1, 1)))\n"
               "print(json.dumps([logits, heads, sorted(net.state_dict()), 'archc' in sys.modules]))")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, cwd="/"
    )
    logits, heads, keys, archc_there = json.loads(done.stdout)
    with torch.no_grad():
        assert torch.allclose(torch.tensor(logits), net(x), atol=1e-6)
    assert heads == ["head", "logits"] and keys == sorted(net.state_dict()) and not archc_there


def test_two_builds_are_the_same_bytes_wherever_they_are_made(small, tmp_path, monkeypatch):
    first = build(small, output=tmp_path / "a.onnx").artifacts[0]
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "small.yaml").write_text(SMALL)
    monkeypatch.chdir(tmp_path.parent)
    second = build(check(str(other / "small.yaml")), output=other / "b.onnx", proof="none").artifacts[0]
    assert first.sha256 == second.sha256
    assert str(tmp_path).encode() not in (other / "b.onnx").read_bytes()


def test_the_file_says_where_it_comes_from(small, tmp_path):
    result = build(small, output=tmp_path / "a.onnx", opset=18)
    assert result.parity.batches == (1, 4) and result.parity.max_rel < 1e-4
    model = onnx.load(str(tmp_path / "a.onnx"))
    assert (model.opset_import[0].version, model.ir_version) == (18, 8)
    assert [n.name for n in model.graph.node] == ["stem", "2", "c", "4", "6", "fc/Flatten", "fc"]
    assert {n.name: n.doc_string for n in model.graph.node}["c"] == "small.yaml:14"
    assert {t.name for t in model.graph.initializer} == {
        "stem.weight",
        "stem.bias",
        "c.weight",
        "c.bias",
        "fc.weight",
        "fc.bias",
    }
    facts = {p.key: p.value for p in model.metadata_props}
    assert json.loads(facts["archc.labels"]) == list("abcde")
    assert json.loads(facts["archc.sources"]) == {"small.yaml": SMALL}
    assert facts["archc.graph"].startswith("graph small(") and json.loads(facts["archc.weights"])["trained"] is False
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert dims[0].dim_param == "N" and [d.dim_value for d in dims[1:]] == [3, 12, 12]


def test_large_tensors_go_beside(small, tmp_path, monkeypatch):
    monkeypatch.setattr("archc.compiler.backends.onnx.write.ALIGNMENT", 64)  # what counts as large
    graph = run_passes(small.graph)
    weights = RewrittenSource(SeededSource(small.graph.params()), graph)
    inside = export_onnx(graph, weights, tmp_path / "in.onnx")
    beside = export_onnx(graph, weights, tmp_path / "out.onnx", external_over=100)
    assert [f.path.name for f in inside] == ["in.onnx"] and [f.path.name for f in beside[:1]] == ["out.onnx"]
    assert len(beside) == 2
    assert [f.path.name for f in beside[1:]] == [f"out-{f.sha256[:12]}.onnx.data" for f in beside[1:]]
    x = np.random.default_rng(0).standard_normal((2, 3, 12, 12), dtype=np.float32)
    results = [create_cpu_session(tmp_path / f"{n}.onnx").run(None, {"image": x})[0] for n in ("in", "out")]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    ("how", "code"),
    [({"opset": 9999}, "opset-unsupported"), ({"opset": 3}, "opset-unsupported"), ({"phase": "train"}, "bad-option")],
)
def test_refusals_leave_no_file(small, tmp_path, how, code):
    with pytest.raises(Failure) as caught:
        build(small, output=tmp_path / "x.onnx", **how)
    assert caught.value.code == code
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


def test_a_wrong_lowering_is_named_at_its_node(small, tmp_path, monkeypatch):
    """The proof must be able to fail: a relu that lowers to something else is told at its own line."""
    from archc.compiler.ops import OPS

    monkeypatch.setattr(OPS["relu"], "onnx", lambda self, g, x: g.node("Abs", x.name))
    with pytest.raises(Failure) as caught:
        build(small, output=tmp_path / "x.onnx")
    assert caught.value.code == "parity" and "`2` (small.yaml:11)" in caught.value.message
    assert not (tmp_path / "x.onnx").exists()


def test_weights_that_overflow_prove_nothing(tmp_path):
    large = {"out": 3, "kernel": 3, "init": {"constant": 1e30}}
    checked = spec(tmp_path, [{"conv": large}, {"conv": large}, "global_avg_pool"])
    with pytest.raises(Failure) as caught:
        build(checked, output=tmp_path / "x.onnx")
    assert caught.value.code == "answer-not-finite" and "`logits`" in caught.value.message
    assert not (tmp_path / "x.onnx").exists()
    assert build(checked, output=tmp_path / "x.onnx", proof="none").parity is None


def test_kept_heads_are_outputs(small, tmp_path):
    build(small, output=tmp_path / "a.onnx", keep_aux=True, proof="none")
    assert [o.name for o in onnx.load(str(tmp_path / "a.onnx")).graph.output] == ["logits", "head"]


def test_a_wrong_kept_head_fails_the_proof(small, tmp_path, monkeypatch):
    from archc.compiler.ops import OPS

    right = OPS["linear"].onnx
    wrong = lambda self, g, x: g.node("Neg", right(self, g, x)) if g.current.path == "head.fc" else right(self, g, x)  # noqa: E731
    monkeypatch.setattr(OPS["linear"], "onnx", wrong)
    with pytest.raises(Failure, match=r"`head\.fc`"):
        build(small, output=tmp_path / "a.onnx", keep_aux=True)


def test_a_failed_proof_leaves_old_files_alone(small, tmp_path, monkeypatch):
    """With tensors beside, too: the pair that was there stays a pair."""
    monkeypatch.setitem(export_onnx.__kwdefaults__, "external_over", 100)
    monkeypatch.setattr("archc.compiler.backends.onnx.write.ALIGNMENT", 64)  # what counts as large
    build(small, output=tmp_path / "a.onnx", proof="none")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def refuse(path):
        assert create_cpu_session(path).get_outputs()  # it can be run where it is
        raise Failure("parity", "no")

    monkeypatch.setattr(
        "archc.build.proof.prove.prove", lambda training, built, weights, path, batch, extent: refuse(path)
    )
    with pytest.raises(Failure, match="no"):
        build(small, output=tmp_path / "a.onnx", seed=1)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before and len(before) == 3


def test_a_full_disk_leaves_no_file(small, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Failure) as caught:
        build(small, output=tmp_path / "a.onnx", proof="none")
    assert (caught.value.code, caught.value.exit_code) == ("disk-full", 3)
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


def spec(tmp_path, graph, name="net", image="image", file="net.yaml", summary="a net"):
    (tmp_path / file).write_text(json.dumps(
        {"archspec": 1, "name": name, "summary": summary, "input": {image: [3, 8, 8]}, "graph": graph}))  # fmt: skip
    checked = check(str(tmp_path / file))
    assert not checked.failed, checked.diagnostics
    return checked


def stand_alone(nets, folder):
    """What the exported files of nets by name say of an image of ones, and what archc's own modules say."""
    for name, checked in nets.items():
        build(checked, exports=("torch",), output=folder / f"{name}.py")
    program = """if True:
        import importlib, sys, torch
        sys.path.insert(0, sys.argv[1])
        for name in sys.argv[2:]:
            print(importlib.import_module(name).load()(torch.ones(1, 3, 8, 8)).sum().item())"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(folder), *nets], capture_output=True, text=True, check=True, cwd="/"
    )
    with torch.no_grad():
        modules = [to_torch(c.graph, SeededSource(c.graph.params())).eval() for c in nets.values()]
        return done.stdout.split(), [module(torch.ones(1, 3, 8, 8)).sum().item() for module in modules]


def test_texts_of_a_spec_are_no_code_in_the_export(tmp_path):
    evil = 'x """\nprint("PWNED")\n""" {0} \\'
    checked = spec(tmp_path, [{"name": "a", "conv": 3}, "global_avg_pool"], summary=evil, file='e"""\nprint(1)#.yaml')
    said, own = stand_alone({"out": checked}, tmp_path)
    assert [float(said[0])] == pytest.approx(own, abs=1e-5) and len(said) == 1  # nothing else was printed


def test_names_that_python_or_the_export_needs(tmp_path):
    nets = {}
    for image in ("x1", "self", "class", "torch"):
        graph = [{"name": "a", "conv": 3}, "relu", {"add": [{"from": "a"}, {"from": image}]}, "global_avg_pool"]
        for name in ("net", "scope", "none", "add"):
            nets[f"{name}_{image}"] = spec(tmp_path, graph, name=name, image=image)
    said, own = stand_alone(nets, tmp_path)
    assert [float(each) for each in said] == pytest.approx(own, abs=1e-5)


def test_an_op_of_many_onnx_nodes(tmp_path):
    """More helpers of one kind than a short memory holds: each has a name of its own."""
    checked = spec(tmp_path, [{"multiply": [{"name": f"b{i}", "conv": 2} for i in range(14)]}, "global_avg_pool"])
    assert build(checked, output=tmp_path / "a.onnx").parity


def test_a_file_name_that_is_not_utf8(tmp_path):
    checked = spec(tmp_path, [{"name": "a", "conv": 3}, "global_avg_pool"], file=os.fsdecode(b"caf\xe9.yaml"))
    build(checked, exports=("onnx", "torch"), output=tmp_path / "a.onnx")
    onnx.checker.check_model(str(tmp_path / "a.onnx"))


def test_fixed_batch(small, tmp_path):
    assert build(small, output=tmp_path / "a.onnx", batch=2).parity.batches == (2,)
    assert create_cpu_session(tmp_path / "a.onnx").get_inputs()[0].shape == [2, 3, 12, 12]


def test_python_face(small, tmp_path):
    net = archc.load("small.yaml", params={"classes": 7})
    module = net.to_torch()
    net.export_onnx("seven.onnx", weights=module.state_dict())
    assert create_cpu_session(tmp_path / "seven.onnx").get_outputs()[0].shape == ["N", 7]
    assert net.cost().macs > 0
