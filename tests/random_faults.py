"""The known faults that random specs keep clear of, each in a function of its own. When one is mended, its function goes."""

from __future__ import annotations

from typing import Any, NamedTuple

from archc.compiler.ir.types import TensorType

Fields = dict[str, Any]


class Flow(NamedTuple):
    """What arrives at a step: its type, and whether a pool may not follow (`zero_padded`)."""

    type: TensorType
    padded: bool = False


def zero_padded(op: str, fields: Fields, x: Flow) -> bool:
    """Whether a pool may not follow `op`: issue 10.

    onnxruntime fuses a `pad` of zeros around height or width into the pool behind it, also through what inference or its
    optimiser takes out. A max pool then has another maximum in the corners, and a window no larger than the pad is refused.
    """
    if op == "pad" and fields.get("value", 0) == 0:
        channels, *around = (any(fields.get(axis, (0, 0))) for axis in ("channels", "height", "width"))
        return (any(around) or x.padded) and not channels
    erased = op in ("identity", "dropout", "drop_path", "multiply of one") or (op == "scale" and fields["value"] == 1)
    return erased and x.padded


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
