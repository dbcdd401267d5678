"""What a proof catches, what it lets pass, and that no graph of ours is one that onnxruntime's optimiser breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from archc.build.build import build
from archc.build.proof.agreement import agrees
from archc.build.proof.inputs import ALL_KINDS, FAST_KINDS, draw_inputs
from archc.build.proof.prove import prove
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.diagnostics import Failure
from archc.compiler.driver import Compilation, check, run_passes
from archc.compiler.ops import OPS
from archc.compiler.weights.rewrite import RewrittenSource
from archc.compiler.weights.seeded import SeededSource
from archc.runtime.inference import create_ort_session, session_options

PAD = {"pad": {"height": [1, 1], "width": [1, 1]}}
LARGE_PAD = {"pad": {"height": [3, 3], "width": [3, 3]}}
# a maximum over a border of zeros that only negative numbers show: windows of 9×9 have a positive one else
PAD_AND_POOL = [PAD, {"max_pool": {"kernel": 9, "stride": 5}}]


def net(folder: Path, graph: list[Any], sizes: tuple[int, ...] = (3, 32, 32)) -> Compilation:
    """A checked spec of these steps."""
    path = folder / "net.yaml"
    path.write_text(
        json.dumps({"archspec": 1, "name": "net", "input": {"image": [*sizes]}, "graph": graph}, indent=0), "utf-8"
    )
    checked = check(str(path))
    assert not checked.failed, checked.diagnostics
    return checked


WINDOWS: dict[str, list[Any]] = {
    "max": [{"max_pool": {"kernel": 3, "stride": 2}}],
    "max with its own padding": [{"max_pool": {"kernel": 3, "stride": 2, "padding": 1}}],
    "max as wide as the pad": [{"max_pool": 2}],
    "mean": [{"avg_pool": {"kernel": 3, "stride": 2}}],
    "mean with its own padding": [{"avg_pool": {"kernel": 3, "padding": 1}}],
    "mean without its padding": [{"avg_pool": {"kernel": 3, "padding": 1, "count_include_pad": False}}],
    "mean of an uneven padding": [{"avg_pool": {"kernel": 3, "stride": 2, "padding": [0, 1, 1, 0], "ceil_mode": True}}],
    "adaptive mean": [{"adaptive_avg_pool": 6}],
    "global": ["global_max_pool"],
    "several readers": [{"concat": [{"max_pool": 2}, {"max_pool": 2}]}],
    "a convolution beside": [{"concat": [{"max_pool": {"kernel": 3}}, {"conv": {"out": 4, "kernel": 3, "stride": 3}}]}],
    "a convolution": [{"conv": {"out": 16, "kernel": 3, "padding": 1}}],
    "a convolution smaller than the pad": [{"conv": {"out": 16, "kernel": 2, "stride": 2, "padding": "same"}}],
}
ERASED: dict[str, list[Any]] = {
    "nothing": [],
    "dropout": [{"dropout": 0.5}],
    "a factor of one": ["identity", {"scale": 1}],
    "drop path": [{"drop_path": {"p": 0.0, "rescale": "inference"}}, {"concat": [[]]}],
}


def answers(path: Path, inputs: dict[str, Any], optimize: bool, saved: Path | None = None) -> Any:
    """What the file answers; `saved` takes the graph that onnxruntime runs."""
    options = session_options(1, optimize)
    if saved:
        options.optimized_model_filepath = str(saved)
    return create_ort_session(path, options, ("CPUExecutionProvider",)).run(None, inputs)[0]


@pytest.mark.parametrize("opset", [13, 17, 18, 20, 24])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_pad_of_zeros_stays_one_before_any_window(window: str, opset: int, tmp_path: Path) -> None:
    for number, (between, pad) in enumerate((each, pad) for each in ERASED.values() for pad in (PAD, LARGE_PAD)):
        checked = net(tmp_path, [pad, *between, *WINDOWS[window]], (16, 12, 12))
        path = tmp_path / f"{number}.onnx"
        build(checked, output=path, opset=opset, proof="none")
        assert checked.graph
        inputs = draw_inputs(checked.graph, ALL_KINDS)
        module = to_torch(checked.graph, SeededSource(checked.graph.params())).eval()
        with torch.no_grad():
            expected = module(torch.from_numpy(inputs["image"])).numpy()
        for optimize in (True, False):
            for found, reference in zip(answers(path, inputs, optimize), expected, strict=True):
                assert agrees(found, reference)


@pytest.mark.parametrize(("steps", "stays"), [(WINDOWS["a convolution"], False), (WINDOWS["max"], True)])
def test_a_pad_of_zeros_becomes_a_part_of_a_convolution_alone(steps: list[Any], stays: bool, tmp_path: Path) -> None:
    """It costs nothing there."""
    checked = net(tmp_path, [PAD, *steps], (16, 12, 12))
    build(checked, output=tmp_path / "a.onnx", proof="none")
    assert checked.graph
    answers(tmp_path / "a.onnx", draw_inputs(checked.graph, FAST_KINDS), True, tmp_path / "run.onnx")
    assert ("Pad" in [node.op_type for node in onnx.load(str(tmp_path / "run.onnx")).graph.node]) == stays


def let_pads_fuse(patch: pytest.MonkeyPatch) -> None:
    """Pads as they were written once: with a zero that onnxruntime knows."""
    patch.setattr("archc.compiler.ops.shape.UNFUSABLE_ZERO", 0.0)


def lower(name: str, form: Callable[..., str]) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(OPS[name], "onnx", form)


STEPS = [{"name": "a", "conv": {"out": 4, "kernel": 3}}, {"name": "b", "relu": None}, {"name": "c", "conv": 2}]
# what is wrong, in which net, and what the failure says
FAULTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], list[Any], tuple[str, ...]]] = {
    "a pad that fuses": (let_pads_fuse, PAD_AND_POOL, ("`1` (net.yaml:", "on all negative input", "with its optimisations alone")),
    "and far before the output": (let_pads_fuse, [*PAD_AND_POOL, "tanh", {"concat": [["sigmoid"], ["relu"]]}, {"conv": 2}],
                                  ("`1` (net.yaml:", "on all negative input", "with its optimisations alone")),
    "another function": (lower("relu", lambda op, g, x: g.node("Abs", x.name)), STEPS,
                         ("`b` (net.yaml:", "on standard normal input", "with its optimisations and without")),
    "a constant that large numbers hide": (lower("relu", lambda op, g, x: g.node("Max", x.name, g.floats("low", (1e-3,)))), [{"name": "b", "relu": None}],
                                           ("`b`", "on standard normal input")),
    "a clip that only large numbers reach": (lower("relu", lambda op, g, x: g.node("Clip", x.name, g.floats("low", (0.0,)), g.floats("high", (12.0,)))),
                                             [{"name": "b", "relu": None}], ("`b`", "on sparse and large input")),
}  # fmt: skip


@pytest.mark.parametrize("batch", [None, 1, 3, 7])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_by_the_fast_proof(
    fault: str, batch: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, graph, told = FAULTS[fault]
    make(monkeypatch)
    with pytest.raises(Failure) as caught:
        build(net(tmp_path, graph), output=tmp_path / "a.onnx", batch=batch)
    assert caught.value.code == "parity" and all(each in caught.value.message for each in told), caught.value.message
    assert ("optimiser" in (caught.value.help or "")) == ("alone" in caught.value.message)
    assert [path.name for path in tmp_path.iterdir()] == ["net.yaml"]


def prove_file(
    checked: Compilation,
    folder: Path,
    change: Callable[[Any], Any] = lambda graph: graph,
    seed: int = 0,
    external_over: int = 10**9,
) -> None:
    """Proves a file that is not of the spec's own graph, or not of its weights."""
    assert checked.graph
    training, built = checked.graph, run_passes(checked.graph)
    weights, others = SeededSource(training.params(), 0), SeededSource(training.params(), seed)
    path = folder / "a.onnx"
    export_onnx(change(built), RewrittenSource(others, built), path, external_over=external_over)
    prove(training, built, weights, path)


@pytest.mark.parametrize("external_over", [10**9, 0])
def test_other_weights_are_caught(external_over: int, tmp_path: Path) -> None:
    """Also where they lie in a file beside."""
    checked = net(tmp_path, [{"name": "a", "conv": {"out": 64, "kernel": 5}}, "relu", {"name": "c", "conv": 32}])
    prove_file(checked, tmp_path, external_over=external_over)
    with pytest.raises(
        Failure, match=r"first at `a` \(net.yaml:\d+\), on standard normal input, with its optimisations and without"
    ):
        prove_file(checked, tmp_path, seed=1, external_over=external_over)


def test_outputs_under_one_another_s_names_are_caught(tmp_path: Path) -> None:
    checked = net(tmp_path, [{"output": "x", "tanh": None}, {"output": "y", "sigmoid": None}])

    def swap(graph: Any) -> Any:
        first, second = graph.outputs
        return graph.replace(outputs=(first._replace(value=second.value), second._replace(value=first.value)))

    prove_file(checked, tmp_path)
    with pytest.raises(Failure, match=r"`0` \(net.yaml:\d+\), on standard normal input"):
        prove_file(checked, tmp_path, swap)


@pytest.mark.parametrize(
    ("proof", "batch", "batches", "kinds"),
    [("fast", None, (1, 4), FAST_KINDS), ("fast", 3, (3,), FAST_KINDS), ("full", None, (1, 3, 6), ALL_KINDS), ("full", 1, (1,), ALL_KINDS)],
)  # fmt: skip
def test_what_a_proof_says_of_itself(
    proof: str, batch: int | None, batches: tuple[int, ...], kinds: tuple[str, ...], tmp_path: Path
) -> None:
    parity = build(net(tmp_path, STEPS), output=tmp_path / "a.onnx", proof=proof, batch=batch).parity
    assert parity and (parity.extent, parity.batches, tuple(parity.kinds)) == (proof, batches, kinds)
    assert parity.max_rel == max(parity.kinds.values()) < 1e-4 and parity.max_abs < 1e-4


NORMS: dict[str, list[Any]] = {
    "of the same number everywhere": [{"conv": {"out": 8, "kernel": 3}}, {"group_norm": {"groups": 8, "eps": 1e-12}}],
    "of large maps": [{"conv": {"out": 8, "kernel": 3}}, {"upsample": 4}, {"group_norm": {"groups": 8, "eps": 1e-12}}],
}


@pytest.mark.parametrize("graph", NORMS.values(), ids=NORMS)
def test_rounding_is_no_fault_and_proves_nothing(graph: list[Any], tmp_path: Path) -> None:
    """A norm of a constant is made of the last bits of its mean."""
    parity = build(net(tmp_path, graph), output=tmp_path / "a.onnx", proof="full").parity
    assert parity and set(parity.kinds) == {*ALL_KINDS} - {"constant"} and parity.max_rel < 1e-5


def test_rounding_of_one_output_hides_no_fault_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`a` is rounding alone on constant images, and only on them is `b` wrong."""

    def one_more_on_constants(op: Any, g: Any, x: Any) -> str:
        ranges = (g.node(kind, x.name, g.ints("axes", (1, 2, 3))) for kind in ("ReduceMax", "ReduceMin"))
        is_constant = g.node("Cast", g.node("Equal", *ranges), to=1)
        return str(g.node("Add", g.node("Tanh", x.name), is_constant))

    norm = [{"conv": {"out": 8, "kernel": 3}}, {"group_norm": {"groups": 8, "eps": 1e-12}}]
    graph = [{"steps": norm, "output": "a"}, {"from": "image", "name": "wrong", "tanh": None, "output": "b"}]
    checked = net(tmp_path, graph)
    kinds = build(checked, output=tmp_path / "right.onnx", proof="full").parity
    assert kinds and "constant" in kinds.kinds, "it is proved of `b`"
    lower("tanh", one_more_on_constants)(monkeypatch)
    with pytest.raises(Failure, match=r"`wrong` \(net.yaml:\d+\), on constant input") as caught:
        build(checked, output=tmp_path / "a.onnx", proof="full")
    assert caught.value.code == "parity"


def test_a_net_of_rounding_alone_is_told(tmp_path: Path) -> None:
    graph = ["global_avg_pool", {"conv": 8}, {"upsample": 31}, {"group_norm": {"groups": 8, "eps": 1e-12}}]
    with pytest.raises(Failure, match="nothing can be proved") as caught:
        build(net(tmp_path, graph), output=tmp_path / "a.onnx")
    assert caught.value.code == "parity"


def test_a_kind_of_input_that_overflows_proves_nothing_and_refuses_nothing(tmp_path: Path) -> None:
    large = {"conv": {"out": 3, "kernel": 3, "init": {"constant": 5e17}}}
    parity = build(net(tmp_path, [large, large, "relu"]), output=tmp_path / "a.onnx", proof="full").parity
    assert parity and "standard normal" in parity.kinds and "sparse and large" not in parity.kinds


def test_kinds_are_what_they_are_called() -> None:
    """Each image of its own draws, whatever the shape of the input."""
    checked = check("lenet5_modern")
    assert checked.graph
    (images,) = draw_inputs(checked.graph, ALL_KINDS).values()
    normal, negative, sparse, shifted, constant, tiny = images
    assert images.dtype == np.float32 and abs(normal.mean()) < 0.2 and abs(normal.std() - 1) < 0.1
    assert negative.max() < 0 and 0.05 < (sparse > 0).mean() < 0.3 and sparse.max() > 10
    assert abs(shifted.mean()) > 2 and constant.std() == 0 and 0 < abs(tiny).max() < 0.01
