"""Every small geometry of a pool: archc's sizes and numbers, in torch and onnxruntime, against torch.nn.functional itself."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import archc
from archc.compiler.analysis.cost import cost
from archc.compiler.backends.onnx.opsets import OPSETS
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.diagnostics import Reject
from archc.compiler.driver import check, run_passes
from archc.compiler.ops import OPS
from archc.compiler.passes import PassOptions
from archc.runtime.inference import create_cpu_session
from archc.scaffold.starter import start_spec

from .op_cases import Case
from .peers import library
from .test_ops import Positive, graph_of, typed

SIZES, KERNELS, STRIDES, PADDINGS = (1, 2, 3, 4, 5, 6, 7, 9), (1, 2, 3, 4, 5), (1, 2, 3, 4), (0, 1, 2)


class Geometry(NamedTuple):
    """A pool over a map of height `size` and width `size + 2`; `padding` is torch's, one number for both ends of an axis."""

    size: int
    kernel: int
    stride: int
    padding: int
    ceil_mode: bool

    @property
    def fields(self) -> dict[str, object]:
        return {name: value for name, value in self._asdict().items() if name != "size"}


GEOMETRIES = [Geometry(*each) for each in product(SIZES, KERNELS, STRIDES, PADDINGS, (False, True))]
# what each pool is in torch.nn.functional, with the fields beside its geometry
POOLS = {
    "max": ("max_pool", {}, F.max_pool2d, {}),
    "mean": ("avg_pool", {"count_include_pad": True}, F.avg_pool2d, {"count_include_pad": True}),
    "mean without padding": ("avg_pool", {"count_include_pad": False}, F.avg_pool2d, {"count_include_pad": False}),
}


def torch_answer(pool: str, geometry: Geometry) -> tuple[torch.Tensor, torch.Tensor | None]:
    """A drawn map, and what torch makes of it; None where torch refuses."""
    _, _, function, more = POOLS[pool]
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, geometry.size, geometry.size + 2), np.float32))
    _, kernel, stride, padding, ceil_mode = geometry
    try:
        return x, function(x, kernel, stride, padding, ceil_mode=ceil_mode, **more)
    except RuntimeError:
        return x, None


@pytest.mark.parametrize("pool", POOLS)
def test_sizes_and_refusals_are_torchs(pool: str) -> None:
    partial = 0
    for geometry in GEOMETRIES:
        x, expected = torch_answer(pool, geometry)
        op, more, _, _ = POOLS[pool]
        try:
            found = OPS[op](**geometry.fields, **more).infer(typed(tuple(x.shape[1:]))).sizes
        except Reject:
            found = None
        assert found == (None if expected is None else tuple(expected.shape[1:])), geometry
        partial += geometry.size + 2 * geometry.padding < geometry.kernel
    assert partial > 20, "windows that are larger than the padded map are among them"


def compare(pool: str, geometry: Geometry, opsets: tuple[int, ...], path) -> None:
    """archc's torch module and its ONNX files give torch's numbers."""
    x, expected = torch_answer(pool, geometry)
    if expected is None:
        return
    op, more, _, _ = POOLS[pool]
    graph = graph_of(Case(op, {**geometry.fields, **more}, (tuple(x.shape[1:]),)))
    weights = Positive({})
    assert torch.equal(to_torch(graph, weights).eval()(x), expected), geometry
    built = run_passes(graph, PassOptions())
    for opset in opsets:
        export_onnx(built, weights, path, opset=opset)
        (found,) = create_cpu_session(path).run(None, {"in0": x.numpy()})
        assert found.shape == tuple(expected.shape), (geometry, opset)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6, err_msg=f"{geometry} {opset}")


@pytest.mark.parametrize("pool", POOLS)
def test_partial_windows_give_torchs_numbers(pool: str, tmp_path) -> None:
    """Those that are larger than the padded map, and each eighth of the others."""
    chosen = [g for i, g in enumerate(GEOMETRIES) if g.size + 2 * g.padding < g.kernel or i % 8 == 0]
    for geometry in chosen:
        compare(pool, geometry, (20,), tmp_path / "one.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("pool", POOLS)
def test_every_geometry_gives_torchs_numbers_at_old_and_new_opsets(pool: str, tmp_path) -> None:
    for geometry in GEOMETRIES:
        compare(pool, geometry, (OPSETS[0], 18, 19, OPSETS[-1]), tmp_path / "one.onnx")


@pytest.mark.parametrize("op", ["max_pool", "avg_pool"])
def test_uneven_padding_leaves_room_for_a_partial_window_too(op: str, tmp_path) -> None:
    """No torch function takes it; archc's two backends agree on it."""
    for padding, size in product(([0, 0, 1, 1], [1, 0, 0, 2], [0, 1, 2, 0], [2, 2, 1, 1]), (1, 2, 3)):
        fields = {"kernel": 4, "stride": 3, "padding": padding, "ceil_mode": True}
        graph = graph_of(Case(op, fields, ((2, size, size + 1),)))
        x = torch.randn(2, 2, size, size + 1)
        expected = to_torch(graph, Positive({})).eval()(x)
        assert tuple(expected.shape[1:]) == graph.outputs[0].value.type.sizes
        export_onnx(run_passes(graph, PassOptions()), Positive({}), tmp_path / "one.onnx")
        (found,) = create_cpu_session(tmp_path / "one.onnx").run(None, {"in0": x.numpy()})
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6)


# `min_size` in the meta of torchvision's weights
MIN_SIZES = {"googlenet": 15, "squeezenet1_0": 21, "squeezenet1_1": 17, "resnet50": 1, "densenet121": 29, "vgg16": 32}


@pytest.mark.parametrize(("name", "size"), MIN_SIZES.items())
def test_the_minimum_input_is_torchvisions(name: str, size: int) -> None:
    graph = check(name).graph
    assert graph is not None and cost(graph).min_input == (size, size)


def test_googlenet_at_16x16_answers_as_torchvisions(tmp_path) -> None:
    """Its last pool has a window of 2 over a map of 1."""
    text = start_spec("small", "googlenet").text.replace("[3, 224, 224]", "[3, 16, 16]")
    (tmp_path / "small.yaml").write_text(text.replace("resize: 256, crop: 224", "resize: 16, crop: 16"), "utf-8")
    torch.manual_seed(0)
    theirs = library("torchvision").models.googlenet(weights=None, init_weights=False, transform_input=False).eval()
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        expected = theirs(x).numpy()
    result = archc.load(tmp_path / "small.yaml").export_onnx(tmp_path / "small.onnx", weights=theirs.state_dict())
    assert not result.weights.missing
    (found,) = create_cpu_session(tmp_path / "small.onnx").run(None, {"image": x.numpy()})
    assert found.shape == (2, 1000)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
