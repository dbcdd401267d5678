"""The header of a document, typed once: its name, its source, its labels, its preprocessing, what it expects, and what is reported.

The schema has checked every value before this; a key that it refused is left out. No later stage reads the raw YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..diagnostics import Span
from .layering import NEVER_INHERITED
from .located_yaml import Entry, Located, is_broken, plain_value
from .reported import Reported, parse_reported


class Preprocessing(NamedTuple):
    """How a photo becomes the input: the values of `preprocess`, None where a key is not there. Sizes are in pixels.

    `spans` are the places of the values, by key.
    """

    resize: int | None = None
    crop: int | tuple[int, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    scale: float | None = None
    interpolation: str | None = None
    color: str | None = None
    spans: Mapping[str, Span] = MappingProxyType({})

    def to_dict(self) -> dict[str, Any]:
        """The keys that the text has, in its order, with JSON values: the metadata of a built file."""
        values = {key: getattr(self, key) for key in self.spans}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


class Labels(NamedTuple):
    """The names of the classes: a list, or a `reference`, which is the name of a known set or of a file beside the text."""

    names: tuple[str, ...] | None
    reference: str | None
    span: Span


class ExpectLine(NamedTuple):
    """One line of `expect`.

    `value` is a number, a list of sizes, such lists by output, or {min, max}; `bounds` are the places of those two.
    """

    name: str
    value: Any
    span: Span
    bounds: Mapping[str, Span] = MappingProxyType({})


class Header(NamedTuple):
    """What a document says about itself.

    `name`, `summary`, `expect` and `reported` are its own; the rest is inherited through `extends`.
    """

    name: str | None = None
    summary: str = ""
    source: str = ""
    lineage: str = ""
    labels: Labels | None = None
    preprocess: Preprocessing | None = None
    expect: tuple[ExpectLine, ...] = ()
    reported: tuple[Reported, ...] = ()

    def inherit(self, base: Header) -> Header:
        """This header, with the values of `base`, the header of the extended document, where it has none."""
        inherited = {key: getattr(base, key) for key in self._fields if key not in NEVER_INHERITED}
        return self._replace(**{key: getattr(self, key) or value for key, value in inherited.items()})


def parse_header(fields: Mapping[str, Entry]) -> Header:
    """The header of one document, from its top-level keys, without what it extends."""
    sound = {key: entry.value for key, entry in fields.items() if not is_broken(entry.value)}
    texts = {key: str(sound[key].value) for key in ("summary", "source", "lineage") if key in sound}
    expect = fields["expect"].value if "expect" in fields else None
    return Header(
        name=str(sound["name"].value) if "name" in sound else None,
        **texts,
        labels=parse_labels(sound["labels"]) if "labels" in sound else None,
        preprocess=parse_preprocessing(sound["preprocess"]) if "preprocess" in sound else None,
        expect=parse_expectations(expect) if expect is not None else (),
        reported=parse_reported(fields["reported"].value) if "reported" in fields else (),
    )


def parse_labels(node: Located) -> Labels:
    """`labels`: a list of names, or a file's or a known set's."""
    if isinstance(node.value, list):
        return Labels(tuple(str(item.value) for item in node.value), None, node.span)
    return Labels(None, str(node.value), node.span)


def parse_preprocessing(node: Located) -> Preprocessing:
    """`preprocess`, each value with its place; lists become tuples."""
    values = {key: plain_value(entry.value) for key, entry in node.value.items()}
    typed: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return Preprocessing(**typed, spans={key: entry.value.span for key, entry in node.value.items()})


def parse_expectations(node: Located) -> tuple[ExpectLine, ...]:
    """The lines of `expect`, without those that the schema has reported as wrong."""
    lines: Mapping[str, Entry] = node.value if isinstance(node.value, dict) else {}
    sound = {name: entry.value for name, entry in lines.items() if not is_broken(entry.value)}
    return tuple(
        ExpectLine(
            name,
            plain_value(value),
            value.span,
            {k: e.value.span for k, e in value.value.items()} if isinstance(value.value, dict) else {},
        )
        for name, value in sound.items()
    )
