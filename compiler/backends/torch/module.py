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


class Modules:
    """The namespace handed to `Op.torch`: torch.nn and what it lacks."""

    def __getattr__(self, name: str) -> Any:
        return getattr(layers, name, None) or getattr(nn, name)


class Network(fx.GraphModule):
    """A net with two phases: `.train()` gives every output, heads included; `.eval()` the inference outputs alone.

    `graph` and `code` are the inference graph's; `training_graph` is the other. Both call the same submodules.
    """

    training_graph: fx.Graph

    @classmethod
    def build(cls, root: nn.Module, inference: fx.Graph, training: fx.Graph, name: str) -> Network:
        net = cls(root, inference, class_name=name)
        net.__dict__["training_graph"] = training
        for path, module in root.named_modules():  # parts that only the training graph calls
            if path and not has(net, path):
                attach(net, path, module)
        net.recompile()
        return net

    def recompile(self) -> Any:
        """Compiles both graphs into one forward that looks at `self.training`."""
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
        net = rebuild(root, self.graph, self.training_graph, type(self).__name__, self.training)
        memo[id(self)] = net
        return net

    def __reduce__(self) -> Any:
        root = nn.Module()
        root._modules = dict(self._modules)
        return rebuild, (root, plan(self.graph), plan(self.training_graph), type(self).__name__, self.training)


Plan = list[tuple[str, str, str, Any]]


def plan(graph: fx.Graph) -> Plan:
    """An fx graph as plain data, for pickles: (op, target, name, inputs by name)."""
    return [(n.op, str(n.target), n.name, fx.node.map_arg(n.args, lambda n: Reference(n.name))) for n in graph.nodes]


class Reference(str):
    """The name of a node, where a pickle has one for an argument."""


def replay(made: Plan) -> fx.Graph:
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}
    for op, target, name, args in made:
        nodes[name] = graph.create_node(op, target, resolve(args, nodes), name=name)
    return graph


def resolve(arg: Any, nodes: dict[str, fx.Node]) -> Any:
    if isinstance(arg, Reference):
        return nodes[arg]
    if isinstance(arg, dict):
        return {key: resolve(value, nodes) for key, value in arg.items()}
    return tuple(resolve(value, nodes) for value in arg) if isinstance(arg, (tuple, list)) else arg


def rebuild(root: nn.Module, inference: fx.Graph | Plan, training: fx.Graph | Plan, name: str, mode: bool) -> Network:
    """A Network over a tree of modules; what deepcopy and pickle call."""
    graphs = [g if isinstance(g, list) else plan(g) for g in (inference, training)]
    net = Network.build(root, replay(graphs[0]), replay(graphs[1]), name)
    net.training = mode
    return net


def has(root: nn.Module, path: str) -> bool:
    for part in path.split("."):
        if part not in root._modules:
            return False
        root = root._modules[part]  # type: ignore[assignment]
    return True


def attach(root: nn.Module, path: str, module: nn.Module) -> None:
    """Puts a module at a dotted path; the scopes on the way are plain modules. What stood there gives it its children."""
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


def is_word(name: str) -> bool:
    """Whether Python takes `name` after a dot or as an argument."""
    return name.isidentifier() and not keyword.iskeyword(name)


def argument_names(graph: Graph) -> dict[str, str]:
    """The graph's inputs as arguments of `forward`; one that Python or generated code needs is called by its number."""
    names: dict[str, str] = {}
    for i, value in enumerate(graph.inputs):
        name = value.name.replace("-", "_")
        needed = name == "self" or re.fullmatch(r"x\d+|input_\d+", name) or name in names.values()
        names[value.name] = name if is_word(name) and not needed else f"input_{i}"
    return names


def trace(graph: Graph) -> fx.Graph:
    """The fx graph that calls the modules at the nodes' paths; several results make a dict by name."""
    made, values = fx.Graph(), {}
    for name, argument in argument_names(graph).items():
        values[name] = made.placeholder(argument)
    for node in graph.nodes:
        values[node.output.name] = made.call_module(node.path, tuple(values[v.name] for v in node.inputs))
    results = {o.name: values[o.value.name] for o in graph.outputs} | {
        h.path: values[h.value.name] for h in graph.heads
    }
    made.output(next(iter(results.values())) if len(results) == 1 else results)
    return made


def inference_view(training: Graph) -> Graph:
    """The training graph's own nodes (dropout is silent in eval mode), without what only the heads need."""
    from ...passes import RemoveDead

    return RemoveDead().run(training.replace(heads=()))


class Unset(TorchFunctionMode):
    """Tensors made inside are left as memory has them: `load` overwrites torch's own start, and large ones take long to draw."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def modules(graph: Graph, known: Container[str]) -> Iterator[tuple[Node, nn.Module]]:
    """The module of each node; where all of its tensors are `known`, they are left for `load` to fill."""
    namespace = Modules()
    for node in graph.nodes:
        given = all(f"{node.path}.{name}" in known for name in node.op.params(*node.input_types))
        with Unset() if given else nullcontext():
            module = op_of(node).torch(namespace, *node.input_types)
        yield node, module


def to_torch(training: Graph, weights: WeightSource) -> Network:
    """The net as a module, its tensors filled from `weights`; tensors that `weights` lacks keep torch's own start.

    The state dict's keys are the spec's paths. Works under torch.compile and torch.export, deep-copies and pickles.
    """
    root = nn.Module()
    known = set(weights.names())
    for node, module in modules(training, known):
        attach(root, node.path, module)
    net = Network.build(root, trace(inference_view(training)), trace(training), class_name(training.name))
    load(net, weights, known)
    return net


def class_name(name: str) -> str:
    words = "".join(part[:1].upper() + part[1:] for part in name.replace("-", "_").replace(".", "_").split("_"))
    return words if words.isidentifier() else "Net" + "".join(c for c in words if c.isalnum())


def load(net: nn.Module, weights: WeightSource, known: Container[str]) -> None:
    """Copies every tensor that `weights` has, the `known` ones, into the module's own."""
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name in known:
                array = weights.get(name)
                tensor.copy_(torch.from_numpy(array if array.flags.writeable else array.copy()))
