"""The op table, swept: shapes, parameters and values agree between archc, torch and onnxruntime."""

from __future__ import annotations

import copy
import itertools
import pickle
import re

import numpy as np
import onnx
import pytest
import torch

from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.backends.torch.module import TorchNamespace, to_torch
from archc.compiler.diagnostics import Reject
from archc.compiler.driver import run_passes
from archc.compiler.ir.dtypes import F32, I64
from archc.compiler.ir.graph import Graph, Node, Output, Value
from archc.compiler.ir.types import TensorType
from archc.compiler.ops import OPS
from archc.compiler.ops.fields import Misfit
from archc.compiler.ops.op import Op
from archc.compiler.passes import PassOptions
from archc.compiler.weights.seeded import SeededSource
from archc.runtime.inference import create_cpu_session

from .op_cases import CASES, REJECTS, Case
from .sweep import sweep

DTYPES = {torch.float32: F32, torch.int64: I64}


def typed(shape):
    return TensorType(("N", *shape))


def graph_of(case: Case) -> Graph:
    """A graph of the one op; values are drawn away from zero by a scale, so that no test passes on zeros."""
    inputs = tuple(Value(f"in{i}", typed(shape)) for i, shape in enumerate(case.inputs))
    op = OPS[case.op](**case.fields)
    node = Node("node", op, inputs, (Value("node", op.infer(*(v.type for v in inputs))),))
    return Graph("one", inputs, (node,), (Output("out", node.output),))


def spread(params):
    """Random values for every parameter, running statistics too."""
    out = {}
    for name, param in params.items():
        scheme = param.init if param.init[0] in ("values", "signs") else ("uniform", 0.5)
        out[name] = param if param.dtype is I64 else param._replace(init=scheme)
    return out


class Positive(SeededSource):
    """Variances are positive."""

    def get(self, name):
        array = super().get(name)
        return np.abs(array) + np.float32(0.5) if name.endswith("running_var") else array


@sweep("case", CASES)
def test_shape_parameters_and_values_agree(case, tmp_path):
    graph = graph_of(case)
    params = graph.params()
    weights = Positive(spread(params))
    net = to_torch(graph, weights).eval()
    inputs = [
        torch.from_numpy(np.random.default_rng(i).standard_normal((2, *shape), dtype=np.float32) * 2)
        for i, shape in enumerate(case.inputs)
    ]
    with torch.no_grad():
        reference = net(*inputs).numpy()
    inferred = graph.outputs[0].value.type
    assert reference.shape == (2, *inferred.sizes)
    state = [(name, tuple(t.shape), DTYPES[t.dtype]) for name, t in net.state_dict().items()]
    assert state == [(name, p.shape, p.dtype) for name, p in params.items()]
    trainable = {name for name, _ in net.named_parameters()}
    assert trainable == {name for name, p in params.items() if not p.buffer}

    built = run_passes(graph, PassOptions(fold=False))
    path = tmp_path / "one.onnx"
    export_onnx(built, weights, path)
    onnx.checker.check_model(str(path), full_check=True)
    session = create_cpu_session(path)
    assert session.get_outputs()[0].shape == ["N", *inferred.sizes]
    found = session.run(None, {f"in{i}": x.numpy() for i, x in enumerate(inputs)})[0]
    assert found.shape == reference.shape
    assert np.abs(found - reference).max() <= 1e-5 * np.abs(reference).max() + 1e-7


def test_every_op_has_a_case():
    # what no spec can name has tests of its own: joins draw paths, and half floats and pixels are in test_precision.py
    assert {case.op for case in CASES} == {name for name, cls in OPS.items() if not cls.is_internal}


@pytest.mark.parametrize(("op", "fields", "inputs", "code", "field"), REJECTS, ids=lambda v: str(v)[:40])
def test_rejects(op, fields, inputs, code, field):
    with pytest.raises(Reject) as caught:
        OPS[op](**fields).infer(*(typed(s) for s in inputs))
    assert (caught.value.code, caught.value.field) == (code, field)


def test_every_documented_rejection_has_a_row_and_every_row_is_documented():
    documented = {
        (name, code)
        for name, cls in OPS.items()
        for listed in re.findall(r"^ *Rejects +(.+)$", cls.__doc__ or "", re.M)
        for code in listed.split(", ")
    }
    assert {(op, code) for op, _, _, code, _ in REJECTS} == documented


def test_equal_ops_are_one_object():
    pool, conv = OPS["max_pool"](kernel=2), OPS["conv"](out=4, kernel=3)
    assert OPS["max_pool"](kernel=[2, 2], stride=2) is pool and OPS["avg_pool"](kernel=2) != pool
    assert conv.replace(bias=False) is OPS["conv"](out=4, kernel=3, bias=False) is not conv
    assert copy.deepcopy(conv) is conv and pickle.loads(pickle.dumps(conv)) is conv
    assert OPS["scale"](value=-0.0).text("") == "scale(value=0.0)"


@pytest.mark.parametrize("name", sorted(OPS))
def test_docstring_states_the_rules(name):
    """Shapes always; Params and Cost where there are any, in one of the op's cases."""
    nodes = [graph_of(case).nodes[0] for case in CASES if case.op == name]
    owns = any(node.op.params(*node.input_types) for node in nodes)
    counts = any(node.op.macs(node.output.type, *node.input_types) for node in nodes)
    stated = re.findall(r"^ *(Shapes|Params|Cost) {2,}\S", OPS[name].__doc__ or "", re.M)
    assert stated == ["Shapes", *["Params"] * owns, *["Cost"] * counts]


def geometries(sizes, kernels, strides, paddings):
    """(size, kernel, stride, padding, ceil_mode), all of them that a pool takes."""
    every = itertools.product(sizes, kernels, strides, paddings, (False, True))
    return [g for g in every if 2 * g[3] <= g[1] <= g[0] + 2 * g[3]]


GEOMETRIES = geometries(range(1, 9), range(1, 5), range(1, 5), range(3))
MANY = geometries(range(1, 17), range(1, 7), range(1, 8), range(4))


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
def test_pool_sizes_are_torch_s_for_every_small_geometry(name):
    assert len(MANY) > 2000
    for size, kernel, stride, padding, ceil in MANY:
        op = OPS[name](kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil)
        module = op.torch(torch.nn, typed((1, size, size)))
        assert op.infer(typed((1, size, size))).sizes == tuple(module(torch.zeros(1, 1, size, size)).shape[1:]), (
            size,
            kernel,
            stride,
            padding,
            ceil,
        )


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("ceil", [True, False])
def test_uneven_padding_means_what_the_even_one_does(ceil, counted):
    """Torch has no uneven padding to compare with: each window is summed and counted by hand."""
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1, 1, 9), dtype=np.float32))
    for size, kernel, stride, before, after in itertools.product(
        range(1, 10), range(1, 6), range(1, 7), range(3), range(3)
    ):
        if 2 * max(before, after) > kernel or kernel > size + before + after:
            continue
        op = OPS["avg_pool"](kernel=[1, kernel], stride=[1, stride], padding=[0, before, 0, after],
                             ceil_mode=ceil, count_include_pad=counted)  # fmt: skip
        last = size if ceil else size + after - kernel + 1  # where no window begins any more
        reach = size + after - kernel + (stride if ceil else 1)  # a partial window must not begin a whole stride late
        starts = range(-before, min(last, reach), stride)
        low, high = (-before, size + after) if counted else (0, size)
        means = [
            x[0, 0, 0, max(s, 0) : min(s + kernel, size)].sum() / (min(s + kernel, high) - max(s, low)) for s in starts
        ]
        kind = typed((1, 1, size))
        found = op.torch(TorchNamespace(), kind)(x[..., :size])
        assert found.shape[1:] == op.infer(kind).sizes == (1, 1, len(means)), (size, op)
        np.testing.assert_allclose(found[0, 0, 0].numpy(), means, rtol=1e-5, atol=1e-6, err_msg=f"{size} {op}")


def test_adaptive_windows_are_torch_s_bins():
    for size, bins in itertools.product(range(1, 25), repeat=2):
        for window in OPS["adaptive_avg_pool"](size=bins).windows(typed((1, size, size))):
            seen = [window.span(b, b) for b in range(bins)]
            assert seen == [(b * size // bins, -(-(b + 1) * size // bins) - 1) for b in range(bins)], (size, bins)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields", [("max_pool", {}), ("avg_pool", {}), ("avg_pool", {"count_include_pad": False})], ids=str
)
def test_pool_values_are_torch_s_for_every_small_geometry(fields, tmp_path):
    name, more = fields
    for size, kernel, stride, padding, ceil in GEOMETRIES:
        case = Case(
            name,
            {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil, **more},
            ((2, size, size),),
        )
        graph = graph_of(case)
        export_onnx(graph, SeededSource({}), tmp_path / "pool.onnx")
        x = np.random.default_rng(size).standard_normal((1, 2, size, size), dtype=np.float32)
        found = create_cpu_session(tmp_path / "pool.onnx").run(None, {"in0": x})[0]
        reference = graph.nodes[0].op.torch(torch.nn, typed((2, size, size)))(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(found, reference, rtol=1e-5, atol=1e-6, err_msg=str(case))


def test_ops_are_frozen_and_compare_by_value():
    conv = OPS["conv"](out=4, kernel=3)
    assert (
        conv == OPS["conv"](out=4, kernel=[3, 3])
        and hash(conv) == hash(conv.replace(out=4))
        and conv != conv.replace(out=5)
    )
    with pytest.raises(AttributeError):
        conv.out = 5
    with pytest.raises(Misfit):
        OPS["conv"](out="4")
    with pytest.raises(TypeError):
        OPS["conv"](kernel=3)


def test_join_in_training_takes_the_drawn_column_and_never_drops_all():
    from archc.compiler.backends.torch import layers

    join = layers.Join(local=0.9, drawn=True).train()
    columns = [torch.full((1, 2), float(i + 1)) for i in range(3)]
    for k in range(3):
        assert torch.equal(join(*columns, torch.tensor(k)), columns[k])
    for _ in range(50):
        assert 1 <= join(*columns, torch.tensor(-1))[0, 0] <= 3
    assert torch.allclose(join(*columns[:2], torch.tensor(2)), torch.full((1, 2), 1.5))
    assert torch.allclose(join.eval()(*columns, torch.tensor(1)), torch.full((1, 2), 2.0))
    draws = {int(layers.PathDraw(3, 0.5)(columns[0])) for _ in range(200)}
    assert draws == {-1, 0, 1, 2}


@pytest.mark.parametrize("rescale", ["training", "inference"])
@pytest.mark.parametrize("per", ["sample", "batch"])
def test_drop_path_keeps_the_expectation(per, rescale):
    from archc.compiler.backends.torch import layers

    torch.manual_seed(0)
    path = layers.DropPath(0.25, per=per, rescale=rescale).train()
    x = torch.ones(64, 1, 1, 1)
    seen = torch.stack([path(x) for _ in range(400)])
    kept = 1 / 0.75 if rescale == "training" else 1.0
    assert sorted(seen.unique().tolist()) == pytest.approx([0.0, kept])
    assert float((seen > 0).float().mean()) == pytest.approx(0.75, abs=0.05)
    assert (seen.flatten(1).std(1) == 0).all() == (per == "batch")
    assert float(path.eval()(x)[0, 0, 0, 0]) == pytest.approx(0.75 if rescale == "inference" else 1.0)


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_a_docstring_says_what_the_op_has(op):
    """Shapes and a source always; params and cost where the op has rules for them, and only there."""
    headings = set(re.findall(r"^ {4}(Shapes|Params|Cost|Rejects|Source) {2,}\S", op.__doc__, re.M))
    due = {"Shapes", "Source"}
    due |= {"Params"} if op.params is not Op.params else set()
    due |= {"Cost"} if op.macs is not Op.macs else set()
    assert headings - {"Rejects"} == due
