"""One spec's text laid over another's, so that comments and layout survive; the rules are the composer's.

The composer lays trees over trees and keeps no text. Here the same is done to the texts: each value's place is known, so
what an overlay changes is cut out and put in where it stands, and the rest stays as somebody wrote it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ..compiler.diagnostics import Collector, Source
from ..compiler.frontend.layering import MERGED_BY_ENTRY, NEVER_INHERITED
from ..compiler.frontend.located_yaml import Entry, Located, parse_yaml
from ..compiler.frontend.spec import TYPES, Builder, default_type

ORDER = ("archspec", "name", "summary", "source", "lineage", "extends", "params", "input", "preprocess", "labels",
         "import", "blocks", "graph", "expect")  # fmt: skip
MODELINE = re.compile(r"#\s*yaml-language-server:")

Edit = tuple[int, int, str]  # from, to, and what comes in its place


class Page:
    """A document's text and its tree, with the place of each node in the text."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip() + "\n"
        root = parse_yaml(Source("", self.text), Collector())
        assert root is not None, "the composer has read it"
        self.root = root
        self.lines = [0, *(at + 1 for at, c in enumerate(self.text) if c == "\n")]

    @property
    def fields(self) -> Mapping[str, Entry]:
        fields: Mapping[str, Entry] = self.root.value
        return fields

    def start(self, node: Located) -> int:
        return self.lines[node.span.line - 1] + node.span.column - 1

    def end(self, node: Located) -> int:
        """Behind the last character of a node; the tree knows only where a collection begins."""
        if node.is_scalar or self.text.startswith("*", self.start(node)):
            end = self.lines[node.span.end_line - 1] + node.span.end_column - 1
            return len(self.text[:end].rstrip()) if node.style in ("|", ">") else end
        items = node.value if isinstance(node.value, list) else node.value.values()
        start = self.start(node)
        end = max((self.end_of(i) if isinstance(i, Entry) else self.end(i) for i in items), default=start)
        if not node.style or self.text[start] not in "[{&":  # a pair in a list, [relu: {}], has no braces of its own
            return end
        if not node.value:
            end = self.text.index(node.style, start) + 1  # behind an anchor, perhaps
        closing = re.compile(r"(?:[\s,]|(?<=\s)#[^\n]*)*[\]}]").match(self.text, end)
        assert closing
        return closing.end()

    def end_of(self, entry: Entry) -> int:
        """Behind an entry: its value, or where it has none its key and the colon."""
        if entry.value.raw or entry.value.style or not entry.value.is_scalar:
            return self.end(entry.value)
        end = self.end(entry.key)
        colon = re.compile(r"[ \t]*:").match(self.text, end)
        return colon.end() if colon else end

    def remark(self, entry: Entry) -> str:
        """The comment behind an entry, with the space before it; empty where none follows on its line."""
        end = self.end_of(entry)
        comment = re.compile(r"[ \t]*#[^\n]*").match(self.text, end)
        return comment[0] if comment else ""

    def lines_end(self, entry: Entry, indent: int) -> int:
        """Behind an entry's lines and the comments below it that are as deep as `indent`."""
        end = self.text.index("\n", self.end_of(entry)) + 1
        deeper = re.compile(rf"(?:(?:[ \t]*\n)*[ \t]{{{indent},}}#[^\n]*\n)*").match(self.text, end)
        return deeper.end() if deeper else end

    def piece(self, node: Located) -> str:
        return self.text[self.start(node) : self.end(node)]

    def changed(self, edits: list[Edit]) -> Page:
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return Page(text)

    def swap(self, start: int, end: int, new: str, remark: str = "") -> Edit:
        """Puts `new` in place of a stretch. A comment behind it keeps its column where there is room, or gives way to `remark`."""
        rest = re.compile(r"([ \t]*)(#[^\n]*)?(?=\n)").match(self.text, end)
        if rest is None:
            return start, end, new
        if remark:
            return start, rest.end(), new + remark
        if not rest[2]:
            return start, end, new
        room = len(rest[1]) + (end - start) - len(new.rpartition("\n")[2])
        return start, rest.start(2), new + " " * max(room, 1)


def flow(node: Located) -> str:
    """A node written on one line. What this loses is comments, so it is for where lines cannot stand."""
    if isinstance(node.value, dict):
        parts = (f"{flow(e.key)}: {flow(e.value)}".rstrip(" ") for e in node.value.values())
        return "{" + ", ".join(part.removesuffix(":") for part in parts) + "}"
    if isinstance(node.value, list):
        return "[" + ", ".join(map(flow, node.value)) + "]"
    plain = node.style == "" and "\n" not in node.raw and not re.search(r"[,\[\]{}]|: | #", node.raw)
    return node.raw if plain else json.dumps(node.value, ensure_ascii=False)


def on_a_line(page: Page, node: Located) -> str:
    """A value as it may stand in any place: as written, if that is one line of flow style."""
    written = page.piece(node)
    return written if node.style in ("[", "{") and "\n" not in written else flow(node)


def expand_aliases(page: Page) -> Page:
    """The page with what each alias stands for written out: its anchor may be in a part that is replaced."""
    edits: list[Edit] = []
    pending = [page.root]
    while pending:
        node = pending.pop()
        if page.text.startswith("*", page.start(node)):
            edits.append((page.start(node), page.end(node), flow(node)))
        elif isinstance(node.value, dict):
            pending += [e.value for e in node.value.values()]
        elif isinstance(node.value, list):
            pending += node.value
    return page.changed(edits) if edits else page


# --- mappings ---------------------------------------------------------------------------------------------------------

Rule = Callable[["Page", Entry, "Page", Entry, bool], Iterator[Edit]]


def lay(page: Page, node: Located, over: Page, mapping: Located, rule: Rule) -> Iterator[Edit]:
    """The edits that lay `mapping`'s entries over those of `node`: by `rule` where both have a key, else at the end."""
    new = [entry for key, entry in mapping.value.items() if key not in node.value]
    for key, entry in mapping.value.items():
        if key in node.value:
            yield from rule(page, node.value[key], over, entry, mapping.style == "{")
    if not new:
        return
    if node.style == "{" or not node.value:
        end = page.end(node) - 1
        entries = ", ".join(f"{e.key.raw}: {on_a_line(over, e.value)}" for e in new)
        last = len(page.text[:end].rstrip())
        yield last, last, f", {entries}" if node.value else entries
        return
    column = node.span.column
    end = page.lines_end(max(node.value.values(), key=page.end_of), column - 1)
    yield end, end, "".join(lines_of(over, e, mapping.style == "{", column) for e in new)


def lines_of(page: Page, entry: Entry, in_flow: bool, column: int) -> str:
    """An entry on lines of its own at a column, with the comments above and behind it."""
    if in_flow:
        return f"{' ' * (column - 1)}{entry.key.raw}: {on_a_line(page, entry.value)}\n"
    first, own = entry.key.span.line, entry.key.span.column
    while first > 1 and page.text.startswith(" " * (own - 1) + "#", page.lines[first - 2]):
        first -= 1
    return shifted(page.text[page.lines[first - 1] : page.lines_end(entry, own)], column - own)


def shifted(text: str, by: int) -> str:
    """Lines moved to the right, or to the left as far as they go."""
    if by >= 0:
        return "".join(" " * by + line if line.strip() else line for line in text.splitlines(keepends=True))
    return re.sub(rf"^ {{1,{-by}}}", "", text, flags=re.M)


def replace(page: Page, old: Entry, over: Page, new: Entry, in_flow: bool) -> Iterator[Edit]:
    """The whole entry, with the comment behind it if the new one has one."""
    start, end = page.start(old.key), page.end_of(old)
    alone = not page.text[page.lines[old.key.span.line - 1] : start].strip()  # else it stands in a mapping on a line
    if in_flow or not alone:
        yield page.swap(start, end, f"{new.key.raw}: {on_a_line(over, new.value)}")
        return
    column = new.key.span.column - 1
    text = " " * column + over.text[over.start(new.key) : over.end_of(new)]
    text = shifted(text, old.key.span.column - 1 - column).lstrip(" ")
    yield page.swap(start, end, text, over.remark(new))


def default(page: Page, old: Entry, over: Page, new: Entry, in_flow: bool) -> Iterator[Edit]:
    """A parameter's rule: a bare value is a new default, and the declaration keeps its type, bounds and doc."""
    if isinstance(new.value.value, dict):
        yield from replace(page, old, over, new, in_flow)
        return
    value, remark = on_a_line(over, new.value), "" if in_flow else over.remark(new)
    declared = old.value
    if not isinstance(declared.value, dict):
        yield page.swap(page.start(declared), page.end(declared), value_of_kind(old, new, value), remark)
    elif "default" in declared.value:
        at = declared.value["default"].value
        yield page.swap(page.start(at), page.end(at), value, remark)
    else:
        last = max(declared.value.values(), key=page.end_of)
        end = page.end_of(last) if declared.style else page.end_of(last) + len(page.remark(last))
        between = ", " if declared.style else "\n" + " " * (declared.span.column - 1)
        yield end, end, f"{between}default: {value}"


def value_of_kind(old: Entry, new: Entry, value: str) -> str:
    """A default that gives its parameter the type that it was declared with: by itself if it does, else in the long form."""
    declared = Builder(Collector()).build_param(old)
    if declared is None or declared.type == "any":
        return value
    a_type = new.value.style == "" and new.value.value in TYPES
    by_itself = default_type(new.value) == declared.type and not a_type
    return value if by_itself else f"{{type: {declared.type}, default: {value}}}"


def block(page: Page, old: Entry, over: Page, new: Entry, in_flow: bool) -> Iterator[Edit]:
    """A block's rule: `params` by key, all else whole."""

    def part(page: Page, old: Entry, over: Page, new: Entry, in_flow: bool) -> Iterator[Edit]:
        if str(old.key.value) == "params":
            yield from lay(page, old.value, over, new.value, default)
        else:
            yield from replace(page, old, over, new, in_flow)

    yield from lay(page, old.value, over, new.value, part)


RULES: Mapping[str, Rule] = {"params": default, "blocks": block, "input": replace, "import": replace}


# --- documents --------------------------------------------------------------------------------------------------------


class Section(NamedTuple):
    """A key of a document with its lines, and the comments and empty lines above it."""

    key: str
    lead: str
    body: str

    @property
    def rank(self) -> int:
        return ORDER.index(self.key) if self.key in ORDER else len(ORDER)


def sections(page: Page) -> list[Section]:
    if page.root.style == "{":
        return [Section(key, "", lines_of(page, entry, True, 1)) for key, entry in page.fields.items()]
    found = []
    at = 0
    for key, entry in page.fields.items():
        start = page.lines[entry.key.span.line - 1]
        end = page.lines_end(entry, 1)
        found.append(Section(key, page.text[at:start], page.text[start:end]))
        at = end
    found[-1] = found[-1]._replace(body=found[-1].body + page.text[at:])
    return found


def joined(parts: list[Section]) -> str:
    return "".join(part.lead + part.body for part in parts).lstrip("\n")


def remarks(lead: str) -> list[str]:
    """The comments of a lead, paragraph by paragraph, without what speaks to an editor."""
    lines = [line for line in lead.splitlines() if not MODELINE.match(line)]
    return [part.strip("\n") for part in re.split(r"\n\s*\n", "\n".join(lines)) if part.strip()]


def without_modeline(page: Page) -> Page:
    return Page(re.sub(rf"^{MODELINE.pattern}[^\n]*\n", "", page.text, flags=re.M))


def laid_over(base: Page, over: Page) -> Page:
    """`over`, which extends `base`, as one document."""
    both = [key for key in MERGED_BY_ENTRY if key in over.fields and key in base.fields]
    merged = base.changed([edit for key in both for edit in merge(key, base, over)])
    kept_of_base = (*over.fields, "archspec", "extends")  # what the base itself extends it still does
    lost = [key for key in NEVER_INHERITED if key not in kept_of_base]
    kept = {part.key: part for part in sections(merged) if part.key not in lost}
    said: list[str] = []
    for part in sections(over):
        if part.key in both or part.key in ("archspec", "extends"):
            said += remarks(part.lead)  # its lines are not taken as they are; what was remarked on them is
        else:
            kept[part.key] = part
    parts = sorted(kept.values(), key=lambda part: part.rank)
    first = next((at for at, part in enumerate(parts) if part.rank >= ORDER.index("params")), len(parts) - 1)
    if said:
        told = [*remarks(parts[first].lead), *said]
        parts[first] = parts[first]._replace(lead="\n" + "\n\n".join(told) + "\n\n")
    return Page(joined(parts))


def merge(key: str, base: Page, over: Page) -> Iterator[Edit]:
    old, new = base.fields[key].value, over.fields[key].value
    return appended(base, old, over, new) if isinstance(old.value, list) else lay(base, old, over, new, RULES[key])


def appended(page: Page, node: Located, over: Page, items: Located) -> Iterator[Edit]:
    """The items of one list of imports behind those of another."""
    new = [on_a_line(over, item) for item in items.value]
    end = max(page.end(item) for item in node.value)
    if node.style == "[":
        yield end, end, "".join(f", {item}" for item in new)
    else:
        column = node.value[0].span.column - 3
        yield end, end, "".join(f"\n{' ' * column}- {item}" for item in new)
