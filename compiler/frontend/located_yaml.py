"""YAML with places: every value keeps its file, line and column.

Composed over PyYAML's event stream, because its own composer dies of deep nesting, lets the last of two equal keys win, and
gives an alias the place of its anchor. Scalars follow the YAML 1.2 core schema, as editors read them; tags, merge keys,
recursive anchors and a second document are refused. Bytes, depth and nodes are counted before they are believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..diagnostics import Collector, Diagnostic, Note, Source, Span
from ..sources import MAX_BYTES

MAX_DEPTH = 100
MAX_NODES = 50_000
SMALLEST = "the smallest spec: archspec: 1, name: tiny, input: {image: [3, 32, 32]}, graph: [relu]"

YamlValue = Any  # None | bool | int | float | str | list[Located] | dict[str, Entry] | Broken


class Broken:
    """Stands for a value that is told to be wrong: nothing further is said of what follows from it."""

    def __repr__(self) -> str:
        return "broken"


BROKEN = Broken()


class Located:
    """A YAML node: its `value`, its `span`, and for scalars the text (`raw`) and how it was quoted (`style`)."""

    __slots__ = ("raw", "span", "style", "value")

    def __init__(self, value: YamlValue, span: Span, raw: str = "", style: str = "") -> None:
        self.value, self.span, self.raw, self.style = value, span, raw, style

    @property
    def is_scalar(self) -> bool:
        return not isinstance(self.value, (dict, list))


class Entry(NamedTuple):
    """A key and its value."""

    key: Located
    value: Located


class UnreadableText(Exception):
    """The text cannot be read on; what is wrong is told."""


INT = re.compile(r"[-+]?[0-9]+\Z")
OCTAL = re.compile(r"0o[0-7]+\Z")
HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
WORDS |= {s + w: float(s + "inf") for s in ("", "+", "-") for w in (".inf", ".Inf", ".INF")}
WORDS |= {w: float("nan") for w in (".nan", ".NaN", ".NAN")}
MAX_DIGITS = 60


def read_text(data: bytes, name: str, diagnostics: Collector) -> Source | None:
    """The text of a file: UTF-8, of bounded size, without control characters; None after telling what is wrong."""
    start = Span(Source(name, ""), 1, 1, 1, 2)
    if len(data) > MAX_BYTES:
        diagnostics.add(Diagnostic("file-too-large", start, f"the file is over the limit of {MAX_BYTES // 2**20} MiB"))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        span = offset_span(Source(name, data.decode("utf-8", "replace")), before)
        diagnostics.add(
            Diagnostic("not-utf8", span, f"byte 0x{data[error.start]:02X} is not UTF-8: a spec is UTF-8 text")
        )
        return None
    source = Source(name, text)
    # U+0085, U+2028 and U+2029 end a line for PyYAML and not for an editor: every place after them would be wrong
    bad = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]", text)
    if bad:
        span = offset_span(source, text[: bad.start()])
        diagnostics.add(
            Diagnostic("control-character", span, f"the character U+{ord(bad[0]):04X} may not stand in a spec")
        )
        return None
    if not text.strip():
        diagnostics.add(Diagnostic("empty-file", start, "the file is empty", help=SMALLEST))
        return None
    return source


def offset_span(source: Source, before: str) -> Span:
    lines = re.split("\r\n|\r|\n", before)
    return Span(source, len(lines), len(lines[-1]) + 1, len(lines), len(lines[-1]) + 2)


def parse_yaml(source: Source, diagnostics: Collector) -> Located | None:
    """The one document of `source`; None after telling what is wrong."""
    try:
        return YamlComposer(source, diagnostics).document()
    except UnreadableText:
        return None


def plain_value(node: Located) -> Any:
    """The values alone: dicts, lists and scalars."""
    if isinstance(node.value, dict):
        return {key: plain_value(entry.value) for key, entry in node.value.items()}
    if isinstance(node.value, list):
        return [plain_value(item) for item in node.value]
    return node.value


def is_broken(node: Located) -> bool:
    """Whether a part of `node` is told to be wrong."""
    if isinstance(node.value, dict):
        return any(is_broken(entry.value) for entry in node.value.values())
    if isinstance(node.value, list):
        return any(is_broken(item) for item in node.value)
    return node.value is BROKEN


def height(node: Located) -> int:
    """How many levels stand below `node`."""
    levels, level = -1, [node]
    while level:
        levels += 1
        inner = [n.value for n in level]
        level = [i for v in inner if isinstance(v, list) for i in v] + [
            e.value for v in inner if isinstance(v, dict) for e in v.values()
        ]
    return levels


KINDS = {type(None): "null", bool: "a boolean", int: "an integer", float: "a number", list: "a list", dict: "a mapping"}


class YamlComposer:
    def __init__(self, source: Source, diagnostics: Collector) -> None:
        import yaml

        self.yaml = yaml
        self.source, self.diagnostics = source, diagnostics
        self.anchors: dict[str, tuple[Located, int] | None] = {}
        self.nodes = 0
        self.events: Iterator[Any] = yaml.parse(source.text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    def refuse(
        self, code: str, span: Span, message: str, help: str = "", notes: tuple[Note, ...] = ()
    ) -> UnreadableText:
        self.diagnostics.add(Diagnostic(code, span, message, help=help, notes=notes))
        return UnreadableText()

    def next(self) -> Any:
        try:
            return next(self.events)
        except (
            self.yaml.YAMLError,
            ValueError,
            OverflowError,
        ) as error:  # a bad escape or character may leak the last two
            raise self.syntax(error) from None

    def syntax(self, first: Exception) -> UnreadableText:
        """The pure parser words errors better than the C one, so it reads the text again; where it finds none, `first` stands."""
        text = self.source.text
        error: Any = None
        try:
            depth = 0
            for event in self.yaml.parse(text, self.yaml.SafeLoader):
                depth += isinstance(event, self.yaml.CollectionStartEvent) - isinstance(
                    event, self.yaml.CollectionEndEvent
                )
                if depth > MAX_DEPTH:
                    return self.deep(self.span(event))
        except self.yaml.YAMLError as found:
            error = found
        except (ValueError, OverflowError, RecursionError, IndexError):
            pass
        surrogate = re.search(r"\\u[dD][89a-fA-F]", text)
        if error is None and surrogate:
            return self.refuse(
                "control-character",
                offset_span(self.source, text[: surrogate.start()]),
                "a lone surrogate is no character",
            )
        error = error or first
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line, column = (
            (mark.line + 1, mark.column + 1)
            if mark
            else offset_span(self.source, text[: getattr(error, "position", 0)])[1:3]
        )
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "this is no YAML"
        context = getattr(error, "context", None)
        span = Span(self.source, line, column, line, column + 1)
        here = self.source.line(line)
        if "\\t" in problem or "\t" in here[: len(here) - len(here.lstrip())]:
            return self.refuse(
                "yaml-syntax", span, "a tab cannot indent: YAML wants spaces", "replace the tab by spaces"
            )
        said = f"{context}: {problem}" if context else str(problem)
        where = getattr(error, "context_mark", None)
        notes = (
            (
                Note(
                    "it began here",
                    Span(self.source, where.line + 1, where.column + 1, where.line + 1, where.column + 2),
                ),
            )
            if where and mark
            else ()
        )
        return self.refuse(
            "yaml-syntax", span, said, "quote a text that holds `: `, ` #` or starts with a special character", notes
        )

    def span(self, event: Any) -> Span:
        a, b = event.start_mark, event.end_mark
        return Span(self.source, a.line + 1, a.column + 1, b.line + 1, b.column + 1)

    def deep(self, span: Span) -> UnreadableText:
        return self.refuse("too-deep", span, f"nested over {MAX_DEPTH} levels deep, the limit")

    def document(self) -> Located:
        y = self.yaml
        self.next()
        start = self.next()
        if isinstance(start, y.StreamEndEvent):
            raise self.refuse("empty-file", Span(self.source, 1, 1, 1, 2), "the file is empty", SMALLEST)
        root = self.node(self.next(), 0)
        self.next()
        after = self.next()
        if not isinstance(after, y.StreamEndEvent):
            raise self.refuse("multiple-documents", self.span(after), "a second document begins here; a file holds one")
        return root

    def node(self, event: Any, depth: int) -> Located:
        y, span = self.yaml, self.span(event)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.refuse(
                "too-many-nodes", span, f"over {MAX_NODES} YAML nodes, the limit (aliases count as what they stand for)"
            )
        if isinstance(event, y.AliasEvent):
            return self.alias(str(event.anchor), span, depth)
        if depth > MAX_DEPTH:
            raise self.deep(span)
        if event.tag is not None:
            raise self.refuse("yaml-tag", span, f"the tag {event.tag[:60]} is refused: a spec holds plain values only",
                              "take the tag away")  # fmt: skip
        before = self.nodes
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, y.ScalarEvent):
            made = self.scalar(event, span)
        elif isinstance(event, y.SequenceStartEvent):
            made = self.sequence(event, span, depth)
        else:
            made = self.mapping(event, span, depth)
        if event.anchor:
            self.anchors[event.anchor] = (made, self.nodes - before + 1)
        return made

    def alias(self, anchor: str, span: Span, depth: int) -> Located:
        if anchor not in self.anchors:
            raise self.refuse("alias-undefined", span, f"the alias `*{anchor}` has no anchor `&{anchor}` before it")
        found = self.anchors[anchor]
        if found is None:
            raise self.refuse(
                "alias-recursive", span, f"`*{anchor}` stands inside what `&{anchor}` names: it would contain itself"
            )
        node, size = found
        self.nodes += size
        if self.nodes > MAX_NODES:
            raise self.refuse("too-many-nodes", span, f"the aliases expand to over {MAX_NODES} YAML nodes, the limit")
        if depth + height(node) > MAX_DEPTH:
            raise self.deep(span)
        return Located(node.value, span, node.raw, node.style)

    def sequence(self, event: Any, span: Span, depth: int) -> Located:
        items: list[Located] = []
        while not isinstance(inner := self.next(), self.yaml.SequenceEndEvent):
            items.append(self.node(inner, depth + 1))
        return Located(items, span, style="[" if event.flow_style else "")

    def mapping(self, event: Any, span: Span, depth: int) -> Located:
        entries: dict[str, Entry] = {}
        while not isinstance(inner := self.next(), self.yaml.MappingEndEvent):
            key = self.key(inner)
            value = self.node(self.next(), depth + 1)
            name = str(key.value)
            if name in entries:
                first = entries[name].key.span
                self.diagnostics.add(Diagnostic("duplicate-key", key.span, f"the key `{name}` stands twice; the first is on line {first.line}",
                                                notes=(Note("the first is here", first),)))  # fmt: skip
            else:
                entries[name] = Entry(key, value)
        return Located(entries, span, style="{" if event.flow_style else "")

    def key(self, event: Any) -> Located:
        span = self.span(event)
        if isinstance(event, self.yaml.AliasEvent):
            key = self.alias(str(event.anchor), span, 0)
        elif isinstance(event, self.yaml.ScalarEvent):
            if event.tag is not None:
                raise self.refuse("yaml-tag", span, f"the tag {event.tag[:60]} is refused")
            self.nodes += 1
            key = self.scalar(event, span)
            if event.anchor:
                self.anchors[event.anchor] = (key, 1)
        else:
            raise self.refuse("key-not-a-string", span, "a list or a mapping cannot be a key")
        if key.value == "<<" and key.style == "":
            raise self.refuse(
                "merge-key",
                span,
                "merge keys (`<<`) are not in YAML 1.2, nor in the language",
                "use `extends`, a block or a param",
            )
        if not isinstance(key.value, str):
            raise self.refuse("key-not-a-string", span, f"the key `{key.raw}` is read as {KINDS[type(key.value)]}, not as a string",
                              "quote it, or choose a word")  # fmt: skip
        return key

    def scalar(self, event: Any, span: Span) -> Located:
        text, style = event.value, event.style or ""
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise self.refuse("control-character", span, "a lone surrogate is no character")
        if not event.implicit[0]:
            return Located(text, span, text, style if style != "" else "'")
        return Located(self.resolve(text, span), span, text, "")

    def resolve(self, text: str, span: Span) -> Any:
        """A plain scalar by the YAML 1.2 core schema."""
        if text in WORDS:
            return WORDS[text]
        if text[0] not in "+-.0123456789":
            return text
        number = INT.match(text) or HEX.match(text) or OCTAL.match(text) or FLOAT.match(text)
        if number and len(text) > MAX_DIGITS:
            raise self.refuse("number-too-large", span, f"a number of {len(text)} digits is too large")
        if INT.match(text):
            digits = text.lstrip("+-")
            if len(digits) > 1 and digits[0] == "0":
                self.diagnostics.add(Diagnostic("leading-zero", span, f"`{text}` is the decimal {int(text)}; other readers take it for octal",
                                                help=f"write {int(text)} or 0o{digits.lstrip('0') or '0'}", severity="warning"))  # fmt: skip
            return int(text)
        if HEX.match(text):
            return int(text[2:], 16)
        if OCTAL.match(text):
            return int(text[2:], 8)
        return float(text) if FLOAT.match(text) else text
