"""The stages in order: find, compose, resolve names, expand, prove expectations; then the passes of a phase.

Stages collect diagnostics; between stages a spec with errors stops. Nothing here imports torch, onnx or numpy.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .diagnostics import Collector, Diagnostic, Failure, Source, Span, nearest
from .frontend.compose import Document, Reader, apply_settings
from .frontend.expand import expand
from .frontend.located_yaml import Entry, Located, plain
from .frontend.names import Resolver
from .ir.graph import Graph
from .ir.verify import verify

if TYPE_CHECKING:
    from .analysis.cost import Cost
    from .passes import Settings

ZOO = Path(__file__).parent.parent / "archspecs"
LABEL_SETS = {name: ZOO / "labels" / f"{name}.txt" for name in ("imagenet-1k", "cifar-10", "cifar-100")}
MAX_BYTES = 2**20


class Found(NamedTuple):
    """A spec's bytes, the name to show for it, and the folder its paths are relative to."""

    data: bytes
    shown: str
    path: Path
    root: Path
    bundled: str | None = None


class Expectation(NamedTuple):
    """One line of `expect`: what it states, what was found, and whether it holds (None: not applicable)."""

    name: str
    expected: object
    found: object
    holds: bool | None
    span: Span


class Checked(NamedTuple):
    """What `check` learned. `graph` is the training graph; None where the spec is refused or has open params."""

    name: str
    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    expectations: tuple[Expectation, ...] = ()
    open_params: tuple[str, ...] = ()
    preprocess: dict[str, Any] | None = None
    labels: tuple[str, ...] | None = None
    sources: tuple[Source, ...] = ()
    settings: tuple[str, ...] = ()
    bundled: str | None = None
    summary: str = ""
    source: str = ""

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)


def zoo() -> dict[str, Path]:
    """The bundled specs by name, families included."""
    return {path.stem: path for path in sorted(ZOO.glob("*/*.yaml"))}


def find(spec: str) -> Found:
    """The spec that the user means: a file, `-` for standard input, or an entry of the zoo. Raises Failure (usage)."""
    if spec == "-":
        return Found(sys.stdin.buffer.read(MAX_BYTES + 1), "<stdin>", Path.cwd() / "-", Path.cwd())
    path = Path(spec)
    try:
        if path.is_dir():
            raise Failure("not-a-file", f"`{spec}` is a folder; a spec is a file", exit_code=2)
        if path.exists() and not path.is_file():  # reading a pipe could wait for ever
            raise Failure("not-a-file", f"`{spec}` is a device or a pipe; a spec is a file, or `-`", exit_code=2)
        if path.exists():
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            root = ZOO if path.resolve().is_relative_to(ZOO.resolve()) else path.resolve().parent
            return Found(data, spec, path.resolve(), root)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Failure("file-unreadable", f"`{spec[:200]}` cannot be read: {why}", exit_code=2) from None
    entries = zoo()
    name = spec.removesuffix(".yaml")
    if name in entries:
        found = entries[name]
        return Found(found.read_bytes(), found.name, found.resolve(), ZOO, bundled=name)
    near = nearest(name, entries)
    hint = f"did you mean the bundled `{near}`?" if near else "`archc list` shows the bundled specs"
    raise Failure(
        "no-such-spec", f"there is no file `{spec[:200]}`, and no bundled spec of that name", hint, exit_code=2
    )


def check(spec: str, settings: Sequence[str] = ()) -> Checked:
    """Runs every stage up to the expectations and returns all that was found."""
    found = find(spec)
    diagnostics = Collector()
    reader = Reader(found.root, diagnostics)
    label = (
        found.path.relative_to(found.root.resolve()).as_posix()
        if found.path.is_relative_to(found.root.resolve())
        else found.path.name
    )
    document = reader.document(found.data, found.shown, found.path.parent, label, (found.path,))
    base = Checked(Path(spec).stem, None, (), settings=tuple(settings), bundled=found.bundled)
    if document is None or diagnostics.failed:
        return base._replace(diagnostics=tuple(diagnostics), sources=tuple(reader.sources))
    document = apply_settings(document, settings)
    result = base._replace(name=document.name, sources=tuple(reader.sources), open_params=document.open_params,
                           summary=said(document, "summary"), source=said(document, "source"))  # fmt: skip
    require(document, diagnostics)
    Resolver(diagnostics).document(document)
    if diagnostics.failed or document.open_params:
        return result._replace(diagnostics=tuple(diagnostics))
    graph = expand(document, diagnostics)
    if graph is None:
        return result._replace(diagnostics=tuple(diagnostics))
    verify(graph)
    labels = read_labels(document, graph, found, diagnostics)
    preprocess = read_preprocess(document, diagnostics)
    expectations = tuple(prove(document, graph, bool(settings)))
    for e in expectations:
        if e.holds is False:
            diagnostics.add(
                Diagnostic(
                    "expectation-refuted", e.span, f"expected {e.name} {shown(e.expected)}, found {shown(e.found)}"
                )
            )
    return result._replace(
        graph=graph, diagnostics=tuple(diagnostics), labels=labels, preprocess=preprocess, expectations=expectations
    )


def require(document: Document, diagnostics: Collector) -> None:
    """What a document that is compiled needs, and one that is only extended or imported does not."""
    if document.graph is None:
        if not document.blocks:
            diagnostics.add(Diagnostic("no-graph", document.root.span, "the document has no `graph`"))
        elif not document.open_params:
            diagnostics.add(
                Diagnostic("no-graph", document.root.span, "the document has blocks, but no `graph` to compile")
            )
    elif not document.input:
        diagnostics.add(Diagnostic("no-input", document.root.span, "the document has no `input`",
                                   help="write input: {image: [3, 224, 224]}"))  # fmt: skip
    if "name" not in document.header:
        diagnostics.add(
            Diagnostic("missing-key", document.root.span, "the document needs a `name`; it is never inherited")
        )


def said(document: Document, key: str) -> str:
    return str(document.header[key].value.value) if key in document.header else ""


def shown(value: object) -> str:
    return "×".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def read_labels(document: Document, graph: Graph, found: Found, diagnostics: Collector) -> tuple[str, ...] | None:
    """The names of the classes: written out, a known set, or a file beside the spec, one a line."""
    if "labels" not in document.header:
        return None
    node = document.header["labels"].value
    if isinstance(node.value, list):
        labels = tuple(str(item.value) for item in node.value)
    elif str(node.value) in LABEL_SETS:
        labels = tuple(LABEL_SETS[str(node.value)].read_text("utf-8").splitlines())
    else:
        reader = Reader(found.root, diagnostics)
        path = reader.resolve(node, found.path.parent)
        if path is None:
            return None
        text = path.open("rb").read(MAX_BYTES).decode("utf-8", "replace")
        labels = tuple(line.strip() for line in text.splitlines() if line.strip())
    classes = graph.outputs[-1].value.type.sizes[0]
    if len(labels) != classes and not (str(node.value) in LABEL_SETS and "classes" in document.params):
        diagnostics.add(
            Diagnostic("label-count", node.span, f"{len(labels)} labels for {classes} classes", severity="warning")
        )
        return labels if len(labels) > classes else None
    return labels if len(labels) == classes else None


def read_preprocess(document: Document, diagnostics: Collector) -> dict[str, Any] | None:
    """How a photo becomes the input; its statistics must fit the input's channels."""
    if "preprocess" not in document.header:
        return None
    node = document.header["preprocess"].value
    channels = next(iter(document.input.values())).value.value[0].value
    for key in ("mean", "std"):
        entry: Entry | None = node.value.get(key)
        if entry and len(entry.value.value) not in (1, channels):
            diagnostics.add(Diagnostic("preprocess-channels", entry.value.span,
                                       f"`{key}` has {len(entry.value.value)} numbers for {channels} channels"))  # fmt: skip
    return dict(plain(node))


def prove(document: Document, graph: Graph, overridden: bool) -> Iterator[Expectation]:
    """Each expectation with both numbers; with `--set` they speak of another net and do not apply."""
    if "expect" not in document.header:
        return
    from .analysis.cost import cost

    facts = cost(graph)
    outputs = {name: list(sizes) for name, sizes in facts.outputs.items()}
    for name, entry in document.header["expect"].value.value.items():
        expected = plain(entry.value)
        if name == "output":
            got: Any = outputs if isinstance(expected, dict) else outputs[graph.outputs[-1].name]
        else:
            got = fact(facts, name)
        span, bound = entry.value.span, entry.value
        if isinstance(expected, dict) and name != "output":
            holds = all(got >= v if k == "min" else got <= v for k, v in expected.items())
            span = wrong_bound(bound, got)
        else:
            holds = got == expected
        yield Expectation(name, expected, got, None if overridden else holds, span)


def fact(facts: Cost, name: str) -> Any:
    """What `expect` calls `name`; only what is expected is worked out."""
    match name:
        case "params":
            return facts.params.total
        case "params_without_aux":
            return facts.params.without_aux
        case "receptive_field":
            return list(facts.receptive_field)
        case "macs":
            return facts.macs
        case "depth":
            return facts.depth
    raise AssertionError(name)


def wrong_bound(node: Located, found: int) -> Span:
    """The bound that is broken, or the whole of them."""
    for key, entry in node.value.items():
        if (found < entry.value.value) if key == "min" else (found > entry.value.value):
            return Span(*entry.value.span)
    return node.span


def run_passes(graph: Graph, settings: Settings | None = None, after: str | None = None) -> Graph:
    """Runs the passes that `settings` want, verifying after each; `after` stops behind the pass of that name.

    Raises Failure (usage) where there is no such pass, InternalError where one breaks its promise.
    """
    from .passes import PIPELINE, Settings

    names = [each.name for each in PIPELINE]
    if after is not None and after not in names:
        raise Failure("no-such-pass", f"there is no pass `{after}`", f"the passes are {', '.join(names)}", 2)
    for each in PIPELINE:
        configured = each.configured(settings or Settings())
        if configured is not None:
            configured.require(graph)
            graph = configured.run(graph)
            configured.ensure(graph)
            verify(graph)
        if each.name == after:
            break
    return graph
