"""What torch answers: the training graph's own modules in eval mode, nothing folded, so that every pass is under proof, too."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from ...compiler.ir.graph import Graph
from ...compiler.weights.source import WeightSource

# The C library asks the system for larger blocks anew each time, and clearing their pages takes a quarter of a run (measured).
LARGEST_BLOCK = 2**25 - 1
FLOAT_BYTES = 4


class Trace(NamedTuple):
    """What is known of the result of each node, by path, and of each output, by name."""

    nodes: dict[str, Any]
    outputs: dict[str, Any]


class Reference:
    """The net in torch. `threads` is how many torch computes with."""

    def __init__(self, training: Graph, built: Graph, weights: WeightSource) -> None:
        """Makes the module of `training`, which answers with the outputs of `built`, kept heads among them."""
        import torch

        from ...compiler.backends.torch.module import to_torch

        self.training, self.built = training, built
        self.net = to_torch(training, weights).eval()
        # the training graph, every module of it in eval mode: it gives the kept heads, too
        self.net.training = bool(built.heads)
        self.threads: int = torch.get_num_threads()
        self.version = f"torch {torch.__version__}"

    def answers(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs by name, as arrays, for arrays with an image a row.

        Images do not see one another, so they run together only as far as that is the faster way.
        """
        import numpy as np
        import torch

        count = len(next(iter(inputs.values())))
        largest = max(value.type.elements for node in self.training.nodes for value in (*node.inputs, node.output))
        rows = max(1, LARGEST_BLOCK // (FLOAT_BYTES * largest))
        tensors = [torch.from_numpy(array) for array in inputs.values()]
        parts = [
            run_module(self.net, self.built, [t[start : start + rows] for t in tensors])
            for start in range(0, count, rows)
        ]
        return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}

    def trace(self, inputs: Mapping[str, Any]) -> Trace:
        """Every result for one image."""
        return trace(self.net, self.training, self.built, inputs)

    def rounding(self, inputs: Mapping[str, Any]) -> Trace:
        """How far each result for one image moves when each step's last bit does: what no float32 arithmetic can agree on.

        A norm of almost equal numbers has few digits left, whoever works it out.
        """
        import numpy as np

        net = copy.deepcopy(self.net).double()
        doubles = {name: array.astype(np.float64) for name, array in inputs.items()}
        exact = trace(net, self.training, self.built, doubles)
        with hooks(net, self.training, lambda path, value: shake(value)):
            rough = trace(net, self.training, self.built, doubles)
        return Trace(*({name: float(np.abs(e[name] - r[name]).max(initial=0.0)) for name in e}
                       for e, r in zip(exact, rough, strict=True)))  # fmt: skip


def run_module(net: Any, built: Graph, tensors: list[Any]) -> dict[str, Any]:
    """The outputs of a module by name."""
    import torch

    with torch.no_grad():
        result = net(*tensors)
    return result if isinstance(result, dict) else {built.outputs[-1].name: result}


def trace(net: Any, training: Graph, built: Graph, inputs: Mapping[str, Any]) -> Trace:
    """Every result of a module, as arrays."""
    import torch

    nodes: dict[str, Any] = {}

    def keep(path: str, value: Any) -> None:
        nodes[path] = value.numpy()

    with hooks(net, training, keep):
        outputs = run_module(net, built, [torch.from_numpy(array) for array in inputs.values()])
    return Trace(nodes, {name: value.numpy() for name, value in outputs.items()})


@contextmanager
def hooks(net: Any, training: Graph, see: Callable[[str, Any], Any]) -> Iterator[None]:
    """Inside it, `see` is called with each node's path and result; what it gives takes the result's place, unless None."""
    modules = dict(net.named_modules())
    made = [modules[node.path].register_forward_hook(lambda _module, _inputs, value, path=node.path: see(path, value))
            for node in training.nodes if node.path in modules]  # fmt: skip
    try:
        yield
    finally:
        for each in made:
            each.remove()


def shake(value: Any) -> Any:
    """A step's result with what float32 costs: its last bit, or that of 1 where the numbers are smaller, up or down at random."""
    import torch

    if not value.is_floating_point():
        return value
    signs = torch.randint(2, value.shape, generator=torch.Generator().manual_seed(4)) * 2 - 1
    return value + signs * 2**-23 * value.abs().max().clamp(1)
