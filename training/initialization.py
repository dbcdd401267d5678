"""How weights begin: what a recipe's `init` chooses, and the start of each tensor by it.

A start is a scheme and its measure, as an op states one of its own (ops/fields.InitKind), so a recipe's is drawn as a spec's is: by the seed and
the tensor's name alone (compiler/weights/seeded.py). What a checkpoint fills does not begin so.

`init` is about the weights of layers, which a spec begins by a draw (those of norms are constants), and about the biases of these layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ..compiler.analysis.missing_steps import no_such_step, scopes_of
from ..compiler.diagnostics import Failure
from ..compiler.frontend.schema import with_synonyms
from ..compiler.ops.fields import Schema
from ..compiler.ops.op import op_of
from ..compiler.weights.names import belongs_to
from ..compiler.weights.seeded import fans, is_drawn
from .ensemble import find_members
from .recipe.choice import RecipeChoice, field
from .recipe.field_rules import MOST, between_rule, choice_rule, positive_rule, switch_rule, word_rule
from .recipe.recipe import InitRules, LayerInit

if TYPE_CHECKING:
    from ..compiler.ir.graph import Graph, Node
    from ..compiler.ir.operation import Param

Scheme = tuple[str, float]
# the branch of a residual that its shortcut stands beside
BODY = "body"
WILDCARDS = frozenset("*?[")


def bias_field() -> Any:
    """The field of what biases begin with."""
    rule = between_rule(
        "what biases begin with; null: 0, or of a layer what those of the net do", -MOST, MOST, default=None
    )
    rule |= {"type": ["number", "null"], "x-wants": f"{rule['x-wants']}, or null"}
    return field(rule, "bias_init", "bias_filler", "bias_initializer", "bias_value", "init_bias")


def std_field(default: float) -> Any:
    """The field of a standard deviation."""
    return field(positive_rule("the standard deviation", default=default), "stddev", "sigma", "scale", "deviation")


def distribution_field(default: str) -> Any:
    """The field of how numbers are drawn."""
    return field(word_rule("how they are drawn", ("uniform", "normal"), default), "distr", "dist")


def gain_field(default: float, what: str) -> Any:
    """The field of what a standard deviation is multiplied by."""
    return field(positive_rule(f"what the standard deviation is multiplied by{what}", default=default), "factor")


@dataclass(frozen=True)
class WeightInit(RecipeChoice):
    """How weights begin."""

    bias: float | None = bias_field()

    @classmethod
    def rule(cls) -> Schema:
        rule = super().rule()
        return rule | {"properties": rule["properties"] | net_rules()}

    def scheme(self, shape: tuple[int, ...]) -> Scheme | None:
        """The scheme and its measure for a weight of this shape; None for that of the spec."""
        raise NotImplementedError


def spread(distribution: str, std: float) -> Scheme:
    """The scheme of numbers with a standard deviation, by their distribution."""
    return ("normal", std) if distribution == "normal" else ("uniform", math.sqrt(3) * std)


@dataclass(frozen=True)
class DefaultInit(WeightInit):
    """As the spec's own layers begin. Source: He et al. 2015, where a spec says nothing."""

    name = "default"
    doc = "as the spec's own layers begin: where they say nothing, as He et al. 2015"

    def scheme(self, shape: tuple[int, ...]) -> Scheme | None:
        return None


@dataclass(frozen=True)
class NormalInit(WeightInit):
    """Normal numbers of one standard deviation."""

    name = "normal"
    also_called = ("normal_", "random_normal", "gaussian")
    bare = "std"

    std: float = std_field(0.01)

    def scheme(self, shape: tuple[int, ...]) -> Scheme:
        return "normal", self.std


@dataclass(frozen=True)
class TruncatedNormalInit(WeightInit):
    """Normal numbers of one standard deviation, none beyond two of them."""

    name = "truncated_normal"
    also_called = ("trunc_normal", "trunc_normal_", "truncnorm")
    bare = "std"

    std: float = std_field(0.02)

    def scheme(self, shape: tuple[int, ...]) -> Scheme:
        return "truncated_normal", self.std


@dataclass(frozen=True)
class UniformInit(WeightInit):
    """Uniform numbers up to a bound on both sides of 0."""

    name = "uniform"
    also_called = ("uniform_", "random_uniform")
    bare = "bound"

    bound: float = field(
        positive_rule("the largest, and as far below 0 the lowest", default=0.05), "limit", "maxval", "max", "high"
    )

    def scheme(self, shape: tuple[int, ...]) -> Scheme:
        return "uniform", self.bound


@dataclass(frozen=True)
class XavierInit(WeightInit):
    """A standard deviation of gain · √(2 / (fan-in + fan-out)).

    Source: Glorot and Bengio 2010, equation 16, whose draws are uniform. Caffe's `xavier` is another: see KaimingInit.
    """

    name = "xavier"
    doc = "a standard deviation of gain · √(2 / (fan-in + fan-out)) (Glorot and Bengio 2010)"
    also_called = ("glorot",)

    distribution: str = distribution_field("uniform")
    gain: float = gain_field(1.0, "")

    def scheme(self, shape: tuple[int, ...]) -> Scheme:
        return spread(self.distribution, self.gain * math.sqrt(2 / sum(fans(shape))))


@dataclass(frozen=True)
class KaimingInit(WeightInit):
    """A standard deviation of gain / √fan.

    Source: He et al. 2015, arXiv:1502.01852, equation 10, for the gain of √2 that a ReLU wants. With a gain of 1 it is LeCun's of 1998 (appendix of
    "Efficient BackProp"), and, drawn uniformly, Caffe's `xavier`.
    """

    name = "kaiming"
    doc = "a standard deviation of gain / √fan (He et al. 2015, arXiv:1502.01852)"
    also_called = ("he", "msra")

    mode: str = field(
        word_rule("the inputs of a number, or the outputs that it goes to", ("fan_in", "fan_out"), "fan_in"),
        "variance_norm",
        "fan",
    )
    distribution: str = distribution_field("normal")
    gain: float = gain_field(math.sqrt(2), "; √2 is for a ReLU")

    def scheme(self, shape: tuple[int, ...]) -> Scheme:
        fan_in, fan_out = fans(shape)
        return spread(self.distribution, self.gain / math.sqrt(fan_in if self.mode == "fan_in" else fan_out))


INITS: Mapping[str, type[WeightInit]] = {
    each.name: each for each in (DefaultInit, NormalInit, TruncatedNormalInit, UniformInit, XavierInit, KaimingInit)
}


# -- the rules ----------------------------------------------------------------------------------------------------------


def layer_rules() -> Schema:
    """The rules of what a layer may begin with: a choice of its own, or another bias alone."""
    rules = {
        name: with_synonyms(choice_rule(name, each.describe(), each.field_rules(), bare=each.bare), *each.also_called)
        for name, each in INITS.items()
    }
    bias = DefaultInit.field_rules()["bias"]
    return rules | {"bias": bias | {"type": "number", "x-wants": bias["x-wants"].removesuffix(", or null")}}


def net_rules() -> Schema:
    """The rules of what is said beside a choice, and not of a layer."""
    layers = layer_rules()
    wants = "one start, {NAME: {FIELD: VALUE}} with its bias among the fields, or {bias: NUMBER}"
    layer = {"type": ["string", "object"], "properties": layers, "additionalProperties": False, "x-what": "start", "minProperties": 1, "maxProperties": 1,
             "pattern": f"^({'|'.join(INITS)})$", "x-wants": wants, "x-name-key": "init", "description": "how a layer begins"}  # fmt: skip
    return {
        "layers": {"type": ["object", "null"], "patternProperties": {r"^\S+$": layer}, "additionalProperties": False, "default": {},
                   "description": "layers that begin otherwise, by the path of a step, in which `*` stands for anything: `{conv2: {bias: 1}}`",
                   "x-what": "path", "x-wants": "a mapping of paths, each with its start"},
        "zero_last_norm": with_synonyms(
            switch_rule("whether the norm at the end of each residual's body begins with a scale of 0", False),
            "zero_init_residual", "zero_init_last", "zero_gamma", "zero_init_last_bn", "zero_init_last_gamma"),
    }  # fmt: skip


# -- the tensors --------------------------------------------------------------------------------------------------------


def choose_init(rules: InitRules | LayerInit) -> WeightInit:
    """The start that a recipe chooses, with the defaults of what its values leave out."""
    return INITS[rules.name or DefaultInit.name](**rules.values)


def begin_params(graph: Graph, rules: InitRules, whole: Graph | None = None, inside: str = "") -> dict[str, Param]:
    """The tensors of a training graph by name, each with the start that a recipe gives it.

    Where the `graph` is that of an ensemble's member, `inside` is the member's path in the `whole`, and layers may be named without it.
    A number that the spec states as a weight's start stays, but where `layers` names the layer. Raises Failure `no-such-step` for a path
    of `layers` at which nothing begins otherwise, and where there is no last norm.
    """
    params = graph.params()
    net, layers = choose_init(rules), [(each, choose_init(each)) for each in rules.layers]
    for node in filter(has_weights, graph.nodes):
        init, bias, is_own = net, net.bias, False
        for layer, own in layers:
            if lies_at(layer.path, node.path, inside):
                init, is_own = (own, True) if layer.name is not None else (init, is_own)
                bias = own.bias if own.bias is not None else bias
        for name, param in node.params().items():
            if is_bias(name, param):
                params[name] = param if bias is None else param._replace(init=("constant", bias))
            elif not param.buffer and (is_own or is_drawn(param)):
                scheme = init.scheme(param.shape)
                params[name] = param if scheme is None else param._replace(init=scheme)
    for layer in rules.layers:
        refuse_unknown_layer(layer, whole or graph)
    if rules.zero_last_norm:
        params |= zero_last_norms(graph)
    return params


def has_weights(node: Node) -> bool:
    """Whether a node is a convolution or a linear layer."""
    return op_of(node).counts == "weight"


def is_bias(name: str, param: Param) -> bool:
    """Whether a tensor of a layer is its bias."""
    return name.rpartition(".")[2] == "bias" and not param.buffer


def lies_at(pattern: str, path: str, inside: str = "") -> bool:
    """Whether a step is at a path, or inside of it; `*` in the `pattern` stands for anything, and `inside` may be left out of it."""
    paths = (path, path.removeprefix(f"{inside}.")) if inside else (path,)
    if WILDCARDS.isdisjoint(pattern):
        return any(belongs_to(each, [pattern]) for each in paths)
    return any(fnmatchcase(scope, pattern) for each in paths for scope in scopes_of(each))


def refuse_unknown_layer(layer: LayerInit, whole: Graph) -> None:
    """Raises Failure `no-such-step` for a path at which a net has nothing that begins as the recipe says."""
    members = ["", *(member.name for member in find_members(whole))]

    def found(nodes: Iterable[Node]) -> Iterator[Node]:
        """Those that lie at the path."""
        return (node for node in nodes if any(lies_at(layer.path, node.path, inside) for inside in members))

    there = [*found(filter(has_weights, whole.nodes))]
    if layer.name is not None and there:
        return
    if any(is_bias(name, param) for node in there for name, param in node.params().items()):
        return
    where = f"`init` of the recipe begins `{layer.path[:200]}` by itself"
    if there:
        raise Failure(
            "no-such-step",
            f"{where}, and no layer there has a bias",
            "leave it out, or let the spec say `bias: true`",
            2,
        )
    if next(found(whole.nodes), None) is not None:
        raise Failure("no-such-step", f"{where}, and there is no convolution or linear layer",
                      "leave it out; norms and activations begin as the spec says", 2)  # fmt: skip
    if WILDCARDS.isdisjoint(layer.path):
        missing = no_such_step(layer.path, [node.path for node in whole.nodes], {})
        raise Failure(missing.code, f"{where}: {missing.message}", missing.help, missing.exit_code)
    raise Failure(
        "no-such-step", f"{where}, and no step of the net has such a path", "`archc show SPEC` has the paths of all", 2
    )


def zero_last_norms(graph: Graph) -> dict[str, Param]:
    """The scales of the norms that the bodies of residuals end with, which begin at 0, so that each block begins as its shortcut.

    Source: Goyal et al. 2017, arXiv:1706.02677, section 5.1. What only training has, as dropped paths, may stand behind the norm. A norm with an
    activation behind it is none of these: from 0 a ReLU would never learn. Raises Failure `no-such-step` where there is none.
    """
    made = {node.output.name: node for node in graph.nodes}
    found: dict[str, Param] = {}
    for merge in graph.nodes:
        for value in merge.inputs if len(merge.inputs) > 1 else ():
            node = made.get(value.name)
            if node is None or not is_in_body(node, merge):
                continue
            while op_of(node).training_only and len(node.inputs) == 1 and node.inputs[0].name in made:
                node = made[node.inputs[0].name]
            if op_of(node).family == "norm" and is_in_body(node, merge):
                found |= {name: param._replace(init=("zeros", 0.0)) for name, param in node.params().items()
                          if not param.buffer and not is_bias(name, param)}  # fmt: skip
    if not found:
        raise Failure("no-such-step", "`zero_last_norm` of the recipe's `init` is about the norms at the ends of residuals, and the net has none",
                      "leave it out", 2)  # fmt: skip
    return found


def is_in_body(node: Node, merge: Node) -> bool:
    """Whether a node is in the body of the residual that ends in `merge`."""
    depth = len(merge.frames)
    return len(node.frames) > depth and (node.frames[depth].kind, node.frames[depth].name) == ("branch", BODY)
