"""The text form of a graph, read back: `parse(str(graph), OPS) == graph`, where nodes come from aside.

The text is line by line what graph.py prints:

    graph tiny(%image: f32[N,3,8,8]) -> (logits: f32[N,4]) phase train {
      %conv = conv(%image, out=4, kernel=[3, 3]) : f32[N,4,6,6]  # tiny.yaml:5
      head aux1 = %conv weight 0.3
      rewrite conv gives bn: weight=conv.weight = fold_batch_norm(weight=conv.weight, variance=bn.running_var; eps=1e-05)
      return logits = %conv
    }

Names that are no plain words stand quoted, and fields are JSON. Empty lines and lines that begin with `#` are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .dtypes import DTYPES
from .graph import Graph, Head, Node, Output, Rewrite, Value
from .operation import Operation
from .types import TensorType

Ops = Mapping[str, Callable[..., Operation]]
WORD = re.compile(r"[A-Za-z0-9_.-]+")
TYPE = re.compile(r"(\w+)\[([^\]]*)\]")


class GraphSyntaxError(ValueError):
    """A text that is no graph: says the line, the column and what is wanted there."""


def parse(text: str, ops: Ops) -> Graph:
    """The graph that `text` says, with ops made by their names in `ops`. Raises GraphSyntaxError; verifies nothing."""
    reader = GraphReader(ops)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            reader.line(Cursor(line, number))
    return reader.graph()


class Cursor:
    """A place in one line; each method reads one thing and goes on behind it."""

    def __init__(self, text: str, number: int) -> None:
        self.text, self.number, self.at = text, number, 0

    def fail(self, wanted: str) -> GraphSyntaxError:
        return GraphSyntaxError(
            f"line {self.number}, column {self.at + 1}: {wanted} is wanted, not {self.text[self.at :][:40]!r}"
        )

    def skip_blanks(self) -> None:
        while self.text.startswith((" ", "\t"), self.at):
            self.at += 1

    def found(self, literal: str) -> bool:
        """Whether `literal` stands here; if so, goes behind it."""
        self.skip_blanks()
        if not self.text.startswith(literal, self.at):
            return False
        self.at += len(literal)
        return True

    def expect(self, literal: str) -> None:
        if not self.found(literal):
            raise self.fail(f"`{literal}`")

    def match(self, pattern: re.Pattern[str], wanted: str) -> re.Match[str]:
        self.skip_blanks()
        match = pattern.match(self.text, self.at)
        if match is None:
            raise self.fail(wanted)
        self.at = match.end()
        return match

    def word(self) -> str:
        """A name, plain or quoted."""
        self.skip_blanks()
        return str(self.json()) if self.text.startswith('"', self.at) else self.match(WORD, "a name")[0]

    def json(self) -> Any:
        """A JSON value."""
        self.skip_blanks()
        try:
            value, self.at = json.JSONDecoder().raw_decode(self.text, self.at)
        except ValueError:
            raise self.fail("a JSON value") from None
        return value

    def value_name(self) -> str:
        self.expect("%")
        return self.word()

    def type(self) -> TensorType:
        """`f32[N,3,8,8]`."""
        match = self.match(TYPE, "a type such as f32[N,3,8,8]")
        if match[1] not in DTYPES:
            raise self.fail("an element type")
        sizes = [size for size in match[2].split(",") if size]
        return TensorType(tuple(int(s) if s.isdigit() else s for s in sizes), DTYPES[match[1]])

    def listed(self, item: Callable[[], Any], end: str) -> list[Any]:
        """What `item` reads, again and again, with commas between, up to `end`."""
        items: list[Any] = []
        while not self.found(end):
            if items:
                self.expect(",")
            items.append(item())
        return items


class GraphReader:
    """Gathers a graph line by line."""

    def __init__(self, ops: Ops) -> None:
        self.ops = ops
        self.values: dict[str, Value] = {}
        self.nodes: list[Node] = []
        self.heads: list[Head] = []
        self.rewrites: list[Rewrite] = []
        self.outputs: list[Output] = []
        self.head: tuple[str, tuple[Value, ...], Any] | None = None
        self.closed = False

    def line(self, at: Cursor) -> None:
        """One line: the head, a node, a head of the net, a rewrite, an output, or the end."""
        if self.closed:
            raise at.fail("the end of the text")
        if self.head is None:
            self.opening(at)
        elif at.found("}"):
            self.closed = True
        elif at.found("head "):
            path = at.word()
            at.expect("=")
            value = self.known(at)
            at.expect("weight")
            self.heads.append(Head(path, value, float(at.json())))
        elif at.found("rewrite "):
            self.rewrites.append(rewrite(at))
        elif at.found("return "):
            name = at.word()
            at.expect("=")
            self.outputs.append(Output(name, self.known(at)))
        else:
            self.node(at)
        at.skip_blanks()
        if at.at < len(at.text) and not at.text.startswith("#", at.at):
            raise at.fail("the end of the line")

    def graph(self) -> Graph:
        if self.head is None or not self.closed:
            raise GraphSyntaxError("the text ends before its graph does")
        name, inputs, phase = self.head
        return Graph(
            name, inputs, tuple(self.nodes), tuple(self.outputs), tuple(self.heads), tuple(self.rewrites), phase
        )

    def opening(self, at: Cursor) -> None:
        """`graph NAME(%input: type, …) -> (output: type, …) phase train {`; the outputs follow as `return` lines."""
        at.expect("graph ")
        name = at.word()
        at.expect("(")
        inputs = at.listed(lambda: self.typed(at.value_name(), at), ")")
        at.expect("->")
        at.expect("(")
        at.listed(lambda: declared_output(at), ")")
        at.expect("phase")
        phase = at.word()
        if phase not in ("train", "inference"):
            raise at.fail("`train` or `inference` before this")
        at.expect("{")
        self.head = (name, tuple(inputs), phase)

    def typed(self, name: str, at: Cursor) -> Value:
        """A new value with the type that follows its name."""
        at.expect(":")
        self.values[name] = Value(name, at.type())
        return self.values[name]

    def known(self, at: Cursor) -> Value:
        name = at.value_name()
        if name not in self.values:
            raise at.fail(f"a value that was made before, not `%{name}`, before this")
        return self.values[name]

    def node(self, at: Cursor) -> None:
        """`%path = op(%input, …, field=JSON, …) : type`."""
        names = at.listed(at.value_name, "=")
        op = at.word()
        if op not in self.ops:
            raise at.fail(f"an operation's name, not `{op}`, before this")
        at.expect("(")
        inputs: list[Value] = []
        fields: dict[str, Any] = {}

        def argument() -> None:
            if at.text.startswith("%", at.at) or at.text.startswith(" %", at.at):
                inputs.append(self.known(at))
            else:
                key = at.word()
                at.expect("=")
                fields[key] = at.json()

        at.listed(argument, ")")
        at.expect(":")
        types = [at.type()]
        while at.found(","):
            types.append(at.type())
        if len(types) != len(names):
            raise at.fail(f"a type for each of {len(names)} results before this")
        outputs = tuple(Value(name, type_) for name, type_ in zip(names, types, strict=True))
        try:
            made = self.ops[op](**fields)
        except (TypeError, ValueError) as error:
            raise GraphSyntaxError(f"line {at.number}: {error}") from None
        self.nodes.append(Node(names[0], made, tuple(inputs), outputs))
        self.values.update({value.name: value for value in outputs})


def rewrite(at: Cursor) -> Rewrite:
    """`rewrite NODE gives STEP: role=tensor, … = how(role=tensor, …; option=JSON, …)`."""
    node = at.word()
    at.expect("gives")
    gives = at.word()
    at.expect(":")
    makes = at.listed(lambda: pair(at, at.word), "= ")
    how = at.word()
    at.expect("(")
    takes: list[tuple[str, str]] = []
    options: list[tuple[str, Any]] = []
    while not at.found(")"):
        if at.found(";"):
            options = at.listed(lambda: pair(at, at.json), ")")
            break
        if takes:
            at.expect(",")
        takes.append(pair(at, at.word))
    return Rewrite(how, node, gives, tuple(takes), tuple(makes), tuple(options))


def declared_output(at: Cursor) -> tuple[str, TensorType]:
    """`name: type` in the opening line."""
    name = at.word()
    at.expect(":")
    return name, at.type()


def pair(at: Cursor, value: Callable[[], Any]) -> tuple[str, Any]:
    """`key=value`."""
    key = at.word()
    at.expect("=")
    return key, value()
