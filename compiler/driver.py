"""The stages in order, and what each has found so far: also when one of them found mistakes.

A stage goes on with what the one before left, as long as nothing it says would only follow from a mistake that is told already.
Nothing here imports torch, onnx or numpy, and nothing is kept between two compilations but caches that threads may share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from .diagnostics import Collector, Diagnostic, Failure, LimitReached, Source, nearest
from .frontend.budget import Budget
from .frontend.compose import Composer, Document
from .frontend.decoding import format_limit
from .frontend.expand import expand
from .frontend.header import Header, Labels
from .frontend.located_yaml import Located
from .frontend.names import Resolver, Scope
from .frontend.preprocessing import check_input_order, check_preprocessing
from .frontend.recovery import Incomplete
from .frontend.reported import check_reported, check_reported_classes
from .garbage import without_collection
from .ir.graph import Graph, Node
from .ir.verify import verify
from .limits import DEFAULT, Limits, raise_limit
from .sources import BUNDLED, LABEL_SETS, SourceError, SpecText, find_spec

if TYPE_CHECKING:
    from .analysis.cost import Cost
    from .analysis.expectations import Expectation
    from .frontend.application import RejectedStep
    from .frontend.overrides import Override
    from .passes import PassOptions
    from .sources import SpecFiles


MAX_EXPLAINED = 19  # params without a value


class Compilation(NamedTuple):
    """What is known of a spec.

    `root` is the located tree of its text, `document` the composed one, `scopes` what each step sees, `nodes` the nodes that
    were made with their types; `graph` is the training graph, None where the spec is refused or has open params; then `known` is that of
    the `nodes` alone, and `rejected` are the steps whose ops refuse what arrives, by path. Each is there
    as far as its stage came, whatever the later ones found. `cost` is what the graph costs, each figure worked out once when it is asked for. `settings` are the overridden parameters as name=value. `work` is how
    many units of work the check took (docs/reference/limits.md).
    """

    name: str
    diagnostics: tuple[Diagnostic, ...] = ()
    graph: Graph | None = None
    nodes: tuple[Node, ...] = ()
    known: Graph | None = None
    rejected: Mapping[str, RejectedStep] = MappingProxyType({})
    scopes: Mapping[Located, Scope] = MappingProxyType({})
    document: Document | None = None
    root: Located | None = None
    sources: tuple[Source, ...] = ()
    cost: Cost | None = None
    expectations: tuple[Expectation, ...] = ()
    labels: tuple[str, ...] | None = None
    settings: tuple[str, ...] = ()
    bundled: str | None = None
    work: int = 0

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)

    @property
    def refused(self) -> bool:
        """Whether it has an error other than an expectation that does not hold. That is about costs, and the net can be looked at all the same."""
        return any(d.severity == "error" and d.code != "expectation-refuted" for d in self.diagnostics)

    @property
    def open_params(self) -> tuple[str, ...]:
        """Parameters without a value: the spec is a family of nets."""
        return self.document.open_params if self.document else ()

    @property
    def header(self) -> Header:
        """What the spec says of itself."""
        return self.document.header if self.document else Header()


def check(
    spec: str | SpecText,
    settings: Sequence[str] = (),
    params: Mapping[str, Any] | None = None,
    limits: Limits = DEFAULT,
) -> Compilation:
    """Runs every stage up to the expectations on a file, a bundled spec's name, or a text; returns all that was found.

    `settings` are `name=value` as a shell gives them, `params` values as Python does. Raises Failure (usage) where there is no
    such spec, or one of these does not fit.
    """
    text = find_spec(spec) if isinstance(spec, str) else spec
    overrides = read_overrides(settings, params or {})
    with without_collection():
        if text.bundled:
            # The tests hold every bundled spec against the schema, whose library is a quarter of the time that a check takes. One that
            # is being edited may break what the schema would have promised: then the whole way says what is wrong.
            with suppress(AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError):
                found = compile_text(text, overrides, limits, trusted=True)
                if not found.diagnostics:
                    return found
        return compile_text(text, overrides, limits)


def compile_text(
    text: SpecText, overrides: Sequence[Override], limits: Limits = DEFAULT, trusted: bool = False
) -> Compilation:
    """Runs every stage up to the expectations on a text; a `trusted` one is not held against the schema.

    Where a limit is reached the check ends, and the last diagnostic says why.
    """
    diagnostics = Collector(limits.mistakes)
    composer = Composer(text.files, diagnostics, trusted, Budget(limits))
    found = Compilation(Path(text.name if text.name != "<stdin>" else "-").stem,
                        settings=tuple(o.text for o in overrides), bundled=text.bundled)  # fmt: skip
    try:
        for stage in run_stages(found, text, composer, overrides):
            found = stage
    except LimitReached as limit:
        diagnostics.close(limit.diagnostic)
    work = limits.work - composer.budget.left
    return found._replace(diagnostics=tuple(diagnostics), sources=tuple(composer.sources), work=work)


def run_stages(
    found: Compilation, text: SpecText, composer: Composer, overrides: Sequence[Override]
) -> Iterator[Compilation]:
    """What is found, after each stage. Raises LimitReached where a limit is."""
    diagnostics, budget = composer.diagnostics, composer.budget
    document = composer.read_document(text.data, text.name, text.label)
    if document is None:
        return
    found = found._replace(name=document.name, document=document, root=document.root)
    yield found
    if composer.incomplete:  # what is missing would be missed everywhere
        return
    if overrides:
        from .frontend.overrides import override_params

        document = override_params(document, overrides)
    found = found._replace(document=document)
    require_parts(document, diagnostics)
    resolver = Resolver(diagnostics, budget)
    resolver.check_document(document)
    found = found._replace(scopes=resolver.scopes)
    yield found
    labels = document.header.labels
    check_reported(document, diagnostics)
    names, own = read_labels(labels, text.files, diagnostics, budget.limits.bytes) if labels else LabelNames()
    # beside the texts of the spec: a built file, a run and a net of Python's are made of them again
    composer.sources += [own] if own else []
    if document.input and not document.broken_input:
        if document.header.preprocess is None:  # else that says how large a photo is
            check_input_order(document, diagnostics)
        check_preprocessing(document, diagnostics)
        if document.graph is not None and not document.open_params:
            expansion = expand(document, diagnostics, budget)
            found = found._replace(
                nodes=expansion.nodes, graph=expansion.graph, known=expansion.known, rejected=expansion.rejected
            )
            yield found
            if expansion.graph is None:
                from .frontend.mistaken_params import attribute_to_params  # late: only a mistake pays for it

                attribute_to_params(document, diagnostics, budget)
    if found.graph is not None:
        found = examine(found.graph, found, document, names, diagnostics)
    yield found


def read_overrides(settings: Sequence[str], params: Mapping[str, Any]) -> list[Override]:
    """What is laid over the spec's parameters; most runs have none, and pay no import for it."""
    if not settings and not params:
        return []
    from .frontend.overrides import from_setting, from_value

    return [*map(from_setting, settings), *(from_value(name, value) for name, value in params.items())]


def examine(
    graph: Graph, found: Compilation, document: Document, names: tuple[str, ...] | None, diagnostics: Collector
) -> Compilation:
    """What the header says of a whole graph: whether the `names` of the classes fit it, and its expectations."""
    verify(graph)
    from .analysis.cost import cost
    from .analysis.expectations import check_expectations

    header, costs = document.header, cost(graph)
    labels = (
        fitting_labels(header.labels, names, document, graph, diagnostics, bool(found.settings))
        if header.labels and names
        else None
    )
    expectations = tuple(check_expectations(header.expect, costs, bool(found.settings)))
    # as settings make another net, of which nothing is reported
    if header.reported and not found.settings:
        scores = [output.value.type.sizes[0] for output in graph.outputs if output.value.type.sizes]
        check_reported_classes(document, scores, diagnostics)
    for expectation in expectations:
        if expectation.holds is False:
            diagnostics.add(expectation.diagnostic())
    return found._replace(labels=labels, cost=costs, expectations=expectations)


def require_parts(document: Document, diagnostics: Collector) -> None:
    """What a document that is compiled needs, and one that is only extended or imported does not."""
    span = document.root.span
    misnamed = isinstance(document.root, Incomplete)  # an unknown key may be meant for the one that is missing
    if document.graph is None and not misnamed:
        if not document.blocks:
            diagnostics.add(Diagnostic("no-graph", span, "the document has no `graph`"))
        elif not document.open_params:
            diagnostics.add(Diagnostic("no-graph", span, "the document has blocks, but no `graph` to compile"))
    elif document.graph is not None and not document.input and not document.broken_input and not misnamed:
        diagnostics.add(Diagnostic("no-input", span, "the document has no `input`",
                                   help="write input: {image: [3, 224, 224]}"))  # fmt: skip
    misspelt = misnamed and any(nearest(key, ("name", "title")) for key in document.root.value)
    if "name" not in document.root.value and not misspelt:
        diagnostics.add(Diagnostic("missing-key", span, "the document needs a `name`; it is never inherited"))


def fitting_labels(
    labels: Labels, names: tuple[str, ...], document: Document, graph: Graph, diagnostics: Collector, is_set: bool
) -> tuple[str, ...] | None:
    """The names of the classes where they are as many as the net's; else a warning, and None where they are too few.

    A known set is silent where its net is bundled, or a parameter is set (`is_set`): then its names are just not those of the classes.
    """
    known_set = labels.reference in LABEL_SETS
    classes = graph.outputs[-1].value.type.sizes[0]
    if len(names) == classes:
        return names
    # the set is the family's, the number of classes one's own
    family = known_set and "classes" in document.params
    if family and (is_set or labels.span.source.label.startswith(BUNDLED)):
        return None
    help = "name your own classes: labels: names.txt, a file beside the spec with a name a line" if family else ""
    message = f"{len(names):,} labels for {classes:,} classes"
    diagnostics.add(Diagnostic("label-count", labels.span, message, severity="warning", help=help))
    if family:
        return None
    return names if len(names) > classes else None


def explain_open_params(found: Compilation) -> tuple[Diagnostic, ...]:
    """The diagnostics of a family's params without a value: each at its declaration, with the values that it can have.

    Of very many the first are explained, and the next one says how many more there are.
    """
    from .frontend.open_params import explain_open_param

    document = found.document
    if document is None:
        return ()
    first, others = document.open_params[:MAX_EXPLAINED], document.open_params[MAX_EXPLAINED:]
    explained = [explain_open_param(document, name) for name in first]
    if others:
        where = document.params[others[0]].key.span
        message = (
            f"`{others[0]}` and {len(others) - 1} more have no value either"
            if others[1:]
            else f"`{others[0]}` has no value either"
        )
        explained.append(Diagnostic("open-params", where, message))
    return tuple(explained)


class LabelNames(NamedTuple):
    """The names of the classes, None where they are not known; and the file that they stand in, if they stand in one of the user's."""

    names: tuple[str, ...] | None = None
    source: Source | None = None


def read_labels(labels: Labels, files: SpecFiles, diagnostics: Collector, max_bytes: int = DEFAULT.bytes) -> LabelNames:
    """The names as written out, of a known set, or of a file beside the text, one a line; none after telling what is wrong."""
    reference = labels.reference
    if reference is None:
        return LabelNames(labels.names)
    if reference in LABEL_SETS:
        return LabelNames(tuple(LABEL_SETS[reference].read_text("utf-8").splitlines()))
    spec = labels.span.source
    try:
        label = files.locate(spec.label, reference)
        data = files.read(label)
        if len(data) > max_bytes:
            message = f"`{reference}` is over the limit of {format_limit(max_bytes)}"
            raise SourceError("file-too-large", message, raise_limit("bytes", len(data)))
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"byte 0x{data[error.start]:02X} of `{reference}` is not UTF-8: a file of labels is UTF-8 text"
        diagnostics.add(Diagnostic("not-utf8", labels.span, what, help="save it as UTF-8"))
        return LabelNames()
    except SourceError as error:
        diagnostics.add(Diagnostic(error.code, labels.span, error.message, help=error.help))
        return LabelNames()
    names = tuple(line.strip() for line in text.split("\n") if line.strip())
    return LabelNames(names, Source(files.name_beside(spec.name, reference, label), text, label))


def run_passes(graph: Graph, options: PassOptions | None = None, after: str | None = None) -> Graph:
    """Runs the passes that `options` want, verifying after each; `after` stops behind the pass of that name.

    Raises Failure (usage) where there is no such pass, InternalError where one breaks its promise.
    """
    from .passes import PIPELINE

    names = [each.name for each in PIPELINE]
    if after is not None and after not in names:
        raise Failure("no-such-pass", f"there is no pass `{after}`", f"the passes are {', '.join(names)}", 2)
    result = graph
    for name, result in pass_stages(graph, options):  # noqa: B007  the last one is what is asked for
        if name == after:
            break
    return result


def pass_stages(graph: Graph, options: PassOptions | None = None) -> Iterator[tuple[str, Graph]]:
    """Each pass by its name, with the graph behind it, which is the one before where `options` leave the pass out.

    Raises InternalError where a pass breaks its promise.
    """
    from .passes import PIPELINE, PassOptions

    for each in PIPELINE:
        graph_pass = each.from_options(options or PassOptions())
        if graph_pass is not None:
            graph_pass.require(graph)
            graph = graph_pass.run(graph)
            graph_pass.ensure(graph)
            verify(graph)
        yield each.name, graph
