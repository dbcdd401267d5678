"""What the zoo's nets do in training and not afterwards: dropped blocks, dropped paths, heads, and members averaged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import archc
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.driver import check, run_passes
from archc.compiler.ir.graph import Graph
from archc.compiler.weights.given import StateDict
from archc.compiler.weights.rewrite import RewrittenSource
from archc.compiler.weights.seeded import SeededSource
from archc.runtime import Session
from archc.runtime.images import prepare
from archc.runtime.inference import create_cpu_session


def graph_of(name: str, *settings: str) -> Graph:
    graph = check(name, settings).graph
    assert graph is not None
    return graph


def module_of(graph: Graph, seed: int = 0) -> torch.nn.Module:
    return to_torch(graph, SeededSource(graph.params(), seed))


@pytest.mark.parametrize(
    ("depth", "blocks", "expected_blocks"),
    [(110, 54, 40.25), (1202, 600, 449.75)],  # the paper: "about 40" of 54; Σ p_l = L - (L + 1) / 4 for p_L = 0.5
)
def test_stochastic_depth_decays_linearly_and_infers_the_expectation(
    depth: int, blocks: int, expected_blocks: float
) -> None:
    graph = graph_of(f"stochastic_depth_resnet{depth}_cifar")
    drops = [node.op for node in graph.nodes if node.op.name == "drop_path"]
    assert [op.p for op in drops] == pytest.approx([i / blocks * 0.5 for i in range(1, blocks + 1)])
    assert sum(1 - op.p for op in drops) == pytest.approx(expected_blocks)
    assert {(op.per, op.rescale) for op in drops} == {("batch", "inference")}
    scales = [node.op.value for node in run_passes(graph).nodes if node.op.name == "scale"]
    assert scales == pytest.approx([1 - op.p for op in drops])


def test_a_dropped_block_is_its_shortcut() -> None:
    """With the last block never kept, training skips it: its output is what arrived, through the ReLU after the sum."""
    graph = graph_of("stochastic_depth_resnet110_cifar", "n=1", "last_survival=0")
    net = module_of(graph).train()
    seen = {}
    for path in ("layer2.0", "layer3.0"):
        relu = next(
            node.path
            for node in graph.nodes
            if node.path.startswith(path + ".")
            and node.op.name == "relu"
            and node.inputs[0].name.startswith(path)
            and "body" not in node.path
        )
        net.get_submodule(relu).register_forward_hook(
            lambda _m, _i, out, path=path: seen.__setitem__(path, out.detach())
        )
    net(torch.randn(2, 3, 32, 32))
    arrived, left = seen["layer2.0"], seen["layer3.0"]
    assert torch.equal(left[:, :32], arrived[:, :, ::2, ::2]) and not left[:, 32:].any()


SMALL_FRACTAL = ("widths=[4, 4, 4, 4, 4]", "dropouts=[0.0, 0.0, 0.0, 0.0, 0.0]")


def test_global_drop_path_runs_one_column_of_the_whole_net() -> None:
    """Each pass of a net that always draws is one of its columns; the deepest is the deepest net, by the same tensors."""
    whole = graph_of("fractalnet20_cifar", "global=1.0", "local=0.0", *SMALL_FRACTAL)
    deepest = graph_of("fractalnet20_cifar_deepest", *SMALL_FRACTAL)
    assert deepest.params().items() <= whole.params().items()
    net, x = module_of(whole).train(), torch.randn(4, 3, 32, 32)
    alone = module_of(deepest).train()(x)
    torch.manual_seed(0)
    drawn = [net(x) for _ in range(24)]
    columns: list[torch.Tensor] = []
    for found in drawn:
        if not any(torch.allclose(found, c, atol=1e-5) for c in columns):
            columns.append(found)
    assert len(columns) == 3
    assert any(torch.allclose(alone, c, atol=1e-5) for c in columns)


def test_local_drop_path_drops_joins_inputs_but_never_all() -> None:
    always = graph_of("fractalnet20_cifar", "global=0.0", "local=1.0", *SMALL_FRACTAL)
    net, x = module_of(always).train(), torch.randn(4, 3, 32, 32)
    torch.manual_seed(0)
    assert len({round(float(net(x).abs().sum().detach()), 4) for _ in range(6)}) > 1
    assert not [node for node in always.nodes if node.op.name == "path_draw"]
    whole = module_of(graph_of("fractalnet20_cifar", *SMALL_FRACTAL)).eval()
    assert torch.equal(whole(x), whole(x))


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("googlenet", {"aux1": 0.3, "aux2": 0.3}),  # section 5: weight 0.3
        ("googlenet_paper", {"aux4a": 0.3, "aux4d": 0.3}),
        ("inception_v3", {"AuxLogits": 0.4}),
    ],
)
def test_auxiliary_heads_train_and_do_not_infer(name: str, heads: dict[str, float]) -> None:
    graph = graph_of(name)
    assert {head.path: head.weight for head in graph.heads} == heads
    assert {head.value.type.sizes for head in graph.heads} == {(1000,)}
    inference = run_passes(graph)
    assert not inference.heads
    assert not [node for node in inference.nodes if node.path.split(".")[0] in heads]


@pytest.mark.slow
def test_an_ensemble_averages_its_members_probabilities(tmp_path) -> None:
    ensemble, member = graph_of("alexnet_ensemble", "members=2"), graph_of("alexnet_2012")
    nets = [module_of(member, seed).eval() for seed in (1, 2)]
    weights = StateDict(
        {f"member{i}.{name}": tensor for i, net in enumerate(nets) for name, tensor in net.state_dict().items()}
    )
    built = run_passes(ensemble)
    export_onnx(built, RewrittenSource(weights, built), tmp_path / "net.onnx")
    x = np.random.default_rng(0).standard_normal((2, 3, 227, 227), dtype=np.float32)
    found = create_cpu_session(tmp_path / "net.onnx", threads=2).run(["probabilities"], {"image": x})[0]
    with torch.no_grad():
        expected = torch.stack([net(torch.from_numpy(x)).softmax(1) for net in nets]).mean(0)
    assert np.abs(found - expected.numpy()).max() <= 1e-5
    assert np.allclose(found.sum(1), 1, atol=1e-5)


MEMBER = """archspec: 1
name: member
params: {classes: 3}
input: {image: [1, 4, 4]}
graph: [flatten, {name: fc, linear: $classes}]
"""
ENSEMBLE = """archspec: 1
name: ensemble
input: {image: [1, 4, 4]}
preprocess: {crop: 4}
import: {Member: member.yaml}
graph:
  - output: probabilities
    mean: [{repeat: {i: 3}, steps: [{name: member$i, Member}, softmax]}]
"""


def test_probabilities_of_an_ensemble_get_no_second_softmax(tmp_path) -> None:
    (tmp_path / "member.yaml").write_text(MEMBER)
    (tmp_path / "ensemble.yaml").write_text(ENSEMBLE)
    archc.load(tmp_path / "ensemble.yaml").export_onnx(tmp_path / "net.onnx")
    session = Session(tmp_path / "net.onnx", device="cpu")
    photo = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    answer = session.run(prepare(photo, session.preprocess)[None])["probabilities"][0]
    assert answer.sum() == pytest.approx(1) and answer.std() > 0
    [told] = session.classify([photo])
    assert [each.probability for each in told.top] == pytest.approx(sorted(answer, reverse=True))
