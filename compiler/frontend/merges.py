"""Merges of merges: an op that absorbs its own kind takes the inputs of such a merge in place of its result.

So an `add` of three branches is one node, also where two of them were written as an `add` of their own.
"""

from __future__ import annotations

from ..ir.graph import Value
from ..ops import OPS
from .context import StepValue


class AbsorbedMerges:
    """The inputs of each merge that a larger merge of its kind may take over, by op and value."""

    def __init__(self) -> None:
        self.inputs: dict[tuple[str, str], tuple[StepValue, ...]] = {}

    def open_up(self, op: str, values: tuple[StepValue, ...]) -> tuple[StepValue, ...]:
        """The inputs of a merge by `op` of `values`: a value that such a merge made is replaced by that one's inputs."""
        if not OPS[op].absorbs_own_kind:
            return values
        opened = (self.inputs.get((op, v.name), (v,)) if isinstance(v, Value) else (v,) for v in values)
        return tuple(inner for each in opened for inner in each)

    def remember(self, op: str, inputs: tuple[StepValue, ...], result: StepValue) -> None:
        """Keeps the inputs of a merge by `op`, if a larger one may take them over."""
        if OPS[op].absorbs_own_kind and isinstance(result, Value):
            self.inputs[op, result.name] = inputs

    def names(self) -> set[str]:
        """The names of the values whose merges are kept: one that was taken over is nobody's input."""
        return {name for _, name in self.inputs}
