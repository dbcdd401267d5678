"""Params and lets that nothing uses. The static check of names tells which names each expression mentions (names.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..diagnostics import Collector
from .compose import Document
from .declarations import Declaration
from .located_yaml import Entry, Located

# keys of a document that hold no expressions, but may speak of a param in a text
TEXTS = re.compile("name|summary|source|labels|preprocess|expect|reported|x-.*")


class UnusedNames:
    """What no expression has mentioned. `mentioned` are the names that the expressions of the document or block at hand mention."""

    def __init__(self) -> None:
        self.mentioned: set[str] = set()
        self.of_documents: list[Located] = []
        self.of_blocks: list[Located] = []

    def enter(self) -> set[str]:
        """Begins a document or a block; gives what the one around it has mentioned, to be handed to `leave`."""
        around, self.mentioned = self.mentioned, set()
        return around

    def leave(
        self,
        around: set[str],
        params: Mapping[str, Declaration],
        let: Mapping[str, Entry] | None = None,
        sees_document: bool = False,
    ) -> None:
        """Ends a block, or a document (`let` None). What a block mentions beside its own names is its document's, if it sees that."""
        keys = {name: param.key for name, param in params.items()} | {name: e.key for name, e in (let or {}).items()}
        unused = [key for name, key in keys.items() if name not in self.mentioned]
        if let is None:
            self.of_documents += unused
        else:
            self.of_blocks += unused
        if sees_document:
            around.update(name for name in self.mentioned if name not in keys)
        self.mentioned = around

    def warn(self, document: Document, has_computed_use: bool, diagnostics: Collector) -> None:
        """Warns of the document's own unused names; those of the files that it extends or imports may be for others.

        Blocks that a computed `use` may call have the params of a common form, which not each of them needs.
        """
        unused = [*self.of_documents, *(() if has_computed_use else self.of_blocks)]
        own = [key for key in unused if key.span.source is document.root.span.source]
        spoken_of = mentioned_in_texts(document.root) if own else frozenset()
        for key in own:
            if key.value not in spoken_of:
                help = f"take it away, or write `${key.value}` where it is meant"
                diagnostics.warn("unused-param", key.span, f"nothing uses `{key.value}`", help)


def mentioned_in_texts(root: Located) -> frozenset[str]:
    """The names behind a `$` in the texts of a document's header."""
    words: set[str] = set()
    nodes: list[Any] = [entry.value for key, entry in root.value.items() if TEXTS.fullmatch(key)]
    while nodes:
        value = nodes.pop().value
        if isinstance(value, dict):
            nodes += [entry.value for entry in value.values()]
        elif isinstance(value, list):
            nodes += value
        elif isinstance(value, str) and "$" in value:
            words |= set(re.findall(r"[A-Za-z_]\w*", value))
    return frozenset(words)
