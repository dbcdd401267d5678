"""The graph that all stages work on: frozen values, nodes and outputs; the nodes' order is one in which they can run.

A value is known by its name. A node's first output has the node's path as its name, and the path identifies a step everywhere
(language.md, section 3). A node has its op object, so a graph can be read without any other table. Weights are not in it: they are
found by name in a weight source, and a `Rewrite` says which of them a pass makes out of others.

`str(graph)` is a text that parse.py reads back to an equal graph; equality ignores where nodes come from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from ..diagnostics import Span
from .operation import Param
from .provenance import Frame
from .types import TensorType

if TYPE_CHECKING:
    from .operation import Operation

Phase = Literal["train", "inference"]
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class Replaceable:
    """A frozen dataclass with a method `replace`."""

    __slots__ = ()

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[type-var]


@dataclass(frozen=True, slots=True)
class Value(Replaceable):
    """A tensor that flows through the graph; unique by name."""

    name: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Node(Replaceable):
    """One application of an op. `span` is the step's place in the spec; `frames` are what it was expanded from, outermost first."""

    path: str
    op: Operation
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    span: Span | None = field(default=None, compare=False)
    frames: tuple[Frame, ...] = field(default=(), compare=False)

    @property
    def output(self) -> Value:
        return self.outputs[0]

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        return tuple([v.type for v in self.inputs])

    def params(self) -> dict[str, Param]:
        """The node's tensors by full name (`conv1.weight`), parameters and buffers."""
        return {f"{self.path}.{name}": param for name, param in self.op.params(*self.input_types).items()}


class Output(NamedTuple):
    """A named result of the graph."""

    name: str
    value: Value


class Head(NamedTuple):
    """An auxiliary output: `path` is its name, `weight` its factor in the loss. In an inference graph only kept heads are left."""

    path: str
    value: Value
    weight: float


class Rewrite(NamedTuple):
    """Tensors that a pass makes out of others. `how` is the name of the arithmetic in weights/rewrite.py.

    `takes` are tensors of the spec and `makes` tensors of the node `node`, as pairs of a role in the arithmetic and a full
    name; `options` are numbers for the arithmetic. `gives` is the step of the spec whose result the node has now.
    """

    how: str
    node: str
    gives: str
    takes: tuple[tuple[str, str], ...]
    makes: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Graph(Replaceable):
    """A whole net. `nodes` are in topological order; only in the phase `train` may training-only ops be among them."""

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    heads: tuple[Head, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    phase: Phase = "train"

    def params(self) -> dict[str, Param]:
        """All parameters and buffers of the graph's nodes by full name, in the graph's order."""
        return {name: param for node in self.nodes for name, param in node.params().items()}

    def results(self) -> Iterator[Value]:
        """The values of all outputs and heads."""
        yield from (output.value for output in self.outputs)
        yield from (head.value for head in self.heads)

    def with_results(self, replacements: Mapping[str, Value]) -> Self:
        """The graph whose outputs and heads have other values, where `replacements` has some by the old one's name."""
        outputs = tuple([o._replace(value=replacements.get(o.value.name, o.value)) for o in self.outputs])
        heads = tuple([h._replace(value=replacements.get(h.value.name, h.value)) for h in self.heads])
        return self.replace(outputs=outputs, heads=heads)

    def needed_by(self, values: Iterable[Value]) -> tuple[Node, ...]:
        """The nodes that `values` need, in the graph's order."""
        names = {value.name for value in values}
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if any([value.name in names for value in node.outputs]):  # noqa: C419  a list is quicker for one output
                names.update([value.name for value in node.inputs])
                kept.append(node)
        return tuple(reversed(kept))

    def __str__(self) -> str:
        return self.text()

    def text(self, places: bool = True) -> str:
        """The text form, a line for each node. `places` adds the file and line of each node, which parse.py ignores."""
        return "\n".join(self._lines(places)) + "\n"

    def sha256(self) -> str:
        """The SHA-256 of the text form without places, so that a comment or an empty line in the spec does not change it."""
        import hashlib

        return hashlib.sha256(self.text(places=False).encode()).hexdigest()

    def _lines(self, places: bool) -> Iterator[str]:
        """The lines of the text form; parse.py shows one of each kind."""
        takes = ", ".join(f"{value_reference(v)}: {v.type}" for v in self.inputs)
        gives = ", ".join(f"{quote_name(o.name)}: {o.value.type}" for o in self.outputs)
        yield f"graph {quote_name(self.name)}({takes}) -> ({gives}) phase {self.phase} {{"
        for node in self.nodes:
            names = ", ".join(map(value_reference, node.outputs))
            types = ", ".join(str(v.type) for v in node.outputs)
            where = f"  # {quote_place(node.span.short)}" if places and node.span else ""
            yield f"  {names} = {node.op.text(', '.join(map(value_reference, node.inputs)))} : {types}{where}"
        for head in self.heads:
            yield f"  head {quote_name(head.path)} = {value_reference(head.value)} weight {head.weight!r}"
        for rewrite in self.rewrites:
            takes, makes = (
                ", ".join(f"{k}={quote_name(v)}" for k, v in pairs) for pairs in (rewrite.takes, rewrite.makes)
            )
            options = ", ".join(f"{key}={json.dumps(value)}" for key, value in rewrite.options)
            how = f"{rewrite.how}({takes}{'; ' if options else ''}{options})"
            yield f"  rewrite {quote_name(rewrite.node)} gives {quote_name(rewrite.gives)}: {makes} = {how}"
        for output in self.outputs:
            yield f"  return {quote_name(output.name)} = {value_reference(output.value)}"
        yield "}"


def quote_name(name: str) -> str:
    """A name in the text form: as it is, or quoted as JSON where it has more than letters, digits and `_.-`."""
    return name if PLAIN_NAME.fullmatch(name) else json.dumps(name)


def quote_place(place: str) -> str:
    """A place in a comment: as it is, or quoted as JSON where the file's name has characters that do not print."""
    return place if place.isprintable() else json.dumps(place)


def value_reference(value: Value) -> str:
    """How the text form names a value: `%conv1`."""
    return f"%{quote_name(value.name)}"
