"""The weights that a caller gives: a path, a state_dict, or either for each step, as one form for a build or a run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..diagnostics import Failure
from ..ir.dtypes import BF16, DTYPES, DType
from ..sources import BUNDLED, zoo
from .source import Checkpoint, KeyedStateDict, WeightSource

CheckpointGiven = Path | Checkpoint
Weights = Mapping[str, Any] | str | os.PathLike[str] | WeightSource
IN_MEMORY = "the given state dict"  # what messages call it
MAX_DEPTH = 32


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
        """The numpy array, in the CPU's memory. Raises Failure `weights-dtype` for a tensor without plain numbers."""
        tensor = self._tensors[name]
        if not hasattr(tensor, "detach"):
            return tensor
        try:
            tensor = tensor.detach().cpu()
            # numpy has no bfloat16, and no tensor that is negated when it is read
            return (tensor.float() if self.dtype(name) is BF16 else tensor).resolve_neg().numpy()
        except (RuntimeError, TypeError, NotImplementedError) as error:
            why = str(error).partition("\n")[0][:100]
            raise Failure("weights-dtype", f"the state dict's `{name}` has no numbers that can be read: {why}",
                          "give plain tensors: dense, of float32, float16 or bfloat16") from None  # fmt: skip


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
    weights = state_dict_of(weights)
    if not isinstance(weights, Mapping):
        return {"": checkpoint(weights)}
    by_step = [isinstance(step, str) and is_checkpoint(each) for step, each in weights.items()]
    if weights and all(by_step):
        return {step: checkpoint(each) for step, each in weights.items()}
    loaded = in_memory(weights)
    if not loaded.state_dicts:
        raise ValueError(f"a checkpoint's path, a state_dict, a mapping of steps to such, or what torch.load gives; there is no tensor in "
                         f"{loaded.holds}")  # fmt: skip
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
        return checkpoint_path(value)
    if isinstance(value, Mapping):
        return in_memory(value)
    if isinstance(value, Checkpoint):
        return value
    if callable(getattr(value, "names", None)) and callable(getattr(value, "get", None)):
        return Checkpoint(IN_MEMORY, (KeyedStateDict("", value),))
    raise ValueError(f"a checkpoint's path, a state_dict, or a mapping of steps to such, not {type(value).__name__}")


def checkpoint_path(value: str | os.PathLike[str]) -> Path:
    """The file that a user names; `zoo:NAME` is the one that is bundled with the net NAME. Raises Failure (usage) where none is."""
    name = os.fspath(value)
    if not name.startswith(BUNDLED):
        return Path(value)
    bundled = {net: path for net, spec in zoo().items() if (path := spec.with_suffix(".safetensors")).is_file()}
    net = name.removeprefix(BUNDLED)
    if net not in bundled:
        raise Failure("weights-missing-file", f"no weights are bundled for `{net[:200]}`",
                      f"there are those of {', '.join(f'`{BUNDLED}{each}`' for each in bundled)}; of any other net give a file", 2)  # fmt: skip
    return bundled[net]


def in_memory(content: Mapping[Any, Any]) -> Checkpoint:
    """What torch.load gives, or a state_dict alone, as a checkpoint: every mapping in it that has tensors by name, and every module."""
    from .formats.content import describe_content, key_text

    found: list[KeyedStateDict] = []
    seen: set[int] = set()
    waiting: list[tuple[tuple[str, ...], Any]] = [((), content)]
    while waiting:
        path, value = waiting.pop()
        value = state_dict_of(value)
        if isinstance(value, Mapping):
            tensors = {name: each for name, each in value.items() if isinstance(name, str) and is_tensor(each)}
            if tensors or not value:
                found.append(KeyedStateDict(".".join(path), StateDict(tensors, getattr(value, "_metadata", None))))
        if id(value) in seen or len(path) > MAX_DEPTH or not isinstance(value, (Mapping, list, tuple)):
            continue
        seen.add(id(value))
        inside = list(value.items() if isinstance(value, Mapping) else enumerate(value))
        waiting += [((*path, key_text(key)), each) for key, each in reversed(inside) if not is_tensor(each)]
    return Checkpoint(IN_MEMORY, tuple(found), describe_content(content))


def state_dict_of(value: Any) -> Any:
    """The state_dict of a torch module; any other value as it is."""
    module = hasattr(value, "named_parameters") and callable(getattr(value, "state_dict", None))
    return value.state_dict() if module else value
