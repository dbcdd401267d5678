"""What is asked for, and the net that comes of it: the spec with as many classes as the pictures have."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.counts import count_of
from ..compiler.diagnostics import Failure, SpecError
from ..compiler.driver import Compilation, check, explain_open_params
from ..compiler.limits import DEFAULT, Limits
from ..compiler.sources import BUNDLED, LABEL_SETS, SpecText
from ..runtime.preprocess import Preprocess
from .losses import ClassOutput, class_output
from .other_classes import warn_of_other_classes
from .recipe.recipe import Recipe
from .run_folder import RunFolder
from .start_weights import FROM_SEED, StartWeights
from .trainable import refuse_other_channels, refuse_untrainable
from .watching import Watcher

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from ..compiler.ir.graph import Graph
    from .data import TrainingData


class TrainingRequest(NamedTuple):
    """What is asked for.

    `spec` is a path, a bundled name, or a text that was read, with its parameters as name=value in `settings`, and as values in `params`. `data` is the folder of the pictures, which may
    also be given as they are. `part` is the graph of a member of the spec, which alone is trained, in the processes of `fabric`, which are
    there already; `whole` is then that of all of them, whose steps `weights` names, and `inside` the member's path in it. `resume` goes on with what lies in `output`; spec and recipe come from there then. `tell` gets remarks
    for people while the run is prepared.
    """

    spec: str | SpecText
    recipe: Recipe
    output: Path
    data: Path | TrainingData
    settings: Sequence[str] = ()
    weights: StartWeights = FROM_SEED
    device: str = "auto"
    resume: bool = False
    limits: Limits = DEFAULT
    watchers: Sequence[Watcher] = ()
    tell: Callable[[str], None] = lambda text: None
    part: Graph | None = None
    whole: Graph | None = None
    inside: str = ""
    fabric: Fabric | None = None
    params: Mapping[str, Any] = MappingProxyType({})

    @property
    def run(self) -> Path:
        """The folder that `--resume` takes: a member's run goes on with its ensemble."""
        return self.output if self.part is None else RunFolder(self.output).ensemble.path


class PreparedNet(NamedTuple):
    """The spec for the classes of the pictures, and what of it training needs."""

    checked: Compilation
    graph: Graph
    output: ClassOutput
    how: Preprocess
    data: TrainingData


def prepare_net(request: TrainingRequest) -> PreparedNet:
    """The checked spec with as many classes as the pictures have. Raises SpecError and Failure."""
    checked, graph = check_graph(request, {})
    refuse_untrainable(checked, graph, request.recipe.freeze)
    output = class_output(graph)
    free = has_free_classes(request, checked)
    data = open_pictures(request, checked, None if free else output.classes)
    count = len(data.classes)
    if count != output.classes:
        if not free:
            raise Failure("class-count", f"the pictures have {count_of(count, 'class')}, and `{output.name}` has {output.classes}",
                          f"give the spec a parameter `classes`, and its last layer as many outputs; or --set classes={count}")  # fmt: skip
        request.tell(f"classes = {count}, as the pictures have")
        checked, graph = check_graph(request, {"classes": count})
        refuse_untrainable(checked, graph, request.recipe.freeze)
        output = class_output(graph)
        if output.classes != count:
            raise Failure("class-count", f"the pictures have {count_of(count, 'class')}, and `{output.name}` has {output.classes}, whatever `classes` is",
                          "let the last layer have $classes outputs")  # fmt: skip
    if request.part is not None:
        graph, output = request.part, class_output(request.part)
    stated = checked.header.preprocess.to_dict() if checked.header.preprocess else {}
    channels, height, width = graph.inputs[0].type.sizes
    how = Preprocess.parse(stated, (channels, height, width))
    for pictures in filter(None, (data.train, data.val)):
        refuse_other_channels(checked, graph, how, pictures)
    # the members of an ensemble read the same checkpoint as the whole, for which it was told
    begins = not request.resume and request.part is None
    if begins and (other := warn_of_other_classes(request.weights, graph, data.classes)):
        request.tell(f"warning[{other.code}]: {other.text}")
    return PreparedNet(checked, graph, output, how, data)


def has_free_classes(request: TrainingRequest, checked: Compilation) -> bool:
    """Whether the spec has a parameter `classes` that nobody has set; the spec of a run that goes on has its number."""
    if request.resume:
        return False
    given = {setting.partition("=")[0] for setting in request.settings} | {*request.params}
    return checked.document is not None and "classes" in checked.document.params and "classes" not in given


def check_graph(request: TrainingRequest, params: Mapping[str, Any]) -> tuple[Compilation, Graph]:
    """The spec and its training graph; what is wrong with it is raised, and warnings are told."""
    checked = check(request.spec, request.settings, {**request.params, **params}, request.limits)
    if checked.failed:
        raise SpecError(checked.diagnostics)
    if checked.graph is None:
        raise SpecError([*checked.diagnostics, *explain_open_params(checked)])
    return checked, checked.graph


def open_pictures(request: TrainingRequest, checked: Compilation, count: int | None) -> TrainingData:
    """The pictures, read from a folder or given."""
    if not isinstance(request.data, (str, os.PathLike)):
        return request.data
    from .data import open_data

    stated = checked.header.labels
    own = stated is not None and stated.reference not in LABEL_SETS and not stated.span.source.label.startswith(BUNDLED)
    try:
        data = open_data(request.recipe.data, Path(request.data), checked.labels, count, own)
    except Failure as failure:
        # what a new run could change is settled in one that goes on
        help = "the run began with other pictures: put them back as they were, or say where they are now: --data DIR"
        raise Failure(
            failure.code, failure.message, help if request.resume else failure.help, failure.exit_code
        ) from None
    for note in data.notes:
        request.tell(f"note: {note}")
    for code, text in data.warnings:
        request.tell(f"warning[{code}]: {text}")
    return data
