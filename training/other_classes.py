"""Whether a net starts from weights whose last layer was trained for other classes, and as many: nothing in their shapes tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..compiler.diagnostics import Failure, SpecError
from ..compiler.driver import check
from ..compiler.weights.report import WeightWarning, list_some
from .run_folder import run_of
from .start_weights import StartWeights

if TYPE_CHECKING:
    from ..compiler.ir.graph import Graph


def warn_of_other_classes(given: StartWeights, graph: Graph, classes: Sequence[str]) -> WeightWarning | None:
    """The warning where the checkpoint of the whole net lies in the folder of a run with other classes than `classes`, or another order of
    them; None where it does not, or where the last layer starts anew."""
    weights = (given.checkpoints or {}).get("")
    layer = last_layer(graph)
    skipped = any(layer == step or layer.startswith(f"{step}.") for step in given.options.skip)
    trained = () if skipped else trained_classes(weights)
    if len(trained) != len(classes) or tuple(trained) == tuple(classes):
        return None
    return WeightWarning(
        "other-classes",
        f"`{weights}` was trained for other classes, and as many: {list_some(tuple(trained))}; here they are {list_some(tuple(classes))}. "
        f"`{layer}` starts from what it learned of those: {given.options.spelling('weights_skip', (layer,))} has it start anew",
    )


def last_layer(graph: Graph) -> str:
    """The path of the last step with parameters before the last output; empty where there is none."""
    return next((node.path for node in reversed(graph.nodes) if node.params()), "")


def trained_classes(weights: object) -> Sequence[str]:
    """The classes of the run in whose folder a checkpoint lies; none where it lies elsewhere, or the spec there cannot be read."""
    run = run_of(weights)
    if run is None:
        return ()
    try:
        return check(str(run.spec)).labels or ()
    except (Failure, SpecError):
        return ()
