"""An int8 build: its calibration set is opened before anything is written; the file is made of the float32 one, and compared with it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ...compiler.backends import Export
from ...compiler.backends.onnx.opsets import OPSET
from ...compiler.backends.onnx.write import EXTERNAL_OVER, lower_graph, write_model
from ...compiler.content_names import OutputFile
from ...compiler.diagnostics import Failure
from ...compiler.driver import Compilation
from ...compiler.ir.graph import Graph
from ...compiler.weights.loading import no_such_step
from ...compiler.weights.names import belongs_to, enclosing_steps
from ..metadata import to_json
from ..options import BuildOptions
from .bias_correction import correct_biases, measure_channel_means, weighted_inputs
from .calibration import CalibrationSet, Progress, open_calibration
from .compare import converters, describe_build, name_classes, spell_enough
from .int8 import QUANTIZED, nodes_in_float32, plan_rounding, quantize
from .measure import GraphFile, Question, measure_precision
from .methods import Calibration
from .ranges import find_ranges
from .report import PrecisionReport
from .variant import Variant

# how often the inputs of a set are read: those that calibrate for the ranges and for the means, those held out to compare answers and layers
PASSES = 2


class Int8Build(NamedTuple):
    """What an int8 build is made with: its calibration set, how ranges are found, and what stays in float32."""

    calibration: CalibrationSet
    method: Calibration
    keep: Collection[str]

    def metadata(self) -> dict[str, str]:
        """What the file says of its calibration: the method, and how many inputs the ranges and the error are of."""
        split = self.calibration.split
        facts = {"method": self.method, "calibrating": len(split.calibrating), "held_out": len(split.held_out)}
        return {"archc.calibration": to_json(facts)}

    def quantize_file(self, export: Export, path: Path, files: list[OutputFile]) -> list[OutputFile]:
        """Writes the int8 file over the float32 one of `export` at `path`, whose `files` they are; gives what is there then."""
        if len(files) > 1:
            raise Failure("bad-option", f"the weights have over {EXTERNAL_OVER // 10**9} GB, and onnxruntime.quantization takes models of one file",
                          "build float32, or store the weights as half floats", 2)  # fmt: skip
        model = lower_graph(
            export.graph, export.weights, OPSET if export.opset is None else export.opset, export.batch, export.metadata
        )
        excluded = nodes_in_float32(model, self.keep)
        weighted = weighted_inputs(model, excluded)
        if not weighted:
            raise Failure(
                "bad-option",
                "no convolution and no linear layer is left to be rounded to 8 bits",
                "build float32, or keep fewer steps",
                2,
            )
        proto, ranges = find_ranges(path, self.calibration.calibrating(), self.method, QUANTIZED)
        plan = plan_rounding(proto, ranges, excluded, model)
        means = measure_channel_means(path, weighted, self.calibration.calibrating())
        return [write_model(quantize(*correct_biases(model, plan, means)), path)]

    def compare_with_plain(
        self, training: Graph, plain: GraphFile, built: Path, variant: Variant, options: BuildOptions
    ) -> PrecisionReport:
        """The report on the file `built` of a variant against the `plain` one, on the inputs that were held out.

        Raises Failure `precision-lost` where it errs too far.
        """
        _, restore = converters(variant.pixels, half_io=False)
        held_out = self.calibration.held_out
        question = Question(
            held_out, self.calibration.describe_held_out(), held_out.inputs, name_classes(training), restore
        )
        report = measure_precision(
            plain, built, question, describe_build(options), options.allowed_error, GraphFile(built, variant.graph)
        )
        report.require(advise_int8(options, report))
        return replace(
            report,
            count=held_out.inputs,
            warnings=tuple(("calibration-data", note) for note in self.calibration.notes()),
        )


def prepare_int8(
    checked: Compilation, training: Graph, built: Graph, options: BuildOptions, progress: Progress | None = None
) -> Int8Build:
    """What the build of `options` needs; `progress` is told how far its runs of the calibration set are.

    Raises Failure for a calibration set that does not fit, and for a step to keep that there is not.
    """
    assert options.calibrate is not None
    check_kept(options, training, built)
    stated = checked.header.preprocess
    preprocess = None if stated is None else stated.to_dict()
    dtype = "uint8" if options.input_type == "uint8" else "float32"
    calibration = open_calibration(options.calibrate, built, preprocess, options.batch, dtype)
    calibration.count_passes(PASSES, progress)
    # a norm that is folded away is kept with the step that gives its result
    folded = {each.node for each in built.rewrites if belongs_to(each.gives, options.int8_keep)}
    return Int8Build(calibration, options.calibration or "minmax", {*options.int8_keep, *folded})


def check_kept(options: BuildOptions, *graphs: Graph) -> None:
    """Raises Failure `no-such-step` for a step or block that is kept in float32, and is in none of the `graphs`."""
    paths = {node.path for graph in graphs for node in graph.nodes}
    known = paths | {step for path in paths for step in enclosing_steps(path)}
    for step in options.int8_keep:
        if step not in known:
            raise no_such_step(options.spell("int8_keep", (step,)), step, sorted(known))


def advise_int8(options: BuildOptions, report: PrecisionReport) -> str:
    """What to do about an int8 build that errs too far."""
    worst = options.spell("int8_keep", (report.layers[0].path,)) if report.layers else options.spell("int8_keep")
    return (f"keep what loses most in float32, `{worst}`, calibrate with more pictures or another {options.spell('calibration')}, "
            f"or allow more{spell_enough(options, report)}")  # fmt: skip
