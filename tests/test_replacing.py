"""Modules replaced by others, as people do with torchvision's: heads of the whole zoo, any step, and what hooks on scopes see."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import archc
from archc.catalog import models
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.backends.torch.scope import Scope
from archc.compiler.ops.op import op_of

from .families import by_family
from .peers import torchvision_net
from .six_nets import NoWeights, assert_same, by_name, image_of, last_layers, module_of, replace, six


@by_family([m.name for m in models() if m.family != "lecture"])  # those are parts of nets
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
