"""Graph → torch.fx GraphModule.

Every node is a module at its path, so a state dict's keys are the spec's. Two fx graphs share the one tree of modules: the
training graph, whose heads and extra outputs make a dict, and the inference graph. `forward` chooses by `self.training`.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Container, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import fx, nn
from torch.overrides import TorchFunctionMode

from ...ir.graph import Graph, Node
from ...ops.op import op_of
from ...weights.source import WeightSource
from . import layers


class TorchNamespace:
    """The `nn` of `Op.torch`: the constructors of torch.nn, and those of layers.py."""

    def __getattr__(self, name: str) -> Any:
        return getattr(layers, name, None) or getattr(nn, name)


class Network(fx.GraphModule):
    """A net with two phases: `.train()` gives every output, heads included; `.eval()` the inference outputs alone.

    `graph` and `code` are the inference graph's; `training_graph` is the other. Both call the same submodules.
    """

    training_graph: fx.Graph

    @classmethod
    def build(cls, root: nn.Module, inference: fx.Graph, training: fx.Graph, name: str) -> Network:
        """A net of class `name` over the modules under `root`, which both graphs call."""
        net = cls(root, inference, class_name=name)
        net.__dict__["training_graph"] = training
        for path, module in root.named_modules():  # parts that only the training graph calls
            if path and not has_module(net, path):
                attach_module(net, path, module)
        net.recompile()
        return net

    def recompile(self) -> Any:
        """Compiles both graphs into one `forward` that looks at `self.training`; gives the inference graph's code, as fx does."""
        code = super().recompile()
        training = self.__dict__.get("training_graph")
        if training is None:
            return code
        cls = type(self)
        infer = cls.forward
        scope: dict[str, Any] = {}
        source = training.python_code("self")
        exec(compile(source.src, f"<training {type(self).__name__}>", "exec"), dict(source.globals), scope)
        train = scope["forward"]

        def forward(self: Network, *inputs: Any) -> Any:
            return train(self, *inputs) if self.training else infer(self, *inputs)

        cls.forward = forward
        return code

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        import copy

        root = nn.Module()
        root._modules = copy.deepcopy(self._modules, memo)
        net = rebuild_network(root, self.graph, self.training_graph, type(self).__name__, self.training)
        memo[id(self)] = net
        return net

    def __reduce__(self) -> Any:
        """How pickle makes it: by its modules, and its two graphs as plain data."""
        root = nn.Module()
        root._modules = dict(self._modules)
        return rebuild_network, (
            root,
            serialize_graph(self.graph),
            serialize_graph(self.training_graph),
            type(self).__name__,
            self.training,
        )


SerializedGraph = list[tuple[str, str, str, Any]]


def serialize_graph(graph: fx.Graph) -> SerializedGraph:
    """An fx graph as plain data, because fx graphs do not pickle: (op, target, name, arguments) of each node."""
    return [
        (n.op, str(n.target), n.name, fx.node.map_arg(n.args, lambda n: NodeReference(n.name))) for n in graph.nodes
    ]


class NodeReference(str):
    """The name of a node, in the place of an argument."""


def deserialize_graph(serialized: SerializedGraph) -> fx.Graph:
    """The fx graph that serialize_graph made plain."""
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}
    for op, target, name, args in serialized:
        nodes[name] = graph.create_node(op, target, resolve_references(args, nodes), name=name)
    return graph


def resolve_references(arg: Any, nodes: dict[str, fx.Node]) -> Any:
    """An argument with the nodes themselves in the places of their names."""
    if isinstance(arg, NodeReference):
        return nodes[arg]
    if isinstance(arg, dict):
        return {key: resolve_references(value, nodes) for key, value in arg.items()}
    return tuple(resolve_references(value, nodes) for value in arg) if isinstance(arg, (tuple, list)) else arg


def rebuild_network(
    root: nn.Module, inference: fx.Graph | SerializedGraph, training: fx.Graph | SerializedGraph, name: str, mode: bool
) -> Network:
    """A Network over the modules under `root`, in training mode if `mode`: deepcopy and pickle make copies by it."""
    graphs = [g if isinstance(g, list) else serialize_graph(g) for g in (inference, training)]
    net = Network.build(root, deserialize_graph(graphs[0]), deserialize_graph(graphs[1]), name)
    net.training = mode
    return net


def has_module(root: nn.Module, path: str) -> bool:
    """Whether there is a module at a dotted path."""
    for part in path.split("."):
        if part not in root._modules:
            return False
        root = root._modules[part]  # type: ignore[assignment]
    return True


def attach_module(root: nn.Module, path: str, module: nn.Module) -> None:
    """Puts a module at a dotted path; missing scopes on the way become plain modules.

    A module that is there already is replaced, and its children go to the new one: a named merge is both a module and
    the scope of its branches.
    """
    *scopes, last = path.split(".")
    for scope in scopes:
        if scope not in root._modules:
            root.add_module(scope, nn.Module())
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

    A name that Python refuses, or that generated code uses itself, becomes `input_0`, `input_1`, ….
    """
    names: dict[str, str] = {}
    for i, value in enumerate(graph.inputs):
        name = value.name.replace("-", "_")
        reserved = name == "self" or re.fullmatch(r"x\d+|input_\d+", name) or name in names.values()
        names[value.name] = name if is_attribute_name(name) and not reserved else f"input_{i}"
    return names


def to_fx_graph(graph: Graph) -> fx.Graph:
    """The fx graph that calls the modules at the nodes' paths; several results make a dict by name."""
    fx_graph, values = fx.Graph(), {}
    for name, argument in argument_names(graph).items():
        values[name] = fx_graph.placeholder(argument)
    for node in graph.nodes:
        values[node.output.name] = fx_graph.call_module(node.path, tuple(values[v.name] for v in node.inputs))
    results = {o.name: values[o.value.name] for o in graph.outputs} | {
        h.path: values[h.value.name] for h in graph.heads
    }
    fx_graph.output(next(iter(results.values())) if len(results) == 1 else results)
    return fx_graph


def without_heads(training: Graph) -> Graph:
    """The training graph without its auxiliary heads and the nodes that only they need.

    Dropout and its like stay: torch's modules do nothing in eval mode, and each phase calls the same modules.
    """
    return training.replace(heads=(), nodes=training.needed_by(output.value for output in training.outputs))


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


def to_torch(training: Graph, weights: WeightSource) -> Network:
    """The net as a torch module with the tensors of `weights`; those that `weights` lacks are initialised by torch.

    `training` is the training graph, which has both phases in it. The keys of the state dict are the spec's paths. The
    module works under torch.compile and torch.export, and it can be deep-copied and pickled.
    """
    root = nn.Module()
    known = set(weights.names())
    for node, module in build_modules(training, known):
        attach_module(root, node.path, module)
    net = Network.build(root, to_fx_graph(without_heads(training)), to_fx_graph(training), class_name(training.name))
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
