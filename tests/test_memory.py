"""The memory of a run, held against onnxruntime's own order and sizes; that of a training step, against what torch keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from archc.compiler.analysis.cost import OPTIMIZERS
from archc.compiler.analysis.inference_memory import IN_PLACE, VIEWS, executed_nodes, execution_order, inference_peak
from archc.compiler.analysis.onnx_nodes import onnx_nodes
from archc.compiler.analysis.training_memory import saved_bytes, training_memory
from archc.compiler.backends.onnx.opsets import OPSET
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.backends.torch.module import SkipInitialization, to_torch
from archc.compiler.driver import check, run_passes
from archc.compiler.ir.graph import Graph, Node, Value
from archc.compiler.ops import OPS
from archc.compiler.passes import PassOptions
from archc.compiler.sources import Memory, SpecText
from archc.compiler.weights.seeded import SeededSource

from .op_cases import CASES, Case
from .six_nets import NoWeights, load, six
from .sweep import sweep
from .test_ops import Positive, spread
from .test_ops import graph_of as graph_of_op


class Step(NamedTuple):
    """A node as onnxruntime ran it: its name, type, inputs and outputs, and the bytes of its outputs."""

    name: str
    type: str
    inputs: tuple[str, ...]
    output: str
    bytes: int


def steps_of(graph: Graph, folder: Path, batch: int) -> list[Step]:
    """What onnxruntime says of a run of the built file without optimisations: its nodes in their order, with their sizes."""
    path = folder / "net.onnx"
    export_onnx(graph, Positive(spread(graph.params())), path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling, options.profile_file_prefix, options.log_severity_level = True, str(folder / "profile"), 4
    options.optimized_model_filepath = str(
        folder / "run.onnx"
    )  # where a node without a kernel is the nodes of its definition
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    session.run(None, {v.name: np.zeros((batch, *v.type.sizes), np.float32) for v in graph.inputs})
    events = [e for e in json.loads(Path(session.end_profiling()).read_text()) if e["name"].endswith("_kernel_time")]
    written = list(onnx.load(folder / "run.onnx").graph.node)
    named = {node.name: node for node in written if node.name}
    unnamed = [node for node in written if not node.name]  # those of a definition, which follow each other
    ran = [
        (named.get(e["name"].removesuffix("_kernel_time")) or unnamed.pop(0), int(e["args"]["output_size"]))
        for e in events
    ]
    return [Step(n.name, n.op_type, tuple(filter(None, n.input)), n.output[0], size) for n, size in ran]


def simulated_peak(steps: list[Step], inputs: dict[str, int], results: Iterable[str], in_place: bool) -> int:
    """Node by node: which tensors have memory, and which of them nobody reads any more."""
    memory = dict(inputs)  # the bytes of each piece of memory, by the tensor that it was made for
    place = {name: name for name in inputs}  # whose memory each tensor has
    sizes = {step.output: step.bytes for step in steps}
    kept, peak = {*inputs, *results}, sum(inputs.values())
    for at, step in enumerate(steps):
        later = {name for other in steps[at + 1 :] for name in other.inputs} | kept
        same = [n for n in step.inputs[:2] if sizes.get(n) == step.bytes and step.inputs.count(n) == 1]
        free = [n for n in same if n in place and not any(place.get(other) == place[n] for other in later)
                and sum(place.get(other) == place[n] for other in step.inputs) == 1 and sizes.get(place[n]) == step.bytes]  # fmt: skip
        if step.type in VIEWS and step.output not in kept:
            if step.inputs[0] in place:
                place[step.output] = place[step.inputs[0]]
        elif in_place and step.type in IN_PLACE and free and step.output not in kept:
            place[step.output] = place[free[0]]
        else:
            place[step.output], memory[step.output] = step.output, step.bytes
        peak = max(peak, sum(memory.values()))
        needed = {place[name] for name in later if name in place}
        memory = {name: size for name, size in memory.items() if name in needed}
    return peak


def check_peaks(graph: Graph, folder: Path, batch: int = 1) -> None:
    steps = steps_of(graph, folder, batch)
    nodes = executed_nodes(onnx_nodes(graph, OPSET, batch))
    assert [(n.type, n.bytes) for n in execution_order(nodes)] == [(s.type, s.bytes) for s in steps]
    inputs = {v.name: 4 * batch * v.type.elements for v in graph.inputs}
    results = {o.name for o in onnx.load(folder / "net.onnx").graph.output}
    for in_place in (False, True):
        assert inference_peak(graph, OPSET, batch, in_place).bytes == simulated_peak(steps, inputs, results, in_place)


@sweep("case", CASES)
def test_each_op_takes_the_memory_that_onnxruntime_takes(case: Case, tmp_path: Path) -> None:
    check_peaks(run_passes(graph_of_op(case), PassOptions(fold=False)), tmp_path, 2)


@six
def test_a_nets_peak_is_that_of_onnxruntimes_order(name: str, tmp_path: Path) -> None:
    check_peaks(run_passes(load(name).graph), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["squeezenet1_0_complex_bypass", "inception_resnet_v2", "resnext50_32x4d", "lenet5_1998"]
)
def test_a_large_nets_peak_is_that_of_onnxruntimes_order(name: str, tmp_path: Path) -> None:
    graph = check(name).graph
    assert graph is not None
    check_peaks(run_passes(graph), tmp_path)


def graph_of(steps: str, size: int = 8) -> Graph:
    text = f"archspec: 1\nname: net\ninput: {{image: [2, {size}, {size}]}}\ngraph: {steps}\n"
    found = check(SpecText(Memory({}), "net.yaml", text.encode(), "net.yaml"))
    assert found.graph is not None, found.diagnostics
    return found.graph


IMAGE = 4 * 2 * 8 * 8  # bytes
PEAKS = {  # counted by hand, in images of two channels: without work in place, and with it; the image is there all the time
    "[{conv: 2}, relu, {conv: 2}]": (3, 3),
    "[{conv: 4}, relu, {conv: 2}]": (1 + 2 + 2, 1 + 2 + 1),
    "[relu, {conv: 2}]": (3, 3),
    "[{conv: 2}, batch_norm, {dropout: 0.5}, relu, {conv: 4}, {max_pool: 2}, flatten]": (1 + 1 + 2, 1 + 1 + 2),
    "[{conv: 4}, {residual: {body: [relu, {conv: 4}]}}, {conv: 2}]": (1 + 2 + 2 + 2, 1 + 2 + 2 + 2),
    "[{conv: 4}, sigmoid, {scale: 2}, tanh, {conv: 1}]": (1 + 2 + 2, 1 + 2 + 0.5),
    "[{conv: 4}, {multiply: [[], [global_avg_pool, sigmoid]]}, {conv: 1}]": (1 + 2 + 2 + 4 / 128, 1 + 2 + 0.5),
    "[{conv: 2}, silu, {conv: 2}]": (4, 3),
    "[{conv: 2}, {output: features}, relu, {conv: 2}]": (4, 4),
}  # fmt: skip


@pytest.mark.parametrize("steps", PEAKS)
def test_peaks_by_hand(steps: str) -> None:
    graph = run_passes(graph_of(steps))
    found = [inference_peak(graph, OPSET, 1, in_place).bytes / IMAGE for in_place in (False, True)]
    assert found == list(PEAKS[steps])
    assert inference_peak(graph, OPSET, 5).bytes == 5 * inference_peak(graph, OPSET).bytes


def test_the_peak_names_its_step() -> None:
    graph = run_passes(graph_of("[{name: a, conv: 2}, {name: b, conv: 9}, {name: c, conv: 1}]"))
    assert inference_peak(graph, OPSET) == ((1 + 1 + 4.5) * IMAGE, "b")


def test_nodes_of_a_definition_come_behind_all_others(tmp_path: Path) -> None:
    """onnxruntime has no kernel for HardSwish, and runs the nodes of its definition, which are the last in its graph."""
    steps = "[{conv: 2}, {concat: [hard_swish, [sigmoid, hard_swish, {prelu: {}}]]}, {conv: 2}, {add: [hard_swish, [], silu]}]"
    check_peaks(run_passes(graph_of(steps)), tmp_path)


class Saved(NamedTuple):
    """The bytes that torch keeps for the backward pass of a batch, and those of them that are for each image."""

    whole: int
    image: int


def saved_by_torch(graph: Graph, batch: int = 2, device: str = "meta") -> Saved:
    """By torch's own hooks, each piece of memory once, without parameters and buffers."""
    with SkipInitialization(), torch.device(device):
        net = to_torch(graph, NoWeights() if device == "meta" else SeededSource(graph.params())).train()
    own = {tensor.untyped_storage()._cdata for tensor in (*net.parameters(), *net.buffers())}
    found = []
    for count in (batch, batch + 1):
        kept: dict[int, Any] = {}

        def keep(tensor: Any, kept: dict[int, Any] = kept) -> Any:
            kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
            return tensor

        images = [torch.rand(count, *value.type.sizes, device=device) for value in graph.inputs]
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            result = net(*images)
        found.append(sum(storage.nbytes() for at, storage in kept.items() if at not in own))
        del result
    return Saved(found[0], found[1] - found[0])


def check_saved(graph: Graph, device: str = "meta") -> None:
    image, once = saved_bytes(graph)
    assert Saved(2 * image + once, image) == saved_by_torch(graph, device=device)


@sweep("case", CASES)
def test_each_op_keeps_what_torch_keeps(case: Case) -> None:
    """Behind a layer with weights, as nothing is kept before the first."""
    graph = graph_of_op(case)
    values = {value.name: Value(f"{value.name}.learned", value.type) for value in graph.inputs}
    learn = OPS["prelu"]()
    before = [Node(f"learn{i}", learn, (value,), (values[value.name],)) for i, value in enumerate(graph.inputs)]
    (node,) = graph.nodes
    node = node.replace(inputs=tuple(values[value.name] for value in node.inputs))
    check_saved(graph.replace(nodes=(*before, node)))


@pytest.mark.parametrize(
    "name", ["alexnet", "resnet18", "googlenet", "densenet_40_12_cifar", "fractalnet20_cifar", "lenet5_1998"]
)
def test_a_training_step_keeps_what_torch_keeps(name: str) -> None:
    graph = check(name).graph
    assert graph is not None
    check_saved(graph)


# the other families; each net of the zoo was held so once, which takes minutes
FAMILIES = ("vgg11_bn", "zfnet", "nin_cifar10", "squeezenet1_0_complex_bypass", "resnet50", "wrn_16_8_cifar",
            "resnext29_8x64d_cifar", "inception_v3", "densenet121", "alexnet_ensemble")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_training_step_of_each_family_keeps_what_torch_keeps(name: str) -> None:
    graph = check(name).graph
    assert graph is not None
    check_saved(graph)


@six
def test_real_tensors_are_kept_as_those_without_data(name: str) -> None:
    check_saved(load(name).graph, "cpu")


@pytest.mark.parametrize(
    "steps",
    [
        "[{multiply: [[], [global_avg_pool, {conv: 2}, sigmoid]]}, {conv: 3}]",
        "[relu, {max_pool: 2}, {conv: 3}, {residual: {body: [relu, {conv: 3}]}}, {concat: [[], relu]}, flatten, {linear: 4}]",
        "[{batch_norm: {}}, {slice: {height: [1, 7]}}, {conv: 3}, {slice: {channels: [0, 2]}}, {dropout: 0.0}, relu, {dropout: 0.0}, {conv: 2}]",
        "[{conv: 4}, {add: [[]]}, relu, {multiply: [[]]}, {concat: [[]]}, {conv: 2}]",
    ],
)
def test_a_tensor_that_several_keep_counts_once_and_one_without_gradient_not(steps: str) -> None:
    check_saved(graph_of(steps))


@pytest.mark.parametrize(
    "steps",
    [
        "[{slice: {height: [0, 3], width: [0, 3]}}, flatten, {linear: 3}]",
        "[{conv: 4}, {slice: {height: [0, 7, 2]}}, {avg_pool: 2}, {slice: {width: [0, 1]}}, flatten, {linear: 3}]",
        "[{conv: 4}, {slice: {channels: [1, 4, 2]}}, {group_norm: {groups: 1}}, {slice: {channels: [0, 1]}}, flatten, {linear: 3}]",
        "[layer_norm, sigmoid, flatten, {linear: 3}]",
        "[layer_norm, {conv: 4}, {max_pool: 2}, {slice: {channels: [1, 4]}}, {group_norm: {groups: 3}}, sigmoid, flatten, {linear: 3}]",
        "[layer_norm, {concat: [[], {affine: {}}]}, tanh, {concat: [[], [{conv: 4}, softmax]]}, tanh, flatten, {linear: 3}]",
        "[layer_norm, {multiply: [[global_avg_pool, {conv: 2}], [], [tanh]]}, {select: {channels: [1, 0]}}, flatten, {linear: 3}]",
        "[layer_norm, {mean: [[tanh], [affine]]}, sigmoid, flatten, {linear: 3}]",
    ],
)
def test_what_is_copied_depends_on_how_it_lies_in_memory(steps: str) -> None:
    """On the CPU: tensors without data lie otherwise behind a convolution."""
    check_saved(graph_of(steps), "cpu")


@pytest.mark.parametrize("learned", range(8))
def test_what_is_kept_of_factors_depends_on_their_order(learned: int) -> None:
    """torch multiplies from left to right; a gate among them makes the products of several sizes."""
    for factors in (
        ["tanh", "relu", "silu"],
        ["tanh", "global_avg_pool", "relu"],
        ["global_avg_pool", "global_avg_pool", "relu"],
    ):
        branches = [f"[{f}, {{affine: {{}}}}]" if learned >> at & 1 else f"[{f}]" for at, f in enumerate(factors)]
        check_saved(graph_of(f"[{{multiply: [{', '.join(branches)}]}}, {{scale: 2}}]"))


def test_what_training_takes() -> None:
    graph = graph_of(
        "[{name: a, conv: {out: 3, kernel: 3}}, {name: n, batch_norm: {}}, relu, flatten, {name: fc, linear: 5}]"
    )
    found = training_memory(graph, 10)
    params, buffers = 4 * (3 * 2 * 9 + 3 + 6 + 108 * 5 + 5), 4 * 6 + 8
    kept = 10 * 4 * (128 + 108 + 108) + 4 * 6  # the image, the norm's input, the relu's result; the batch's statistics
    assert found == (10, params + buffers, params, kept)
    assert [found.optimizer_bytes(o) // params for o in OPTIMIZERS] == [0, 1, 2]
    assert found.total("adam") == 4 * params + buffers + kept


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_an_optimizer_keeps_what_torchs_keeps(optimizer: str) -> None:
    make = {
        "sgd": lambda p: torch.optim.SGD(p, 0.1),
        "sgd_momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
        "adam": torch.optim.Adam,
    }[optimizer]
    net = load("lenet5_modern").to_torch().train()
    own = make(net.parameters())
    net(torch.rand(2, 1, 32, 32)).sum().backward()
    own.step()
    state = [
        t for each in own.state.values() for t in each.values() if isinstance(t, torch.Tensor) and t.dim()
    ]  # but for counters
    memory = training_memory(load("lenet5_modern").graph, 2)
    assert sum(t.numel() * t.element_size() for t in state) == memory.optimizer_bytes(optimizer)
    assert sum(p.grad.numel() * 4 for p in net.parameters() if p.grad is not None) == memory.gradients
