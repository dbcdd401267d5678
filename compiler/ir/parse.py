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
from math import isfinite
from typing import Any

from .dtypes import DTYPES
from .graph import Graph, Head, Node, Output, Rewrite, Value, word
from .operation import Operation
from .types import TensorType

Ops = Mapping[str, Callable[..., Operation]]
WORD = re.compile(r"[A-Za-z0-9_.-]+")
PHASE = re.compile(r"(train|inference)\b")
DIM = r"(?:[0-9]{1,18}|[A-Za-z_][A-Za-z0-9_]*)"
TYPE = re.compile(rf"(\w+)\[((?:{DIM}(?:,{DIM})*)?)\]")


class GraphSyntaxError(ValueError):
    """A text that is no graph: says the line, the column and what is wanted there."""


def parse(text: str, ops: Ops) -> Graph:
    """The graph that `text` says, with ops made by their names in `ops`. Raises GraphSyntaxError; verifies nothing."""
    reader = GraphReader(ops)
    lines = (
        text.replace("\r\n", "\n").rstrip("\n").split("\n")
    )  # not splitlines: it cuts at characters that a comment may hold
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            reader.line(Cursor(line, number))
    if not reader.closed:
        wanted = "`}`" if reader.opened else "`graph `"
        raise Cursor("", len(lines) + bool(text)).error_at(f"{wanted} is wanted, not the end of the text", 0)
    return reader.graph()


def finite_number(number: str) -> float:
    """A JSON number with a fraction or an exponent; ValueError where it is beyond all floats."""
    value = float(number)
    if not isfinite(value):
        raise ValueError(number)
    return value


JSON = json.JSONDecoder(parse_float=finite_number, parse_constant=finite_number)  # constants: NaN and the infinities


class Cursor:
    """A place in one line; each method reads one thing and goes on behind it."""

    def __init__(self, text: str, number: int) -> None:
        self.text, self.number, self.at = text, number, 0

    def fail(self, wanted: str) -> GraphSyntaxError:
        """What is wrong here: `wanted` does not stand at this place."""
        return self.error_at(f"{wanted} is wanted, not {self.text[self.at :][:40]!r}", self.at)

    def error_at(self, message: str, column: int) -> GraphSyntaxError:
        """What is wrong at a column of the line, which counts from 0."""
        return GraphSyntaxError(f"line {self.number}, column {column + 1}: {message}")

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
            value, self.at = JSON.raw_decode(self.text, self.at)
        except (ValueError, RecursionError):  # no JSON, a number beyond all, or lists in lists without end
            raise self.fail("a JSON value") from None
        return value

    def number_value(self) -> float:
        """A JSON number."""
        self.skip_blanks()
        start = self.at
        value = self.json()
        try:
            if not isinstance(value, bool):
                return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
        raise self.error_at("a number is wanted", start)

    def value_name(self) -> str:
        self.expect("%")
        return self.word()

    def type(self) -> TensorType:
        """`f32[N,3,8,8]`."""
        match = self.match(TYPE, "a type such as f32[N,3,8,8]")
        if match[1] not in DTYPES:
            raise self.error_at(f"no element type is called `{match[1]}`", match.start())
        sizes = match[2].split(",") if match[2] else []
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
        self.head: tuple[str, tuple[Value, ...], Any] = ("", (), "train")
        self.declared: list[tuple[str, TensorType]] = []
        self.opened = self.closed = False

    def line(self, at: Cursor) -> None:
        """One line: the head, a node, a head of the net, a rewrite, an output, or the end."""
        if self.closed:
            raise at.fail("the end of the text")
        if not self.opened:
            self.opening(at)
        elif at.found("}"):
            self.closing(at)
        elif at.found("head "):
            path = at.word()
            at.expect("=")
            value = self.known(at)
            at.expect("weight")
            self.heads.append(Head(path, value, at.number_value()))
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
        """What was gathered."""
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
        self.declared = at.listed(lambda: declared_output(at), ")")
        at.expect("phase")
        phase = at.match(PHASE, "`train` or `inference`")[0]
        at.expect("{")
        self.head, self.opened = (name, tuple(inputs), phase), True

    def closing(self, at: Cursor) -> None:
        """The end: by now the outputs that the first line declares are returned."""
        returned = [(output.name, output.value.type) for output in self.outputs]
        if returned != self.declared:
            first, now = (", ".join(f"{word(name)}: {t}" for name, t in each) for each in (self.declared, returned))
            raise at.error_at(f"the first line declares ({first}), but ({now}) is returned", at.at - 1)
        self.closed = True

    def typed(self, name: str, at: Cursor) -> Value:
        """A new value with the type that follows its name."""
        at.expect(":")
        self.values[name] = Value(name, at.type())
        return self.values[name]

    def known(self, at: Cursor) -> Value:
        """The value of the name that stands here."""
        at.skip_blanks()
        start, name = at.at, at.value_name()
        if name not in self.values:
            raise at.error_at(f"nothing before this line makes %{word(name)}", start)
        return self.values[name]

    def node(self, at: Cursor) -> None:
        """`%path = op(%input, …, field=JSON, …) : type`."""
        names = [at.value_name()]
        while at.found(","):
            names.append(at.value_name())
        at.expect("=")
        at.skip_blanks()
        start, op = at.at, at.word()
        if op not in self.ops:
            raise at.error_at(f"no operation is called `{op}`", start)
        inputs, fields = self.arguments(at)
        at.expect(":")
        types = [at.type()]
        while at.found(","):
            types.append(at.type())
        if len(types) != len(names):
            counts = f"{len(names)} result{'s have' if len(names) > 1 else ' has'} {len(types)} type"
            raise at.error_at(f"{counts}{'s' if len(types) > 1 else ''}", at.at)
        outputs = tuple(Value(name, type_) for name, type_ in zip(names, types, strict=True))
        try:
            made = self.ops[op](**fields)
        except (TypeError, ValueError, OverflowError) as error:
            raise at.error_at(f"`{op}`: {error}", start) from None
        self.nodes.append(Node(names[0], made, tuple(inputs), outputs))
        self.values.update({value.name: value for value in outputs})

    def arguments(self, at: Cursor) -> tuple[list[Value], dict[str, Any]]:
        """`(%input, …, field=JSON, …)`: the inputs and the fields."""
        inputs: list[Value] = []
        fields: dict[str, Any] = {}

        def argument() -> None:
            at.skip_blanks()
            start = at.at
            if at.text.startswith("%", start):
                inputs.append(self.known(at))
                return
            key, value = pair(at, at.json)
            if key in fields:
                raise at.error_at(f"`{key}` is given twice", start)
            fields[key] = value

        at.expect("(")
        at.listed(argument, ")")
        return inputs, fields


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
            options = at.listed(lambda: pair(at, lambda: frozen(at.json())), ")")
            break
        if takes:
            at.expect(",")
        takes.append(pair(at, at.word))
    return Rewrite(how, node, gives, tuple(takes), tuple(makes), tuple(options))


def frozen(value: Any) -> Any:
    """A JSON value whose lists are tuples, as graphs hold them."""
    return tuple(map(frozen, value)) if isinstance(value, list) else value


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
