"""What people do with torchvision's modules, done with ours: tracing, exporting, copying, training by parts."""

from __future__ import annotations

import copy
import io
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archc
from archc.compiler.backends.torch.network import Network
from archc.compiler.ops.op import op_of

from .peers import library, torchvision_net
from .six_nets import SHORT_GOOGLENET, SIX, assert_same, by_name, image_of, last_layers, load, module_of, replace, six

# a plain net, heads, a draw for the whole net, and dropped blocks
SHARED = {name: SIX[name] for name in SIX if name not in ("densenet_40_12_cifar", "squeezenet1_1")}

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


# the nets with neither heads nor draws are compiled in the same way as LeNet: they are in the soak
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in SHARED else pytest.mark.soak) for name in SIX],
    ids=lambda name: Path(name).stem,
)
def test_compile(name: str) -> None:
    module, image = module_of(name), image_of(name)
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    with torch.no_grad():
        assert_same(compiled(image), module(image), 1e-4)
    module.train()
    assert by_name(compiled(image)).keys() == by_name(module(image)).keys()


SMALL = """archspec: 1
name: small
input: {image: [3, 8, 8]}
graph: [conv: 4, relu, global_avg_pool, {name: fc, linear: 5}]
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("c++") or shutil.which("g++")), reason="torch's default compiler needs one of C++"
)
def test_compile_to_machine_code(tmp_path: Path) -> None:
    """A net of few kernels: the compiler of C++ takes seconds for each, in either phase."""
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    module, image = archc.load(tmp_path / "small.yaml").to_torch().eval(), torch.randn(2, 3, 8, 8)
    compiled = torch.compile(module)
    with torch.no_grad():
        assert_same(compiled(image), module(image), 1e-4)
    compiled.train()
    module.loss(compiled(image), torch.zeros(2, dtype=torch.long)).backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


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


def test_a_shallow_copy_shares_the_parameters() -> None:
    module: Any = module_of(SHORT_GOOGLENET)
    other = copy.copy(module)
    assert isinstance(other, Network) and type(other).__name__ == type(module).__name__ and other is not module
    assert all(one is two for one, two in zip(module.parameters(), other.parameters(), strict=True))
    answers = other.train()(image_of(SHORT_GOOGLENET))
    assert list(answers) == ["logits", "aux1", "aux2"] and other.loss(answers, torch.zeros(2, dtype=torch.long)) > 0
    assert other.state_dict()._metadata == module.state_dict()._metadata


@pytest.mark.parametrize("how", COPIES)
def test_a_net_may_refer_to_itself(how: str) -> None:
    module: Any = module_of("lenet5_modern")
    module.me = [module]
    other = COPIES[how](module)
    assert other is not module and other.me[0] is other


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
        subprocess.Popen([*command, str(rank), str(tmp_path / "store"), repr(SHARED)], stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=600)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert said[0] == said[1] and [line.split()[0] for line in said[0].splitlines()] == list(SHARED)
