"""Graph → Network, a torch.fx GraphModule.

Every node is a module at its path, so a state dict's keys are the spec's, and any module may be replaced by another: what it takes
and gives is said by the fx graphs alone.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from ...ir.graph import Graph, Node, Value
from ...ops.op import op_of
from ...weights.source import WeightSource
from . import layers
from .network import Network, Phases, build_network
from .replaced import describe_module
from .scope import Scope

# What the code that torch.fx makes of a net reads by name: an argument of such a name would hide it.
GENERATED_NAMES = frozenset(dir(builtins)) | {
    "self",
    "torch",
    "device",
    "inf",
    "nan",
    "NoneType",
    "fx_pytree",
    "pytree",
}
GENERATED_VARIABLE = re.compile(r"self|x\d+|input_\d+")


class TorchNamespace:
    """The `nn` of `Op.torch`: the constructors of torch.nn, and those of layers.py."""

    def __getattr__(self, name: str) -> Any:
        return getattr(layers, name, None) or getattr(nn, name)


def attach_module(root: nn.Module, path: str, module: nn.Module) -> None:
    """Puts a module at a dotted path; what is missing on the way becomes a Scope.

    A module that is there already is replaced, and its children go to the new one: a named merge is both a module and
    the scope of its branches.
    """
    *scopes, last = path.split(".")
    for scope in scopes:
        if scope not in root._modules:
            root.add_module(scope, Scope())
        root = root._modules[scope]  # type: ignore[assignment]
    old = root._modules.get(last)
    root._modules[last] = module
    if old is not None and old is not module:
        for name, child in old._modules.items():
            module._modules.setdefault(name, child)


def is_attribute_name(name: str) -> bool:
    """Whether Python's grammar takes `name` after a dot, or as a parameter."""
    return name.isidentifier() and not keyword.iskeyword(name)


def argument_names(graph: Graph) -> dict[str, str]:
    """What `forward` calls the graph's inputs, by their names in the graph.

    A name that Python refuses, or that generated code uses itself, becomes `input_0`, `input_1`, …. So does the second of two
    that differ in case and underscores alone, as torch.fx makes one variable of both.
    """
    names: dict[str, str] = {}
    seen: set[str] = set()
    for i, value in enumerate(graph.inputs):
        name = value.name.replace("-", "_")
        key = name.replace("_", "").lower()
        reserved = name in GENERATED_NAMES or GENERATED_VARIABLE.fullmatch(name.lower()) or key in seen
        names[value.name] = name if is_attribute_name(name) and not reserved else f"input_{i}"
        seen.add(key)
    return names


def wants_flattening(node: Node) -> bool:
    """Whether what arrives at a node is flattened before its module."""
    return op_of(node).takes_vector and not node.inputs[0].type.is_vector


def module_inputs(graph: Graph, node: Node) -> tuple[Value, ...]:
    """What a node's module is called with. One that takes nothing gets the net's first input: what it draws lies on that one's
    device then, and who traces the module by its tensors finds it."""
    return node.inputs or graph.inputs[:1]


def to_fx_graph(graph: Graph) -> fx.Graph:
    """The fx graph that calls the modules at the nodes' paths; several results make a dict by name."""
    fx_graph, values = fx.Graph(), {}
    for name, argument in argument_names(graph).items():
        values[name] = fx_graph.placeholder(argument)
    for node in graph.nodes:
        inputs = [values[v.name] for v in module_inputs(graph, node)]
        if wants_flattening(node):
            inputs = [fx_graph.call_method(Tensor.flatten.__name__, (each, 1)) for each in inputs]
        values[node.output.name] = fx_graph.call_module(node.path, tuple(inputs))
    results = {o.name: values[o.value.name] for o in graph.outputs} | {
        h.path: values[h.value.name] for h in graph.heads
    }
    fx_graph.output(next(iter(results.values())) if len(results) == 1 else results)
    return fx_graph


def without_dead(graph: Graph) -> Graph:
    """The graph without the nodes that reach no result, such as a join whose inputs a larger one has taken."""
    return graph.replace(nodes=graph.needed_by(graph.results()))


def without_heads(training: Graph) -> Graph:
    """The training graph without its auxiliary heads and the nodes that only they need.

    Dropout and its like stay: torch's modules do nothing in eval mode, and each phase calls the same modules.
    """
    return without_dead(training.replace(heads=()))


class SkipInitialization(TorchFunctionMode):
    """Inside it, torch.nn.init fills no tensor: copy_weights overwrites them all, and random numbers for large ones take long."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def build_modules(graph: Graph, known: Container[str]) -> Iterator[tuple[Node, nn.Module]]:
    """The module of each node. Where all of its tensors are `known`, they stay uninitialised until copy_weights fills them."""
    namespace = TorchNamespace()
    for node in graph.nodes:
        all_known = all(f"{node.path}.{name}" in known for name in node.op.params(*node.input_types))
        with SkipInitialization() if all_known else nullcontext():
            module = op_of(node).torch(namespace, *node.input_types)
        yield node, module


def describe_step(node: Node) -> str:
    """What the spec's own module of a node is for inference; see describe_module."""
    op = op_of(node).inference()
    types = [each for each in node.input_types if op is node.op or not each.is_control]
    with SkipInitialization(), torch.device("meta"):
        return describe_module(op.torch(TorchNamespace(), *types) if op else nn.Identity())


def to_torch(training: Graph, weights: WeightSource, seed: int | None = None) -> Network:
    """The net as a torch module with the tensors of `weights`; those that `weights` lacks are initialised by torch.

    `training` is the training graph, which has both phases in it. The keys of the state dict are the spec's paths. `seed` is
    what untrained tensors of `weights` start from, if they do.
    """
    root, inference, known = nn.Module(), without_heads(training), set(weights.names())
    modules = {node.path: module for node, module in build_modules(training, known)}
    spec_modules = {path: describe_module(module) for path, module in modules.items()}
    for node in (*inference.nodes, *training.nodes):  # what only training has comes last in the state dict
        attach_module(root, node.path, modules[node.path])
    phases = Phases(to_fx_graph(inference), to_fx_graph(without_dead(training)))
    net = build_network(root, phases, class_name(training.name), output_names=tuple([o.name for o in training.outputs]),
                        head_weights={head.path: head.weight for head in training.heads}, seed=seed,
                        spec_modules=spec_modules)  # fmt: skip
    copy_weights(net, weights, known)
    return net


def class_name(name: str) -> str:
    """A net's name as a class: `resnet_v2-50` becomes `ResnetV250`."""
    words = "".join(part[:1].upper() + part[1:] for part in name.replace("-", "_").replace(".", "_").split("_"))
    return words if words.isidentifier() else "Net" + "".join(c for c in words if c.isalnum())


def copy_weights(net: nn.Module, weights: WeightSource, known: Container[str]) -> None:
    """Copies the `known` tensors, those that `weights` has, into the module's own."""
    import numpy as np

    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name in known:
                array = np.ascontiguousarray(weights.get(name)).reshape(tensor.shape)  # torch takes no negative strides
                tensor.copy_(torch.from_numpy(array if array.flags.writeable else array.copy()))
