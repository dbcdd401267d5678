"""YAML with spans: every value keeps its file, line and column.

The tree is composed here, from PyYAML's events. PyYAML's own composer fails on deep nesting, keeps the last of two equal keys,
and gives an alias the place of its anchor. Scalars follow the YAML 1.2 core schema, as in editors. Tags, merge keys, recursive
anchors and a second document are refused. Bytes, depth and nodes have limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..diagnostics import Collector, Diagnostic, Note, Source, Span
from ..limits import DEFAULT, Limits, double_limit, raise_limit
from .decoding import span_behind
from .language import SPECS, Language

MAX_DEPTH = 100
# characters of a text with a mistake
MAX_READ_AGAIN = 100_000
# microseconds for its events: one takes 25 of them, and half of one for each level of a nest
MAX_TIME_AGAIN = 400_000

# None | bool | int | float | str | list[Located] | dict[str, Entry] | Broken
YamlValue = Any


class Broken:
    """The value of a node that is reported as wrong already: nothing that follows from it is reported."""

    def __repr__(self) -> str:
        return "broken"


BROKEN = Broken()


class Located:
    """A YAML node with its `value` and `span`. `raw` is the text of a scalar.

    `style` is the quote or block indicator of a scalar, or the bracket of a collection in flow style; else empty.
    """

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
    """The rest of the text cannot be read. The reason is reported already."""


INT = re.compile(r"[-+]?[0-9]+\Z")
OCTAL = re.compile(r"0o[0-7]+\Z")
HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
CORE_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
CORE_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
CORE_WORDS |= {s + w: float(s + "inf") for s in ("", "+", "-") for w in (".inf", ".Inf", ".INF")}
CORE_WORDS |= {w: float("nan") for w in (".nan", ".NaN", ".NAN")}
MAX_DIGITS = 60
TAG_DIRECTIVE = re.compile("(?:\\A\ufeff?|[\r\n])(%TAG)\\b")


def parse_yaml(source: Source, diagnostics: Collector, limits: Limits = DEFAULT) -> Located | None:
    """The tree of the one document in `source`.

    Reports what is wrong; gives None where the text cannot be read to its end.
    """
    try:
        return YamlComposer(source, diagnostics, limits).compose_document()
    except UnreadableText:
        return None


def plain_value(node: Located) -> Any:
    """The value of a node without spans: dicts, lists and scalars."""
    if isinstance(node.value, dict):
        return {key: plain_value(entry.value) for key, entry in node.value.items()}
    if isinstance(node.value, list):
        return [plain_value(item) for item in node.value]
    return node.value


def is_broken(node: Located) -> bool:
    """Whether `node`, or anything in it, is reported as wrong."""
    if isinstance(node.value, dict):
        return any(is_broken(entry.value) for entry in node.value.values())
    if isinstance(node.value, list):
        return any(is_broken(item) for item in node.value)
    return node.value is BROKEN


def height(node: Located) -> int:
    """How many levels of nodes are below `node`."""
    levels, level = -1, [node]
    while level:
        levels += 1
        inner = [n.value for n in level]
        level = [i for v in inner if isinstance(v, list) for i in v] + [
            e.value for v in inner if isinstance(v, dict) for e in v.values()
        ]
    return levels


TYPE_NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}


class YamlComposer:
    """Composes one tree from PyYAML's events. Aliases count as many nodes and characters as they stand for.

    `nodes` and `characters` are how many there are so far; what stands between scalars is no part of the characters.
    """

    def __init__(self, source: Source, diagnostics: Collector, limits: Limits, language: Language = SPECS) -> None:
        import yaml

        self.yaml, self.limits, self.language = yaml, limits, language
        self.source, self.diagnostics = source, diagnostics
        self.anchors: dict[str, tuple[Located, int, int] | None] = {}
        self.nodes = self.characters = 0
        self.events: Iterator[Any] = yaml.parse(source.text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    def refuse(
        self, code: str, span: Span, message: str, help: str = "", notes: tuple[Note, ...] = ()
    ) -> UnreadableText:
        """Reports a mistake after which the text cannot be read on; the caller raises what this gives."""
        self.diagnostics.error(code, span, message, help, notes)
        return UnreadableText()

    def next_event(self) -> Any:
        """The next event of the parser. Raises UnreadableText."""
        try:
            return next(self.events)
        # PyYAML lets the last two through for a bad escape or character
        except (self.yaml.YAMLError, ValueError, OverflowError) as error:
            raise self.syntax_error(error) from None

    def syntax_error(self, first: Exception) -> UnreadableText:
        """Reports why the text is no YAML; `first` is the error of PyYAML's C parser.

        PyYAML's Python parser has better messages, so it reads the beginning of the text again, as far as its slowness allows. Where it
        finds no error, or may not have come to it, `first` is reported.
        """
        error: Any = None
        text = self.source.text[:MAX_READ_AGAIN]
        try:
            depth = time = 0
            for event in self.yaml.parse(text, self.yaml.SafeLoader):
                depth += isinstance(event, self.yaml.CollectionStartEvent)
                depth -= isinstance(event, self.yaml.CollectionEndEvent)
                time += 25 + depth // 2
                if depth > MAX_DEPTH:
                    return self.nesting_error(self.event_span(event))
                if time > MAX_TIME_AGAIN:
                    break
        except self.yaml.YAMLError as found:
            error = found if text == self.source.text else None
        except (ValueError, OverflowError, RecursionError, IndexError):
            pass
        surrogate = re.search(r"\\u[dD][89a-fA-F]", self.source.text)
        if error is None and surrogate:
            span = span_behind(self.source, self.source.text[: surrogate.start()])
            return self.refuse("control-character", span, "a lone surrogate is no character")
        return self.report_syntax(error or first)

    def report_syntax(self, error: Any) -> UnreadableText:
        """Reports an error of PyYAML's at the place of its cause."""
        # late: only a mistake pays for its explanation
        from .syntax_errors import explain_syntax

        self.diagnostics.add(explain_syntax(self.source, error))
        return UnreadableText()

    def event_span(self, event: Any) -> Span:
        a, b = event.start_mark, event.end_mark
        return Span(self.source, a.line + 1, a.column + 1, b.line + 1, b.column + 1)

    def nesting_error(self, span: Span) -> UnreadableText:
        return self.refuse("too-deep", span, f"nested over {MAX_DEPTH} levels deep, the limit")

    def compose_document(self) -> Located:
        """The tree of the one document. Raises UnreadableText."""
        y = self.yaml
        self.check_directives()
        self.next_event()
        start = self.next_event()
        if isinstance(start, y.StreamEndEvent):
            raise self.refuse("empty-file", Span(self.source, 1, 1, 1, 2), "the file is empty", self.language.smallest)
        self.check_version(start)
        root = self.compose_node(self.next_event(), 0)
        self.next_event()
        after = self.next_event()
        if not isinstance(after, y.StreamEndEvent):
            raise self.refuse(
                "multiple-documents", self.event_span(after), "a second document begins here; a file holds one"
            )
        return root

    def check_directives(self) -> None:
        """Refuses `%TAG`, of which PyYAML's C parser compares each with all before it. Raises UnreadableText."""
        text = self.source.text
        if "%TAG" in text and (directive := TAG_DIRECTIVE.search(text)):
            span = span_behind(self.source, text[: directive.start(1)]).at(0, len("%TAG"))
            message = f"the directive `%TAG` is refused: a {self.language.kind} holds plain values only"
            raise self.refuse("yaml-tag", span, message, "take the line away")

    def check_version(self, start: Any) -> None:
        """Warns of a directive `%YAML` that asks for another version than 1.2: the text is read as 1.2 all the same."""
        if start.version in (None, (1, 2)):
            return
        version = ".".join(map(str, start.version))
        line = next((i for i, each in enumerate(self.source.text.splitlines(), 1) if each.startswith("%YAML")), 1)
        span = Span(self.source, line, 1, line, len(self.source.line(line)) + 1)
        message = f"`%YAML {version}` asks for YAML {version}, but a {self.language.kind} is read as YAML 1.2"
        help = (
            "take the line away; `no`, `on` and `010` are a string, a string and ten here"
            if version == "1.1"
            else "take the line away"
        )
        self.diagnostics.warn("yaml-version", span, message, help)

    def compose_node(self, event: Any, depth: int) -> Located:
        """The node that begins with `event`, at `depth` levels below the root."""
        y, span = self.yaml, self.event_span(event)
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            message = f"over {self.limits.nodes} YAML nodes, the limit (aliases count as what they stand for)"
            raise self.refuse("too-many-nodes", span, message, double_limit("nodes", self.limits.nodes))
        if isinstance(event, y.AliasEvent):
            return self.resolve_alias(str(event.anchor), span, depth)
        if depth > MAX_DEPTH:
            raise self.nesting_error(span)
        if event.tag is not None:
            raise self.refuse("yaml-tag", span, f"the tag {event.tag[:60]} is refused: a {self.language.kind} holds plain values only",
                              "take the tag away")  # fmt: skip
        nodes, characters = self.nodes, self.characters
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, y.ScalarEvent):
            node = self.compose_scalar(event, span)
        elif isinstance(event, y.SequenceStartEvent):
            node = self.compose_sequence(event, span, depth)
        else:
            node = self.compose_mapping(event, span, depth)
        if event.anchor:
            self.anchors[event.anchor] = (node, self.nodes - nodes + 1, self.characters - characters)
        return node

    def resolve_alias(self, anchor: str, span: Span, depth: int) -> Located:
        """What an alias stands for, with the span of the alias."""
        if anchor not in self.anchors:
            raise self.refuse("alias-undefined", span, f"the alias `*{anchor}` has no anchor `&{anchor}` before it")
        target = self.anchors[anchor]
        if target is None:
            raise self.refuse(
                "alias-recursive", span, f"`*{anchor}` stands inside what `&{anchor}` names: it would contain itself"
            )
        node, nodes, characters = target
        self.nodes += nodes
        self.characters += characters
        if self.nodes > self.limits.nodes:
            message = f"the aliases expand to over {self.limits.nodes} YAML nodes, the limit"
            raise self.refuse("too-many-nodes", span, message, raise_limit("nodes", self.nodes))
        if self.characters > self.limits.bytes:
            message = f"the aliases expand to over {self.limits.bytes:,} characters, the limit"
            raise self.refuse("file-too-large", span, message, double_limit("bytes", self.limits.bytes))
        if depth + height(node) > MAX_DEPTH:
            raise self.nesting_error(span)
        return Located(node.value, span, node.raw, node.style)

    def compose_sequence(self, event: Any, span: Span, depth: int) -> Located:
        items: list[Located] = []
        while not isinstance(inner := self.next_event(), self.yaml.SequenceEndEvent):
            items.append(self.compose_node(inner, depth + 1))
        return Located(items, span, style="[" if event.flow_style else "")

    def compose_mapping(self, event: Any, span: Span, depth: int) -> Located:
        """A mapping. A second entry of the same key is reported, and left out."""
        entries: dict[str, Entry] = {}
        while not isinstance(inner := self.next_event(), self.yaml.MappingEndEvent):
            key = self.compose_key(inner)
            value = self.compose_node(self.next_event(), depth + 1)
            name = str(key.value)
            if name in entries and name.startswith("-"):
                # a dash without its space: the first such key is reported as no step
                pass
            elif name in entries:
                first = entries[name].key.span
                message = f"the key `{name}` stands twice; the first is on line {first.line}"
                self.diagnostics.error("duplicate-key", key.span, message, notes=(Note("the first is here", first),))
            else:
                entries[name] = Entry(key, value)
        return Located(entries, span, style="{" if event.flow_style else "")

    def compose_key(self, event: Any) -> Located:
        """A key of a mapping, which is a string."""
        span = self.event_span(event)
        if isinstance(event, self.yaml.AliasEvent):
            key = self.resolve_alias(str(event.anchor), span, 0)
        elif isinstance(event, self.yaml.ScalarEvent):
            if event.tag is not None:
                raise self.refuse("yaml-tag", span, f"the tag {event.tag[:60]} is refused")
            self.nodes += 1
            key = self.compose_scalar(event, span)
            if event.anchor:
                self.anchors[event.anchor] = (key, 1, len(event.value))
        else:
            self.report_key(
                span, "a list or a mapping cannot be a key", "for the value of a param write `$name` or `$(…)`"
            )
            raise UnreadableText
        if key.value == "<<" and key.style == "":
            raise self.refuse(
                "merge-key",
                span,
                "merge keys (`<<`) are not in YAML 1.2, nor in the language",
                "use `extends`, a block or a param",
            )
        if not isinstance(key.value, str):
            what = f"the key `{key.raw}` is read as {TYPE_NAMES[type(key.value)]}, not as a string"
            self.report_key(span, what, "quote it, or choose a word")
            raise UnreadableText
        return key

    def report_key(self, span: Span, message: str, help: str) -> None:
        """Reports a key that is no string, at the place of its cause where that is found in the text."""
        # late: only a mistake pays for its explanation
        from .syntax_errors import explain_no_key

        found = explain_no_key(self.source, span)
        self.diagnostics.add(found or Diagnostic("key-not-a-string", span, message, help=help))

    def compose_scalar(self, event: Any, span: Span) -> Located:
        text, style = event.value, event.style or ""
        self.characters += len(text)
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise self.refuse("control-character", span, "a lone surrogate is no character")
        if not event.implicit[0]:
            return Located(text, span, text, style if style != "" else "'")
        return Located(self.resolve_scalar(text, span), span, text, "")

    def resolve_scalar(self, text: str, span: Span) -> Any:
        """The value of a scalar without quotes, by the YAML 1.2 core schema."""
        if text in CORE_WORDS:
            return CORE_WORDS[text]
        if text[0] not in "+-.0123456789":
            return text
        number = INT.match(text) or HEX.match(text) or OCTAL.match(text) or FLOAT.match(text)
        if number and len(text) > MAX_DIGITS:
            raise self.refuse("number-too-large", span, f"a number of {len(text)} digits is too large")
        if INT.match(text):
            digits = text.lstrip("+-")
            if len(digits) > 1 and digits[0] == "0":
                message = f"`{text}` is the decimal {int(text)}; other readers take it for octal"
                help = f"write {int(text)} or 0o{digits.lstrip('0') or '0'}"
                self.diagnostics.warn("leading-zero", span, message, help)
            return int(text)
        if HEX.match(text):
            return int(text[2:], 16)
        if OCTAL.match(text):
            return int(text[2:], 8)
        return float(text) if FLOAT.match(text) else text
