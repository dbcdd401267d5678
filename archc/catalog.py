"""What can be looked up in archc: the bundled specs, the operations, the pages on diagnostics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .compiler.diagnostics import Collector, Failure, nearest
from .compiler.patterns import explain_pattern

if TYPE_CHECKING:
    from .compiler.frontend.compose import Document
    from .compiler.ops.op import Op

PAGES = (Path(__file__).parent / "docs" / "diagnostics", Path(__file__).parent.parent / "docs" / "diagnostics")
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
# where in a paper the net is: what a source says last, behind the paper's title
PLACE = re.compile(r"[,;] (?:as|tables?|figures?|sections?|appendix|columns?|slides?|equations?|geometry|layout)\b.*")


class Model(NamedTuple):
    """A bundled net by its spec's header; its graph is not built for this.

    `family` is the folder that its spec is in. The numbers are those of its `expect`, which `archc check` proves; None
    where there is none. `input` and `output` are a shape, or shapes by name where there are several.
    """

    name: str
    family: str
    summary: str
    source: str
    lineage: str
    year: int | None
    paper: str
    params: int | None
    params_without_aux: int | None
    macs: int | None
    depth: int | None
    input: Any
    output: Any

    @property
    def author(self) -> str:
        """The first author's name, to cite the paper by."""
        return re.split(r",| et al", YEAR.split(self.source)[0])[0].strip()

    @property
    def has_heads(self) -> bool:
        """Whether it has auxiliary heads: its parameters with and without them differ."""
        return self.params_without_aux not in (None, self.params)


def models() -> list[Model]:
    """The bundled nets: families by the year of their first member, members in the order of their names."""
    from .compiler.sources import zoo

    documents = [(path, compose_bundled(path)) for path in zoo().values()]
    found = [
        summarize_model(path, document) for path, document in documents if document.graph and not document.open_params
    ]
    first: dict[str, int] = {}
    for net in found:
        first[net.family] = min(net.year or 9999, first.get(net.family, 9999))
    return sorted(found, key=lambda m: (first[m.family], m.family, natural_key(m.name)))


def find_models(words: Sequence[str]) -> list[Model]:
    """The nets that have each of the words in their name or family. Raises Failure (usage) where there are none."""
    listed = models()
    for word in words:
        kept = [m for m in listed if word.lower() in m.name or word.lower() in m.family]
        if not kept:
            near = nearest(word, [name for m in listed for name in (m.family, m.name)])
            hint = f"did you mean `{near}`?" if near else "`archc list` shows them all"
            also = " beside the words before it" if word != words[0] else ""
            raise Failure("no-such-spec", f"no bundled spec has `{word[:200]}` in its name or family{also}", hint, 2)
        listed = kept
    return listed


def natural_key(name: str) -> list[tuple[int, str]]:
    """A key that sorts resnet18 before resnet101."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def compose_bundled(path: Path, root: Path | None = None) -> Document:
    """A composed spec of the zoo, or of another folder `root`. Its schema is not checked, because bundled specs are sound."""
    from .compiler.frontend.compose import Composer
    from .compiler.sources import ZOO, Folder

    root = root or ZOO
    composer = Composer(Folder(root), Collector(), trusted=True)
    document = composer.read_document(path.read_bytes(), path.name, path.relative_to(root).as_posix())
    assert document is not None, f"{path.name} is bundled"
    return document


def summarize_model(path: Path, document: Document) -> Model:
    """The Model of a net, from its header."""
    from .compiler.frontend.located_yaml import plain_value

    header = document.header
    year = YEAR.search(header.source)
    paper = PLACE.sub("", header.source[year.end() :]).lstrip(", ") if year else ""
    expect = {line.name: line.value for line in header.expect}
    numbers = {key: expect.get(key) for key in ("params", "params_without_aux", "macs", "depth")}
    inputs = {name: plain_value(entry.value) for name, entry in document.input.items()}
    return Model(
        name=path.stem,
        family=path.parent.name,
        summary=header.summary,
        source=header.source,
        lineage=header.lineage,
        year=int(year[0]) if year else None,
        paper=paper,
        **{key: value if isinstance(value, int) else None for key, value in numbers.items()},
        input=inputs if len(inputs) > 1 else next(iter(inputs.values()), None),
        output=expect.get("output"),
    )


def public_ops() -> list[type[Op]]:
    """The ops that a spec can name, by name."""
    from .compiler.ops import OPS

    return [op for _, op in sorted(OPS.items()) if not op.is_internal]


def find_op(name: str) -> type[Op]:
    """The op that `name` means, ours or another framework's word for it. Raises Failure (usage) where there is none."""
    from .compiler.ops.words import composition_advice, match_op

    found = {op.name: op for op in public_ops()}
    advice = composition_advice(name) if name not in found else ""
    op = found.get(name) or (None if advice else match_op(name))
    if op is None:
        near = nearest(name, found)
        hint = advice or (f"did you mean `{near}`?" if near else "`archc ops` lists them")
        raise Failure("no-such-op", f"there is no operation `{name}`", hint, 2)
    return op


def diagnostic_pages() -> dict[str, Path]:
    """The pages on diagnostics by code."""
    return {
        path.stem: path for folder in reversed(PAGES) for path in sorted(folder.glob("*.md")) if path.stem != "README"
    }


def read_diagnostic_page(code: str) -> str:
    """The Markdown page on a diagnostic. Raises Failure (usage) for an unknown code."""
    found = diagnostic_pages()
    if code not in found:
        from .compiler.ops.words import match_op

        if pattern := explain_pattern(code):
            raise Failure("no-such-spec", pattern.message, pattern.help, 2)
        near, op = nearest(code, found), match_op(code)
        # an op is what a reader of a spec asks for first; `conv` is no misspelling of a code
        if op:
            help = f"`{op.name}` is an operation: archc ops {op.name}"
        else:
            help = (
                f"did you mean `{near}`?" if near else "a code is what stands in brackets, as in error[shape-mismatch]"
            )
        raise Failure("unknown-code", f"there is no diagnostic `{code}`", help, 2)
    return found[code].read_text("utf-8")
