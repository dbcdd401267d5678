"""The shapes of a model's values: as the file says them, worked out where an operator changes none, else by onnx's inference."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from ..runtime.artifact import Artifact
from ..runtime.forms import Known, Unfit
from ..runtime.full_graph import FullGraph
from ..runtime.outline import Outline
from ..runtime.trust import infer_node
from .graph import LiveGraph
from .inference import infer_shapes
from .operators import Sizes, find_operator

# bytes of an element by ONNX's number of its type; 4 for any other, as most are
ELEMENT_BYTES = {2: 1, 3: 1, 4: 2, 5: 2, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}


class Shapes:
    """The shapes of values without the batch, and the sizes of their elements in bytes."""

    def __init__(self, artifact: Artifact, graph: FullGraph, live: LiveGraph) -> None:
        self.dtypes = graph.dtypes
        whole: dict[str, Sizes] = {name: shape for name, shape in graph.shapes.items() if is_sound(shape)}
        whole = shapes_of_forms(artifact.graph) | whole
        spread_shapes(live, whole)
        if any(node.outputs[0] not in whole for node in live.nodes if node.outputs):
            inferred = infer_shapes(artifact.path)
            whole = {name: shape for name, shape in inferred.items() if is_sound(shape)} | whole
            spread_shapes(live, whole)
        batches = {whole[name][0] for name in live.inputs if whole.get(name)}
        self.without_batch = {name: strip_batch(shape, batches) for name, shape in whole.items()}
        self.constants: dict[str, Sizes] = {name: header.shape for name, header in live.constants.items()}

    def find(self, name: str) -> Sizes | None:
        """The shape of a value, of one that is no constant without the batch; None where it is not known."""
        return self.constants.get(name) or self.without_batch.get(name)

    def element_bytes(self, name: str) -> int:
        """The size of an element of a value."""
        return ELEMENT_BYTES.get(self.dtypes.get(name, 0), 4)


def shapes_of_forms(outline: Outline) -> dict[str, Sizes]:
    """The shapes of a graph of archc's, as its forms give them; none of a graph with anything else in it, nor of one with open sizes."""
    batches = {shape[0] for shape in outline.inputs.values() if shape and not isinstance(shape[0], int)}
    if (
        outline.surprise
        or len(batches) > 1
        or has_open_sizes({n: s[1:] for n, s in outline.inputs.items()}, outline.inputs)
    ):
        return {}
    known = Known(outline, 1)
    for node in outline.nodes:
        try:
            infer_node(node, known)
        except (Unfit, KeyError, ValueError, IndexError, TypeError, OverflowError, struct.error):
            return {}
    made = {name: known.shapes[name] for name in outline.producers if name in known.shapes}
    return {name: (*batches, *shape[1:]) if batches and shape[:1] == (1,) else shape for name, shape in made.items()}


def is_sound(shape: Iterable[int | str | None]) -> bool:
    """Whether all numbers in a shape are sizes."""
    return all(not isinstance(size, int) or size >= 0 for size in shape)


def spread_shapes(live: LiveGraph, shapes: dict[str, Sizes]) -> None:
    """Adds the shapes of results that have that of what they are made of."""
    for node in live.nodes:
        first = next((name for name in node.inputs if name not in live.constants), "")
        if node.outputs and first in shapes and find_operator(node, live.constants).keeps_shape:
            shapes.setdefault(node.outputs[0], shapes[first])


def strip_batch(shape: Sizes, batches: Iterable[int | str | None]) -> Sizes:
    """A shape without its first dimension, if that is one of those of the inputs, or an open one as these are."""
    if not shape:
        return shape
    is_open = len(shape) > 1 and not isinstance(shape[0], int) and any(not isinstance(size, int) for size in batches)
    return shape[1:] if shape[0] in batches or is_open else shape


def display_shape(shape: Sizes | None) -> tuple[int | str, ...]:
    """A shape for a picture, with `?` for a size that nothing is known of, and alone where the whole is not known."""
    return ("?",) if shape is None else tuple("?" if size is None or size == "" else size for size in shape)


def has_open_sizes(shapes: Mapping[str, Sizes], names: Iterable[str]) -> bool:
    """Whether one of these values has a size that is no number, or no known shape."""
    return any(name not in shapes or any(not isinstance(size, int) for size in shapes[name]) for name in names)
