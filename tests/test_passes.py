"""The passes, one at a time: what each takes out, what it leaves, that the meaning stays; and what the verifier refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archc.compiler.diagnostics import InternalError
from archc.compiler.driver import run_passes
from archc.compiler.ir.dtypes import F32, I64
from archc.compiler.ir.graph import Graph, Head, Node, Output, Rewrite, Value
from archc.compiler.ir.types import image
from archc.compiler.ir.verify import verify
from archc.compiler.ops import OPS
from archc.compiler.passes import EraseTraining, FoldBatchNorm, RemoveDead
from archc.compiler.weights.rewrite import Rewritten
from archc.compiler.weights.seeded import Seeded

IMAGE = Value("image", image(3, 8, 8))


def graph(*rows, outputs, heads=()):
    """A graph from rows of (path, op, input names, fields)."""
    values, nodes = {"image": IMAGE}, []
    for path, op, inputs, fields in rows:
        made, taken = OPS[op](**fields), tuple(values[name] for name in inputs)
        values[path] = Value(path, made.infer(*(v.type for v in taken)))
        nodes.append(Node(path, made, taken, (values[path],)))
    return Graph(
        "net",
        (IMAGE,),
        tuple(nodes),
        tuple(Output(name, values[name]) for name in outputs),
        tuple(Head(name, values[name], 0.3) for name in heads),
    )


def ops(net):
    return {node.path: (node.op.name, tuple(v.name for v in node.inputs)) for node in net.nodes}


CONV = ("c", "conv", ["image"], {"out": 4, "kernel": 3, "bias": False})
NORM = ("n", "batch_norm", ["c"], {})
ERASED = {  # rows, output, what is left, what the output's value is then
    "dropout": ([("d", "dropout", ["image"], {}), ("r", "relu", ["d"], {})], "r", {"r": ("relu", ("image",))}, "r"),
    "at the end": ([("r", "relu", ["image"], {}), ("d", "dropout", ["r"], {})], "d", {"r": ("relu", ("image",))}, "r"),
    "a chain": (
        [("d", "dropout", ["image"], {}), ("e", "dropout", ["d"], {}), ("r", "relu", ["e"], {})],
        "r",
        {"r": ("relu", ("image",))},
        "r",
    ),
    "drop path of the paper": (
        [("d", "drop_path", ["image"], {"p": 0.25, "rescale": "inference"})],
        "d",
        {"d": ("scale", ("image",))},
        "d",
    ),
    "join": (
        [("path_draw", "path_draw", [], {"columns": 2, "probability": 0.5}), ("r", "relu", ["image"], {}),
         ("j", "join", ["image", "r", "path_draw"], {"local": 0.1, "global": 0.5})],
        "j",
        {"r": ("relu", ("image",)), "j": ("mean", ("image", "r"))},
        "j",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ERASED)
def test_training_is_erased(case):
    rows, output, left, result = ERASED[case]
    net = graph(*rows, outputs=[output])
    verify(net)
    erased = EraseTraining().run(net)
    verify(erased)
    assert ops(erased) == left
    assert [(o.name, o.value.name) for o in erased.outputs] == [(output, result)]


@pytest.mark.parametrize("keep_aux", [False, True])
def test_heads_go_unless_kept(keep_aux):
    net = graph(
        ("r", "relu", ["image"], {}), ("h", "tanh", ["r"], {}), ("d", "dropout", ["h"], {}), outputs=["r"], heads=["d"]
    )
    small = RemoveDead().run(EraseTraining(keep_aux).run(net))
    verify(small)
    assert list(ops(small)) == (["r", "h"] if keep_aux else ["r"])
    assert [(h.path, h.value.name) for h in small.heads] == ([("d", "h")] if keep_aux else [])


def test_the_dead_are_removed_with_all_that_only_they_read():
    net = graph(CONV, NORM, ("x", "relu", ["image"], {}), ("y", "tanh", ["x"], {}), outputs=["n"])
    assert list(ops(RemoveDead().run(net))) == ["c", "n"]


FOLDED = {  # rows, outputs, folds as (norm, conv), what is left
    "a pair": ([CONV, NORM], ["n"], [("n", "c")], ["c"]),
    "a reader behind": ([CONV, NORM, ("r", "relu", ["n"], {})], ["r"], [("n", "c")], ["c", "r"]),
    "a second norm stays": ([CONV, NORM, ("m", "batch_norm", ["n"], {})], ["m"], [("n", "c")], ["c", "m"]),
    "two readers": ([CONV, NORM, ("r", "relu", ["c"], {}), ("a", "add", ["n", "r"], {})], ["a"], [], ["c", "n", "r", "a"]),
    "the conv is a result": ([CONV, NORM], ["c", "n"], [], ["c", "n"]),
    "no conv before": ([("r", "relu", ["image"], {}), ("n", "batch_norm", ["r"], {})], ["n"], [], ["r", "n"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDED)
def test_norms_fold_into_convolutions_of_their_own(case):
    rows, outputs, folds, left = FOLDED[case]
    net = FoldBatchNorm().run(graph(*rows, outputs=outputs))
    verify(net)
    assert [(f.gives, f.node) for f in net.rewrites] == folds and list(ops(net)) == left
    assert ("c.bias" in net.params()) == bool(folds)
    assert [o.name for o in net.outputs] == outputs


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("groups", [1, 3])
def test_folding_keeps_the_meaning(bias, affine, groups):
    conv = ("c", "conv", ["image"], {"out": 6, "kernel": 3, "bias": bias, "groups": groups})
    net = graph(conv, ("n", "batch_norm", ["c"], {"affine": affine, "eps": 1e-3}), outputs=["n"])
    draw, seeded = np.random.RandomState(0), Seeded(net.params(), 3)
    numbers = {name: seeded.get(name) for name in net.params()}
    for name in [n for n in numbers if n.startswith("n.") and "num_batches" not in n] + ["c.bias"] * bias:
        numbers[name] = draw.uniform(0.5, 2, numbers[name].shape).astype(np.float32)
    x = torch.from_numpy(draw.standard_normal((2, 3, 8, 8)).astype(np.float32))
    t = {name: torch.from_numpy(np.array(value)) for name, value in numbers.items()}
    y = torch.nn.functional.conv2d(x, t["c.weight"], t.get("c.bias"), groups=groups)
    want = torch.nn.functional.batch_norm(
        y, t["n.running_mean"], t["n.running_var"], t.get("n.weight"), t.get("n.bias"), eps=1e-3
    )
    net = FoldBatchNorm().run(net)
    folded = Rewritten(Numbers(numbers), net)
    weight, bias_ = (torch.from_numpy(folded.get(f"c.{part}")) for part in ("weight", "bias"))
    assert weight.dtype == bias_.dtype == torch.float32
    assert set(folded.names()) == {"c.weight", "c.bias"} == set(net.params())
    torch.testing.assert_close(torch.nn.functional.conv2d(x, weight, bias_, groups=groups), want, rtol=1e-5, atol=1e-5)


class Numbers:
    """A weight source over arrays at hand."""

    def __init__(self, arrays):
        self.arrays = arrays

    def names(self):
        return self.arrays

    def shape(self, name):
        return self.arrays[name].shape

    def dtype(self, name):
        return I64 if self.arrays[name].dtype == np.int64 else F32

    def get(self, name):
        return self.arrays[name]


def test_passes_change_nothing_when_run_again():
    net = graph(CONV, NORM, ("d", "dropout", ["n"], {}), outputs=["d"])
    once = run_passes(net)
    assert str(run_passes(once)) == str(once)


def broken(change):
    net = graph(CONV, NORM, ("r", "relu", ["n"], {}), outputs=["r"])
    return change(net)


def rewrite(node, makes, takes):
    return Rewrite("fold_batch_norm", node, "n", (("scale", takes),), (("weight", makes),))


BROKEN = {
    "order": (lambda g: g.replace(nodes=g.nodes[::-1]), "not made before"),
    "type": (lambda g: g.replace(nodes=(*g.nodes[:-1], g.nodes[-1].replace(outputs=(Value("r", image(5, 6, 6)),)))), "infers"),
    "twice": (lambda g: g.replace(nodes=(*g.nodes, g.nodes[-1])), "made twice"),
    "arity": (lambda g: g.replace(nodes=(*g.nodes[:-1], g.nodes[-1].replace(inputs=g.nodes[-1].inputs * 2))), "inputs where"),
    "output": (lambda g: g.replace(outputs=(Output("r", Value("ghost", image(4, 6, 6))),)), "made by no node"),
    "no output": (lambda g: g.replace(outputs=()), "no output"),
    "fold of no conv": (lambda g: g.replace(rewrites=(rewrite("r", "c.bias", "gone.weight"),)), "which no tensor of r is"),
    "norm still there": (lambda g: g.replace(rewrites=(rewrite("c", "c.weight", "n.weight"),)), "still owns"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_the_verifier_refuses(case):
    change, words = BROKEN[case]
    with pytest.raises(InternalError, match=words):
        verify(broken(change))


def test_the_verifier_knows_the_phases():
    net = graph(("d", "dropout", ["image"], {}), outputs=["d"])
    verify(net)
    with pytest.raises(InternalError, match="for training only"):
        verify(net.replace(phase="inference"))
