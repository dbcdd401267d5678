"""Documents from texts: decoding, YAML, the schema check, and the files that they name, each read once.

What a document is made of is for its language to say: compose.py for specs, training/recipe/compose.py for recipes.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from ..diagnostics import Collector, Diagnostic, LimitReached, Source, Span
from ..limits import DEFAULT, Limits, double_limit
from ..sources import MAX_DOCUMENTS, SourceError
from .budget import BYTES_PER_UNIT, READ_AGAIN, REFUSED_BYTES_PER_UNIT, YAML_NODE, Budget
from .decoding import decode_text
from .language import SPECS, Language
from .located_yaml import BROKEN, MAX_READ_AGAIN, Located, UnreadableText, YamlComposer
from .recovery import join_cut_expressions, repair
from .validation import validate

if TYPE_CHECKING:
    from ..sources import SpecFiles

_T = TypeVar("_T")


class ParsedText(NamedTuple):
    """A text and its tree, `root`, of so many YAML nodes and characters, with what aliases stand for.

    `source` is None where it is no text, `root` where it is no document; `diagnostics` say why. `ended` is the limit at which the
    reading ended, if one was reached.
    """

    source: Source | None
    root: Located | None
    nodes: int
    characters: int
    diagnostics: tuple[Diagnostic, ...]
    ended: Diagnostic | None = None


MAX_CACHED = 2**16  # bytes of a text: the tree of a larger one is not kept when its check has ended


@lru_cache(maxsize=16)
def parse_and_validate(
    data: bytes, name: str, label: str, trusted: bool = False, limits: Limits = DEFAULT, language: Language = SPECS
) -> ParsedText:
    """Parses a text and, unless it is `trusted`, checks it against the schema. Cached: members of a family read it again.

    What the schema refuses is reported and becomes BROKEN in the tree, so that all the rest can still be checked.
    """
    yaml_faults, schema_faults = Collector(limits.mistakes), Collector(limits.mistakes)
    source = decode_text(data, name, yaml_faults, limits, language)
    if source is None:
        return ParsedText(None, None, 0, 0, tuple(yaml_faults))
    source.label = label
    reader = YamlComposer(source, yaml_faults, limits, language)
    root: Located | None = None
    ended: Diagnostic | None = None
    try:
        root = reader.compose_document()
        if not isinstance(root.value, dict):
            what = f"a document is a mapping of keys such as {language.keys}"
            schema_faults.add(Diagnostic("not-a-document", root.span, what))
            root = None
        elif other := find_other_language(root, language):
            schema_faults.add(other)
            root = None
        elif not trusted:
            root = join_cut_expressions(root)
            root = repair(root, validate(root, schema_faults, language.rules))
    except UnreadableText:
        pass
    except LimitReached as limit:
        ended = limit.diagnostic
    characters = max(len(source.text), reader.characters)
    return ParsedText(source, root, reader.nodes, characters, (*yaml_faults, *schema_faults), ended)


def find_other_language(root: Located, language: Language) -> Diagnostic | None:
    """The diagnostic of a document that is written in another language, which its first key says, or most of its keys."""
    first = next(iter(root.value), "")
    own = [key for key in language.telling if key in root.value]
    for key, what, help, telling in language.others:
        if first == key:
            message = f"this is {what}, and no {language.kind}"
            return Diagnostic("other-language", root.value[key].key.span, message, help=help)
        if len([word for word in telling if word in root.value]) > len(own):
            message = f"this looks like {what}, whose first key is `{key}`"
            is_there = key in root.value
            where = root.value[key if is_there else first].key.span
            help = f"{'move' if is_there else 'write'} `{key}: 1` {'to' if is_there else 'as'} the first line"
            return Diagnostic("other-language", where, message, help=help)
    return None


class DocumentReader(Generic[_T]):
    """Loads documents from `files`, each file once: what it is called by is where it lies, its label. `trusted` ones are not
    checked against the schema. `compose` makes a document of a tree.
    """

    language: Language = SPECS

    def __init__(
        self, files: SpecFiles, diagnostics: Collector, trusted: bool = False, budget: Budget | None = None
    ) -> None:
        self.files, self.trusted = files, trusted
        self.diagnostics, self.budget = diagnostics, budget or Budget()
        self.documents: dict[str, _T | None] = {}
        self.sources: list[Source] = []

    def compose(self, root: Located, chain: tuple[str, ...]) -> _T:
        """The document of a tree with all that it names. `chain` ends with its label."""
        raise NotImplementedError

    def read_document(self, data: bytes, name: str, label: str, chain: tuple[str, ...] = ()) -> _T | None:
        """The composed document of a text; None where it cannot be read, which is reported.

        `chain` holds the labels of the documents that lead here, each extending or importing the next. Raises LimitReached where
        the budget is spent.
        """
        limits = self.budget.limits
        # too much to be kept in a cache
        if len(data) > limits.bytes:
            decode_text(data, name, self.diagnostics, limits, self.language)
            self.budget.spend_at(len(data) // REFUSED_BYTES_PER_UNIT, Span(Source(name, ""), 1, 1, 1, 2))
            return None
        read = parse_and_validate if len(data) <= MAX_CACHED else parse_and_validate.__wrapped__
        text = read(data, name, label, self.trusted, limits, self.language)
        self.sources += [text.source] if text.source else []
        for diagnostic in text.diagnostics:
            self.diagnostics.add(diagnostic)
        if text.ended:
            raise LimitReached(text.ended)
        if text.root is None:
            if chain:  # else the check ends here
                self.count_refused(data, text)
            return None
        self.budget.count_text(text.characters, text.nodes, text.root)
        return self.compose(text.root, (*chain, label))

    def count_refused(self, data: bytes, text: ParsedText) -> None:
        """Counts a text without a tree: what was read of it, and its explanation, which reads its beginning again.

        Raises LimitReached where the budget is spent.
        """
        again = READ_AGAIN * min(len(data), MAX_READ_AGAIN)
        place = next((each.span for each in text.diagnostics if each.span), None)
        if place:
            self.budget.spend_at(len(data) // BYTES_PER_UNIT + YAML_NODE * text.nodes + again, place)

    def read_referenced(self, node: Located, chain: tuple[str, ...]) -> _T | None:
        """Finds, reads and composes the document, once; refuses a circle, and more than MAX_DOCUMENTS in a row."""
        if node.value is BROKEN:
            return None
        try:
            label = self.files.locate(chain[-1], str(node.value))
            if label in chain:
                circle = " → ".join(PurePosixPath(each).name for each in (*chain[chain.index(label) :], label))
                raise SourceError("compose-cycle", f"documents in a circle: {circle}")
            if label in self.documents:
                return self.documents[label]
            if len(chain) >= MAX_DOCUMENTS:
                raise SourceError("too-deep", f"more than {MAX_DOCUMENTS} documents extend or import one another")
            most = self.budget.limits.documents
            if len(self.documents) >= most:
                message = f"the {self.language.kind} extends and imports over {most} files, the limit"
                raise SourceError("too-many-documents", message, double_limit("documents", most))
            data = self.files.read(label)
        except SourceError as error:
            self.diagnostics.error(error.code, node.span, error.message, error.help)
            return None
        name = self.files.name_beside(node.span.source.name, str(node.value), label)
        self.documents[label] = self.read_document(data, name, label, chain)
        return self.documents[label]
