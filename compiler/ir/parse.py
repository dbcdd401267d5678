"""Reads the text form of a graph: `parse(str(graph), OPS) == graph`, except for where its nodes come from.

The text is what graph.py prints:

    graph tiny(%image: f32[N,3,8,8]) -> (logits: f32[N,4]) phase train {
      %conv = conv(%image, out=4, kernel=[3, 3]) : f32[N,4,6,6]  # tiny.yaml:5
      head aux1 = %conv weight 0.3
      rewrite conv gives bn: weight=conv.weight = fold_batch_norm(weight=conv.weight, variance=bn.running_var; eps=1e-05)
      return logits = %conv
    }

A name that has more than letters, digits and `_.-` is quoted, and fields are JSON. Empty lines and lines that begin with `#` are
ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from .dtypes import DTYPES
from .graph import PLAIN_NAME, Graph, Head, Node, Output, Rewrite, Value, quote_name
from .types import TensorType

Ops = Mapping[str, Callable[..., Any]]
PHASE = re.compile(r"(train|inference)\b")
DIM = r"(?:[0-9]{1,18}|[A-Za-z_][A-Za-z0-9_]*)"
TYPE = re.compile(rf"(\w+)\[((?:{DIM}(?:,{DIM})*)?)\]")


class GraphSyntaxError(ValueError):
    """A text that is no graph. The message has the line, the column, and what is wrong there."""


def parse(text: str, ops: Ops) -> Graph:
    """The graph of a text. `ops` has the class of each op by its name. The graph is not verified.

    Raises GraphSyntaxError where the text is no graph.
    """
    reader = GraphReader(ops)
    # not splitlines, which also cuts at characters that may be in a comment
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            reader.parse_line(Cursor(line, number))
    if not reader.closed:
        wanted = "`}`" if reader.opened else "`graph `"
        raise Cursor("", len(lines) + bool(text)).error_at(f"{wanted} is wanted, not the end of the text", 0)
    return reader.graph()


def parse_float(number: str) -> float:
    """A JSON number with a fraction or an exponent. Raises ValueError where it is no finite float."""
    value = float(number)
    if not isfinite(value):
        raise ValueError(number)
    return value


JSON = json.JSONDecoder(parse_float=parse_float, parse_constant=parse_float)  # constants: NaN and the infinities


class Cursor:
    """A place in a line. Each method that reads something moves behind it; it skips blanks first."""

    def __init__(self, text: str, number: int) -> None:
        self.text, self.number, self.at = text, number, 0

    def unexpected(self, wanted: str) -> GraphSyntaxError:
        """The error of a text where `wanted` should be next."""
        return self.error_at(f"{wanted} is wanted, not {self.text[self.at :][:40]!r}", self.at)

    def error_at(self, message: str, column: int) -> GraphSyntaxError:
        """The error at a column of the line; `column` counts from 0."""
        return GraphSyntaxError(f"line {self.number}, column {column + 1}: {message}")

    def skip_blanks(self) -> None:
        while self.text.startswith((" ", "\t"), self.at):
            self.at += 1

    def accept(self, literal: str) -> bool:
        """Whether `literal` is next; if so, moves behind it."""
        self.skip_blanks()
        if not self.text.startswith(literal, self.at):
            return False
        self.at += len(literal)
        return True

    def expect(self, literal: str) -> None:
        """Moves behind `literal`. Raises GraphSyntaxError where it is not next."""
        if not self.accept(literal):
            raise self.unexpected(f"`{literal}`")

    def match(self, pattern: re.Pattern[str], wanted: str) -> re.Match[str]:
        """What matches `pattern`, which the error calls `wanted`."""
        self.skip_blanks()
        match = pattern.match(self.text, self.at)
        if match is None:
            raise self.unexpected(wanted)
        self.at = match.end()
        return match

    def name(self) -> str:
        """A name, plain or quoted."""
        self.skip_blanks()
        return str(self.json()) if self.text.startswith('"', self.at) else self.match(PLAIN_NAME, "a name")[0]

    def json(self) -> Any:
        """A JSON value."""
        self.skip_blanks()
        try:
            value, self.at = JSON.raw_decode(self.text, self.at)
        except (ValueError, RecursionError):  # no JSON, a number that is no float, or lists nested too deep
            raise self.unexpected("a JSON value") from None
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
        """The name of a value: `%name`."""
        self.expect("%")
        return self.name()

    def type(self) -> TensorType:
        """A tensor type: `f32[N,3,8,8]`."""
        match = self.match(TYPE, "a type such as f32[N,3,8,8]")
        if match[1] not in DTYPES:
            raise self.error_at(f"no element type is called `{match[1]}`", match.start())
        sizes = match[2].split(",") if match[2] else []
        return TensorType(tuple(int(s) if s.isdigit() else s for s in sizes), DTYPES[match[1]])

    def items(self, item: Callable[[], Any], end: str) -> list[Any]:
        """What `item` reads, with commas between, up to `end`."""
        items: list[Any] = []
        while not self.accept(end):
            if items:
                self.expect(",")
            items.append(item())
        return items


class GraphReader:
    """Reads a graph line by line. `signature` is the name, inputs and phase of the first line, `declared` its outputs."""

    def __init__(self, ops: Ops) -> None:
        """Starts with nothing read; `ops` has the class of each op by its name."""
        self.ops = ops
        self.values: dict[str, Value] = {}
        self.nodes: list[Node] = []
        self.heads: list[Head] = []
        self.rewrites: list[Rewrite] = []
        self.outputs: list[Output] = []
        self.signature: tuple[str, tuple[Value, ...], Any] = ("", (), "train")
        self.declared: list[tuple[str, TensorType]] = []
        self.opened = self.closed = False

    def parse_line(self, cursor: Cursor) -> None:
        """Reads one line: the signature, a node, an auxiliary head, a rewrite, an output, or the end."""
        if self.closed:
            raise cursor.unexpected("the end of the text")
        if not self.opened:
            self.parse_signature(cursor)
        elif cursor.accept("}"):
            self.parse_end(cursor)
        elif cursor.accept("head "):
            path = cursor.name()
            cursor.expect("=")
            value = self.known_value(cursor)
            cursor.expect("weight")
            self.heads.append(Head(path, value, cursor.number_value()))
        elif cursor.accept("rewrite "):
            self.rewrites.append(parse_rewrite(cursor))
        elif cursor.accept("return "):
            name = cursor.name()
            cursor.expect("=")
            self.outputs.append(Output(name, self.known_value(cursor)))
        else:
            self.parse_node(cursor)
        cursor.skip_blanks()
        if cursor.at < len(cursor.text) and not cursor.text.startswith("#", cursor.at):
            raise cursor.unexpected("the end of the line")

    def graph(self) -> Graph:
        """The graph of all lines."""
        name, inputs, phase = self.signature
        return Graph(
            name, inputs, tuple(self.nodes), tuple(self.outputs), tuple(self.heads), tuple(self.rewrites), phase
        )

    def parse_signature(self, cursor: Cursor) -> None:
        """`graph NAME(%input: type, …) -> (output: type, …) phase train {`; the outputs follow as `return` lines."""
        cursor.expect("graph ")
        name = cursor.name()
        cursor.expect("(")
        inputs = cursor.items(lambda: self.new_value(cursor.value_name(), cursor), ")")
        cursor.expect("->")
        cursor.expect("(")
        self.declared = cursor.items(lambda: parse_output(cursor), ")")
        cursor.expect("phase")
        phase = cursor.match(PHASE, "`train` or `inference`")[0]
        cursor.expect("{")
        self.signature, self.opened = (name, tuple(inputs), phase), True

    def parse_end(self, cursor: Cursor) -> None:
        """`}`: the outputs that were returned must be those that the first line declares."""
        returned = [(output.name, output.value.type) for output in self.outputs]
        if returned != self.declared:
            first, now = (
                ", ".join(f"{quote_name(name)}: {t}" for name, t in each) for each in (self.declared, returned)
            )
            raise cursor.error_at(f"the first line declares ({first}), but ({now}) is returned", cursor.at - 1)
        self.closed = True

    def new_value(self, name: str, cursor: Cursor) -> Value:
        """A new value with the type that follows its name."""
        cursor.expect(":")
        self.values[name] = Value(name, cursor.type())
        return self.values[name]

    def known_value(self, cursor: Cursor) -> Value:
        """The value whose name is next. Raises GraphSyntaxError where no line before makes it."""
        cursor.skip_blanks()
        start, name = cursor.at, cursor.value_name()
        if name not in self.values:
            raise cursor.error_at(f"nothing before this line makes %{quote_name(name)}", start)
        return self.values[name]

    def parse_node(self, cursor: Cursor) -> None:
        """`%path = op(%input, …, field=JSON, …) : type`."""
        names = [cursor.value_name()]
        while cursor.accept(","):
            names.append(cursor.value_name())
        cursor.expect("=")
        cursor.skip_blanks()
        start, op = cursor.at, cursor.name()
        if op not in self.ops:
            raise cursor.error_at(f"no operation is called `{op}`", start)
        inputs, fields = self.parse_arguments(cursor)
        cursor.expect(":")
        types = [cursor.type()]
        while cursor.accept(","):
            types.append(cursor.type())
        if len(types) != len(names):
            counts = f"{len(names)} result{'s have' if len(names) > 1 else ' has'} {len(types)} type"
            raise cursor.error_at(f"{counts}{'s' if len(types) > 1 else ''}", cursor.at)
        outputs = tuple(Value(name, type_) for name, type_ in zip(names, types, strict=True))
        try:
            made = self.ops[op](**fields)
        except (TypeError, ValueError, OverflowError) as error:
            raise cursor.error_at(f"`{op}`: {error}", start) from None
        self.nodes.append(Node(names[0], made, tuple(inputs), outputs))
        self.values.update({value.name: value for value in outputs})

    def parse_arguments(self, cursor: Cursor) -> tuple[list[Value], dict[str, Any]]:
        """`(%input, …, field=JSON, …)`: the inputs and the fields."""
        inputs: list[Value] = []
        fields: dict[str, Any] = {}

        def argument() -> None:
            """Adds what is next to `inputs` or to `fields`."""
            cursor.skip_blanks()
            start = cursor.at
            if cursor.text.startswith("%", start):
                inputs.append(self.known_value(cursor))
                return
            key, value = parse_pair(cursor, cursor.json)
            if key in fields:
                raise cursor.error_at(f"`{key}` is given twice", start)
            fields[key] = value

        cursor.expect("(")
        cursor.items(argument, ")")
        return inputs, fields


def parse_rewrite(cursor: Cursor) -> Rewrite:
    """`rewrite NODE gives STEP: role=tensor, … = how(role=tensor, …; option=JSON, …)`."""
    node = cursor.name()
    cursor.expect("gives")
    gives = cursor.name()
    cursor.expect(":")
    makes = cursor.items(lambda: parse_pair(cursor, cursor.name), "= ")
    how = cursor.name()
    cursor.expect("(")
    takes: list[tuple[str, str]] = []
    options: list[tuple[str, Any]] = []
    while not cursor.accept(")"):
        if cursor.accept(";"):
            options = cursor.items(lambda: parse_pair(cursor, lambda: to_tuples(cursor.json())), ")")
            break
        if takes:
            cursor.expect(",")
        takes.append(parse_pair(cursor, cursor.name))
    return Rewrite(how, node, gives, tuple(takes), tuple(makes), tuple(options))


def to_tuples(value: Any) -> Any:
    """A JSON value with tuples in the place of lists, as they are in graphs."""
    return tuple(map(to_tuples, value)) if isinstance(value, list) else value


def parse_output(cursor: Cursor) -> tuple[str, TensorType]:
    """`name: type` in the opening line."""
    name = cursor.name()
    cursor.expect(":")
    return name, cursor.type()


def parse_pair(cursor: Cursor, value: Callable[[], Any]) -> tuple[str, Any]:
    """`key=value`."""
    key = cursor.name()
    cursor.expect("=")
    return key, value()
