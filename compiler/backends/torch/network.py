"""`Network`, the torch.fx GraphModule that a net becomes, and how it is copied and pickled.

Two fx graphs share the one tree of modules: the training graph, whose heads and extra outputs make a dict, and the inference
graph. `forward` chooses by `self.training`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, fx, nn
from torch.nn.functional import cross_entropy
from torch.utils.hooks import RemovableHandle

from .loss import sum_losses

Result = Tensor | dict[str, Tensor]


class Scope(nn.Module):
    """A scope of the spec: its steps by name, or by position as in an nn.Sequential: `net.classifier[6]`, `net.layer1[-1]`.

    It cannot be called, as only the net's graph says which step takes what. Its methods are those of torch's modules alone: a
    step may have any other name.
    """

    def __getitem__(self, key: int | str) -> nn.Module:
        return self.get_submodule(step_name(self, key))

    def __setitem__(self, key: int | str, module: nn.Module) -> None:
        setattr(self, step_name(self, key), module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return self.children()

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(
            "a scope is a place of steps, which the net's graph calls: call the net, or one of the steps"
        )

    def register_forward_hook(self, *args: Any, **kwargs: Any) -> RemovableHandle:
        """Hooks the step that gives the scope's result: the hook gets this step, what it takes, and the result."""
        return result_step(self).register_forward_hook(*args, **kwargs)

    def register_full_backward_hook(self, *args: Any, **kwargs: Any) -> RemovableHandle:
        """Hooks the step that gives the scope's result: the hook gets its gradients."""
        return result_step(self).register_full_backward_hook(*args, **kwargs)

    def register_forward_pre_hook(self, *args: Any, **kwargs: Any) -> RemovableHandle:
        raise NotImplementedError(
            f"a scope takes nothing by itself: hook the step that does, one of {', '.join(self._modules)}"
        )

    register_full_backward_pre_hook = register_forward_pre_hook


def step_name(scope: Scope, key: int | str) -> str:
    """The name of a step of `scope`; a negative number counts from the last. Raises IndexError or KeyError where there is none."""
    names = list(scope._modules)
    if isinstance(key, int) and -len(names) <= key < 0:
        return names[key]
    if str(key) not in names:
        raise (IndexError if isinstance(key, int) else KeyError)(f"{key}; the scope has {', '.join(names)}")
    return str(key)


def result_step(scope: Scope) -> nn.Module:
    """The step that gives the result of a scope: the last one in it."""
    last = scope[-1]
    return result_step(last) if isinstance(last, Scope) else last


class Phases(NamedTuple):
    """The fx graphs of the two phases."""

    inference: fx.Graph
    training: fx.Graph


class Network(fx.GraphModule):
    """A net as a torch module, with two phases.

    `.eval()` gives the net's output: a tensor, or a dict by name where the net has several. `.train()` gives the same, and with
    auxiliary heads always a dict: the outputs by name, then the heads by their paths. Inputs are float32 tensors (N, C, H, W).

    - `output_names`: the outputs in the spec's order; the last is the end of the net
    - `head_weights`: the share that each head has in the loss, by path; empty without heads
    - `seed`: what its untrained tensors started from; None where that is not known
    - `graph` and `code` are the inference graph's, `training_graph` is the other; both call the same submodules
    """

    training_graph: fx.Graph
    output_names: tuple[str, ...]
    head_weights: dict[str, float]
    seed: int | None

    @classmethod
    def build(cls, root: nn.Module, phases: Phases, name: str, **attributes: Any) -> Network:
        """A net of class `name` over the modules under `root`, which both graphs call; `attributes` are set on it."""
        net = cls(root, phases.inference, class_name=name)
        net.__dict__.update(attributes, training_graph=phases.training, _modules=root._modules)
        net.recompile()
        return net

    def loss(self, outputs: Result, target: Any, criterion: Callable[[Tensor, Any], Tensor] = cross_entropy) -> Tensor:
        """The loss of what the net gave, in either mode: criterion(output, target), and each head's by its share.

        A net with several outputs takes a mapping of their names to targets: their losses are added, and an output without a
        target adds nothing. A head's target is the one under its own path, else that of the output if there is only one. Raises
        Failure `loss-target` where target and outputs do not fit.
        """
        return sum_losses(outputs, target, criterion, self.output_names, self.head_weights)

    def state_dict(self, *args: Any, prefix: str = "", **kwargs: Any) -> Any:
        """torch's state_dict. Its metadata, which no key shows, has the seed: an export can tell an untouched start by it."""
        found = super().state_dict(*args, prefix=prefix, **kwargs)
        metadata = getattr(found, "_metadata", {}).get(prefix[:-1])
        if metadata is not None and self.seed is not None:
            metadata["archc_seed"] = self.seed
        return found

    def recompile(self) -> Any:
        """Compiles both graphs into one `forward` that looks at `self.training`; gives the inference graph's code, as fx does."""
        code = super().recompile()
        training = self.__dict__.get("training_graph")
        if training is None:
            return code
        cls = type(self)
        source = training.python_code("self")
        scope: dict[str, Any] = {}
        exec(compile(source.src, f"<training {cls.__name__}>", "exec"), dict(source.globals), scope)
        phases = {"infer": cls.forward, "train": scope["forward"]}
        # the arguments by name, as torch.fx traces no function with `*inputs`
        arguments = ", ".join(str(node.target) for node in training.nodes if node.op == "placeholder")
        choice = f"train(self, {arguments}) if self.training else infer(self, {arguments})"
        exec(f"def forward(self, {arguments}):\n    return {choice}\n", phases)
        cls.forward = phases["forward"]
        return code

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        net = rebuild_network(
            serialize_graph(self.graph), serialize_graph(self.training_graph), type(self).__name__,
            copy.deepcopy(own_state(self), memo),
        )  # fmt: skip
        memo[id(self)] = net
        return net

    def __reduce__(self) -> Any:
        """How pickle makes it: by its state, and its two graphs as plain data."""
        graphs = serialize_graph(self.graph), serialize_graph(self.training_graph)
        return rebuild_network, (*graphs, type(self).__name__, own_state(self))

    def __prepare_scriptable__(self) -> nn.Module:
        """What torch.jit.script takes for it: the phase that it is in, traced, as no script gives a tensor or a dict by turns."""
        return fx.symbolic_trace(self)


FX_STATE = {*vars(fx.GraphModule(nn.Module(), fx.Graph())), "training_graph"} - set(vars(nn.Module()))


def own_state(net: Network) -> dict[str, Any]:
    """All that is set on a net but for its graphs, and what fx makes of them."""
    return {key: value for key, value in vars(net).items() if key not in FX_STATE}


SerializedGraph = list[tuple[str, Any, str, Any, Any]]


class NodeReference(str):
    """The name of a node, in the place of an argument."""


def serialize_graph(graph: fx.Graph) -> SerializedGraph:
    """An fx graph as plain data, because fx graphs do not pickle: (op, target, name, args, kwargs) of each node."""

    def refer(arguments: Any) -> Any:
        return fx.node.map_arg(arguments, lambda node: NodeReference(node.name))

    return [(n.op, n.target, n.name, refer(n.args), refer(n.kwargs)) for n in graph.nodes]


def deserialize_graph(serialized: SerializedGraph) -> fx.Graph:
    """The fx graph that serialize_graph made plain."""
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}
    for op, target, name, args, kwargs in serialized:
        args, kwargs = resolve_references(args, nodes), resolve_references(kwargs, nodes)
        nodes[name] = graph.create_node(op, target, args, kwargs, name)
    return graph


def resolve_references(arg: Any, nodes: Mapping[str, fx.Node]) -> Any:
    """An argument with the nodes themselves in the places of their names."""
    if isinstance(arg, NodeReference):
        return nodes[arg]
    if isinstance(arg, dict):
        return {key: resolve_references(value, nodes) for key, value in arg.items()}
    return type(arg)(resolve_references(value, nodes) for value in arg) if type(arg) in (tuple, list) else arg


def rebuild_network(inference: SerializedGraph, training: SerializedGraph, name: str, state: dict[str, Any]) -> Network:
    """A Network of class `name` with the state that `own_state` gave: deepcopy and pickle make copies by it."""
    root = nn.Module()
    root._modules = state["_modules"]
    return Network.build(root, Phases(deserialize_graph(inference), deserialize_graph(training)), name, **state)
