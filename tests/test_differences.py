"""docs/explanation/differences.md: what torch and ONNX give is measured here, line by line, and archc's two forms of each spec on the page agree."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

import archc
from archc.compiler.diagnostics import Failure
from archc.runtime.faults import RuntimeFault
from archc.runtime.inference import create_cpu_session

PAGE = (Path(__file__).parent.parent / "docs/explanation/differences.md").read_text("utf-8")
FENCE = re.compile(r"^```(?:yaml|text)\n(.*?)^```$", re.M | re.S)
# of each section that has both: the spec, and what was measured
CASES = {
    section.partition("\n")[0]: tuple(fences)
    for section in PAGE.split("\n## ")[1:]
    if len(fences := FENCE.findall(section)) == 2
}


def write_model(
    nodes: list[onnx.NodeProto], x: tuple[TensorProto.DataType, tuple[int, ...]], tensors: dict[str, Any], opset: int
) -> onnx.ModelProto:
    """A model from `x` to `y`, as it is written by hand."""
    type, sizes = x
    ends = [helper.make_tensor_value_info(name, type, of) for name, of in (("x", sizes), ("y", None))]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "case", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def one_node(
    op: str, sizes: tuple[int, ...], opset: int = 20, tensors: dict[str, Any] | None = None, **fields: Any
) -> onnx.ModelProto:
    """A model of one node, whose other inputs are `tensors`; one that is called `none` is left out."""
    tensors = tensors or {}
    names = ["x", *("" if name == "none" else name for name in tensors)]
    node = helper.make_node(op, names, ["y"], **fields)
    return write_model([node], (TensorProto.FLOAT, sizes), {k: v for k, v in tensors.items() if k != "none"}, opset)


def answer(model: onnx.ModelProto, x: Any, optimize: bool = True) -> Any:
    """What onnxruntime answers on the CPU."""
    return create_cpu_session(model.SerializeToString(), optimize=optimize).run(None, {"x": np.asarray(x)})[0]


def numbers(values: Any) -> str:
    """They in the form of the page: one row of numbers."""
    return " ".join(f"{value:.4g}" for value in np.asarray(values).ravel())


def size(values: Any) -> str:
    """Height and width of a map."""
    return "×".join(map(str, tuple(values.shape)[-2:]))


def row(*values: float) -> np.ndarray:
    """A map of one row."""
    return np.asarray(values, np.float32).reshape(1, 1, 1, -1)


def partial_windows() -> Iterator[tuple[str, str]]:
    x = torch.ones(1, 1, 16, 16)
    fields = {"kernel_shape": [2, 2], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}
    yield "torch", size(F.max_pool2d(x, 2, 3, 1, ceil_mode=True))
    for opset in (18, 22):
        model = onnx.shape_inference.infer_shapes(one_node("MaxPool", (1, 1, 16, 16), opset, **fields))
        sizes = model.graph.output[0].type.tensor_type.shape.dim
        yield f"onnx's shape inference, opset {opset}", "×".join(str(each.dim_value) for each in sizes[2:])
    yield "onnxruntime, opset 18", size(answer(one_node("MaxPool", (1, 1, 16, 16), 18, **fields), x))


def partial_means() -> Iterator[tuple[str, str]]:
    x = row(1, 1, 1, 1, 1, 1)
    fields = {"kernel_shape": [1, 4], "strides": [1, 3], "pads": [0, 1, 0, 1], "ceil_mode": 1, "count_include_pad": 1}
    model = one_node("AveragePool", x.shape, **fields)
    yield "torch", numbers(F.avg_pool2d(torch.tensor(x), (1, 4), (1, 3), (0, 1), ceil_mode=True))
    yield "onnxruntime", numbers(answer(model, x))
    yield "onnx's reference", numbers(ReferenceEvaluator(model).run(None, {"x": x})[0])


def pad_before_pool() -> Iterator[tuple[str, str]]:
    x = row(-1, -1, -1, -1)
    pad = helper.make_node("Pad", ["x", "pads", "zero"], ["padded"])
    pool = helper.make_node("MaxPool", ["padded"], ["y"], kernel_shape=[1, 3], strides=[1, 3])
    tensors = {"pads": [0, 0, 0, 1, 0, 0, 0, 1], "zero": np.float32(0)}
    model = write_model([pad, pool], (TensorProto.FLOAT, x.shape), tensors, 20)
    yield "torch", numbers(F.max_pool2d(F.pad(torch.tensor(x), (1, 1)), (1, 3)))
    yield "onnxruntime, no optimisation", numbers(answer(model, x, optimize=False))
    yield "onnxruntime, as it is", numbers(answer(model, x))


def uneven_padding() -> Iterator[tuple[str, str]]:
    try:
        nn.Conv2d(1, 1, 3, stride=2, padding="same")
    except ValueError as error:
        yield "torch", f"{error}"
    x, kernel = row(1, 2, 3, 4), np.ones((1, 1, 1, 3), np.float32)
    for how in ("SAME_UPPER", "SAME_LOWER"):
        yield (
            f"onnxruntime, {how}",
            numbers(answer(one_node("Conv", x.shape, tensors={"w": kernel}, auto_pad=how, strides=[1, 2]), x)),
        )
    yield (
        "torch, padding=(0, 1)",
        numbers(F.conv2d(torch.tensor(x), torch.tensor(kernel), stride=(1, 2), padding=(0, 1))),
    )


def bins() -> Iterator[tuple[str, str]]:
    x = row(0, 1, 2, 3, 4)
    yield "torch", numbers(F.adaptive_avg_pool2d(torch.tensor(x), (1, 3)))
    yield "a pool of 3, stride 1", numbers(answer(one_node("AveragePool", x.shape, kernel_shape=[1, 3]), x))


def enlarging() -> Iterator[tuple[str, str]]:
    x = row(0, 1)
    yield "torch", numbers(F.interpolate(torch.tensor(x), scale_factor=(1, 2), mode="bilinear"))
    for how in ("half_pixel", "asymmetric", "align_corners"):
        model = one_node("Resize", x.shape, tensors={"none": None, "scales": np.float32([1, 1, 1, 2])},
                         mode="linear", coordinate_transformation_mode=how)  # fmt: skip
        yield f"onnxruntime, {how}", numbers(answer(model, x))


def hard_functions() -> Iterator[tuple[str, str]]:
    x = row(-2, -1, 0, 1, 2)
    yield "torch's hardsigmoid", numbers(F.hardsigmoid(torch.tensor(x)))
    yield "ONNX's, by default", numbers(answer(one_node("HardSigmoid", x.shape), x))
    net = load(CASES[title_of(hard_functions)][0])
    try:
        net.export_onnx("never.onnx", opset=13)
    except Failure as failure:
        yield "archc, at opset 13", failure.message


def even_sizes() -> Iterator[tuple[str, str]]:
    x = np.asarray([1, 2, 3, 4], np.float32).reshape(1, 4, 1, 1)
    fields = {"alpha": 2.0, "beta": 1.0, "bias": 1.0}
    yield "torch", numbers(F.local_response_norm(torch.tensor(x), 2, alpha=2.0, beta=1.0, k=1.0))
    squares = np.append(x.ravel() ** 2, 0)
    yield "ONNX's formula", numbers(x.ravel() / (1 + squares[:-1] + squares[1:]))
    with pytest.raises(RuntimeFault, match="size_ % 2 == 1"):
        answer(one_node("LRN", x.shape, size=2, **fields), x)
    yield "onnxruntime", "refuses it"


def half_floats() -> Iterator[tuple[str, str]]:
    x, factors = row(1).astype(np.float16), {"a": np.float16(300), "b": np.float16(1e-3)}
    steps = ((("x", "a"), "p"), (("p", "a"), "q"), (("q", "b"), "y"))
    nodes = [helper.make_node("Mul", pair, [result]) for pair, result in steps]
    a, b = (torch.tensor(value) for value in factors.values())
    yield "torch", numbers(torch.tensor(x) * a * a * b)
    yield "onnxruntime on a CPU", numbers(answer(write_model(nodes, (TensorProto.FLOAT16, x.shape), factors, 20), x))


MEASURED: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "A last window that begins in the padding": partial_windows,
    "A mean over a partial window": partial_means,
    "Zeros before a maximum": pad_before_pool,
    "Padding that is not the same at both ends": uneven_padding,
    "Bins that do not divide": bins,
    "Where a pixel is": enlarging,
    "Functions that are almost alike": hard_functions,
    "The middle of an even window": even_sizes,
    "Half floats": half_floats,
}


def title_of(measure: Callable[[], Iterator[tuple[str, str]]]) -> str:
    """The section that it is in."""
    return next(title for title, each in MEASURED.items() if each is measure)


def load(spec: str) -> archc.Net:
    """The net of a spec on the page, which leaves out its head."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "case.yaml")
        path.write_text(f"archspec: 1\nname: case\n{spec}", "utf-8")
        return archc.load(path)


def test_each_section_is_measured() -> None:
    assert list(CASES) == list(MEASURED)


@pytest.mark.parametrize("title", MEASURED)
def test_what_is_shown_was_measured(title: str) -> None:
    measured = dict(MEASURED[title]())
    width = max(map(len, measured))
    lines = [f"{name:<{width}}  {what}" for name, what in measured.items()]
    assert CASES[title][1].splitlines() == lines, "\n" + "\n".join(lines)


@pytest.mark.parametrize("title", [title for title in MEASURED if title != "The middle of an even window"])
def test_archc_gives_torchs_numbers(title: str, tmp_path: Path) -> None:
    net = load(CASES[title][0])
    net.export_onnx(tmp_path / "case.onnx", proof="full")
    module = net.to_torch().eval()
    [source] = create_cpu_session(tmp_path / "case.onnx").get_inputs()
    for sign in (1, -1):
        x = sign * torch.rand(1, *source.shape[1:])
        [found] = create_cpu_session(tmp_path / "case.onnx").run(None, {source.name: x.numpy()})
        np.testing.assert_allclose(found, module(x).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_what_has_no_right_answer_is_refused() -> None:
    with pytest.raises(archc.SpecError, match="a size of 2 is even"):
        load(CASES["The middle of an even window"][0])
