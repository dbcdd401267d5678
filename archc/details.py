"""Explanations in a drawing: what its page shows on a click. The texts are those of `archc explain`."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from .text.explanations import field_text, onnx_row, sizes, tensor_rows, working_text

if TYPE_CHECKING:
    from .compiler.analysis.explanation import Explanations, Facts
    from .compiler.view.drawing import Drawing


def with_details(drawing: Drawing, explanations: Explanations) -> Drawing:
    """The drawing whose nodes have details, by their paths; a node that is not explained has none.

    What many nodes share stands once: a node's detail is {"receptive_field", "of": the number of the detail that it goes on from}, and
    that one has {"inputs", "shape", "costs", "torch", "tensors", "onnx", "passes"}; keys without a value are left out.
    """
    details: list[dict[str, Any]] = []
    numbers: dict[Hashable, int] = {}

    def number(detail: dict[str, Any], key: Hashable) -> int:
        if key not in numbers:
            numbers[key] = len(details)
            details.append({name: value for name, value in detail.items() if value or value == 0})
        return numbers[key]

    by_path = {each.path: each for each in explanations.nodes}
    nodes = []
    for node in drawing.nodes:
        each = by_path.get(node.path)
        if each is not None:
            passes = tuple(f"{c.by}: it {c.text}" for c in (c.beside(each.path) for c in each.changes))
            shared = number(shared_detail(each.facts, passes), (id(each.facts), passes))
            field = field_text(each.field) if each.field else ""
            node = node._replace(detail=number({"receptive_field": field, "of": shared}, (field, shared)))
        nodes.append(node)
    return drawing._replace(nodes=tuple(nodes), details=tuple(details))


def shared_detail(facts: Facts, passes: tuple[str, ...]) -> dict[str, Any]:
    """What is true of a step wherever it stands, and what `passes` did to it, as texts."""
    call = f"{facts.module} behind .flatten(1)" if facts.flattens else facts.module
    return {
        "inputs": [sizes(x) for x in facts.inputs],
        "shape": {each.name: working_text(each) for each in facts.shape},
        "costs": {each.name: working_text(each) for each in facts.costs},
        "torch": call,
        "tensors": dict(tensor_rows(facts, "")),
        "onnx": [onnx_row(each, "")[1] for each in facts.onnx],
        "passes": passes,
    }
