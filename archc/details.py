"""Explanations in a drawing: what its page shows on a click."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compiler.analysis.explanation import Explanation
    from .compiler.view.drawing import Drawing

TOLD_BY_THE_DRAWING = ("op", "inputs", "output", "flattens")


def with_details(
    drawing: Drawing, explanations: Iterable[Explanation], own: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> Drawing:
    """The drawing whose nodes have details, by their paths; a node that is not explained, and has no facts of its `own`, has none.

    What many nodes share stands once: a node's detail is {"receptive_field", "of": the number of the detail that it goes on from}, and
    that one has the "fields", "shape", "tensors", "costs", "torch" and "onnx" of Facts.to_json, and "passes": [[pass, what it did], …].
    The facts that are a node's `own` stand beside its receptive field, and count before those that it shares. What is empty is left out.
    """
    details: list[dict[str, Any]] = []
    numbers: dict[Hashable, int] = {}

    def number(detail: dict[str, Any], key: Hashable) -> int:
        if key not in numbers:
            numbers[key] = len(details)
            details.append({name: value for name, value in detail.items() if value or value == 0})
        return numbers[key]

    by_path = {each.path: each for each in explanations}
    nodes = []
    for node in drawing.nodes:
        each, facts_of_node = by_path.get(node.path), own.get(node.path, {})
        if each is None and facts_of_node:
            node = node._replace(detail=number({**facts_of_node}, node.path))
        if each is not None:
            passes = tuple((c.by, f"it {c.text}") for c in (c.beside(each.path) for c in each.changes))
            key = (id(each.facts), passes)
            shared = numbers.get(key)
            if shared is None:
                facts = {k: v for k, v in each.facts.to_json().items() if k not in TOLD_BY_THE_DRAWING}
                shared = number({**facts, "passes": passes}, key)
            field = each.field._asdict() if each.field else None
            key_of_node = node.path if facts_of_node else (each.field, shared)
            detail = {"receptive_field": field, "of": shared, **facts_of_node}
            node = node._replace(detail=number(detail, key_of_node))
        nodes.append(node)
    return drawing._replace(nodes=tuple(nodes), details=tuple(details))
