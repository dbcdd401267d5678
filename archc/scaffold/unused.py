"""What a member of a family does not use of the family: blocks that no step calls, and parameters that no expression mentions.

What a parameter's value may choose, as by `use: $('Pad' if shortcut == 'A' else 'Projection')`, is used: an expression names it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from ..compiler.driver import check
from ..compiler.frontend.located_yaml import Entry, Located
from ..compiler.sources import Memory, SpecText
from .overlay import Edit, TextDocument, join_sections, sections

WORD = re.compile(r"[A-Za-z_]\w*")
TEXTS = ("doc", "summary", "source")  # keys whose words are for people


def without_unused(document: TextDocument, companions: Mapping[str, str], name: str) -> TextDocument:
    """The document, called `name`, without what it does not use. It stays as it is where it is a family whose params are open, or would be another net."""
    pruned = document
    while unused := unused_entries(pruned):
        for key, names in unused.items():
            pruned = remove_entries(pruned, key, names)
        pruned = without_comments_on(pruned, unused.get("blocks", ()))
    if pruned.text == document.text:
        return document
    before, after = (
        check(SpecText(Memory({**companions, name: text}), name, text.encode(), name)).graph
        for text in (document.text, pruned.text)
    )
    return pruned if before is not None and before == after else document


def unused_entries(document: TextDocument) -> dict[str, set[str]]:
    """The names of blocks and of params that nothing in the document uses, by the key of the document that they stand under."""
    fields = document.fields
    blocks, params = ({**fields[key].value.value} if key in fields else {} for key in ("blocks", "params"))
    used = {word for entry in params.values() for word in words_in(entry.value)}
    used |= {word for key, entry in fields.items() if key not in ("blocks", "params") for word in words_in(entry.value)}
    waiting = [name for name in blocks if name in used]
    kept = {*waiting}
    while waiting:
        found = set(words_in(blocks[waiting.pop()].value))
        used |= found
        new = [name for name in blocks if name in found and name not in kept]
        kept |= {*new}
        waiting += new
    unused = {"blocks": {*blocks} - kept, "params": {*params} - used}
    return {key: names for key, names in unused.items() if names}


def words_in(node: Located) -> Iterator[str]:
    """The words of keys and values in a node, without those of texts for people."""
    if isinstance(node.value, dict):
        for key, entry in node.value.items():
            # an argument of a block may be called so, too
            if key not in TEXTS or "$" in str(entry.value.value):
                yield str(key)
                yield from words_in(entry.value)
    elif isinstance(node.value, list):
        for item in node.value:
            yield from words_in(item)
    elif isinstance(node.value, str):
        yield from WORD.findall(node.value)


def remove_entries(document: TextDocument, key: str, names: Collection[str]) -> TextDocument:
    """The document without some entries of the mapping under a key."""
    mapping = document.fields[key].value
    kept = {name: entry for name, entry in mapping.value.items() if name not in names}
    if not kept:
        return TextDocument(join_sections([each for each in sections(document) if each.key != key]))
    if mapping.style == "{":
        entries = [document.text[document.start(entry.key) : document.entry_end(entry)] for entry in kept.values()]
        return document.with_edits(
            [document.substitute(document.start(mapping), document.end(mapping), f"{{{', '.join(entries)}}}")]
        )
    return document.with_edits(
        [entry_removal(document, entry) for name, entry in mapping.value.items() if name in names]
    )


def without_comments_on(document: TextDocument, blocks: Collection[str]) -> TextDocument:
    """The document without the comments behind params that speak of these blocks, as `# Basic or Bottleneck`."""
    params = document.fields["params"].value if "params" in document.fields else None
    edits: list[Edit] = []
    for entry in params.value.values() if params and params.style != "{" else ():
        end, comment = document.entry_end(entry), document.trailing_comment(entry)
        if any(word in blocks for word in WORD.findall(comment)):
            edits.append((end, end + len(comment), ""))
    return document.with_edits(edits) if edits else document


def entry_removal(document: TextDocument, entry: Entry) -> Edit:
    """The edit that takes an entry's lines away, with the comments right above it, and one empty line where there are two then."""
    line, indent = entry.key.span.line, entry.key.span.column
    while line > 1 and document.text.startswith(" " * (indent - 1) + "#", document.lines[line - 2]):
        line -= 1
    start, end = document.lines[line - 1], document.entry_lines_end(entry, indent)
    if document.text[:start].endswith("\n\n") and document.text.startswith("\n", end):
        end += 1
    return start, end, ""
