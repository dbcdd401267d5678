"""Pixels as inputs: the graph takes uint8 and normalises it itself, as the spec's `preprocess` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from ..ir.dtypes import F32, U8
from ..ir.graph import Graph, Node, Value
from ..ops.cast import Cast, Normalize
from .graph_pass import Pass, PassOptions


@dataclass(frozen=True)
class TakePixels(Pass):
    """Every input becomes uint8 of the same shape, with a cast and a normalisation behind it: pixel · factor + offset a channel."""

    name: ClassVar[str] = "take-pixels"
    factor: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()

    @classmethod
    def from_options(cls, options: PassOptions) -> Self | None:
        return cls(options.pixel_factor, options.pixel_offset) if options.pixel_factor else None

    def require(self, graph: Graph) -> None:
        for value in graph.inputs:
            if not value.type.is_image or value.type.channels != len(self.factor):
                raise self.breach(
                    graph, f"the input %{value.name} is {value.type}, and there are {len(self.factor)} factors"
                )

    def run(self, graph: Graph) -> Graph:
        """The graph whose inputs are uint8, each made float32 and normalised before the first node that reads it."""
        normalized: dict[str, Value] = {}
        nodes: list[Node] = []
        for value in graph.inputs:
            pixels = value.replace(type=value.type._replace(dtype=U8))
            wide = Value(f"{value.name}/pixels", value.type)
            normalized[value.name] = Value(f"{value.name}/normalize", value.type)
            normalize = Normalize(factor=self.factor, offset=self.offset)
            nodes.append(Node(wide.name, Cast(to=F32.name), (pixels,), (wide,)))
            nodes.append(Node(normalized[value.name].name, normalize, (wide,), (normalized[value.name],)))
        nodes += [
            node.replace(inputs=tuple(normalized.get(value.name, value) for value in node.inputs))
            for node in graph.nodes
        ]
        inputs = tuple(value.replace(type=value.type._replace(dtype=U8)) for value in graph.inputs)
        return graph.with_results(normalized).replace(inputs=inputs, nodes=tuple(nodes))

    def ensure(self, graph: Graph) -> None:
        for value in graph.inputs:
            if value.type.dtype is not U8:
                raise self.breach(graph, f"the input %{value.name} is {value.type}")
