"""Lays one spec's text over another's, so that comments and layout survive; the rules are the composer's.

The composer lays trees over trees and keeps no text. Here the same is done to texts: the place of each value in the text is known,
so what the overlay changes is replaced at its place, and the rest stays as somebody wrote it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ..compiler.diagnostics import Collector, Source
from ..compiler.frontend.declarations import TYPES, ParamBuilder, default_type
from ..compiler.frontend.layering import MERGED_BY_ENTRY, NEVER_INHERITED
from ..compiler.frontend.located_yaml import Entry, Located, parse_yaml

ORDER = ("archspec", "name", "summary", "source", "lineage", "extends", "params", "input", "preprocess", "labels",
         "import", "blocks", "graph", "expect", "reported")  # fmt: skip
MODELINE = re.compile(r"#\s*yaml-language-server:")

Edit = tuple[int, int, str]  # start, end, and the text that replaces what is between them


class TextDocument:
    """A YAML document as text and as a tree, with the place of each node in the text. Places are indices into `text`."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip() + "\n"
        root = parse_yaml(Source("", self.text), Collector())
        assert root is not None, "the composer has read it"
        self.root = root
        self.lines = [0, *(at + 1 for at, c in enumerate(self.text) if c == "\n")]

    @property
    def fields(self) -> Mapping[str, Entry]:
        """The entries at the top, by key."""
        fields: Mapping[str, Entry] = self.root.value
        return fields

    def start(self, node: Located) -> int:
        """Where a node begins."""
        return self.lines[node.span.line - 1] + node.span.column - 1

    def end(self, node: Located) -> int:
        """Where a node ends, behind its last character. The tree has no end of a collection, so it is found in the text."""
        if node.is_scalar or self.text.startswith("*", self.start(node)):
            end = self.lines[node.span.end_line - 1] + node.span.end_column - 1
            return len(self.text[:end].rstrip()) if node.style in ("|", ">") else end
        items = node.value if isinstance(node.value, list) else node.value.values()
        start = self.start(node)
        end = max((self.entry_end(i) if isinstance(i, Entry) else self.end(i) for i in items), default=start)
        if not node.style or self.text[start] not in "[{&":  # a pair in a list, [relu: {}], has no braces of its own
            return end
        if not node.value:
            end = self.text.index(node.style, start) + 1  # an anchor may stand before the bracket
        closing = re.compile(r"(?:[\s,]|(?<=\s)#[^\n]*)*[\]}]").match(self.text, end)
        assert closing
        return closing.end()

    def entry_end(self, entry: Entry) -> int:
        """Where an entry ends: behind its value, or behind the colon if it has none."""
        if entry.value.raw or entry.value.style or not entry.value.is_scalar:
            return self.end(entry.value)
        end = self.end(entry.key)
        colon = re.compile(r"[ \t]*:").match(self.text, end)
        return colon.end() if colon else end

    def trailing_comment(self, entry: Entry) -> str:
        """The comment behind an entry on its last line, with the space before it; empty if there is none."""
        end = self.entry_end(entry)
        comment = re.compile(r"[ \t]*#[^\n]*").match(self.text, end)
        return comment[0] if comment else ""

    def entry_lines_end(self, entry: Entry, indent: int) -> int:
        """Where an entry's lines end, with the comments below it that are indented by at least `indent`."""
        end = self.text.index("\n", self.entry_end(entry)) + 1
        deeper = re.compile(rf"(?:(?:[ \t]*\n)*[ \t]{{{indent},}}#[^\n]*\n)*").match(self.text, end)
        return deeper.end() if deeper else end

    def text_of(self, node: Located) -> str:
        """A node as it is written."""
        return self.text[self.start(node) : self.end(node)]

    def with_edits(self, edits: list[Edit]) -> TextDocument:
        """The document after some edits, which do not overlap."""
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return TextDocument(text)

    def substitute(self, start: int, end: int, new: str, comment: str = "") -> Edit:
        """The edit that puts `new` in place of a part. A comment behind it is replaced by `comment`, or else keeps its column."""
        rest = re.compile(r"([ \t]*)(#[^\n]*)?(?=\n)").match(self.text, end)
        if rest is None:
            return start, end, new
        if comment:
            return start, rest.end(), new + comment
        if not rest[2]:
            return start, end, new
        room = len(rest[1]) + (end - start) - len(new.rpartition("\n")[2])
        return start, rest.start(2), new + " " * max(room, 1)


def flow_text(node: Located) -> str:
    """A node in flow style, on one line: for places where YAML allows no other. Its comments are lost."""
    if isinstance(node.value, dict):
        parts = (f"{flow_text(e.key)}: {flow_text(e.value)}".rstrip(" ") for e in node.value.values())
        return "{" + ", ".join(part.removesuffix(":") for part in parts) + "}"
    if isinstance(node.value, list):
        return "[" + ", ".join(map(flow_text, node.value)) + "]"
    plain = node.style == "" and "\n" not in node.raw and not re.search(r"[,\[\]{}]|: | #", node.raw)
    return node.raw if plain else json.dumps(node.value, ensure_ascii=False)


def inline_text(document: TextDocument, node: Located) -> str:
    """A value in a form that may stand anywhere: as it is written if that is flow style on one line, else as flow_text."""
    written = document.text_of(node)
    return written if node.style in ("[", "{") and "\n" not in written else flow_text(node)


def expand_aliases(document: TextDocument) -> TextDocument:
    """The document with every alias replaced by what it stands for, because its anchor may be in a part that is replaced."""
    edits: list[Edit] = []
    pending = [document.root]
    while pending:
        node = pending.pop()
        if document.text.startswith("*", document.start(node)):
            edits.append((document.start(node), document.end(node), flow_text(node)))
        elif isinstance(node.value, dict):
            pending += [e.value for e in node.value.values()]
        elif isinstance(node.value, list):
            pending += node.value
    return document.with_edits(edits) if edits else document


# --- mappings ---------------------------------------------------------------------------------------------------------

# the edits that lay an entry of the overlay over the base's; the last argument says whether the overlay has it in flow style
Rule = Callable[[TextDocument, Entry, TextDocument, Entry, bool], Iterator[Edit]]


def overlay_mapping(
    base: TextDocument, node: Located, overlay: TextDocument, mapping: Located, rule: Rule
) -> Iterator[Edit]:
    """The edits that lay the entries of the overlay's `mapping` over those of the base's `node`.

    Where both have a key, `rule` makes the edits; an entry that is new comes to the end.
    """
    new = [entry for key, entry in mapping.value.items() if key not in node.value]
    for key, entry in mapping.value.items():
        if key in node.value:
            yield from rule(base, node.value[key], overlay, entry, mapping.style == "{")
    if not new:
        return
    if node.style == "{" or not node.value:
        end = base.end(node) - 1
        entries = ", ".join(f"{e.key.raw}: {inline_text(overlay, e.value)}" for e in new)
        last = len(base.text[:end].rstrip())
        yield last, last, f", {entries}" if node.value else entries
        return
    column = node.span.column
    end = base.entry_lines_end(max(node.value.values(), key=base.entry_end), column - 1)
    yield end, end, "".join(entry_lines(overlay, e, mapping.style == "{", column) for e in new)


def entry_lines(document: TextDocument, entry: Entry, in_flow: bool, column: int) -> str:
    """An entry on lines of its own that begin at `column`, with the comments above it and behind it."""
    if in_flow:
        return f"{' ' * (column - 1)}{entry.key.raw}: {inline_text(document, entry.value)}\n"
    first, own = entry.key.span.line, entry.key.span.column
    while first > 1 and document.text.startswith(" " * (own - 1) + "#", document.lines[first - 2]):
        first -= 1
    return shift_lines(document.text[document.lines[first - 1] : document.entry_lines_end(entry, own)], column - own)


def shift_lines(text: str, by: int) -> str:
    """Lines moved `by` columns to the right, or to the left by as many of the spaces as they have."""
    if by >= 0:
        return "".join(" " * by + line if line.strip() else line for line in text.splitlines(keepends=True))
    return re.sub(rf"^ {{1,{-by}}}", "", text, flags=re.M)


def replace_entry(base: TextDocument, old: Entry, overlay: TextDocument, new: Entry, in_flow: bool) -> Iterator[Edit]:
    """The rule that replaces a whole entry; the comment behind it is replaced if the new entry has one."""
    start, end = base.start(old.key), base.entry_end(old)
    alone = not base.text[base.lines[old.key.span.line - 1] : start].strip()  # else it is in a mapping in flow style
    if in_flow or not alone:
        yield base.substitute(start, end, f"{new.key.raw}: {inline_text(overlay, new.value)}")
        return
    column = new.key.span.column - 1
    text = " " * column + overlay.text[overlay.start(new.key) : overlay.entry_end(new)]
    text = shift_lines(text, old.key.span.column - 1 - column).lstrip(" ")
    yield base.substitute(start, end, text, overlay.trailing_comment(new))


def replace_default(base: TextDocument, old: Entry, overlay: TextDocument, new: Entry, in_flow: bool) -> Iterator[Edit]:
    """The rule of a parameter: a bare value is a new default; the declaration keeps its type, bounds and doc."""
    if isinstance(new.value.value, dict):
        yield from replace_entry(base, old, overlay, new, in_flow)
        return
    value, comment = inline_text(overlay, new.value), "" if in_flow else overlay.trailing_comment(new)
    declared = old.value
    if not isinstance(declared.value, dict):
        yield base.substitute(base.start(declared), base.end(declared), typed_default(old, new, value), comment)
    elif "default" in declared.value:
        at = declared.value["default"].value
        yield base.substitute(base.start(at), base.end(at), value, comment)
    else:
        last = max(declared.value.values(), key=base.entry_end)
        end = base.entry_end(last) if declared.style else base.entry_end(last) + len(base.trailing_comment(last))
        between = ", " if declared.style else "\n" + " " * (declared.span.column - 1)
        yield end, end, f"{between}default: {value}"


def typed_default(old: Entry, new: Entry, value: str) -> str:
    """A parameter's declaration with a new default and the old type: the bare value where its type is the old one."""
    declared = ParamBuilder(Collector()).build_param(old)
    if declared is None or declared.type == "any":
        return value
    is_type_name = new.value.style == "" and new.value.value in TYPES
    bare_suffices = default_type(new.value) == declared.type and not is_type_name
    return value if bare_suffices else f"{{type: {declared.type}, default: {value}}}"


def overlay_block(base: TextDocument, old: Entry, overlay: TextDocument, new: Entry, in_flow: bool) -> Iterator[Edit]:
    """The rule of a block: its `params` are laid over one by one, anything else is replaced."""

    def overlay_entry(
        base: TextDocument, old: Entry, overlay: TextDocument, new: Entry, in_flow: bool
    ) -> Iterator[Edit]:
        if str(old.key.value) == "params":
            yield from overlay_mapping(base, old.value, overlay, new.value, replace_default)
        else:
            yield from replace_entry(base, old, overlay, new, in_flow)

    yield from overlay_mapping(base, old.value, overlay, new.value, overlay_entry)


RULES: Mapping[str, Rule] = {
    "params": replace_default,
    "blocks": overlay_block,
    "input": replace_entry,
    "import": replace_entry,
}


# --- documents --------------------------------------------------------------------------------------------------------


class Section(NamedTuple):
    """A key at the top of a document: the comments and empty lines above it (`lead`), and its own lines (`body`)."""

    key: str
    lead: str
    body: str

    @property
    def rank(self) -> int:
        """Its place in the usual order of keys."""
        return ORDER.index(self.key) if self.key in ORDER else len(ORDER)


def sections(document: TextDocument) -> list[Section]:
    """The sections of a document, in its order; what stands below the last belongs to it."""
    if document.root.style == "{":
        return [Section(key, "", entry_lines(document, entry, True, 1)) for key, entry in document.fields.items()]
    found = []
    at = 0
    for key, entry in document.fields.items():
        start = document.lines[entry.key.span.line - 1]
        end = document.entry_lines_end(entry, 1)
        found.append(Section(key, document.text[at:start], document.text[start:end]))
        at = end
    found[-1] = found[-1]._replace(body=found[-1].body + document.text[at:])
    return found


def join_sections(ordered: list[Section]) -> str:
    """The text of a document that consists of these sections."""
    return "".join(section.lead + section.body for section in ordered).lstrip("\n")


def lead_comments(lead: str) -> list[str]:
    """The comments of a lead, a text for each paragraph, without the line that names an editor's schema."""
    lines = [line for line in lead.splitlines() if not MODELINE.match(line)]
    return [part.strip("\n") for part in re.split(r"\n\s*\n", "\n".join(lines)) if part.strip()]


def without_modeline(document: TextDocument) -> TextDocument:
    """The document without the line that tells an editor where the schema is."""
    return TextDocument(re.sub(rf"^{MODELINE.pattern}[^\n]*\n", "", document.text, flags=re.M))


def overlay_document(base: TextDocument, overlay: TextDocument) -> TextDocument:
    """The overlay, which extends the base, as one document that extends nothing but what the base extends."""
    both = [key for key in MERGED_BY_ENTRY if key in overlay.fields and key in base.fields]
    merged = base.with_edits([edit for key in both for edit in merge_section(key, base, overlay)])
    kept_of_base = (*overlay.fields, "archspec", "extends")  # what the base itself extends it still does
    lost = [key for key in NEVER_INHERITED if key not in kept_of_base]
    kept = {section.key: section for section in sections(merged) if section.key not in lost}
    comments: list[str] = []
    for section in sections(overlay):
        if section.key in both or section.key in ("archspec", "extends"):
            comments += lead_comments(section.lead)  # its entries are in `merged`; only its comments are left
        else:
            kept[section.key] = section
    ordered = sorted(kept.values(), key=lambda section: section.rank)
    first = next((at for at, section in enumerate(ordered) if section.rank >= ORDER.index("params")), len(ordered) - 1)
    if comments:
        comments = [*lead_comments(ordered[first].lead), *comments]
        ordered[first] = ordered[first]._replace(lead="\n" + "\n\n".join(comments) + "\n\n")
    return TextDocument(join_sections(ordered))


def merge_section(key: str, base: TextDocument, overlay: TextDocument) -> Iterator[Edit]:
    """The edits for a key at the top that both documents have."""
    old, new = base.fields[key].value, overlay.fields[key].value
    return (
        append_items(base, old, overlay, new)
        if isinstance(old.value, list)
        else overlay_mapping(base, old, overlay, new, RULES[key])
    )


def append_items(base: TextDocument, node: Located, overlay: TextDocument, items: Located) -> Iterator[Edit]:
    """The edit that puts the items of the overlay's list of imports behind those of the base's."""
    new = [inline_text(overlay, item) for item in items.value]
    end = max(base.end(item) for item in node.value)
    if node.style == "[":
        yield end, end, "".join(f", {item}" for item in new)
    else:
        column = node.value[0].span.column - 3
        yield end, end, "".join(f"\n{' ' * column}- {item}" for item in new)
