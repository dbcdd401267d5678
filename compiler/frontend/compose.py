"""Composition: a document with what it extends and imports, as one.

Order: the base with its own `extends`, then this document, then what overrides its parameters. Every document is checked against
the schema by itself. Where texts come from is sources.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from ..diagnostics import Collector, Diagnostic, Note, Source
from ..sources import MAX_DOCUMENTS, SourceError, SpecFiles
from .header import Header, read_header
from .located_yaml import BROKEN, Entry, Located, decode_text, is_broken, parse_yaml
from .recovery import Incomplete, join_cut_expressions, repair
from .schema import validate
from .spec import Block, Builder, Declaration, Place


class Document(NamedTuple):
    """A composed document. `broken_input` says that its `input` was refused, so that nothing more is said of it."""

    root: Located
    header: Header
    params: Mapping[str, Declaration]
    blocks: Mapping[str, Block]
    input: Mapping[str, Entry]
    graph: Place | None
    own_blocks: tuple[str, ...]
    broken_input: bool = False

    @property
    def name(self) -> str:
        return self.header.name or PurePosixPath(self.root.span.source.label).stem

    @property
    def open_params(self) -> tuple[str, ...]:
        """Parameters without a value: the document is a family, not yet a net."""
        return tuple(name for name, param in self.params.items() if param.default is None)


class ParsedText(NamedTuple):
    """A text that was read: its source, its tree where it is a document, and what was found in it."""

    source: Source | None
    root: Located | None
    diagnostics: tuple[Diagnostic, ...]


@lru_cache(maxsize=16)
def parse_and_validate(data: bytes, name: str, label: str, trusted: bool = False) -> ParsedText:
    """A text, parsed and, unless `trusted`, held against the schema; once, though a family is read again for each member.

    What the schema refuses is told, and broken in the tree, so that all else can still be checked.
    """
    found, faults = Collector(), Collector()
    source = decode_text(data, name, found)
    if source is None:
        return ParsedText(None, None, tuple(found))
    source.label = label
    root = parse_yaml(source, found)
    if root is not None and not isinstance(root.value, dict):
        what = "a document is a mapping of keys such as archspec, name, input and graph"
        faults.add(Diagnostic("not-a-document", root.span, what))
        root = None
    elif root is not None and not trusted:
        root = join_cut_expressions(root)
        root = repair(root, validate(root, faults))
    return ParsedText(source, root, (*found, *faults))


class Composer:
    """Loads documents out of `files`; `trusted` ones are not held against the schema. `incomplete` says that one of them could not be had, so nothing may follow from that."""

    def __init__(self, files: SpecFiles, diagnostics: Collector, trusted: bool = False) -> None:
        self.files, self.trusted = files, trusted
        self.diagnostics = diagnostics
        self.builder = Builder(diagnostics)
        self.sources: list[Source] = []
        self.incomplete = False

    def document(self, data: bytes, name: str, label: str, chain: tuple[str, ...] = ()) -> Document | None:
        """The composed document of a text; None where it cannot be read. `chain` are the labels of those that asked for it."""
        text = parse_and_validate(data, name, label, self.trusted)
        self.sources += [text.source] if text.source else []
        for diagnostic in text.diagnostics:
            self.diagnostics.add(diagnostic)
        return self.compose(text.root, (*chain, label)) if text.root else None

    def compose(self, root: Located, chain: tuple[str, ...]) -> Document:
        """The document of a tree, laid over what it extends, with the blocks of what it imports."""
        fields: dict[str, Entry] = root.value
        base = self.load(fields["extends"].value, chain) if "extends" in fields else None
        params = self.builder.params(
            fields["params"].value if "params" in fields else None, base.params if base else None
        )
        header = read_header(fields)
        inputs, own_input = dict(base.input) if base else {}, fields["input"].value if "input" in fields else None
        broken_input = own_input is not None and is_broken(own_input)
        if own_input is not None and not broken_input:
            inputs |= own_input.value
        graph = self.builder.place(fields["graph"].value) if "graph" in fields else base.graph if base else None
        return Document(
            root,
            header.inherit(base.header) if base else header,
            params,
            self.blocks(fields, base, chain),
            inputs,
            graph,
            tuple(own_blocks(fields)),
            broken_input or (base is not None and base.broken_input),
        )

    def blocks(self, fields: Mapping[str, Entry], base: Document | None, chain: tuple[str, ...]) -> dict[str, Block]:
        """The blocks by name: the base's, the imported ones, and the document's own over them; all of them see one another."""
        blocks: dict[str, Block] = dict(base.blocks) if base else {}
        if base:  # the base's blocks see what is laid over them, as they see the merged params
            blocks = {name: b._replace(blocks=blocks) if b.sees_document else b for name, b in blocks.items()}
        self.imports(fields, chain, blocks)
        for name, entry in own_blocks(fields).items():
            blocks[name] = self.block(entry, blocks, base.blocks.get(name) if base else None)
        for name, block in blocks.items():
            if block.sees_document and block.blocks is not blocks:
                blocks[name] = block._replace(blocks=blocks)
        return blocks

    def block(self, entry: Entry, blocks: Mapping[str, Block], base: Block | None) -> Block:
        """A block's own parts over those of the base's block of that name."""
        fields: Mapping[str, Entry] = entry.value.value if isinstance(entry.value.value, dict) else {}
        params = self.builder.params(
            fields["params"].value if "params" in fields else None, base.params if base else None
        )
        own_let = fields["let"].value.value if "let" in fields else None
        let = own_let if isinstance(own_let, dict) else base.let if base else {}
        if "steps" in fields:
            steps = self.builder.place(fields["steps"].value)
        elif base:
            steps = base.steps
        else:
            if entry.value.value is not BROKEN and not isinstance(
                entry.value, Incomplete
            ):  # a key that is told may mean them
                self.diagnostics.error("missing-key", entry.key.span, f"block `{entry.key.value}` needs `steps`")
            steps = self.builder.place(Located(BROKEN, entry.value.span))
        return Block(str(entry.key.value), entry.key, params, let, steps, blocks)

    def imports(self, fields: Mapping[str, Entry], chain: tuple[str, ...], blocks: dict[str, Block]) -> None:
        """Brings the blocks of each imported document; `{Name: file}` brings a whole document as one block."""
        if "import" not in fields:
            return
        node = fields["import"].value
        if isinstance(node.value, dict):
            for entry in node.value.values():
                document = self.load(entry.value, chain)
                if document and document.graph and document.input:
                    self.bring(as_block(entry.key, document), entry.key, blocks)
                elif document and not document.graph:
                    self.diagnostics.error(
                        "no-graph",
                        entry.value.span,
                        f"`{entry.value.value}` has no graph to take as a block",
                        "its blocks are imported by a list: import: [file]",
                    )
            return
        for path in node.value if isinstance(node.value, list) else [node]:
            document = self.load(path, chain)
            for block in document.blocks.values() if document else ():
                self.bring(block._replace(sees_document=False), path, blocks)

    def bring(self, block: Block, where: Located, blocks: dict[str, Block]) -> None:
        """Adds an imported block; two of one name from two files are an error."""
        name = str(where.value) if block.input else block.name
        old = blocks.get(name)
        if old and old.key.span != block.key.span:
            self.diagnostics.error(
                "block-twice",
                where.span,
                f"block `{name}` comes from two files",
                notes=(Note("first here", old.key.span), Note("and here", block.key.span)),
            )
        else:
            blocks[name] = block

    def load(self, node: Located, chain: tuple[str, ...]) -> Document | None:
        """The document that a path in the spec names; None after telling what is wrong."""
        document = self.loaded(node, chain)
        self.incomplete |= document is None
        return document

    def loaded(self, node: Located, chain: tuple[str, ...]) -> Document | None:
        if node.value is BROKEN:
            return None
        try:
            label = self.files.locate(chain[-1], str(node.value))
            if label in chain:
                circle = " → ".join(PurePosixPath(each).name for each in (*chain[chain.index(label) :], label))
                raise SourceError("compose-cycle", f"documents in a circle: {circle}")
            if len(chain) >= MAX_DOCUMENTS or len(self.sources) >= 4 * MAX_DOCUMENTS:
                raise SourceError("too-deep", f"more than {MAX_DOCUMENTS} documents extend or import one another")
            data = self.files.read(label)
        except SourceError as error:
            self.diagnostics.error(error.code, node.span, error.message, error.help)
            return None
        name = PurePosixPath(node.span.source.name.replace("\\", "/")).parent / str(node.value)
        return self.document(data, str(name), label, chain)


def own_blocks(fields: Mapping[str, Entry]) -> Mapping[str, Entry]:
    """The document's own blocks as written; none where `blocks` was refused."""
    value = fields["blocks"].value.value if "blocks" in fields else None
    return value if isinstance(value, dict) else {}


def as_block(key: Located, document: Document) -> Block:
    """A document's graph as one block under the importer's name."""
    assert document.graph is not None
    image = next(iter(document.input.values())).value
    return Block(str(key.value), key, document.params, {}, document.graph, document.blocks, False, image)
