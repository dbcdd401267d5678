"""The weights that a caller gives: a path, a state_dict, or either for each step, as one form for the whole build."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..compiler.diagnostics import Failure
from ..compiler.ir.dtypes import BF16, DTYPES, DType
from ..compiler.weights.source import Checkpoint, KeyedStateDict, WeightSource

CheckpointGiven = Path | Checkpoint
Weights = Mapping[str, Any] | str | os.PathLike[str] | WeightSource
IN_MEMORY = "the given state dict"  # what messages call it
MAX_DEPTH = 32
MAX_SHOWN = 400  # letters of a mapping's keys


class StateDict:
    """A state_dict, of tensors or of arrays, as a source of weights. Imports nothing: a tensor can say all it takes."""

    def __init__(self, tensors: Mapping[str, Any], metadata: object = None) -> None:
        self._tensors, self._metadata = tensors, metadata

    @property
    def seed(self) -> int | None:
        """The seed that the module began with, by the metadata of the state_dict of one of ours; None where it does not say."""
        notes = self._metadata.values() if isinstance(self._metadata, Mapping) else ()
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


def checkpoints_by_step(weights: object) -> dict[str, CheckpointGiven] | None:
    """Checkpoints by the step that each is for; "" is the whole net. None where there are none.

    A mapping may hold tensors by name, checkpoints by step, or be what torch.load gives: the weights somewhere among other things.
    Raises ValueError, with a message that goes on after "takes", for what is none of these.
    """
    if weights is None:
        return None
    if not isinstance(weights, Mapping):
        return {"": checkpoint(weights)}
    by_step = [isinstance(step, str) and is_checkpoint(each) for step, each in weights.items()]
    if weights and all(by_step):
        return {step: checkpoint(each) for step, each in weights.items()}
    loaded = in_memory(weights)
    if not loaded.state_dicts:
        kinds = ", ".join(f"`{str(key)[:40]}` ({type(each).__name__})" for key, each in weights.items())
        raise ValueError(f"a checkpoint's path, a state_dict, a mapping of steps to such, or what torch.load gives; "
                         f"there is no tensor in a mapping of {kinds[:MAX_SHOWN]}")  # fmt: skip
    return {"": loaded}


def is_tensor(value: object) -> bool:
    """Whether it is a tensor or an array; a source of weights has a method of that name."""
    return hasattr(value, "shape") and not callable(value.shape)


def is_checkpoint(value: object) -> bool:
    """Whether it may be a checkpoint of its own: a path, a mapping, or a source of weights."""
    return isinstance(value, (str, os.PathLike, Mapping, Checkpoint)) or callable(getattr(value, "names", None))


def checkpoint(value: Any) -> CheckpointGiven:
    """One checkpoint. Raises ValueError as `checkpoints_by_step` does."""
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    if isinstance(value, Mapping):
        return in_memory(value)
    if isinstance(value, Checkpoint):
        return value
    if callable(getattr(value, "names", None)) and callable(getattr(value, "get", None)):
        return Checkpoint(IN_MEMORY, (KeyedStateDict("", value),))
    raise ValueError(f"a checkpoint's path, a state_dict, or a mapping of steps to such, not {type(value).__name__}")


def in_memory(content: Mapping[Any, Any]) -> Checkpoint:
    """What torch.load gives, or a state_dict alone, as a checkpoint: every mapping in it that has tensors by name."""
    found: list[KeyedStateDict] = []
    waiting: list[tuple[tuple[str, ...], Any]] = [((), content)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping):
            tensors = {name: each for name, each in value.items() if isinstance(name, str) and is_tensor(each)}
            if tensors or not value:
                found.append(KeyedStateDict(".".join(path), StateDict(tensors, getattr(value, "_metadata", None))))
            inside = list(value.items())
        else:
            inside = list(enumerate(value)) if isinstance(value, (list, tuple)) else []
        if len(path) < MAX_DEPTH:
            nested = [(key, each) for key, each in inside if isinstance(each, (Mapping, list, tuple))]
            waiting += [((*path, str(key)), each) for key, each in reversed(nested)]
    return Checkpoint(IN_MEMORY, tuple(found))
