"""Matches a checkpoint's tensors with a graph's by name, shape and dtype, before anything is built."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..diagnostics import Failure, nearest
from ..ir.dtypes import DType
from ..ir.operation import Param
from .names import (
    belongs_to,
    is_batch_count,
    match_legacy_names,
    owning_step,
    strip_prefixes,
    summarize_by_step,
)
from .source import WeightSource

MAX_LISTED = 10
MAX_SUGGESTED = 3


class RenamedSource:
    """A weight source under the graph's names: `original_names` says what its tensors are called in the checkpoint `source`.

    All other tensors come from `fallback`, under the names that they have there.
    """

    def __init__(self, source: WeightSource, original_names: Mapping[str, str], fallback: WeightSource) -> None:
        self.source, self.original_names, self.fallback = source, original_names, fallback

    def names(self) -> Iterable[str]:
        return dict.fromkeys([*self.original_names, *self.fallback.names()])

    def _locate(self, name: str) -> tuple[WeightSource, str]:
        if name in self.original_names:
            return self.source, self.original_names[name]
        return self.fallback, name

    def shape(self, name: str) -> tuple[int, ...]:
        source, original = self._locate(name)
        return source.shape(original)

    def dtype(self, name: str) -> DType:
        source, original = self._locate(name)
        return source.dtype(original)

    def get(self, name: str) -> Any:
        source, original = self._locate(name)
        return source.get(original)


class TensorMatch(NamedTuple):
    """What a graph takes from a checkpoint: `original_names` are the checkpoint's names by the graph's names.

    `unused` are the tensors of the checkpoint that the graph has no place for, by the names that they would have in it.
    """

    original_names: dict[str, str]
    unused: tuple[str, ...]


def rename_tensors(source: WeightSource, params: Collection[str], step: str = "") -> dict[str, str]:
    """The names of a checkpoint's tensors, by the names that they have in a graph with the tensors `params`.

    `step` is the step that the checkpoint is for; "" is the whole net.
    """
    prefix = f"{step}." if step else ""
    inside = {tensor.removeprefix(prefix) for tensor in params if tensor.startswith(prefix)}
    return {prefix + name: original for name, original in strip_prefixes(tuple(source.names()), inside).items()}


def match_tensors(source: WeightSource, renamed: Mapping[str, str], params: Mapping[str, Param], *, checkpoint: str,
                  step: str = "", optional: Collection[str] = (), skip: Collection[str] = ()) -> TensorMatch:  # fmt: skip
    """Matches a checkpoint's tensors with those of a graph, or of its step `step`.

    `renamed` is what rename_tensors gives, and `checkpoint` the name in messages. The checkpoint may lack the `optional`
    steps (auxiliary heads) and the batch counts of norms; steps of `skip` are left out on purpose. Raises Failure for any
    other tensor that is missing, that does not fit, or that the graph has no place for.
    """
    prefix = f"{step}." if step else ""
    inside = [tensor for tensor in params if tensor.startswith(prefix)]
    wanted = [tensor for tensor in inside if not belongs_to(tensor, skip)]
    originals = {tensor: renamed[tensor] for tensor in wanted if tensor in renamed}
    others = {tensor: original for tensor, original in renamed.items() if tensor not in originals}
    originals |= match_legacy_names([tensor for tensor in wanted if tensor not in originals], others)
    used = set(originals.values())
    unused = tuple(tensor for tensor, original in renamed.items() if original not in used)
    missing = [tensor for tensor in wanted if tensor not in originals and not belongs_to(tensor, optional)]
    check_missing([tensor for tensor in missing if not is_batch_count(tensor)], renamed, unused, checkpoint)
    check_tensor_shapes(source, params, originals, checkpoint)
    known_steps = {child_step(tensor, prefix) for tensor in inside}
    strays = [tensor for tensor in unused if child_step(tensor, prefix) in known_steps]
    check_strays([t for t in strays if not is_batch_count(t) and not belongs_to(t, skip)], renamed, checkpoint)
    check_values(source, params, originals, checkpoint)
    return TensorMatch(originals, unused)


def child_step(tensor: str, prefix: str) -> str:
    """The outermost step of a tensor inside the step that `prefix` names."""
    return tensor.removeprefix(prefix).partition(".")[0]


def check_missing(missing: list[str], renamed: Collection[str], unused: Collection[str], checkpoint: str) -> None:
    """Raises Failure where the graph needs a tensor that the checkpoint lacks."""
    if not missing:
        return
    more = f"; it holds {len(unused):,} others" if unused else ""
    near = nearest(missing[0], renamed)
    hint = f"the nearest to `{missing[0]}` in it is `{near}`." if near else "is it the checkpoint of another net?"
    raise Failure("weights-missing", f"{checkpoint} lacks {count_and_list(missing)}{more}",
                  hint + suggest_skipping(map(owning_step, missing), "untrained"))  # fmt: skip


def check_tensor_shapes(
    source: WeightSource, params: Mapping[str, Param], originals: Mapping[str, str], checkpoint: str
) -> None:
    """Raises Failure where a tensor of the checkpoint has another shape than the graph's."""
    shapes = {tensor: tuple(source.shape(original)) for tensor, original in originals.items()}
    misshapen = {tensor: shape for tensor, shape in shapes.items() if shape != params[tensor].shape}
    if not misshapen:
        return
    differences = [
        f"{t} {describe_shape(shape)} for {describe_shape(params[t].shape)}" for t, shape in misshapen.items()
    ]
    skipping = suggest_skipping(map(owning_step, misshapen), "untrained")
    cause = "is it for another number of classes?" if skipping else "is it the checkpoint of another member?"
    raise Failure(
        "weights-misshapen", f"{checkpoint} has other shapes: {count_and_list(differences)}", cause + skipping
    )


def check_strays(strays: list[str], renamed: Collection[str], checkpoint: str) -> None:
    """Raises Failure where the checkpoint has tensors in a step of the graph for which that step has no place."""
    if strays:
        raise Failure("weights-unused", f"{checkpoint} has {count_and_list(strays)}, for which the net has no place",
                      f"is it the checkpoint of another member?{suggest_skipping(summarize_by_step(strays, renamed), 'out')}")  # fmt: skip


def check_values(
    source: WeightSource, params: Mapping[str, Param], originals: Mapping[str, str], checkpoint: str
) -> None:
    """Raises Failure unless each tensor has the kind of numbers that the graph wants, and none is NaN or infinite."""
    import numpy as np

    for tensor, original in originals.items():
        dtype, integer = source.dtype(original), params[tensor].dtype.kind == "int"
        if integer and dtype != params[tensor].dtype:
            raise Failure("weights-dtype", f"{checkpoint}: `{tensor}` is {dtype}, where {params[tensor].dtype} belongs")
        if not integer and dtype.kind != "float":
            raise Failure("weights-dtype", f"{checkpoint}: `{tensor}` is {dtype}, where floating point numbers belong")
        # a sum is quick, but may overflow: only if it is not finite are all numbers looked at
        if (
            not integer
            and not np.isfinite(np.sum(source.get(original)))
            and not np.isfinite(source.get(original)).all()
        ):
            raise Failure("weights-not-finite", f"{checkpoint}: `{tensor}` holds NaN or infinity",
                          "the training that made it has diverged")  # fmt: skip


def describe_shape(shape: tuple[int, ...]) -> str:
    """A whole shape for a message: `64×3×7×7`, or `scalar`."""
    return "×".join(map(str, shape)) or "scalar"


def count_and_list(tensors: list[str]) -> str:
    """`2 tensors: fc.weight, fc.bias`; of many, the first MAX_LISTED and how many more."""
    more = f" and {len(tensors) - MAX_LISTED} more" if len(tensors) > MAX_LISTED else ""
    return f"{len(tensors)} tensor{'s' * (len(tensors) > 1)}: " + ", ".join(tensors[:MAX_LISTED]) + more


def suggest_skipping(steps: Iterable[str], how: str) -> str:
    """The options that leave a few steps `out` or `untrained`, for a message.

    Empty for more than MAX_SUGGESTED steps: then it is probably the wrong checkpoint.
    """
    steps = tuple(dict.fromkeys(steps))
    if len(steps) > MAX_SUGGESTED:
        return ""
    flags = " ".join(f"--weights-skip {step}" for step in steps)
    return f" `{flags}` leaves {'it' if len(steps) == 1 else 'them'} {how}"
