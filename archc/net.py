"""`Net`, a compiled spec as Python sees it. Importing this imports the compiler's front end and nothing heavier."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compiler.diagnostics import Diagnostic, Failure, InternalError, SpecError
from .compiler.driver import Compilation, check
from .compiler.ir.dtypes import BF16, DTYPES, DType

if TYPE_CHECKING:
    from .build.build import BuildResult
    from .compiler.analysis.cost import Cost
    from .compiler.ir.graph import Graph
    from .compiler.weights.source import WeightSource

Weights = Mapping[str, Any] | str | os.PathLike[str]


def load(spec: str | os.PathLike[str], params: Mapping[str, Any]) -> Net:
    """Compiles a spec; raises SpecError with its diagnostics."""
    checked = check(os.fspath(spec), params=params)
    if checked.failed:
        raise SpecError(checked.diagnostics)
    return Net(checked)


def graph_of(checked: Compilation) -> Graph:
    """The training graph; a family whose params are open has none, and that is an error where a graph is needed."""
    if checked.graph is not None:
        return checked.graph
    if not checked.open_params:
        raise InternalError("a spec passed its check without a graph")
    names = ", ".join(f"`{name}`" for name in checked.open_params)
    verb = "has no value" if len(checked.open_params) == 1 else "have no value"
    given = f"give a value: --set {checked.open_params[0]}=…"
    abstract = Diagnostic("open-params", place(checked), f"{checked.name} is abstract: {names} {verb}", help=given)
    raise SpecError([*checked.diagnostics, abstract])


def place(checked: Compilation) -> Any:
    """The beginning of the spec, for what is wrong with all of it."""
    from .compiler.diagnostics import Span

    return Span(checked.sources[0], 1, 1, 1, 2) if checked.sources else None


class Net:
    """A compiled architecture. `graph` is the training graph: heads, dropout and all."""

    def __init__(self, checked: Compilation) -> None:
        self.checked = checked
        self.graph = graph_of(checked)

    def __repr__(self) -> str:
        return f"<archc.Net {self.name}>"

    @property
    def name(self) -> str:
        return self.checked.name

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The warnings of the check."""
        return self.checked.diagnostics

    def cost(self) -> Cost:
        """Parameters, MACs, activations, memory, depth, receptive field and minimum input."""
        from .compiler.analysis.cost import cost

        return cost(self.graph)

    def to_torch(self, weights: Weights | None = None, seed: int = 0, weights_skip: Sequence[str] = ()) -> Any:
        """A torch.nn.Module: `.train()` returns a dict with the auxiliary heads, `.eval()` the logits.

        `weights` is a state_dict or the path of a checkpoint, or a mapping of steps to such, for an ensemble; what lies
        under a step in `weights_skip` is left out of them. Without weights the net is initialised from `seed`.
        """
        from .build.build import weighed
        from .compiler.backends.torch.module import to_torch

        return to_torch(self.graph, weighed(self.graph, source(weights), seed, tuple(weights_skip)).source)

    def export_onnx(self, path: str | os.PathLike[str], weights: Weights | None = None, **how: Any) -> BuildResult:
        """Writes an ONNX file and proves it. `how` is what archc.build.build takes: seed, opset, batch, phase, …"""
        from .build.build import build

        return build(self.checked, exports=("onnx",), output=Path(path), weights=source(weights), **how)


def source(weights: Weights | None) -> Path | WeightSource | dict[str, Path | WeightSource] | None:
    """A path, a state_dict, or either by step; a state_dict's values have shapes."""
    if weights is None:
        return None
    if not isinstance(weights, Mapping):
        return Path(weights)
    if not weights or any(hasattr(value, "shape") for value in weights.values()):
        return StateDict(weights)
    return {step: StateDict(each) if isinstance(each, Mapping) else Path(each) for step, each in weights.items()}


def short_name(name: str) -> str:
    """`bf16` for `bfloat16`, as torch and numpy call their types."""
    for long, short in (("bfloat", "bf"), ("float", "f"), ("complex", "c"), ("uint", "u"), ("int", "i")):
        name = name.replace(long, short)
    return name


class StateDict:
    """A state_dict, of tensors or of arrays, as a source of weights. Imports nothing: a tensor can say all it takes."""

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        self._tensors = tensors

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
