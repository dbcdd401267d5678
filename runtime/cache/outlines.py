"""A model's outline as JSON and back, equal to what was read from the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..outline import Outline, OutlineNode, Shape, Tensor


def outline_json(outline: Outline) -> dict[str, Any]:
    """All of an outline as values that JSON has: tuples as lists, bytes as a text of one character each."""
    return {
        "inputs": outline.inputs,
        "outputs": outline.outputs,
        "nodes": outline.nodes,
        "weights": {
            name: (each.dtype, each.shape, each.size_bytes, each.content.decode("latin-1"), each.external)
            for name, each in outline.weights.items()
        },
        "unranked": sorted(outline.unranked),
        "port_types": sorted(outline.port_types),
        "input_types": outline.input_types,
        "opsets": outline.opsets,
        "producer": outline.producer,
        "surprise": outline.surprise,
    }


def parse_outline(found: Mapping[str, Any]) -> Outline:
    """The outline that `outline_json` wrote. Raises what a lookup raises where it is none."""
    outline = Outline()
    outline.inputs, outline.outputs = parse_shapes(found["inputs"]), parse_shapes(found["outputs"])
    for name, kind, inputs, outputs, attributes, place in found["nodes"]:
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in attributes.items()}
        node = OutlineNode(name, kind, tuple(inputs), tuple(outputs), values, place)
        outline.nodes.append(node)
        outline.producers.update(dict.fromkeys(node.outputs, node))
    for name, (dtype, shape, size_bytes, content, external) in found["weights"].items():
        outline.weights[name] = Tensor(dtype, tuple(shape), size_bytes, content.encode("latin-1"), external)
    outline.unranked, outline.port_types = set(found["unranked"]), set(found["port_types"])
    outline.input_types, outline.opsets = found["input_types"], found["opsets"]
    outline.producer, outline.surprise = found["producer"], found["surprise"]
    return outline


def parse_shapes(found: Mapping[str, Any]) -> dict[str, Shape]:
    """The shapes by name."""
    return {name: tuple(shape) for name, shape in found.items()}
