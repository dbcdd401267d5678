"""Six nets of six families, and what tests of the torch module do with any of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archc
from archc.compiler.backends.torch.network import Network
from archc.compiler.ir.graph import Graph, Node
from archc.compiler.ops.op import op_of

# GoogLeNet's blocks and heads: all of its modules take tools many seconds, and show them nothing more
SHORT_GOOGLENET = str(Path(__file__).parent / "data" / "short_googlenet.yaml")
# a net of each of six families: plain, heads, dense blocks, a draw for the whole net, dropped blocks, a convolution at the end
SIX: dict[str, dict[str, Any]] = {
    "lenet5_modern": {},
    SHORT_GOOGLENET: {},
    "densenet_40_12_cifar": {"layers": 4},
    "fractalnet20_cifar": {"widths": [4, 4, 4, 4, 4]},
    "stochastic_depth_resnet110_cifar": {"n": 2},
    "squeezenet1_1": {"classes": 10},
}
six = pytest.mark.parametrize("name", SIX, ids=lambda name: Path(name).stem)  # its tests take each of them


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
