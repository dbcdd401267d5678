"""Pairs of ops, a then b: the graphs in which a runtime's optimiser makes one node of two. Drawn by a seed from the forms of op_cases.

A pair stands alone in its graph, or with something between that inference or the optimiser takes out. Both must answer alike in torch
and in onnxruntime, with its optimisations and without.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from archc.build.proof.prove import prove
from archc.compiler.backends.onnx.opsets import OPSETS
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.diagnostics import Reject
from archc.compiler.driver import run_passes
from archc.compiler.ir.graph import Graph, Node, Output, Value
from archc.compiler.ops import OPS
from archc.compiler.passes import PassOptions
from archc.compiler.weights.rewrite import RewrittenSource

from .op_cases import CASES
from .test_ops import Positive, spread, typed

Step = tuple[str, dict[str, Any]]
# maps with few channels, and with so many that onnxruntime lays them out in blocks of 8 or 16; small, narrow and flat ones
SIZES = ((3, 9, 8), (6, 12, 12), (16, 12, 12), (32, 7, 5), (16, 1, 1), (8, 2, 13), (16,), (7,))
ERASED: tuple[Step, ...] = (
    ("identity", {}),
    ("dropout", {}),
    ("scale", {"value": 1.0}),
    ("scale", {"value": 0.0}),
    ("drop_path", {"p": 0.0, "rescale": "inference"}),
    ("pad", {"channels": [0, 0]}),
    ("upsample", {"scale": 1}),
    ("concat", {}),
    ("add", {}),
    ("slice", {}),
)
# what the optimiser treats in ways of its own, in more forms than the table of cases has
MORE: tuple[Step, ...] = (
    ("pad", {"height": [1, 1], "width": [1, 1]}),
    ("pad", {"height": [2, 0], "width": [0, 3]}),
    ("pad", {"height": [3, 3], "width": [4, 4], "value": 0.0}),
    ("pad", {"height": [1, 1], "width": [1, 1], "value": -1.0}),
    ("max_pool", {"kernel": 3, "stride": 2, "padding": 1}),
    ("avg_pool", {"kernel": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("adaptive_avg_pool", {"size": 6}),
    ("conv", {"out": 16, "kernel": 3, "padding": 1}),
    ("conv", {"out": 16, "kernel": 1}),
    ("conv", {"out": 16, "kernel": 3, "padding": "same", "stride": 2, "groups": 1, "bias": False}),
    ("scale", {"value": 2.0}),
    ("slice", {"channels": [0, 2]}),
    ("slice", {"height": [0, 1], "width": [0, 1]}),
    ("channel_shuffle", {"groups": 1}),
)


class Pair(NamedTuple):
    """Steps of a chain over an input of `sizes`, written in `opset`, with batch norms folded or not. A merge joins what arrives
    with a function of it."""

    sizes: tuple[int, ...]
    steps: tuple[Step, ...]
    opset: int
    fold: bool

    def graph(self) -> Graph | None:
        """The training graph; None where a step does not take what arrives."""
        value = Value("in0", typed(self.sizes))
        nodes: list[Node] = []

        def place(name: str, op: Any, *inputs: Value) -> Value:
            made = Value(name, op.infer(*(each.type for each in inputs)))
            nodes.append(Node(name, op, inputs, (made,)))
            return made

        try:
            for number, (name, fields) in enumerate(self.steps):
                op = OPS[name](**fields)
                inputs = [value]
                if op.is_merge and (name, fields) not in ERASED:
                    inputs.append(place(f"beside{number}", OPS["sigmoid"](), value))
                value = place(f"step{number}", op, *inputs)
        except Reject:
            return None
        return Graph("pair", (Value("in0", typed(self.sizes)),), tuple(nodes), (Output("out", value),))

    def check(self, path: Path) -> bool:
        """Builds and proves it in full at `path`; False where there is no such graph. Raises Failure where the proof fails."""
        training = self.graph()
        if training is None:
            return False
        weights = Positive(spread(training.params()))
        built = run_passes(training, PassOptions(fold=self.fold))
        export_onnx(built, RewrittenSource(weights, built), path, opset=self.opset)
        prove(training, built, weights, path, extent="full")
        return True


def forms() -> list[Step]:
    """Every form of an op in the table of cases that a chain can hold, and those of MORE."""
    found = [(case.op, case.fields) for case in CASES if not OPS[case.op](**case.fields).draw_probability]
    unique = {repr(form): form for form in (*found, *MORE)}
    return list(unique.values())


def all_pairs(seed: int) -> Iterator[Pair]:
    """Every pair of forms at every size, in an order drawn by `seed`; each with an opset, a fold and maybe an erased step of its own."""
    random = Random(seed)
    every = list(itertools.product(SIZES, forms(), forms()))
    random.shuffle(every)
    for sizes, a, b in every:
        between = (random.choice(ERASED),) if random.random() < 0.3 else ()
        after = (random.choice(forms()),) if random.random() < 0.3 else ()
        yield Pair(sizes, (a, *between, b, *after), random.choice(OPSETS), random.random() < 0.7)
