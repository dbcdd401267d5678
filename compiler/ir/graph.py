"""The graph every stage speaks: frozen values, nodes and outputs, in an order that can be run as it stands.

A value is known by its name, and a node's first output has the node's path for a name; the path is the identity of a step
everywhere (language.md, section 3). A node holds its op object, so a graph needs no other table to be read. Weights are not
here: they travel beside the graph by name, and a `Rewrite` says which of them a pass makes anew.

`str(graph)` is a text that parse.py reads back to an equal graph; where nodes come from takes no part in equality.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Self

from ..diagnostics import Span
from .operation import Operation, Param
from .provenance import Frame
from .types import TensorType

Phase = Literal["train", "inference"]
WORD = re.compile(r"[A-Za-z0-9_.-]+\Z")


class Replaceable:
    """A frozen dataclass of which `replace` makes a changed copy."""

    __slots__ = ()

    def replace(self, **changes: Any) -> Self:
        """The same with some fields changed."""
        return replace(self, **changes)  # type: ignore[type-var]


@dataclass(frozen=True, slots=True)
class Value(Replaceable):
    """A tensor that flows through the graph; unique by name."""

    name: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Node(Replaceable):
    """One application of an op. `frames` tells what it was expanded from, outermost first."""

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

    def replace(self, value: Value) -> Output:
        """The same output of another value."""
        return self._replace(value=value)


class Head(NamedTuple):
    """An auxiliary output: `path` names it, `weight` is its share of the loss. An inference graph has those that were kept."""

    path: str
    value: Value
    weight: float

    def replace(self, value: Value) -> Head:
        """The same head on another value."""
        return self._replace(value=value)


class Rewrite(NamedTuple):
    """Tensors that a pass makes of others: the graph says which, weights/rewrite.py has the arithmetic under the name `how`.

    `takes` are tensors of the spec and `makes` tensors of the node `node`, each by its role in the arithmetic; `options` are
    the arithmetic's numbers. `gives` is the step of the spec whose result the node gives now.
    """

    how: str
    node: str
    gives: str
    takes: tuple[tuple[str, str], ...]
    makes: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Graph(Replaceable):
    """A whole net. `nodes` are in topological order; `phase` says whether training-only ops may stand among them."""

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    heads: tuple[Head, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    phase: Phase = "train"

    def params(self) -> dict[str, Param]:
        """Every tensor that the graph's nodes own, by full name, in the graph's order."""
        return {name: param for node in self.nodes for name, param in node.params().items()}

    def results(self) -> Iterator[Value]:
        """All values that leave the graph, heads included."""
        yield from (output.value for output in self.outputs)
        yield from (head.value for head in self.heads)

    def __str__(self) -> str:
        return self.text()

    def text(self, places: bool = True) -> str:
        """The text form, a line a node; `places` adds each node's file and line, which parse.py passes over."""
        return "\n".join(self._lines(places)) + "\n"

    def sha256(self) -> str:
        """The hash of what the net is; a comment or an empty line in its spec does not change it."""
        import hashlib

        return hashlib.sha256(self.text(places=False).encode()).hexdigest()

    def _lines(self, places: bool) -> Iterator[str]:
        takes = ", ".join(f"{value_text(v)}: {v.type}" for v in self.inputs)
        gives = ", ".join(f"{word(o.name)}: {o.value.type}" for o in self.outputs)
        yield f"graph {word(self.name)}({takes}) -> ({gives}) phase {self.phase} {{"
        for node in self.nodes:
            names = ", ".join(map(value_text, node.outputs))
            types = ", ".join(str(v.type) for v in node.outputs)
            where = f"  # {printable(node.span.short)}" if places and node.span else ""
            yield f"  {names} = {node.op.text(', '.join(map(value_text, node.inputs)))} : {types}{where}"
        for head in self.heads:
            yield f"  head {word(head.path)} = {value_text(head.value)} weight {head.weight!r}"
        for rewrite in self.rewrites:
            takes, makes = (", ".join(f"{k}={word(v)}" for k, v in pairs) for pairs in (rewrite.takes, rewrite.makes))
            options = ", ".join(f"{key}={json.dumps(value)}" for key, value in rewrite.options)
            how = f"{rewrite.how}({takes}{'; ' if options else ''}{options})"
            yield f"  rewrite {word(rewrite.node)} gives {word(rewrite.gives)}: {makes} = {how}"
        for output in self.outputs:
            yield f"  return {word(output.name)} = {value_text(output.value)}"
        yield "}"


def word(name: str) -> str:
    """A name as the text form has it: as it is, or quoted as JSON where it holds more than letters, digits and `_.-`."""
    return name if WORD.match(name) else json.dumps(name)


def printable(place: str) -> str:
    """A place for a comment: quoted where the file's name holds what would end the line or does not print."""
    return place if place.isprintable() else json.dumps(place)


def value_text(value: Value) -> str:
    return f"%{word(value.name)}"
