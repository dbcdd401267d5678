"""Composition: a document with what it extends and imports, as one.

Paths are relative to the file that names them, stay inside the root folder of the spec, and never name a URL. Order: the
base with its own `extends`, then this document, then `--set`. Every document is checked against the schema by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..diagnostics import Collector, Diagnostic, Failure, Note, Source, Span, nearest
from .located_yaml import Entry, Located, parse, read_text
from .schema import validate
from .spec import Block, Builder, Declaration, Place

INHERITED = ("source", "lineage", "preprocess", "labels")
MAX_DOCUMENTS = 64


class Document(NamedTuple):
    """A composed document. `header` holds name, summary, source, lineage, preprocess, labels and expect as written."""

    root: Located
    header: Mapping[str, Entry]
    params: Mapping[str, Declaration]
    blocks: Mapping[str, Block]
    input: Mapping[str, Entry]
    graph: Place | None
    own_blocks: tuple[str, ...]

    @property
    def name(self) -> str:
        entry = self.header.get("name")
        return str(entry.value.value) if entry else Path(self.root.span.source.label).stem

    @property
    def open_params(self) -> tuple[str, ...]:
        """Parameters without a value: the document is a family, not yet a net."""
        return tuple(name for name, param in self.params.items() if param.default is None)


class Examined(NamedTuple):
    """A text that was read: its source, its tree where it is a document, and what was found in it."""

    source: Source | None
    root: Located | None
    diagnostics: tuple[Diagnostic, ...]


@lru_cache(maxsize=16)
def examined(data: bytes, shown: str, label: str) -> Examined:
    """A text, parsed and held against the schema; once, though a family is read again for each of its members."""
    found, faults = Collector(), Collector()
    source = read_text(data, shown, found)
    if source is None:
        return Examined(None, None, tuple(found))
    source.label = label
    root = parse(source, found)
    if root is not None and not isinstance(root.value, dict):
        what = "a document is a mapping of keys such as archspec, name, input and graph"
        faults.add(Diagnostic("not-a-document", root.span, what))
    elif root is not None:
        validate(root, faults)
    return Examined(source, None if faults.failed else root, (*found, *faults))


class Reader:
    """Loads documents below one root folder."""

    def __init__(self, root: Path, diagnostics: Collector) -> None:
        self.root = root.resolve()
        self.diagnostics = diagnostics
        self.builder = Builder(diagnostics)
        self.sources: list[Source] = []

    def error(self, code: str, span: Span, message: str, help: str = "", notes: tuple[Note, ...] = ()) -> None:
        self.diagnostics.add(Diagnostic(code, span, message, help=help, notes=notes))

    def document(
        self, data: bytes, shown: str, folder: Path, label: str, chain: tuple[Path, ...] = ()
    ) -> Document | None:
        """The composed document of a text; None where it cannot be read."""
        read = examined(data, shown, label)
        self.sources += [read.source] if read.source else []
        for diagnostic in read.diagnostics:
            self.diagnostics.add(diagnostic)
        return self.compose(read.root, folder, chain) if read.root else None

    def compose(self, root: Located, folder: Path, chain: tuple[Path, ...]) -> Document | None:
        fields: dict[str, Entry] = root.value
        base: Document | None = None
        if "extends" in fields:
            base = self.load(fields["extends"].value, folder, chain)
            if base is None:
                return None
        params = self.builder.params(
            fields["params"].value if "params" in fields else None, base.params if base else None
        )
        blocks: dict[str, Block] = dict(base.blocks) if base else {}
        if base:  # the base's blocks see what is laid over them, as they see the merged params
            blocks = {name: b._replace(blocks=blocks) if b.sees_document else b for name, b in blocks.items()}
        self.imports(fields, folder, chain, blocks)
        own: dict[str, Entry] = fields["blocks"].value.value if "blocks" in fields else {}
        for name, entry in own.items():
            block = self.block(entry, blocks, base.blocks.get(name) if base else None)
            if block:
                blocks[name] = block
        for name, block in blocks.items():
            if block.sees_document and block.blocks is not blocks:
                blocks[name] = block._replace(blocks=blocks)
        kept = {key: e for key, e in base.header.items() if key in INHERITED} if base else {}
        header = kept | {k: e for k, e in fields.items() if k in (*INHERITED, "name", "summary", "expect")}
        inputs = dict(base.input) if base else {}
        inputs |= fields["input"].value.value if "input" in fields else {}
        graph = self.builder.place(fields["graph"].value) if "graph" in fields else base.graph if base else None
        return Document(root, header, params, blocks, inputs, graph, tuple(own))

    def block(self, entry: Entry, blocks: Mapping[str, Block], base: Block | None) -> Block | None:
        fields: Mapping[str, Entry] = entry.value.value if isinstance(entry.value.value, dict) else {}
        params = self.builder.params(
            fields["params"].value if "params" in fields else None, base.params if base else None
        )
        let = fields["let"].value.value if "let" in fields else base.let if base else {}
        if "steps" in fields:
            steps = self.builder.place(fields["steps"].value)
        elif base:
            steps = base.steps
        else:
            self.error("missing-key", entry.key.span, f"block `{entry.key.value}` needs `steps`")
            return None
        return Block(str(entry.key.value), entry.key, params, let, steps, blocks)

    def imports(
        self, fields: Mapping[str, Entry], folder: Path, chain: tuple[Path, ...], blocks: dict[str, Block]
    ) -> None:
        if "import" not in fields:
            return
        node = fields["import"].value
        if isinstance(node.value, dict):
            for entry in node.value.values():
                document = self.load(entry.value, folder, chain)
                if document and document.graph:
                    self.bring(as_block(entry.key, document), entry.key, blocks)
                elif document:
                    self.error("no-graph", entry.value.span, f"`{entry.value.value}` has no graph to take as a block",
                               "its blocks are imported by a list: import: [file]")  # fmt: skip
            return
        paths = node.value if isinstance(node.value, list) else [node]
        for path in paths:
            document = self.load(path, folder, chain)
            for block in document.blocks.values() if document else ():
                self.bring(block._replace(sees_document=False), path, blocks)

    def bring(self, block: Block, where: Located, blocks: dict[str, Block]) -> None:
        name = str(where.value) if block.input else block.name
        old = blocks.get(name)
        if old and old.key.span != block.key.span:
            self.error("block-twice", where.span, f"block `{name}` comes from two files",
                       notes=(Note("first here", old.key.span), Note("and here", block.key.span)))  # fmt: skip
        else:
            blocks[name] = block

    def load(self, node: Located, folder: Path, chain: tuple[Path, ...]) -> Document | None:
        """The document that a path in the spec names."""
        path = self.resolve(node, folder)
        if path is None:
            return None
        if path in chain:
            circle = " → ".join(p.name for p in (*chain[chain.index(path) :], path))
            self.error("compose-cycle", node.span, f"documents in a circle: {circle}")
            return None
        if len(chain) >= MAX_DOCUMENTS or len(self.sources) >= 4 * MAX_DOCUMENTS:
            self.error("too-deep", node.span, f"more than {MAX_DOCUMENTS} documents extend or import one another")
            return None
        label = path.relative_to(self.root).as_posix()
        shown = Path(node.span.source.name).parent / str(node.value)
        try:
            with path.open("rb") as file:
                data = file.read(2**20 + 1)
        except OSError as error:
            self.error("file-unreadable", node.span, f"`{node.value}` cannot be read: {error.strerror}")
            return None
        return self.document(data, shown.as_posix(), path.parent, label, (*chain, path))

    def resolve(self, node: Located, folder: Path) -> Path | None:
        """The file behind a path in a spec, or None after saying what is wrong with it."""
        text = str(node.value)
        problem = ""
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:|git@|//", text):
            problem = "names a URL; archc reads local files only, never the network"
        elif text.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", text):
            problem = "is absolute; a path is relative to the file that names it"
        elif any(ord(c) < 32 for c in text) or not text.strip():
            problem = "is no path of a file"
        elif "\\" in text:
            problem = "has a backslash; write `/`"
        if problem:
            self.error("path-outside", node.span, f"`{text}` {problem}")
            return None
        try:
            path = (folder / text).resolve()
        except (OSError, ValueError, RuntimeError):
            path = self.root / "?"
        if not path.is_relative_to(self.root):
            self.error("path-outside", node.span, f"`{text}` leads outside the spec's root folder",
                       "copy the file below the spec; `..` and links may not leave its folder")  # fmt: skip
        elif not path.is_file():
            self.error("file-missing", node.span, f"there is no file `{text}` beside this one",
                       "`~`, variables and patterns are not expanded" if re.search(r"[~$*?]", text) else "")  # fmt: skip
        else:
            return path
        return None


def as_block(key: Located, document: Document) -> Block:
    """A document's graph as one block under the importer's name."""
    assert document.graph is not None
    image = next(iter(document.input.values())).value
    return Block(str(key.value), key, document.params, {}, document.graph, document.blocks, False, image)


def apply_settings(document: Document, settings: Sequence[str]) -> Document:
    """The document with `--set name=value` laid over its params. Raises Failure (usage) where one does not fit."""
    from .values import Fault, scalars, typed

    params = dict(document.params)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in params:
            near = nearest(name, params)
            hint = f"did you mean `{near}`?" if near else f"its parameters are {', '.join(params) or 'none'}"
            what = "is no name=value" if not equals else "names no parameter of this spec"
            raise Failure("set-unknown", f"--set {setting[:200]!r} {what}", hint, 2)
        faults = Collector()
        node = None if "\n" in text else parse(Source(f"--set {name}", text), faults)
        if node is None or faults.failed:
            why = next((d.message for d in faults), "it is one line")
            raise Failure("set-value", f"--set {name}: {text[:80]!r} is no value: {why}", exit_code=2)
        if next(scalars(node), None):
            raise Failure("set-value", f"--set {name}: an expression cannot be set; give its value", exit_code=2)
        try:
            typed(params[name], plain_value(node), node)
        except Fault as fault:
            raise Failure("set-value", f"--set {name}: {fault.diagnostic.message}", fault.diagnostic.help, 2) from None
        params[name] = params[name]._replace(default=node)
    return document._replace(params=params)


def plain_value(node: Located) -> object:
    from .located_yaml import plain

    return plain(node)
