"""The graph every stage speaks: frozen values, nodes and outputs, in an order that can be run as it stands.

A value is known by its name, and a node's first output has the node's path for a name; the path is the identity of a step
everywhere (language.md, section 3). A node holds its op object, so a graph needs no other table to be read. Weights are not
here: they travel beside the graph by name, and `Fold` says which of them a pass has merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from .types import TensorType

if TYPE_CHECKING:
    from ..diagnostics import Span
    from ..ops.op import Op, Param


class Value(NamedTuple):
    """A tensor that flows through the graph; unique by name."""

    name: str
    type: TensorType


class Frame(NamedTuple):
    """One step of the way by which a node was expanded: a block's use or a repeat's round."""

    span: Span
    what: str


class Node(NamedTuple):
    """One application of an op. `frames` tells what it was expanded from, outermost first."""

    path: str
    op: Op
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    span: Span | None = None
    frames: tuple[Frame, ...] = ()

    @property
    def output(self) -> Value:
        return self.outputs[0]

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        return tuple(v.type for v in self.inputs)

    def params(self) -> dict[str, Param]:
        """The node's tensors by full name (`conv1.weight`), parameters and buffers."""
        return {f"{self.path}.{name}": param for name, param in self.op.params(*self.input_types).items()}


class Output(NamedTuple):
    """A named result of the graph."""

    name: str
    value: Value


class Head(NamedTuple):
    """A training-only auxiliary output: `path` names it, `weight` is its share of the loss."""

    path: str
    value: Value
    weight: float


class Fold(NamedTuple):
    """A batch norm merged into the convolution before it: which tensors of the spec make up the new ones."""

    conv: str
    norm: str
    eps: float
    conv_bias: bool
    affine: bool


class Graph(NamedTuple):
    """A whole net. `nodes` are in topological order; heads exist in the training phase only."""

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    heads: tuple[Head, ...] = ()
    folds: tuple[Fold, ...] = ()

    def params(self) -> dict[str, Param]:
        """Every tensor that the graph's nodes own, by full name, in the graph's order."""
        return {name: param for node in self.nodes for name, param in node.params().items()}

    def producers(self) -> Mapping[str, Node]:
        """The node behind each value's name; graph inputs are not in it."""
        return {value.name: node for node in self.nodes for value in node.outputs}

    def results(self) -> Iterator[Value]:
        """All values that leave the graph, heads included."""
        yield from (output.value for output in self.outputs)
        yield from (head.value for head in self.heads)

    def __str__(self) -> str:
        return "\n".join(self.lines()) + "\n"

    def lines(self, places: bool = True) -> Iterator[str]:
        """The text form, a line a node; `places` adds each node's file and line."""
        takes = ", ".join(f"%{v.name}: {v.type}" for v in self.inputs)
        gives = ", ".join(f"{o.name}: {o.value.type}" for o in self.outputs)
        yield f"graph {self.name}({takes}) -> ({gives}) {{"
        for node in self.nodes:
            inputs = ", ".join(f"%{v.name}" for v in node.inputs)
            names = ", ".join(f"%{v.name}" for v in node.outputs)
            types = ", ".join(str(v.type) for v in node.outputs)
            where = f"  # {node.span.short}" if places and node.span else ""
            yield f"  {names} = {node.op.text(inputs)} : {types}{where}"
        for head in self.heads:
            yield f"  head {head.path} = %{head.value.name} weight {head.weight:g}"
        for fold in self.folds:
            yield f"  fold {fold.norm} into {fold.conv}"
        for output in self.outputs:
            yield f"  return {output.name} = %{output.value.name}"
        yield "}"
