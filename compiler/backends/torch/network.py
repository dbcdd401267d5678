"""`Network`, the torch.fx GraphModule that a net becomes, and how it is copied and pickled.

Two fx graphs share the one tree of modules: the training graph, whose heads and extra outputs make a dict, and the inference
graph. `forward` chooses by `self.training`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, fx, nn
from torch.nn.functional import cross_entropy

from .loss import sum_losses
from .replaced import other_modules

Outputs = Tensor | dict[str, Tensor]


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
    - `spec_modules`: what the spec's own modules are, in a line each, by path
    - `graph` and `code` are the inference graph's, `training_graph` is the other; both call the same submodules
    """

    training_graph: fx.Graph
    output_names: tuple[str, ...]
    head_weights: dict[str, float]
    seed: int | None
    spec_modules: Mapping[str, str]

    def loss(self, outputs: Outputs, target: Any, criterion: Callable[[Tensor, Any], Tensor] = cross_entropy) -> Tensor:
        """The loss of what the net gave, in either mode: criterion(output, target), and each head's by its share.

        A net with several outputs takes a mapping of their names to targets: their losses are added, and an output without a
        target adds nothing. A head's target is the one under its own path, else that of the output if there is only one. Raises
        Failure `loss-target` where target and outputs do not fit.
        """
        return sum_losses(outputs, target, criterion, self.output_names, self.head_weights)

    def state_dict(self, *args: Any, prefix: str = "", **kwargs: Any) -> Any:
        """torch's state_dict. Its metadata, which no key shows, tells an export what the tensors do not.

        `archc_seed` is the seed, by which an untouched start is known; `archc_other_modules` are the modules that the spec does not
        have, in a line each, by path.
        """
        found = super().state_dict(*args, prefix=prefix, **kwargs)
        metadata = getattr(found, "_metadata", {}).get(prefix[:-1])
        if metadata is not None:
            notes = {
                "archc_seed": self.seed,
                "archc_other_modules": other_modules(self, self.spec_modules, called_paths(self)),
            }
            metadata.update({key: note for key, note in notes.items() if note not in (None, {})})
        return found

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *args: Any) -> None:
        """torch's, for the tensors of the net itself. With those of another of ours comes the seed that they started from."""
        self.seed = local_metadata.get("archc_seed", self.seed)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def recompile(self) -> Any:
        """Compiles both graphs into one `forward` that looks at `self.training`; gives the inference graph's code, as fx does.

        Without any head weights there is no head to train: the inference graph serves then, with the dropouts of the mode.
        """
        code = super().recompile()
        training = self.__dict__.get("training_graph")
        if training is None:
            return code
        cls = type(self)
        source = training.python_code("self")
        scope: dict[str, Any] = {}
        exec(compile(source.src, f"<training {cls.__name__}>", "exec"), dict(source.globals), scope)
        # no input can have a name that begins so
        phases = {"__infer__": cls.forward, "__train__": scope["forward"]}
        # the arguments by name, as torch.fx traces no function with `*inputs`
        arguments = ", ".join(str(node.target) for node in training.nodes if node.op == "placeholder")
        is_training = "self.training and self.head_weights"
        choice = f"__train__(self, {arguments}) if {is_training} else __infer__(self, {arguments})"
        exec(f"def forward(self, {arguments}):\n    return {choice}\n", phases)
        cls.forward = phases["forward"]
        return code

    def __copy__(self) -> Network:
        """A net of its own over the same modules and parameters, as torch's shallow copies are."""
        make, arguments, state = self.__reduce__()
        net: Network = make(*arguments)
        net.__dict__.update(state)
        return net

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        net = copy.copy(self)
        memo[id(self)] = net  # before the state is copied, which may refer to the net
        net.__dict__.update(copy.deepcopy(own_state(self), memo))
        return net

    def __reduce__(self) -> Any:
        """How pickle makes it: from its two graphs as plain data; then comes its state, which may refer to the net."""
        graphs = serialize_graph(self.graph), serialize_graph(self.training_graph)
        return rebuild_network, (*graphs, type(self).__name__), own_state(self)

    def __prepare_scriptable__(self) -> nn.Module:
        """What torch.jit.script takes for it: the phase that it is in, traced, as no script gives a tensor or a dict by turns."""
        return fx.symbolic_trace(self)


def build_network(root: nn.Module, phases: Phases, name: str, **attributes: Any) -> Network:
    """A Network of class `name` over the modules under `root`, which both graphs call; `attributes` are set on it.

    It is no method, as a step may be called `build`.
    """
    net = Network(nn.Module(), fx.Graph(), class_name=name)
    net.__dict__.update(attributes, training_graph=phases.training, _modules=root._modules)
    net.graph = phases.inference
    return net


def called_paths(net: Network) -> set[str]:
    """The paths of the modules that one of the two graphs calls."""
    nodes = (*net.graph.nodes, *net.training_graph.nodes)
    return {str(node.target) for node in nodes if node.op == "call_module"}


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


def rebuild_network(inference: SerializedGraph, training: SerializedGraph, name: str) -> Network:
    """A Network of class `name` without its state, which deepcopy and pickle set after it is made."""
    return build_network(nn.Module(), Phases(deserialize_graph(inference), deserialize_graph(training)), name)
