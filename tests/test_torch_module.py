"""What people do with torchvision's modules, done with ours: replacing, tracing, exporting, copying, training by parts."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archc
from archc.catalog import models
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.backends.torch.network import Network, Scope
from archc.compiler.ir.graph import Graph, Node
from archc.compiler.ops.op import op_of

from .peers import library, torchvision_net

# a net of each of six families: plain, heads, dense blocks, a draw for the whole net, dropped blocks, a convolution at the end
SIX: dict[str, dict[str, Any]] = {
    "lenet5_modern": {},
    "googlenet": {"classes": 10},
    "densenet_40_12_cifar": {"layers": 4},
    "fractalnet20_cifar": {"widths": [4, 4, 4, 4, 4]},
    "stochastic_depth_resnet110_cifar": {"n": 2},
    "squeezenet1_1": {"classes": 10},
}
six = pytest.mark.parametrize("name", SIX)


@lru_cache
def load(name: str) -> archc.Net:
    return archc.load(name, params=SIX.get(name))


def module_of(name: str) -> Network:
    return load(name).to_torch().eval()


def image_of(name: str, batch: int = 2) -> torch.Tensor:
    sizes = load(name).graph.inputs[0].type.sizes
    return torch.randn(batch, *sizes, generator=torch.Generator().manual_seed(0))


def by_name(answer: Any) -> dict[str, torch.Tensor]:
    return answer if isinstance(answer, dict) else {"": answer}


def assert_same(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    found, expected = by_name(found), by_name(expected)
    assert list(found) == list(expected)
    for name, reference in expected.items():
        assert (found[name] - reference).abs().max() <= tolerance * reference.abs().max(), name


# -- replacing ---------------------------------------------------------------------------------------------------------


class NoWeights:
    """A source without tensors; on the device `meta` there is nothing to fill."""

    def names(self) -> Iterable[str]:
        return ()


def last_layers(graph: Graph) -> list[Node]:
    """The layers with weights behind which a result has no other."""
    makers = {node.output.name: node for node in graph.nodes}
    found: dict[str, Node] = {}
    todo = list(graph.results())
    while todo:
        node = makers.get(todo.pop().name)
        if node is not None and (op_of(node).counts == "weight" or op_of(node).takes_vector):
            found[node.path] = node
        elif node is not None:
            todo += node.inputs
    return list(found.values())


def replace(module: nn.Module, path: str, new: nn.Module) -> None:
    owner, _, last = path.rpartition(".")
    setattr(module.get_submodule(owner), last, new)


@pytest.mark.slow
@pytest.mark.parametrize("name", [m.name for m in models() if m.family != "lecture"])  # those are parts of nets
def test_every_last_layer_of_the_zoo_may_be_another(name: str) -> None:
    """Heads, too, and in both phases. An identity in the place of a linear layer gives its features, as vectors."""
    graph = archc.load(name).graph
    images = [torch.zeros(2, *value.type.sizes, device="meta") for value in graph.inputs]
    last = last_layers(graph)
    widths = {node.input_types[0].channels for node in last}
    with torch.device("meta"), torch.no_grad():
        module = to_torch(graph, NoWeights())
        for kind in ("three classes", "features"):
            for node in last:
                width = node.input_types[0].channels
                flat = op_of(node).takes_vector
                three = nn.Linear(width, 3) if flat else nn.Conv2d(width, 3, 1)
                replace(module, node.path, three if kind == "three classes" else nn.Identity())
            for training in (True, False):
                answers = by_name(module.train(training)(*images))
                assert {answer.shape[0] for answer in answers.values()} == {2}
                assert {answer.shape[1] for answer in answers.values()} <= ({3} if kind == "three classes" else widths)
    assert last


TRANSFER = [  # torchvision's tutorial of transfer learning: the net, its last layer, the features that arrive there
    ("resnet18", "fc", 512), ("googlenet", "fc", 1024), ("densenet121", "classifier", 1024), ("squeezenet1_1", "classifier.1", 512),
    pytest.param("alexnet", "classifier.6", 4096, marks=pytest.mark.slow),
    pytest.param("inception_v3", "fc", 2048, marks=pytest.mark.slow),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "features"), TRANSFER)
def test_the_idiom_of_transfer_learning_is_torchvision_s(name: str, path: str, features: int) -> None:
    image = torch.randn(2, *archc.load(name).graph.inputs[0].type.sizes)
    convolution = name.startswith("squeezenet")
    last: nn.Module = nn.Conv2d(features, 3, 1) if convolution else nn.Linear(features, 3)
    for new in (last, nn.Identity()):
        answers = []
        for module in (archc.load(name).to_torch().eval(), torchvision_net(name).eval()):
            old: Any = module.get_submodule(path)
            assert (old.in_channels if convolution else old.in_features) == features
            assert isinstance(old, nn.Conv2d) or type(old) is nn.Linear
            owner, _, key = path.rpartition(".")
            if owner:
                module.get_submodule(owner)[int(key)] = new  # type: ignore[operator]
            else:
                setattr(module, path, new)
            with torch.no_grad():
                answers.append(module(image))
        assert answers[0].shape == answers[1].shape


def test_steps_by_position() -> None:
    """A scope is indexed as an nn.Sequential is; its names are found, too."""
    module = archc.load("resnet18").to_torch()
    layer = module.layer1
    assert (
        isinstance(layer, Scope) and len(layer) == 2 and list(layer) == [layer[0], layer["1"]] and layer[-1] is layer[1]
    )
    layer[-1].bn2 = nn.Identity()
    layer[0]["1"] = nn.SiLU()
    assert isinstance(module.layer1[1].bn2, nn.Identity) and isinstance(module.get_submodule("layer1.0.1"), nn.SiLU)
    assert module(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)
    with pytest.raises(IndexError, match="the scope has 0, 1"):
        layer[2]
    with pytest.raises(KeyError, match="bn9"):
        layer[0]["bn9"] = nn.Identity()
    with pytest.raises(IndexError):
        layer[-3]


@pytest.mark.parametrize("path", ["conv1", "layer1", "layer4", "layer4.1", "layer2.0"])
def test_hooks_see_what_torchvision_s_blocks_give(path: str) -> None:
    """A hook on a scope sees its result, and the gradient of it: what Grad-CAM takes."""
    theirs = torchvision_net("resnet18").eval()
    ours = archc.load("resnet18").to_torch(weights=theirs.state_dict()).eval()
    image, seen = torch.randn(2, 3, 64, 64), []
    for net in (ours, theirs):
        step = net.get_submodule(path)
        step.register_forward_hook(lambda _step, _inputs, result: seen.append(result.detach()))
        step.register_full_backward_hook(lambda _step, _inputs, gradients: seen.append(gradients[0]))
        net(image)[:, 0].sum().backward()
    for found, expected in zip(seen[:2], seen[2:], strict=True):
        assert_same(found, expected, 1e-3)


def test_what_a_scope_cannot_do_is_said() -> None:
    scope = archc.load("resnet18").to_torch().layer1
    with pytest.raises(NotImplementedError, match="call the net"):
        nn.Sequential(scope)(torch.zeros(1, 64, 8, 8))
    with pytest.raises(NotImplementedError, match="one of 0, 1"):
        scope.register_forward_pre_hook(print)


def like(old: nn.Module) -> nn.Module | None:
    """What may stand in the place of a module; None for one that is left."""
    if isinstance(old, nn.BatchNorm2d | nn.Dropout):
        return nn.Identity()
    if isinstance(old, nn.ReLU | nn.Tanh):
        return nn.SiLU()
    if type(old) is nn.Conv2d:
        return nn.Conv2d(old.in_channels, old.out_channels, old.kernel_size, old.stride, old.padding)  # type: ignore[arg-type]
    return None


@six
def test_any_step_may_be_replaced(name: str) -> None:
    """Norms and dropouts by identities, activations and convolutions by others; the state dict has what is there then."""
    module, image = module_of(name), image_of(name)
    found = {path: new for path, old in module.named_modules() if (new := like(old)) is not None}
    for path, new in found.items():
        replace(module, path, new)
    assert len(found) > 4 and all(module.get_submodule(path) is new for path, new in found.items())
    kept = {f"{path}.{key}" for path, new in found.items() for key in new.state_dict()}
    assert kept <= set(module.state_dict()) and not any("running_mean" in key for key in module.state_dict())
    with torch.no_grad():
        for training in (True, False):
            assert all(answer.isfinite().all() for answer in by_name(module.train(training)(image)).values())


# -- tracing and exporting ---------------------------------------------------------------------------------------------


@six
def test_symbolic_trace_in_either_mode(name: str) -> None:
    """What was drawn at random is drawn again in what is traced: no draw is a constant of it."""
    module, image = module_of(name), image_of(name)
    for training in (False, True):
        traced = torch.fx.symbolic_trace(module.train(training))
        for seed in range(3):
            torch.manual_seed(seed)
            expected = module(image)
            torch.manual_seed(seed)
            assert_same(traced(image), expected, 1e-4)
        draws = any(op_of(node).training_only for node in load(name).graph.nodes)
        if training and draws:
            assert not torch.equal(*(next(iter(by_name(traced(image)).values())) for _ in range(2)))


FEATURES = [
    ("resnet18", "layer3", "flatten"),
    ("googlenet", "inception4a", "flatten"),
    ("densenet121", "features.denseblock1", "flatten"),
]


@pytest.mark.parametrize(("name", "block", "vector"), FEATURES)
def test_create_feature_extractor(name: str, block: str, vector: str) -> None:
    """torchvision's own tool, on our module and on theirs with the same tensors."""
    library("torchvision")
    from torchvision.models.feature_extraction import create_feature_extractor

    theirs = torchvision_net(name).eval()
    ours = archc.load(name).to_torch(weights=theirs.state_dict()).eval()
    image = torch.randn(2, *archc.load(name).graph.inputs[0].type.sizes)
    with torch.no_grad():
        found, expected = (
            create_feature_extractor(net, {block: "map", vector: "vector"})(image) for net in (ours, theirs)
        )
    assert_same(
        {key: value.flatten(1) for key, value in found.items()},
        {key: value.flatten(1) for key, value in expected.items()},
        1e-4,
    )


@six
def test_create_feature_extractor_of_six(name: str) -> None:
    library("torchvision")
    from torchvision.models.feature_extraction import create_feature_extractor

    module, image = module_of(name), image_of(name)
    before = last_layers(load(name).graph)[-1].inputs[0].name
    extractor = create_feature_extractor(module, [before]).eval()
    seen: list[torch.Tensor] = []
    module.get_submodule(before).register_forward_hook(lambda _module, _inputs, given: seen.append(given))
    with torch.no_grad():
        module.eval()(image)
        assert_same(extractor(image)[before], seen[0])


@six
def test_jit_trace(name: str) -> None:
    module, image = module_of(name), image_of(name)
    with torch.no_grad():
        traced = torch.jit.trace(module, image)
        assert_same(traced(image_of(name, 3)), module(image_of(name, 3)))


@six
@pytest.mark.parametrize("training", [False, True])
def test_jit_script_takes_the_phase_that_the_net_is_in(name: str, training: bool) -> None:
    module, image = module_of(name).train(training), image_of(name)
    scripted = torch.jit.script(module)
    torch.manual_seed(1)
    expected = module(image)
    torch.manual_seed(1)
    assert_same(scripted(image), expected, 1e-4)
    torch.jit.save(scripted, file := io.BytesIO())
    file.seek(0)
    torch.manual_seed(1)
    assert_same(torch.jit.load(file)(image), expected, 1e-4)


@pytest.mark.slow
@six
def test_export_with_an_open_batch(name: str) -> None:
    module, image = module_of(name), image_of(name)
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(module, (image,), dynamic_shapes=({0: batch},)).module()
    with torch.no_grad():
        for count in (1, 2, 5):
            assert_same(exported(image_of(name, count)), module(image_of(name, count)))


@pytest.mark.slow
@six
def test_compile(name: str) -> None:
    module, image = module_of(name), image_of(name)
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    with torch.no_grad():
        assert_same(compiled(image), module(image), 1e-4)
    module.train()
    assert by_name(compiled(image)).keys() == by_name(module(image)).keys()


# -- copying -----------------------------------------------------------------------------------------------------------


def save_and_load(module: nn.Module) -> Any:
    torch.save(module, file := io.BytesIO())
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),
    "torch.save": save_and_load,
    "copy of a copy": lambda module: pickle.loads(pickle.dumps(copy.deepcopy(module))),
}


def double(_module: nn.Module, _inputs: Any, answer: Any) -> Any:
    return {key: 2 * each for key, each in answer.items()} if isinstance(answer, dict) else 2 * answer


@six
@pytest.mark.parametrize("how", COPIES)
def test_copies_are_whole(name: str, how: str) -> None:
    """With what was set on the module since: modules, parameters, attributes, hooks; and what changes the copy leaves the net."""
    module, image = module_of(name), image_of(name)
    node = last_layers(load(name).graph)[0]
    width = node.input_types[0].channels
    replace(module, node.path, nn.Linear(width, 3) if op_of(node).takes_vector else nn.Conv2d(width, 3, 1))
    module.temperature, module.classes = nn.Parameter(torch.ones(1)), ["a", "b"]
    module.register_forward_hook(double)
    other = COPIES[how](module)
    assert type(other).__name__ == type(module).__name__ and isinstance(other, Network)
    assert list(other.state_dict()) == list(module.state_dict()) and other.classes == ["a", "b"]
    assert (other.head_weights, other.output_names, other.seed) == (module.head_weights, module.output_names, 0)
    with torch.no_grad():
        assert_same(other(image), module(image), 0)
        assert by_name(other.train()(image)).keys() == by_name(module.train()(image)).keys()
        before = copy.deepcopy(module.state_dict())
        for parameter in other.parameters():
            parameter.zero_()
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())


# -- training ----------------------------------------------------------------------------------------------------------


@six
def test_channels_last(name: str) -> None:
    module, image = module_of(name), image_of(name)
    with torch.no_grad():
        expected = module(image)
        module.to(memory_format=torch.channels_last)
        assert_same(module(image.to(memory_format=torch.channels_last)), expected, 1e-4)


@six
def test_autocast_to_bfloat16_in_training(name: str) -> None:
    module, image = module_of(name).train(), image_of(name)
    with torch.autocast("cpu", torch.bfloat16):
        loss = module.loss(module(image), torch.zeros(2, dtype=torch.long), last_axes)
    loss.backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert gradients and all(gradient.isfinite().all() and gradient.dtype is torch.float32 for gradient in gradients)


def last_axes(answer: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross entropy of classes, whether they are a vector or C×1×1."""
    return nn.functional.cross_entropy(answer.float().flatten(1), target)


@six
def test_freezing_by_path(name: str) -> None:
    """What is frozen gets no gradient and no change; the rest learns."""
    module, image = module_of(name).train(), image_of(name)
    trained = last_layers(load(name).graph)[0].path
    for path, parameter in module.named_parameters():
        parameter.requires_grad = path.startswith(trained + ".")
    before = {path: parameter.clone() for path, parameter in module.named_parameters()}
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 0.1)
    module.loss(module(image), torch.zeros(2, dtype=torch.long), last_axes).backward()
    optimizer.step()
    changed = {path for path, parameter in module.named_parameters() if not torch.equal(parameter, before[path])}
    assert changed == {path for path in before if path.startswith(trained + ".")}


DDP = """
import os, sys, torch, archc
from torch.nn.parallel import DistributedDataParallel
rank = int(sys.argv[1])
torch.distributed.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
torch.set_num_threads(1)
for name, params in eval(sys.argv[3]).items():
    net = archc.load(name, params=params)
    module = net.to_torch(seed=rank).train()
    parallel = DistributedDataParallel(module, find_unused_parameters=True)
    torch.manual_seed(rank)
    image = torch.randn(2, *net.graph.inputs[0].type.sizes)
    criterion = lambda answer, target: torch.nn.functional.cross_entropy(answer.flatten(1), target)
    module.loss(parallel(image), torch.zeros(2, dtype=torch.long), criterion).backward()
    torch.optim.SGD(parallel.parameters(), 0.1).step()
    print(name, [round(float(p.detach().double().sum()), 6) for p in module.parameters()])
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_learn_one_net(tmp_path: Path) -> None:
    """DistributedDataParallel over gloo: from two starts and two halves of a batch, both end with the same tensors."""
    command = [sys.executable, "-W", "ignore", "-c", DDP]
    started = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store"), repr(SIX)], stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=600)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert said[0] == said[1] and [line.split()[0] for line in said[0].splitlines()] == list(SIX)
