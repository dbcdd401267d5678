"""The example of an operation as a whole spec, and what the compiler makes of it."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from archc.compiler.analysis.explanation import Explainer, Facts
from archc.compiler.backends.onnx.opsets import OPSET, OPSETS
from archc.compiler.diagnostics import InternalError
from archc.compiler.driver import check, pass_stages
from archc.compiler.ir.graph import Graph
from archc.compiler.ops.op import Op
from archc.compiler.passes import PassOptions
from archc.compiler.sources import Memory, SpecText

# what arrives at a step of an example; the examples of compiler/ops fit it
INPUT = "[64, 56, 56]"


class OpExample(NamedTuple):
    """A spec of the one step, the path of the operation's node in it, and the facts of that node.

    `forms` are the types of its ONNX nodes by the first and the last opset that has them.
    """

    spec: str
    path: str
    facts: Facts
    forms: tuple[tuple[int, int, tuple[str, ...]], ...]


def make_example(op: type[Op]) -> OpExample:
    """The example of an operation. Raises InternalError where its class states one that is none."""
    spec = example_spec(op)
    checked = check(SpecText(Memory({"example.yaml": spec}), "example.yaml", spec.encode(), "example.yaml", ""))
    if checked.diagnostics or checked.graph is None:
        raise InternalError(f"the example of {op.name}: {[each.message for each in checked.diagnostics]}")
    found = [node.path for node in checked.graph.nodes if type(node.op) is op]
    if not found:
        raise InternalError(f"the example of {op.name} has no step of it")
    path = found[-1]
    facts = facts_of(checked.graph, path, OPSET)
    forms = [
        (opset, tuple(each.op_type for each in facts_of(checked.graph, path, opset).onnx))
        for opset in OPSETS
        if opset >= op.since_opset
    ]
    ranges = []
    for types, run in groupby(forms, key=lambda each: each[1]):
        opsets = [opset for opset, _ in run]
        ranges.append((opsets[0], opsets[-1], types))
    return OpExample(spec, path, facts, tuple(ranges))


def example_spec(op: type[Op]) -> str:
    """The spec of the example: its step, behind a pool where it wants a vector."""
    steps = ["global_avg_pool"] * op.takes_vector + [op.example or op.name]
    lines = [
        "archspec: 1",
        f"name: {op.name}",
        f"input: {{image: {INPUT}}}",
        "graph:",
        *(f"  - {step}" for step in steps),
    ]
    return "\n".join(lines) + "\n"


def facts_of(graph: Graph, path: str, opset: int) -> Facts:
    """The facts of the node at `path`, in a plain build for this opset; norms are not folded away."""
    explainer = Explainer(graph, pass_stages(graph, PassOptions(fold=False)), opset)
    return next(explainer.facts_of(node) for node in graph.nodes if node.path == path)
