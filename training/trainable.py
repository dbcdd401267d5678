"""Which nets training takes: one picture in, a number for each class out, and each parameter on the way there. All else is told before any work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..compiler.counts import count_of
from ..compiler.diagnostics import Diagnostic, Note, Span, SpecError, list_names
from ..compiler.driver import Compilation
from ..compiler.ir.graph import Graph, Value
from ..compiler.weights.names import belongs_to, summarize_by_step
from ..runtime.faults import PictureFault

if TYPE_CHECKING:
    from ..runtime.preprocess import Preprocess
    from .data.pictures import PictureSet

# how many pictures are looked at for their channels
LOOKED_AT = 8
OWN_LOOP = "train another net in a loop of your own: archc.load(SPEC).to_torch()"


def refuse_untrainable(checked: Compilation, graph: Graph, frozen: Sequence[str]) -> None:
    """Raises SpecError for a net that training does not take; `frozen` are the paths that the recipe takes out of training."""
    found = next(find_untrainable(checked, graph, frozen), None)
    if found is not None:
        raise SpecError([found])


def find_untrainable(checked: Compilation, graph: Graph, frozen: Sequence[str]) -> Iterator[Diagnostic]:
    """What is in the way, the first thing first."""
    yield from other_inputs(checked, graph)
    yield from no_class_scores(graph)
    yield from untrained_outputs(graph, frozen)


def other_inputs(checked: Compilation, graph: Graph) -> Iterator[Diagnostic]:
    """Inputs that are not one picture."""
    entries = checked.document.input if checked.document else {}
    spans = [entries[each.name].key.span if each.name in entries else None for each in graph.inputs]
    if len(graph.inputs) > 1:
        names = list_names([each.name for each in graph.inputs], "`{}`")
        message = f"training gives a net one picture, and this one has {count_of(len(graph.inputs), 'input')}: {names}"
        yield Diagnostic("not-an-image-model", spans[1], message, help=OWN_LOOP + ", as docs/howto/inputs.md does")
    for value, span in zip(graph.inputs, spans, strict=True):
        if not value.type.is_image:
            message = f"training gives a net one picture, and the input `{value.name}` is {value.type}"
            yield Diagnostic(
                "not-an-image-model", span, message, help="a picture is `input: {image: [channels, height, width]}`"
            )


def refuse_other_channels(checked: Compilation, graph: Graph, how: Preprocess, pictures: PictureSet) -> None:
    """Raises SpecError where the net wants channels that the pictures lack: none of a few has them, which lie evenly spaced among all.

    A net of one or three channels takes every picture, as the runtime makes it grey or coloured.
    """
    from ..runtime.images import read_input

    if how.size[0] in (1, 3):
        return
    fault: PictureFault | None = None
    are_grey = True
    for index in range(0, len(pictures), -(-len(pictures) // LOOKED_AT)):
        try:
            read_input(pictures.source(index), pictures.name(index), how)
            return
        except PictureFault as found:
            # one that cannot be read at all says nothing of the others
            if found.code == "image-channels":
                fault = fault or found
                are_grey = are_grey and is_grey(pictures.source(index), pictures.name(index))
    if fault is not None:
        value = graph.inputs[0]
        entry = checked.document.input.get(value.name) if checked.document else None
        size = f"[{1 if are_grey else 3}, {how.size[1]}, {how.size[2]}]"
        help = f"{fault.help}; or let the net read what they have, as `input: {{{value.name}: {size}}}`"
        span = entry.value.span if entry else None
        raise SpecError(
            [Diagnostic(fault.code, span, f"the pictures do not fit the input: {fault.message}", help=help)]
        )


def is_grey(source: Any, name: str) -> bool:
    """Whether a picture that can be read has no colours, with transparency or without."""
    from ..runtime.images import MAX_PIXELS, open_image
    from ..runtime.pixels import count_channels

    # the pictures of MNIST's files are arrays (H, W)
    if hasattr(source, "shape"):
        return len(source.shape) == 2
    with open_image(source, name, MAX_PIXELS) as image:
        return count_channels(image) <= 2


def no_class_scores(graph: Graph) -> Iterator[Diagnostic]:
    """An output, or a head, that is no vector with a number for each class."""
    output = graph.outputs[-1]
    kind = output.value.type
    if not kind.elements == kind.channels > 1:
        which = "the last output" if len(graph.outputs) > 1 else "the output"
        what = "a map" if kind.is_image and kind.elements != kind.channels else "one number, as of a regression"
        message = (
            f"training wants a number for each of two classes or more, and {which}, `{output.name}`, is {kind}: {what}"
        )
        help = f"let the net end in a `linear` with as many outputs as there are classes; {OWN_LOOP}"
        yield Diagnostic("not-a-classifier", span_of(graph, output.value), message, help=help)
    for head in graph.heads:
        if (found := head.value.type).elements != kind.elements:
            message = f"the head `{head.path}` gives {found}, and the output `{output.name}` {kind}: both learn the same classes"
            help = "let both end in as many numbers: `linear: $classes`"
            yield Diagnostic("not-a-classifier", span_of(graph, head.value), message, help=help)


def untrained_outputs(graph: Graph, frozen: Sequence[str]) -> Iterator[Diagnostic]:
    """Outputs with weights of their own, which no loss would train."""
    *others, trained = graph.outputs
    taught = {node.path for node in graph.needed_by([trained.value, *(head.value for head in graph.heads)])}
    for output in others:
        own = [
            name for node in graph.needed_by([output.value]) if node.path not in taught for name in node.params()
            if not belongs_to(name, frozen)
        ]  # fmt: skip
        if own:
            steps = summarize_by_step(own, graph.params())
            message = f"training teaches the last output, `{trained.name}`, and {list_names(steps, '`{}`')} would stay untrained: `{output.name}` alone needs it"
            note = Note(f"the last output, `{trained.name}`, is here", span_of(graph, trained.value))
            help = f"leave that output out, or its steps as they are: `freeze: [{', '.join(steps)}]`; {OWN_LOOP}"
            yield Diagnostic("not-a-classifier", span_of(graph, output.value), message, notes=(note,), help=help)


def span_of(graph: Graph, value: Value) -> Span | None:
    """Where the step stands that gives a value."""
    return next((node.span for node in graph.nodes if value in node.outputs), None)
