"""What texts cannot say of passes: that folding keeps the numbers, and that the driver runs every promise.

What each pass takes out and leaves is in specimens/*.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from archc.compiler import driver, passes
from archc.compiler.diagnostics import InternalError
from archc.compiler.driver import run_passes
from archc.compiler.ir.dtypes import F32, I64
from archc.compiler.ir.graph import Graph, Output, Value
from archc.compiler.ir.parse import parse
from archc.compiler.ir.types import image
from archc.compiler.ir.verify import verify
from archc.compiler.ops import OPS
from archc.compiler.passes import FoldBatchNorm, Pass, PassOptions
from archc.compiler.weights.rewrite import RewrittenSource
from archc.compiler.weights.seeded import SeededSource

NET = """graph net(%image: f32[N,3,8,8]) -> (y: f32[N,4,6,6]) phase train {
  %c = conv(%image, out=4, kernel=[3, 3], bias=false) : f32[N,4,6,6]
  %n = batch_norm(%c) : f32[N,4,6,6]
  %m = batch_norm(%n) : f32[N,4,6,6]
  %d = dropout(%m) : f32[N,4,6,6]
  return y = %d
}
"""
PAIR = """graph net(%image: f32[N,3,8,8]) -> (y: f32[N,6,6,6]) phase inference {{
  %c = conv(%image, out=6, kernel=[3, 3], bias={bias}, groups={groups}) : f32[N,6,6,6]
  %n = batch_norm(%c, affine={affine}, eps=0.001) : f32[N,6,6,6]
  return y = %n
}}
"""


def read(text: str) -> Graph:
    return parse(text, OPS)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("groups", [1, 3])
def test_folding_keeps_the_meaning(bias, affine, groups):
    net = read(PAIR.format(bias=str(bias).lower(), affine=str(affine).lower(), groups=groups))
    draw, seeded = np.random.RandomState(0), SeededSource(net.params(), 3)
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
    folded = RewrittenSource(Numbers(numbers), net)
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
    once = run_passes(read(NET))
    assert once != read(NET)
    assert run_passes(once) == once


def test_settings_choose_the_passes():
    net = read(NET)
    assert run_passes(net, PassOptions("train")) == net
    assert [node.path for node in run_passes(net, PassOptions(fold=False)).nodes] == ["c", "n", "m"]
    assert [node.path for node in run_passes(net, PassOptions()).nodes] == ["c", "m"]


# The verifier of graphs that no text says; the others are in specimens/verifier.md.


def test_the_verifier_wants_values_made_before_they_are_read():
    net = read(NET)
    with pytest.raises(InternalError, match="node d: its input %m is not made before it"):
        verify(net.replace(nodes=net.nodes[::-1]))


def test_the_verifier_wants_a_value_to_have_one_type():
    net = read(NET)
    reads = net.nodes[1].replace(inputs=(Value("c", image(5, 6, 6)),))
    with pytest.raises(InternalError, match=r"node n: its input %c is .* another type there"):
        verify(net.replace(nodes=(net.nodes[0], reads, *net.nodes[2:])))


def test_the_verifier_wants_outputs_that_are_made():
    with pytest.raises(InternalError, match="the output %ghost is made by no node"):
        verify(read(NET).replace(outputs=(Output("y", Value("ghost", image(4, 6, 6))),)))


# Passes that lie: the driver finds each out by itself.


@dataclass(frozen=True)
class Unverified(Pass):
    """Keeps all that it promises, and gives a graph that is none: an output of no node."""

    name: ClassVar[str] = "unverified"

    def run(self, graph: Graph) -> Graph:
        return graph.replace(nodes=graph.nodes[:-1])


@dataclass(frozen=True)
class Unkept(Pass):
    """Gives a graph that holds, and breaks its own promise."""

    name: ClassVar[str] = "unkept"

    def run(self, graph: Graph) -> Graph:
        return graph

    def ensure(self, graph: Graph) -> None:
        raise self.breach(graph, "a promise is broken")


@dataclass(frozen=True)
class Unready(Pass):
    """Gets a graph that it cannot take."""

    name: ClassVar[str] = "unready"

    def require(self, graph: Graph) -> None:
        raise self.breach(graph, "this graph cannot be taken")

    def run(self, graph: Graph) -> Graph:
        return graph


def run_as_pipeline(monkeypatch: pytest.MonkeyPatch, *line: type[Pass]) -> None:
    """Puts other passes in the place of ours, whether the driver imports the table when it is loaded or when it runs."""
    monkeypatch.setattr(passes, "PIPELINE", line)
    monkeypatch.setattr(driver, "PIPELINE", line, raising=False)


@pytest.mark.parametrize(
    "liar, words",
    [
        (Unverified, "the output %d is made by no node"),
        (Unkept, "pass unkept: a promise is broken"),
        (Unready, "pass unready: this graph cannot be taken"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_pass_that_lies_is_found_out(liar, words, place, monkeypatch):
    """Wherever it stands: passes that leave a graph alone stand before and behind it."""
    line = [Idle, Idle]
    line.insert(place, liar)
    run_as_pipeline(monkeypatch, *line)
    with pytest.raises(InternalError, match=words):
        run_passes(read(NET), PassOptions())


@dataclass(frozen=True)
class Idle(Pass):
    """Leaves a graph alone."""

    name: ClassVar[str] = "idle"

    def run(self, graph: Graph) -> Graph:
        return graph


def test_a_pass_is_checked_before_the_next_one_runs(monkeypatch):
    """What the liar breaks, the next pass would mend: the driver must not wait for the end."""

    @dataclass(frozen=True)
    class Mend(Pass):
        name: ClassVar[str] = "mend"

        def run(self, graph: Graph) -> Graph:
            return read(NET)

    run_as_pipeline(monkeypatch, Unverified, Mend)
    with pytest.raises(InternalError, match="made by no node"):
        run_passes(read(NET), PassOptions())


@pytest.mark.parametrize(
    "text, broken",
    [
        ("%d = dropout(%image) : f32[N,3]", "erase-training: its result is no inference graph"),
        (
            "%d = relu(%image) : f32[N,3]\n  %e = tanh(%image) : f32[N,3]",
            "remove-dead: the result of e is read by nothing",
        ),
    ],
)
def test_the_passes_own_promises_can_be_broken(text, broken):
    """Each `ensure` of ours says something: it refuses the graph that the pass has not been over."""
    graph = read(f"graph g(%image: f32[N,3]) -> (y: f32[N,3]) phase train {{\n  {text}\n  return y = %d\n}}\n")
    by_name = {each.name: each for each in passes.PIPELINE}
    with pytest.raises(InternalError, match=broken):
        by_name[broken.partition(":")[0]]().ensure(graph)


def test_folding_promises_and_requires():
    graph = read(PAIR.format(bias="false", affine="true", groups=1))
    with pytest.raises(InternalError, match="n could still be folded into c"):
        FoldBatchNorm().ensure(graph)
    with pytest.raises(InternalError, match="in inference only"):
        FoldBatchNorm().require(graph.replace(phase="train"))


@pytest.mark.parametrize("keep_aux", [False, True])
def test_erasing_promises_that_training_is_over(keep_aux):
    erase = passes.EraseTraining(keep_aux)
    head = "graph g(%image: f32[N,3]) -> (y: f32[N,3]) phase inference {\n"
    dropout = read(head + "  %d = dropout(%image) : f32[N,3]\n  return y = %d\n}\n")
    with pytest.raises(InternalError, match="d is for training only and still there"):
        erase.ensure(dropout)
    kept = read(head + "  head aux = %image weight 0.3\n  return y = %image\n}\n")
    if keep_aux:
        erase.ensure(kept)
    else:
        with pytest.raises(InternalError, match="the head aux is still there"):
            erase.ensure(kept)
