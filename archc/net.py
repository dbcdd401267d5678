"""`Net`, a compiled spec as Python sees it. Importing this imports the compiler's front end and nothing heavier."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .compiler.diagnostics import Diagnostic, Failure, InternalError, SpecError
from .compiler.driver import Compilation, check, explain_open_params

if TYPE_CHECKING:
    from .build.build import BuildResult
    from .build.checkpoints import Weights
    from .compiler.analysis.cost import Cost
    from .compiler.ir.graph import Graph


def load(spec: str | os.PathLike[str], params: Mapping[str, Any]) -> Net:
    """Compiles a spec. Raises SpecError with its diagnostics, Failure where there is no such spec or a param does not fit."""
    if not isinstance(spec, (str, os.PathLike)):
        raise Failure(
            "no-such-spec", f"a spec is a path or the name of a bundled one, not a {type(spec).__name__}", exit_code=2
        )
    if not isinstance(params, Mapping):
        raise Failure(
            "set-value", f"params= is a mapping of names to values, not a {type(params).__name__}", exit_code=2
        )
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
    raise SpecError([*checked.diagnostics, *explain_open_params(checked)])


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

        Each takes one float32 tensor (N, C, H, W) an input of the spec. `weights` is a state_dict or the path of a
        checkpoint, or a mapping of steps to such, for an ensemble; what lies under a step in `weights_skip` is left out of
        them. Without weights the net is initialised from `seed`. Raises Failure for weights that do not fit.
        """
        from .build.build import resolve_weights
        from .build.options import BuildOptions
        from .compiler.backends.torch.module import to_torch

        options = BuildOptions.from_keywords(weights=weights, seed=seed, weights_skip=weights_skip)
        return to_torch(self.graph, resolve_weights(self.graph, options).source)

    def export_onnx(self, path: str | os.PathLike[str], weights: Weights | None = None, **options: Any) -> BuildResult:
        """Writes an ONNX file, runs it against torch, and only then puts it at `path`.

        `options` are archc.build.options.BuildOptions: weights_skip, seed, opset, batch (None or "dynamic" leaves it open),
        phase ("inference" or "train"), keep_aux, fold, precision, proof ("fast" or "none"). Raises Failure for an option that
        there is not or a value that it does not take, for weights that do not fit, and where the file fails its proof.
        """
        from .build.build import build
        from .build.options import BuildOptions

        how = BuildOptions.from_keywords(("exports", "output"), weights=weights, **options)
        return build(self.checked, replace(how, exports=("onnx",), output=Path(path)))
