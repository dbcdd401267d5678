"""The weights that a caller gives: a path, a state_dict, or either for each step, as one form for the whole build."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..compiler.diagnostics import Failure
from ..compiler.ir.dtypes import BF16, DTYPES, DType
from ..compiler.weights.source import WeightSource

Checkpoint = Path | WeightSource
Weights = Mapping[str, Any] | str | os.PathLike[str] | WeightSource


class StateDict:
    """A state_dict, of tensors or of arrays, as a source of weights. Imports nothing: a tensor can say all it takes."""

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        self._tensors = tensors

    @property
    def seed(self) -> int | None:
        """The seed that the module began with, by the metadata of the state_dict of one of ours; None where it does not say."""
        metadata = getattr(self._tensors, "_metadata", None)
        notes = metadata.values() if isinstance(metadata, Mapping) else ()
        found = [note["archc_seed"] for note in notes if isinstance(note, Mapping) and "archc_seed" in note]
        return found[0] if found and isinstance(found[0], int) else None

    def names(self) -> Iterable[str]:
        return self._tensors.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name].shape)

    def dtype(self, name: str) -> DType:
        """float32 for torch.float32 and numpy's float32 alike. Raises Failure for a type that no checkpoint has."""
        called = str(self._tensors[name].dtype).rsplit(".", 1)[-1]
        if short_name(called) not in DTYPES:
            raise Failure("weights-dtype", f"the state dict's `{name}` is {called}, which archc does not read")
        return DTYPES[short_name(called)]

    def get(self, name: str) -> Any:
        tensor = self._tensors[name]
        if not hasattr(tensor, "detach"):
            return tensor
        tensor = tensor.detach().cpu()
        return (tensor.float() if self.dtype(name) is BF16 else tensor).numpy()  # numpy has no bfloat16


def short_name(name: str) -> str:
    """`bf16` for `bfloat16`, as torch and numpy call their types."""
    for long, short in (("bfloat", "bf"), ("float", "f"), ("complex", "c"), ("uint", "u"), ("int", "i")):
        name = name.replace(long, short)
    return name


def checkpoints_by_step(weights: object) -> dict[str, Checkpoint] | None:
    """Checkpoints by the step that each is for; "" is the whole net. None where there are none.

    Raises ValueError, with a message that goes on after "takes", where `weights` is neither a path, a state_dict, a
    WeightSource, nor a mapping of steps to such.
    """
    if weights is None:
        return None
    if not isinstance(weights, Mapping):
        return {"": checkpoint(weights)}
    if any(not isinstance(name, str) for name in weights):
        raise ValueError("a state_dict or a mapping of steps; its keys are texts")
    if not weights or any(is_tensor(value) for value in weights.values()):
        return {"": StateDict(weights)}
    return {step: checkpoint(each) for step, each in weights.items()}


def is_tensor(value: object) -> bool:
    """Whether it is a tensor or an array; a source of weights has a method of that name."""
    return hasattr(value, "shape") and not callable(value.shape)


def checkpoint(value: Any) -> Checkpoint:
    """One checkpoint. Raises ValueError as `checkpoints_by_step` does."""
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    if isinstance(value, Mapping):
        return StateDict(value)
    if callable(getattr(value, "names", None)) and callable(getattr(value, "get", None)):
        source: WeightSource = value
        return source
    raise ValueError(f"a checkpoint's path, a state_dict, or a mapping of steps to such, not {type(value).__name__}")
