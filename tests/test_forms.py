"""The runtime's table of node forms against what the compiler writes: every form is written, and everything that is written has a form."""

from __future__ import annotations

import os
import sys
from collections import defaultdict

import numpy as np
import pytest

from archc.build.precision.int8 import DEQUANTIZE, QUANTIZE, WEIGHTED, Plan, Rewriter, RoundedWeight, Rounding
from archc.catalog import models
from archc.compiler.backends.onnx.opsets import OPSETS
from archc.compiler.backends.onnx.wire import ModelProto
from archc.compiler.backends.onnx.write import export_onnx, lower_graph
from archc.compiler.diagnostics import Failure
from archc.compiler.driver import check, run_passes
from archc.compiler.ir.dtypes import I64
from archc.compiler.ir.graph import Graph
from archc.compiler.passes import PassOptions
from archc.compiler.weights.seeded import SeededSource
from archc.runtime import trust
from archc.runtime.artifact import open_artifact
from archc.runtime.forms import FORMS, Known, Unfit
from archc.runtime.outline import Outline, OutlineNode, Tensor

from .op_cases import CASES
from .test_ops import graph_of


def rounded(model: ModelProto) -> ModelProto:
    """A model with all that can be rounded: an int8 build's file, with the numbers of no calibration."""
    weighted = [node for node in model.nodes if node.op_type in WEIGHTED]
    shapes = {tensor.name: tensor.shape for tensor in model.tensors}
    by_channel = {
        name: int(at == 1 or shapes[name] != (1,)) for node in weighted for at, name in enumerate(node.inputs) if at
    }
    scales = {name: np.ones(shapes[name][:1] if by_channel[name] else (), np.float32) for name in by_channel}
    weights = {
        name: RoundedWeight(
            np.zeros(shapes[name], kind),
            Rounding(scales[name], scales[name].astype(kind), 0 if by_channel[name] else None),
        )
        for node in weighted
        for name, kind in zip(node.inputs[1:], (np.int8, np.int32), strict=False)
    }
    value = Rounding(np.float32(0.5).reshape(()), np.uint8(3).reshape(()))
    values = {
        name: value for node in model.nodes for name in (*node.inputs, node.output) if name and name not in shapes
    }
    reads = {
        node.name: [at for at, name in enumerate(node.inputs) if name in values or name in weights]
        for node in model.nodes
    }
    return Rewriter(model, Plan(values, weights, reads)).rewrite()


def every_way(graph: Graph) -> list[Graph]:
    """The graph after the passes: with the norms folded and without, in half floats, and with half floats or pixels as inputs."""
    pixels = {"pixel_factor": (0.1,) * 6, "pixel_offset": (1.0,) * 6}
    ways = [{"fold": True}, {"fold": False}, {"half": True}, {"half": True, "half_io": True, "fold": False}]
    takes_pixels = all(value.type.is_image and value.type.channels == 6 for value in graph.inputs)
    return [run_passes(graph, PassOptions(**way)) for way in [*ways, *([pixels] if takes_pixels else [])]]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_an_op_becomes_is_opened_in_this_process(case, tmp_path):
    path = tmp_path / "one.onnx"
    for graph in every_way(graph_of(case)):
        for opset in (OPSETS[0], 17, 18, 20, OPSETS[-1]):
            for batch in (None, 3):
                try:
                    export_onnx(graph, SeededSource(graph.params()), path, opset=opset, batch=batch)
                except Failure as refused:
                    assert refused.code == "opset-unsupported"  # noqa: PT017  # most are written
                    continue
                found = open_artifact(path)
                assert trust.find_doubt(found) == "", opset
                assert trust.measure_files(found) == path.stat().st_size
    graph = run_passes(graph_of(case), PassOptions())
    for opset in (17, OPSETS[-1]):
        try:
            model = lower_graph(graph, SeededSource(graph.params()), opset, None, {})
        except Failure:
            continue
        with path.open("wb") as file:
            rounded(model).write(file)
        assert trust.find_doubt(open_artifact(path)) == "", opset


def test_every_form_is_written_with_every_attribute():
    """A form that nobody writes would let in what archc does not make."""
    written = defaultdict(set)
    for case in CASES:
        for graph in every_way(graph_of(case)):
            for opset in OPSETS:
                try:
                    model = lower_graph(graph, SeededSource(graph.params()), opset, None, {})
                except Failure:
                    continue
                is_float = all(node.op_type != "Cast" for node in model.nodes)
                for node in rounded(model).nodes if is_float else ():
                    if node.op_type in (QUANTIZE, DEQUANTIZE):
                        written[node.op_type] |= {*node.attributes}
                        assert len(node.inputs) in FORMS[node.op_type].inputs
                integers = {tensor.name for tensor in model.tensors if tensor.dtype == I64}
                for node in model.nodes:
                    written[node.op_type] |= {*node.attributes}
                    form = FORMS[node.op_type]
                    assert len(node.inputs) in form.inputs
                    assert [at for at, name in enumerate(node.inputs) if name in integers] == [*form.integers]
    assert dict(written) == {kind: {*form.attributes} for kind, form in FORMS.items()}
    assert trust.OPSETS == OPSETS


@pytest.mark.parametrize(
    ("inputs", "attributes"),
    [
        (("x", "scale", "int8"), {}),
        (("int8", "scale", "zero"), {}),
        (("int8s", "scales", "int8"), {"axis": 0}),
        (("int8s", "scale", "int8"), {"axis": 0}),
        (("int8s", "scales", "int8s"), {"axis": -1}),
        (("x", "scale"), {}),
    ],
)
def test_what_rounds_otherwise_is_doubted(inputs, attributes):
    """Each is of the form of QuantizeLinear or DequantizeLinear in ONNX, and not as archc writes it."""
    outline = Outline()
    outline.inputs["x"], outline.input_types["x"] = (1, 4), 1
    for name, shape, dtype in (
        ("scale", (), 1),
        ("scales", (4,), 1),
        ("zero", (), 2),
        ("int8", (), 3),
        ("int8s", (4,), 3),
    ):
        outline.weights[name] = Tensor(dtype, shape, 0, b"", {})
    known = Known(outline, 1)
    node = OutlineNode("y", "QuantizeLinear" if inputs[0] == "x" else "DequantizeLinear", inputs, ("y",), attributes)
    with pytest.raises((Unfit, ValueError)):
        trust.infer_node(node, known)


@pytest.mark.parametrize("model", [each.name for each in models()])
def test_the_zoo_is_opened_in_this_process(model, tmp_path, monkeypatch):
    """Its large tensors are holes in a file beside it: the walk does not read them."""
    graph = run_passes(check(model).graph, PassOptions(keep_aux=True))
    path, data = tmp_path / "net.onnx", tmp_path / "net.onnx.data"
    lowered = lower_graph(graph, SeededSource(graph.params()), 17, None, {})
    offset, tensors = 0, []
    for tensor in lowered.tensors:
        large = tensor.size >= 4096
        tensors.append(tensor._replace(external=(data.name, offset)) if large else tensor)
        offset += tensor.size * large
    with path.open("wb") as file:
        lowered._replace(tensors=tensors).write(file)
    data.touch()
    os.truncate(data, offset)
    found = open_artifact(path)
    if sys.platform == "linux":
        assert "holes" in trust.find_doubt(found) and trust.measure_files(found) == path.stat().st_size
    monkeypatch.setattr(trust, "count_written", os.path.getsize)
    assert trust.find_doubt(found) == ""
    assert trust.measure_files(found) == path.stat().st_size + offset
