"""Composition: a document becomes one with what it extends and imports.

The base comes first, with what it extends itself, and the document is laid over it. New values for parameters come last
(overrides.py). The schema checks every document by itself. sources.py finds the texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from ..diagnostics import Collector, Note
from .budget import Budget
from .declarations import Declaration, ParamBuilder
from .documents import DocumentReader
from .header import Header, parse_header
from .located_yaml import BROKEN, Entry, Located, is_broken
from .recovery import Incomplete
from .spec import Block, Builder, Place

if TYPE_CHECKING:
    from ..sources import SpecFiles


class Document(NamedTuple):
    """A composed document.

    `broken_input` says that its `input` is reported as wrong, so nothing more is reported about it; `incomplete` that a part which
    may declare params or blocks is, so that nobody knows which names there are.
    """

    root: Located
    header: Header
    params: Mapping[str, Declaration]
    blocks: Mapping[str, Block]
    input: Mapping[str, Entry]
    graph: Place | None
    own_blocks: tuple[str, ...]
    broken_input: bool = False
    incomplete: bool = False

    @property
    def name(self) -> str:
        return self.header.name or PurePosixPath(self.root.span.source.label).stem

    @property
    def open_params(self) -> tuple[str, ...]:
        """The parameters without a value. A document that has some is a family of nets, and no net yet."""
        return tuple(name for name, param in self.params.items() if param.default is None)


class Composer(DocumentReader[Document]):
    """Composes specs.

    `incomplete` says that a base could not be loaded, so that nothing is known of the document; `lacks_names` that an import could
    not be, or that params, blocks or a key of the document were refused: no name may be reported as unknown then.
    """

    def __init__(
        self, files: SpecFiles, diagnostics: Collector, trusted: bool = False, budget: Budget | None = None
    ) -> None:
        super().__init__(files, diagnostics, trusted, budget)
        self.imported: dict[int, dict[str, Block]] = {}
        self.builder, self.param_builder = Builder(diagnostics), ParamBuilder(diagnostics)
        self.incomplete = self.lacks_names = False

    def compose(self, root: Located, chain: tuple[str, ...]) -> Document:
        """The document of a tree: laid over what it extends, and with the blocks of what it imports.

        `chain` ends with its label.
        """
        fields: dict[str, Entry] = root.value
        base = self.load_document(fields["extends"].value, chain) if "extends" in fields else None
        self.incomplete |= "extends" in fields and base is None
        self.lacks_names |= isinstance(root, Incomplete)
        self.lacks_names |= any(
            fields[key].value.value is BROKEN for key in ("params", "blocks", "import") if key in fields
        )
        params = self.param_builder.build_params(
            fields["params"].value if "params" in fields else None, base.params if base else None
        )
        header = parse_header(fields)
        inputs, own_input = dict(base.input) if base else {}, fields["input"].value if "input" in fields else None
        broken_input = own_input is not None and is_broken(own_input)
        if own_input is not None and not broken_input:
            inputs |= own_input.value
        graph = self.builder.build_place(fields["graph"].value) if "graph" in fields else base.graph if base else None
        blocks = self.compose_blocks(fields, base, chain)
        return Document(
            root,
            header.inherit(base.header) if base else header,
            params,
            blocks,
            inputs,
            graph,
            tuple(own_blocks(fields)),
            broken_input or (base is not None and base.broken_input),
            self.lacks_names,
        )

    def compose_blocks(
        self, fields: Mapping[str, Entry], base: Document | None, chain: tuple[str, ...]
    ) -> dict[str, Block]:
        """The blocks by name: those of the base, then the imported ones, then the document's own.

        All of them see one another.
        """
        blocks: dict[str, Block] = dict(base.blocks) if base else {}
        self.add_imports(fields, chain, blocks)
        for name, entry in own_blocks(fields).items():
            blocks[name] = self.compose_block(entry, base.blocks.get(name) if base else None)
        return blocks

    def compose_block(self, entry: Entry, base: Block | None) -> Block:
        """The block of an entry. What it does not state comes from the block of the same name in the base."""
        fields: Mapping[str, Entry] = entry.value.value if isinstance(entry.value.value, dict) else {}
        params = self.param_builder.build_params(
            fields["params"].value if "params" in fields else None, base.params if base else None
        )
        own_let = fields["let"].value.value if "let" in fields else None
        let = own_let if isinstance(own_let, dict) else base.let if base else {}
        if "steps" in fields:
            steps = self.builder.build_place(fields["steps"].value)
        elif base:
            steps = base.steps
        else:
            # where the schema has reported a key, the key may mean the steps
            if entry.value.value is not BROKEN and not isinstance(entry.value, Incomplete):
                self.diagnostics.error("missing-key", entry.key.span, f"block `{entry.key.value}` needs `steps`")
            steps = self.builder.build_place(Located(BROKEN, entry.value.span))
        refused = isinstance(entry.value, Incomplete) or any(
            each.value.value is BROKEN for key, each in fields.items() if key != "steps"
        )
        incomplete = refused or entry.value.value is BROKEN or (base is not None and base.incomplete)
        required = required_params(params)
        return Block(str(entry.key.value), entry.key, params, let, steps, incomplete=incomplete, required=required)

    def add_imports(self, fields: Mapping[str, Entry], chain: tuple[str, ...], blocks: dict[str, Block]) -> None:
        """Adds the blocks of each imported document to `blocks`; `{Name: file}` adds a whole document as one block."""
        if "import" not in fields:
            return
        node = fields["import"].value
        if isinstance(node.value, dict):
            for entry in node.value.values():
                document = self.load_document(entry.value, chain)
                if document and document.graph and document.input:
                    self.add_block(as_block(entry.key, document), entry.key, blocks)
                elif document and not document.graph:
                    self.diagnostics.error(
                        "no-graph",
                        entry.value.span,
                        f"`{entry.value.value}` has no graph to take as a block",
                        "its blocks are imported by a list: import: [file]",
                    )
            return
        for path in node.value if isinstance(node.value, list) else [node]:
            document = self.load_document(path, chain)
            imported = self.blocks_for_others(document) if document else {}
            if blocks.keys().isdisjoint(imported):
                blocks.update(imported)
                continue
            for name, block in imported.items():
                if blocks.get(name) is not block:
                    self.add_block(block, path, blocks)

    def blocks_for_others(self, document: Document) -> Mapping[str, Block]:
        """The blocks of a document as those that import it have them: they see its blocks and params, and not the importer's."""
        if id(document.blocks) not in self.imported:
            home, blocks = document.params, document.blocks
            self.imported[id(blocks)] = {
                name: each._replace(sees_document=False, home=home, blocks=blocks) if each.sees_document else each
                for name, each in blocks.items()
                if each.input is None
            }
        return self.imported[id(document.blocks)]

    def add_block(self, block: Block, where: Located, blocks: dict[str, Block]) -> None:
        """Adds an imported block to `blocks`. Reports a second one of the same name from another file."""
        name = block.name
        first = blocks.get(name)
        if first and first.key.span != block.key.span:
            self.diagnostics.error(
                "block-twice",
                where.span,
                f"block `{name}` comes from two files",
                notes=(Note("first here", first.key.span), Note("and here", block.key.span)),
            )
        else:
            blocks[name] = block

    def load_document(self, node: Located, chain: tuple[str, ...]) -> Document | None:
        """The document that a path in the spec names. Reports why it cannot be loaded, and then gives None."""
        document = self.read_referenced(node, chain)
        self.lacks_names |= document is None
        if document:
            self.budget.spend(len(document.blocks) + len(document.params), node)
        return document


def own_blocks(fields: Mapping[str, Entry]) -> Mapping[str, Entry]:
    """The entries of `blocks` in one document; none where `blocks` is missing or reported as wrong."""
    value = fields["blocks"].value.value if "blocks" in fields else None
    return value if isinstance(value, dict) else {}


def as_block(key: Located, document: Document) -> Block:
    """The graph of a document as one block, under the name that the importer gives."""
    assert document.graph is not None
    arriving = next(iter(document.input.values()))
    required = required_params(document.params)
    return Block(
        str(key.value), key, document.params, {}, document.graph, document.blocks, False, arriving, required=required
    )


def required_params(params: Mapping[str, Declaration]) -> tuple[str, ...]:
    """The names of the params without a default."""
    return tuple([name for name, param in params.items() if param.default is None])
