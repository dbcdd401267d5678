"""Element types: what ops make of them, what they are as bytes, and what is written to ONNX."""

from __future__ import annotations

import copy
import pickle
from typing import Any, ClassVar

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch

from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.diagnostics import Reject
from archc.compiler.driver import run_passes
from archc.compiler.ir import dtypes
from archc.compiler.ir.dtypes import BF16, BOOL, DTYPES, F16, F32, F64, I64, DType
from archc.compiler.ir.graph import Graph, Node, Output, Value
from archc.compiler.ir.operation import Param
from archc.compiler.ir.types import TensorType
from archc.compiler.ops import OPS
from archc.compiler.ops.op import Op
from archc.compiler.passes import PassOptions
from archc.compiler.weights.seeded import SeededSource

from .op_cases import CASES, Case
from .sweep import sweep

FLOATS = (F16, F32, F64)
COUNTS = {"num_batches_tracked"}  # a count is an integer, whatever is counted
MERGES = tuple(name for name, op in OPS.items() if op.is_merge)


def graph_of(op: Op, shapes: tuple[tuple[int, ...], ...], dtype: DType) -> Graph:
    inputs = tuple(Value(f"in{i}", TensorType(("N", *shape), dtype)) for i, shape in enumerate(shapes))
    node = Node("node", op, inputs, (Value("node", op.infer(*(v.type for v in inputs))),))
    return Graph("one", inputs, (node,), (Output("out", node.output),))


@sweep("case", CASES)
def test_results_and_parameters_keep_the_element_type(case: Case) -> None:
    shapes = []
    for dtype in FLOATS:
        graph = graph_of(OPS[case.op](**case.fields), case.inputs, dtype)
        assert graph.nodes[0].output.type.dtype is dtype
        for name, param in graph.params().items():
            assert param.dtype is (I64 if name.removeprefix("node.") in COUNTS else dtype), name
        shapes.append((graph.nodes[0].output.type.shape, [(n, p.shape) for n, p in graph.params().items()]))
    assert shapes[0] == shapes[1] == shapes[2]


@pytest.mark.parametrize("name", MERGES)
@pytest.mark.parametrize("shapes", [((6, 9, 8),) * 2, ((6, 9, 8),) * 3, ((6,),) * 2], ids=str)
def test_merges_refuse_mixed_element_types(name: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    op = OPS[name]()
    for odd in range(len(shapes)):
        x = [TensorType(("N", *shape), F16 if i == odd else F32) for i, shape in enumerate(shapes)]
        with pytest.raises(Reject) as caught:
            op.infer(*x)
        assert caught.value.code == "shape-mismatch"
        assert "f16" in str(caught.value) and "f32" in str(caught.value)
        assert "projection" not in caught.value.help, "no projection changes an element type"


def test_a_gate_of_another_element_type_is_refused() -> None:
    image, gate = TensorType(("N", 6, 9, 8), F32), TensorType(("N", 6, 1, 1), F16)
    assert OPS["multiply"]().infer(image, TensorType(gate.shape, F32)) == image
    for x in ((image, gate), (gate, image)):
        with pytest.raises(Reject, match="f16"):
            OPS["multiply"]().infer(*x)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_an_element_type_is_one_value(dtype: DType) -> None:
    assert copy.copy(dtype) is copy.deepcopy(dtype) is pickle.loads(pickle.dumps(dtype)) is dtype
    assert getattr(dtypes, dtype.name.upper()) is dtype
    assert copy.deepcopy({"x": TensorType(("N", 3), dtype)})["x"].dtype is dtype


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_the_table_agrees_with_numpy_and_onnx(dtype: DType) -> None:
    assert np.dtype(dtype.numpy).itemsize == dtype.size_bytes == dtype.bits // 8
    theirs = onnx.helper.tensor_dtype_to_np_dtype(dtype.onnx)
    assert theirs.itemsize == dtype.size_bytes
    assert dtype is BF16 or theirs == np.dtype(dtype.numpy)


EXACT: dict[str, list[Any]] = {  # numbers that each type holds exactly
    "float": [0.0, -0.0, 1.0, -1.5, 0.25, 240.0, np.inf, -np.inf],
    "int": [0, 1, 2, 100],
    "bool": [True, False, True, True],
    "complex": [0j, 1 + 2j, -1.5j, 0.25 + 0j],
}


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(-1,), (2, -1), (1, -1, 2)])
def test_bytes_come_back_as_the_same_numbers(dtype: DType, shape: tuple[int, ...]) -> None:
    values = np.array(EXACT[dtype.kind]).reshape(shape)
    raw = dtype.encode(values)
    assert raw.nbytes == values.size * dtype.size_bytes and raw.flags.c_contiguous
    back = dtype.decode(raw.tobytes(), values.shape)
    assert back.dtype == np.dtype("<f4" if dtype.kind == "float" else dtype.numpy)
    np.testing.assert_array_equal(back, values)
    assert np.array_equal(np.signbit(back.real), np.signbit(values.real)) or dtype.kind != "float"


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_what_is_not_contiguous_and_what_is_empty(dtype: DType) -> None:
    values = np.array(EXACT[dtype.kind]).reshape(2, -1)
    assert dtype.encode(values.T).tobytes() == dtype.encode(values.T.copy()).tobytes()
    assert dtype.encode(values[:0]).nbytes == 0 and dtype.decode(b"", (0, 3)).shape == (0, 3)
    assert dtype.decode(dtype.encode(values[0, 1]).tobytes(), ()) == values[0, 1]


def floats() -> Any:
    """Bits of float32 of every exponent and sign, near and at the middle between two bf16 values, and what is odd."""
    draw = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32)
    upper = draw & np.uint32(0xFFFF0000)
    lower = (0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF)
    odd = np.array([0x00000001, 0x80000001, 0x007FFFFF, 0x00008000, 0x00018000, 0x7F7FFFFF, 0x7F7F8000, 0x7F7F7FFF,
                    0x7F800000, 0xFF800000, 0x7F800001, 0x7FC00000, 0xFFC00000, 0xFFFFFFFF, 0x7FBFFFFF], np.uint32)  # fmt: skip
    return np.concatenate([draw, *(upper | np.uint32(low) for low in lower), odd]).view(np.float32)


def test_bf16_rounds_as_torch_does() -> None:
    values = floats()
    theirs = torch.from_numpy(values).to(torch.bfloat16)
    ours = BF16.encode(values)
    not_numbers = np.isnan(values)
    assert not_numbers.sum() > 50 and np.isinf(theirs.float().numpy()[~not_numbers]).any()
    np.testing.assert_array_equal(ours[~not_numbers], theirs.view(torch.int16).numpy().view(np.uint16)[~not_numbers])
    back = BF16.decode(ours.tobytes(), values.shape)
    np.testing.assert_array_equal(back, theirs.float().numpy())  # NaN where it is NaN
    assert np.isnan(back[not_numbers]).all()


def test_every_bf16_comes_back_as_itself() -> None:
    every = np.arange(2**16, dtype=np.uint16)
    numbers = BF16.decode(every.tobytes(), every.shape)
    theirs = torch.from_numpy(every.view(np.int16)).view(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(numbers, theirs)
    again = BF16.encode(numbers)
    np.testing.assert_array_equal(again[~np.isnan(numbers)], every[~np.isnan(numbers)])


@pytest.mark.parametrize("dtype", [F16, F64], ids=str)
def test_halves_and_doubles_round_as_torch_does(dtype: DType) -> None:
    values = floats()
    with np.errstate(over="ignore", invalid="ignore"):
        ours = dtype.decode(dtype.encode(values).tobytes(), values.shape)
    theirs = torch.from_numpy(values).to({"f16": torch.float16, "f64": torch.float64}[dtype.name])
    np.testing.assert_array_equal(ours, theirs.float().numpy())


@pytest.mark.parametrize("dtype", [F16, F64], ids=str)
@sweep("case", CASES)
def test_onnx_is_written_over_it(case: Case, dtype: DType, tmp_path) -> None:
    """The checker infers every type strictly, so a constant or a tensor of another element type is found."""
    graph = run_passes(graph_of(OPS[case.op](**case.fields), case.inputs, dtype), PassOptions(fold=False))
    path = tmp_path / "one.onnx"
    export_onnx(graph, SeededSource(graph.params()), path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (result,) = model.graph.output
    assert result.type.tensor_type.elem_type == dtype.onnx
    for tensor in model.graph.initializer:
        name = tensor.name.removeprefix("node.")
        if tensor.name.startswith("node.") and name not in COUNTS:
            assert tensor.data_type == dtype.onnx, tensor.name
        assert len(tensor.raw_data) == onnx.numpy_helper.to_array(tensor).nbytes


class Pick(Op):
    """Channels by a list that is a tensor of the file: an op that owns integers, or booleans, or halves."""

    name: ClassVar[str] = "pick"
    dtype: ClassVar[DType] = I64

    def infer(self, x: TensorType) -> TensorType:
        return x.with_sizes(2)

    def params(self, x: TensorType) -> dict[str, Param]:
        return {"index": Param((2,), buffer=True, dtype=self.dtype)}

    def onnx(self, g: Any, x: Value) -> str:
        index = g.param("index")
        if self.dtype is not I64:
            index = g.node("Cast", index, to=I64.onnx)
        return str(g.node("Gather", x.name, index, axis=1))


class Index:
    """A weight source of the one tensor."""

    def names(self) -> list[str]:
        return ["node.index"]

    def shape(self, name: str) -> tuple[int, ...]:
        return (2,)

    def dtype(self, name: str) -> DType:
        return I64

    def get(self, name: str) -> Any:
        return np.array([1, 0], np.int64)


@pytest.mark.parametrize("dtype", [d for d in DTYPES.values() if d.kind != "complex"], ids=str)
def test_a_parameter_is_written_in_its_own_width(dtype: DType, tmp_path) -> None:
    """An i64 parameter once was written as four bytes an element where eight are declared."""
    op = type("Pick", (Pick,), {"dtype": dtype})()
    graph = graph_of(op, ((3,),), F32)
    export_onnx(graph, Index(), tmp_path / "pick.onnx")
    model = onnx.load(tmp_path / "pick.onnx")
    onnx.checker.check_model(model, full_check=True)
    (tensor,) = model.graph.initializer
    assert tensor.data_type == dtype.onnx
    assert len(tensor.raw_data) == 2 * dtype.size_bytes
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor).astype(np.int64), [1, 0])


@pytest.mark.parametrize("dtype", [I64, BOOL, F16, F32], ids=str)
def test_a_parameter_beside_the_file_is_as_wide(dtype: DType, tmp_path) -> None:
    """Tensors that go to a file of their own are counted by the same widths."""
    op = type("Pick", (Pick,), {"dtype": dtype, "params": lambda self, x: {"index": Param((3000,), dtype=dtype)}})()
    graph = graph_of(op, ((3,),), F32)
    source = Index()
    source.get = lambda name: np.arange(3000) % 2  # type: ignore[method-assign]
    files = export_onnx(graph, source, tmp_path / "pick.onnx", external_over=0)
    outside = 3000 * dtype.size_bytes
    outside *= outside >= 4096
    assert [file.path for file in files] == [tmp_path / "pick.onnx", *tmp_path.glob("pick-*.onnx.data")]
    model = onnx.load(tmp_path / "pick.onnx")
    (tensor,) = model.graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor).astype(np.int64), np.arange(3000) % 2)
    assert [file.bytes for file in files[1:]] == [outside] * bool(outside)
