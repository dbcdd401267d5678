"""The peers: the nets of torchvision and timm that the zoo follows, and the facts that the tests keep of them.

    python -m tests.peers            writes tests/data/peers.json (keys and shapes) and tests/data/fingerprints.npz (logits)

The facts are data, so that the fast tests need neither library. Only what compares photos and training code with the
living peer builds one; both libraries are installed without their dependencies (peers.txt).
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .fingerprint import fill_tensor, golden_input

DATA = Path(__file__).parent / "data"
BATCH = 2

TORCHVISION = [
    "alexnet",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "googlenet",
    "inception_v3",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "squeezenet1_0",
    "squeezenet1_1",
]
TIMM = [
    "inception_v4",
    "inception_resnet_v2",
    "resnetv2_50",
    "resnetv2_101",
    "resnetv2_152",
    "densenet264d",
    "resnext101_32x4d",
]
# a peer of each kind of block and stem: their whole answers are compared in CI, those of deeper and wider ones in the soak
PEERS_IN_CI = (
    "alexnet", "vgg11_bn", "googlenet", "inception_v3", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "densenet121", "squeezenet1_0",
    "squeezenet1_1", "inception_v4", "inception_resnet_v2", "resnetv2_50", "densenet264d",
)  # fmt: skip
UNTRAINED = {
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False},
}  # theirs takes half a minute


def library(name: str) -> Any:
    """torchvision or timm, beside a torch of any build.

    torchvision's compiled part fits one build of torch only. Without it the import stops at two operators that its Python
    code registers for; declared, it goes through, and no net here calls them.
    """
    try:
        return importlib.import_module(name)
    except RuntimeError:
        OPERATORS.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        OPERATORS.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for half in [m for m in sys.modules if m.split(".")[0] in ("torchvision", "timm")]:
            del sys.modules[half]
        return importlib.import_module(name)


OPERATORS = torch.library.Library("torchvision", "FRAGMENT")


def torchvision_net(name: str, **how: Any) -> torch.nn.Module:
    make = getattr(library("torchvision").models, name)
    net: torch.nn.Module = make(weights=None, **UNTRAINED.get(name, {}), **how)
    return net


def timm_net(name: str, **how: Any) -> torch.nn.Module:
    net: torch.nn.Module = library("timm").create_model(name, pretrained=False, **how)
    return net


PEERS: dict[str, Callable[..., torch.nn.Module]] = {
    **{name: partial(torchvision_net, name) for name in TORCHVISION},
    **{name: partial(timm_net, name) for name in TIMM},
}


def size(name: str) -> tuple[int, int, int]:
    side = 299 if name.startswith("inception") else 224
    return (3, side, side)


def filled(net: torch.nn.Module) -> torch.nn.Module:
    """The net with every tensor of its state dict filled from its key, in float64, to be asked for answers."""
    net = net.double().eval()
    for key, tensor in net.state_dict().items():
        tensor.copy_(torch.from_numpy(fill_tensor(key, tuple(tensor.shape))))
    return net


def main() -> None:
    shapes: dict[str, dict[str, list[int]]] = {}
    logits: dict[str, Any] = {}
    for name, make in PEERS.items():
        net = make()
        shapes[name] = {key: list(tensor.shape) for key, tensor in net.state_dict().items()}
        with torch.no_grad():
            found = filled(net)(torch.from_numpy(golden_input(size(name), BATCH)))
        logits[name] = found.numpy().astype(np.float32)
        print(f"{name:24} {len(shapes[name]):4} tensors  std {logits[name].std():.4g}", flush=True)
    versions = " and ".join(f"{each} {library(each).__version__}" for each in ("torchvision", "timm"))
    nets = ",\n".join(f"{json.dumps(name)}:{json.dumps(kept, separators=(',', ':'))}" for name, kept in shapes.items())
    source = json.dumps(f"state dicts of {versions}: key -> shape")
    (DATA / "peers.json").write_text(f'{{"source":{source},"nets":{{\n{nets}\n}}}}\n', "utf-8")
    np.savez_compressed(DATA / "fingerprints.npz", **logits)


if __name__ == "__main__":
    main()
