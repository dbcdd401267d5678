"""`Net`, a compiled spec as Python sees it. Importing this imports the compiler's front end and nothing heavier."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from .compiler.diagnostics import Diagnostic, Failure, InternalError, SpecError
from .compiler.driver import Compilation, check, explain_open_params
from .compiler.limits import limits_from

if TYPE_CHECKING:
    from .build.build import BuildResult
    from .build.options import HalfOrFloat, InputType, Precision, Proof
    from .build.precision.methods import Calibration
    from .compiler.backends.torch.network import Network
    from .compiler.ir.graph import Graph, Phase
    from .compiler.name_maps import NamesGiven
    from .compiler.view.pictures import SvgPicture
    from .compiler.weights.given import Weights
    from .compiler.weights.input_channels import InputMethod
    from .compiler.weights.report import WeightReport
    from .difference import NetDiff
    from .explanations import NetExplanation
    from .text.costs import NetCost


def load(spec: str | os.PathLike[str], params: Mapping[str, Any], limits: Mapping[str, int]) -> Net:
    """Compiles a spec. Raises SpecError with its diagnostics, Failure where there is no such spec, or a param or limit does not fit."""
    if not isinstance(spec, (str, os.PathLike)):
        raise Failure(
            "no-such-spec", f"a spec is a path or the name of a bundled one, not a {type(spec).__name__}", exit_code=2
        )
    if not isinstance(params, Mapping):
        raise Failure(
            "set-value", f"params= is a mapping of names to values, not a {type(params).__name__}", exit_code=2
        )
    if not isinstance(limits, Mapping):
        raise Failure("usage", f"limits= is a mapping of names to numbers, not a {type(limits).__name__}", exit_code=2)
    checked = check(os.fspath(spec), params=params, limits=limits_from(limits))
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
        return f"<archc.Net {self.name}: {self.cost().params.total:,} parameters, {describe_types(self.outputs)}>"

    def _repr_html_(self) -> str:
        """A notebook's table of what the net takes, gives and costs."""
        from .text.costs import cost_rows, html_table, report_costs

        summary = self.checked.header.summary
        heads = ", ".join(f"{head.path} (weight {head.weight:g})" for head in self.graph.heads)
        rows = [("summary", summary), ("input", describe_types(self.inputs)), *cost_rows(report_costs(self.cost()))]
        rows += [("auxiliary heads", heads), ("warnings", f"{len(self.diagnostics)}" if self.diagnostics else "")]
        return html_table(self.name, [(name, value) for name, value in rows if value])

    @property
    def name(self) -> str:
        """The spec's own name."""
        return self.checked.name

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """The sizes of each input by name, without the batch: (C, H, W)."""
        return {value.name: value.type.sizes for value in self.graph.inputs}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """The sizes of each output by name, without the batch; the last is the end of the net."""
        return {output.name: output.value.type.sizes for output in self.graph.outputs}

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The warnings of the check."""
        return self.checked.diagnostics

    def cost(self) -> NetCost:
        """Parameters, MACs, activations, memory, depth, receptive field and minimum input. Printed, it is `archc cost`'s table."""
        from .text.costs import NetCost

        return NetCost(self.graph)

    def explain(self, step: str | int) -> NetExplanation:
        """A step from all sides: a path, or a line of the spec as a number, ":24" or "family.yaml:24". Printed, it is the text of `archc explain`.

        Raises Failure where the net has no such step.
        """
        from .explanations import explain_steps

        if isinstance(step, bool) or not isinstance(step, (str, int)):
            raise Failure(
                "no-such-step", f"a step is a path or the number of a line, not a {type(step).__name__}", exit_code=2
            )
        return explain_steps(self.checked, self.graph, step if isinstance(step, str) else f":{step}")

    def diff(self, other: Net) -> NetDiff:
        """What differs between this net and `other`: printed, it is what `archc diff` prints.

        `.differs` says whether anything does, `.graph` has the steps that were added, removed, changed or renamed, `.costs` every cost of
        both, and `.weights` what of this net's checkpoint the other takes. docs/reference/diff.md tells more.
        """
        from .difference import NetDiff, Side

        return NetDiff(*(Side(net.checked.bundled or net.name, net.checked, net.graph) for net in (self, other)))

    def picture(self, only: str | None = None, *, depth: int | None = None, style: str = "blocks", theme: str = "light",
                heat: str | None = None) -> SvgPicture:  # fmt: skip
        """The picture of `archc view` as a text of SVG, which a notebook shows. docs/reference/view.md tells what is seen.

        only    the path of a step or block; the rest is left out
        depth   how many levels of blocks are open; None is all
        style   "blocks", or "volumes" for a strip of volumes
        theme   "light" or "dark"
        heat    "params", "macs", "activations" or "memory": boxes are coloured by what they cost

        Raises Failure for a path that there is not, and for a value that an option does not take.
        """
        from .compiler.view.draw import draw_graph
        from .compiler.view.pictures import PictureOptions, SvgPicture, draw_picture

        drawing = draw_graph(self.graph, self.checked.header.summary or "", self.checked.sources, only)
        return SvgPicture(draw_picture(drawing, "svg", PictureOptions(depth, style, theme, heat)))

    def to_torch(self, weights: Weights | None = None, seed: int = 0, weights_skip: Sequence[str] = (), *,
                 weights_key: str | None = None, weights_prefix: str | None = None, weights_map: NamesGiven | None = None,
                 weights_input: InputMethod | None = None) -> Network:  # fmt: skip
        """The net as a torch module, whose state_dict has the spec's paths for keys. docs/reference/pytorch.md tells how it behaves.

        It takes one float32 tensor (N, C, H, W) for each input. `.eval()` returns the output, or a dict where the net has
        several; `.train()` returns the same, and with auxiliary heads always a dict of outputs and heads.

        weights       a state_dict, the path of a checkpoint, or a mapping of steps to such, for an ensemble
        weights_skip  steps that are left out of the checkpoints and start from the seed
        weights_key   the key of the state dict in a checkpoint, "." for the top; None finds the one that fits
        weights_prefix  what is taken off a checkpoint's names; None finds the one that fits
        weights_map   a checkpoint's names by the net's, where they differ: the path of a YAML file, or a mapping; `*` for any part
        weights_input  what first layers for another number of channels become: "sum" adds them up to one, "repeat" gives more
        seed          what tensors start from that no weights give

        Raises Failure for a value that an option does not take, for weights that do not fit, and where torch does not import.
        """
        from .build.build import resolve_weights
        from .build.options import BuildOptions
        from .build.packages import require_package

        require_package("torch", "a torch module")
        from .compiler.backends.torch.module import to_torch

        options = BuildOptions.from_keywords(
            weights=weights, seed=seed, weights_skip=weights_skip, weights_key=weights_key, weights_prefix=weights_prefix,
            weights_map=weights_map, weights_input=weights_input,
        )  # fmt: skip
        weights_found = resolve_weights(self.graph, options)
        warn_of_weights(weights_found.report)
        return to_torch(self.graph, weights_found.source, options.seed)

    def export_onnx(self, path: str | os.PathLike[str], weights: Weights | None = None, *, weights_skip: Sequence[str] = (),
                    weights_key: str | None = None, weights_prefix: str | None = None, weights_map: NamesGiven | None = None,
                    weights_input: InputMethod | None = None, seed: int = 0, opset: int | None = None, batch: int | Literal["dynamic"] | None = None,
                    phase: Phase = "inference", keep_aux: bool = False, fold: bool = True, precision: Precision = "fp32",
                    store: HalfOrFloat | None = None, io: HalfOrFloat = "fp32", input_type: InputType = "float",
                    calibrate: str | os.PathLike[str] | None = None, calibration: Calibration | None = None, int8_keep: Sequence[str] = (),
                    max_error: float | None = None,
                    proof: Proof | bool = "fast", **others: Any) -> BuildResult:  # fmt: skip
        """Writes an ONNX file, runs it against torch, and only then puts it at `path`. Gives what was built and proved.

        weights       a state_dict, the path of a checkpoint, or a mapping of steps to such, for an ensemble
        weights_skip  steps that are left out of the checkpoints and start from the seed
        weights_key   the key of the state dict in a checkpoint, "." for the top; None finds the one that fits
        weights_prefix  what is taken off a checkpoint's names; None finds the one that fits
        weights_map   a checkpoint's names by the net's, where they differ: the path of a YAML file, or a mapping; `*` for any part
        weights_input  what first layers for another number of channels become: "sum" adds them up to one, "repeat" gives more
        seed          what tensors start from that no weights give
        opset         the ONNX opset, honoured or refused; None is archc's choice
        batch         images at once; None (or "dynamic") leaves the batch open
        phase         which graph is built: "inference", as ONNX holds no other
        keep_aux      keep the auxiliary heads as outputs
        fold          merge batch norms into convolutions
        precision     what the file computes in: "fp32", "fp16" with islands of float32 where half floats lose too much, or "int8"
        store         how the weights of an fp32 file are stored: "fp32", "fp16" for half the size; None is as they are computed with
        io            what an fp16 file takes and gives: "fp32" or "fp16"
        input_type    "float", or "uint8": the file takes pixels, and normalises them itself as the spec's `preprocess` says
        calibrate     what an int8 build finds its ranges with: a folder of pictures, or an .npz of arrays by the inputs' names
        calibration   how it finds them: "minmax", "entropy" or "percentile"; None is minmax
        int8_keep     steps and blocks that an int8 build leaves in float32
        max_error     how far a file of another precision may lie from float32, relative L2; None is what docs/reference/precision.md says
        proof         how the file is run against torch before it takes its place: "fast" (or True), "full" for more kinds of
                      input, or "none" (or False); docs/explanation/proof.md says what each proves
        others        an old name of an option, which warns; anything else is refused

        The file holds the spec's steps: where the module that a state_dict comes from has others, a UserWarning names them.

        Raises Failure for an option that there is not or a value that one does not take, for weights that do not fit, and where
        the file fails its proof or errs too far from float32.
        """
        from .build.build import build
        from .build.options import BuildOptions
        from .build.replaced import explain_replaced
        from .compiler.destinations import file_path

        if not isinstance(proof, str) or proof != "fast":  # beside its old name it is refused then
            others["proof"] = proof
        how = BuildOptions.from_keywords(("exports", "output"), weights=weights, weights_skip=weights_skip,
                                         weights_key=weights_key, weights_prefix=weights_prefix, weights_map=weights_map,
                                         weights_input=weights_input, seed=seed,
                                         opset=opset, batch=batch, phase=phase, keep_aux=keep_aux, fold=fold,
                                         precision=precision, store=store, io=io, input_type=input_type, calibrate=calibrate, calibration=calibration,
                                         int8_keep=int8_keep, max_error=max_error,
                                         **others)  # fmt: skip
        if replaced := explain_replaced(self.graph, weights, how.keep_aux):
            warnings.warn(replaced, UserWarning, stacklevel=2)
        result = build(self.checked, replace(how, exports=("onnx",), output=file_path(os.fspath(path))))
        warn_of_weights(result.weights)
        for _, text in result.precision.warnings if result.precision else ():
            warnings.warn(text, UserWarning, stacklevel=2)
        return result


def warn_of_weights(report: WeightReport) -> None:
    """Warns, as Python does, of what the command line says of weights: what was passed over, and what else fits."""
    from .compiler.spelling import as_keyword
    from .compiler.weights.report import describe_taken, weight_warnings

    texts = [text for _, text in weight_warnings(report)]
    texts += [
        f"{each.checkpoint}: {describe_taken(each, as_keyword)}"
        for each in report.taken
        if each.others or each.passed_over
    ]
    for text in texts:
        warnings.warn(text, UserWarning, stacklevel=3)


def describe_types(values: Mapping[str, tuple[int, ...]]) -> str:
    """Inputs or outputs in words; see text.costs.describe_sizes."""
    from .text.costs import describe_sizes

    return describe_sizes(values)
