"""The known faults that random specs keep clear of, each in a function of its own. When one is mended, its function goes."""

from __future__ import annotations

from typing import Any

from archc.compiler.ir.types import TensorType

Fields = dict[str, Any]


def shares_path(step: dict[str, Any]) -> bool:
    """Whether `step` is an unnamed group with `from`, `aux` or `output` beside it.

    Where such a group stands without a list around it, or its one step without a list, steps take the paths of others.
    `concat: [{from: a, steps: [tanh, sigmoid]}, []]` is refused as `duplicate-path`,
    `concat: {l: {output: o, steps: [tanh, sigmoid]}, r: []}` is an InternalError. So the generator writes both lists.
    """
    return "steps" in step and "name" not in step and bool(step.keys() & {"from", "aux", "output"})


def single(x: TensorType, groups: int) -> bool:
    """Whether `group_norm` would have groups of one element: the check accepts them, torch refuses them at batch 1."""
    return x.elements == groups


def trains(graph: Any) -> bool:
    """Whether the module runs in training: not where a merge with a name reaches no result and a step in its scope does.

    `join: {branches: [{name: inner, join: {branches: {l: relu, r: tanh}}}, sigmoid]}`: the larger join absorbs `inner`, the
    inference graph leaves an empty scope in its place, and the training graph calls that.
    """
    live = {value.name for value in graph.results()}
    for node in reversed(graph.nodes):
        if node.output.name in live:
            live |= {value.name for value in node.inputs}
    return all(node.output.name in live for node in graph.nodes)
