"""Activations: element by element, or over the channels. Those that differ only in their names are rows of one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..ir.graph import Value
from ..ir.operation import Param
from ..ir.types import TensorType
from .fields import Float
from .op import OnnxBuilder, Op, Saved, field, op


class Activation(Op):
    """A function that keeps the type of its input. `module` is torch's constructor, `node` ONNX's operator; `saves` says which of
    its input and its output its gradient is worked out from."""

    module: ClassVar[str] = ""
    node: ClassVar[str] = ""
    family = "activation"
    is_companion = True

    def caption(self, x: TensorType) -> str:
        return self.module or super().caption(x)

    saves: ClassVar[Saved] = Saved(inputs=True)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def gives_scores(self, given: Sequence[bool], x: TensorType) -> bool:
        """A map's scores stay scores (network in network ends so); behind a linear layer it makes features."""
        return given[0] and x.is_image

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        return self.saves

    def torch(self, nn: Any, x: TensorType) -> Any:
        return getattr(nn, self.module)()

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node(self.node, x.name)


FROM_INPUT, FROM_OUTPUT = Saved(inputs=True), Saved(output=True)
SIMPLE_ACTIVATIONS = (  # name, torch's module, ONNX's operator, its first opset, what its gradient needs, what it is, source, other frameworks' words
    ("relu", "ReLU", "Relu", 13, FROM_OUTPUT, "max(x, 0)", "Nair and Hinton 2010", ("Rectifier", "Rectify")),
    ("sigmoid", "Sigmoid", "Sigmoid", 13, FROM_OUTPUT, "1 / (1 + exp(-x))", "the logistic function", ("Logistic",)),
    ("tanh", "Tanh", "Tanh", 13, FROM_OUTPUT, "the hyperbolic tangent", "LeCun et al. 1998", ()),
    ("hard_swish", "Hardswish", "HardSwish", 14, FROM_INPUT, "x · min(max(x + 3, 0), 6) / 6", "Howard et al. 2019", ("HSwish",)),
)  # fmt: skip
for _name, _module, _node, _since, _saves, _what, _source, _words in SIMPLE_ACTIVATIONS:
    _doc = f"{_what[0].upper() + _what[1:]}.\n\n    Shapes   any -> the same\n    Source   {_source}\n    "
    op(_name)(
        type(
            _module,
            (Activation,),
            {
                "__doc__": _doc,
                "module": _module,
                "node": _node,
                "since_opset": _since,
                "saves": _saves,
                "also_called": _words,
                "__module__": __name__,
            },
        )
    )


@op("relu6")
class Relu6(Activation):
    """min(max(x, 0), 6).

    Shapes   any -> the same
    Source   Sandler et al. 2018
    """

    module = "ReLU6"

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("Clip", x.name, g.floats("low", (0.0,)), g.floats("high", (6.0,)))


@op("hard_sigmoid")
class HardSigmoid(Activation):
    """min(max(x + 3, 0), 6) / 6.

    Shapes   any -> the same
    Source   Howard et al. 2019
    """

    also_called = ("HSigmoid",)

    module = "Hardsigmoid"

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("HardSigmoid", x.name, alpha=1 / 6, beta=0.5)


@op("silu")
class Silu(Activation):
    """x · sigmoid(x), also called swish.

    Shapes   any -> the same
    Source   Elfwing et al. 2017
    """

    also_called = ("Swish",)

    module = "SiLU"

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("Mul", x.name, g.node("Sigmoid", x.name))


@op("gelu")
class Gelu(Activation):
    """x · Φ(x), with the error function.

    Shapes   any -> the same
    Source   Hendrycks and Gimpel 2016
    """

    module = "GELU"

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        if g.opset >= 20:
            return g.node("Gelu", x.name)
        erf = g.node("Erf", g.node("Div", x.name, g.floats("root2", (2**0.5,))))
        return g.node(
            "Mul", g.node("Mul", x.name, g.floats("half", (0.5,))), g.node("Add", erf, g.floats("one", (1.0,)))
        )


@op("leaky_relu", bare="slope")
class LeakyRelu(Activation):
    """x where positive, else slope · x.

    Shapes   any -> the same
    Source   Maas et al. 2013
    """

    also_called = ("LReLU", "Leaky")
    example = "leaky_relu: 0.1"

    slope: float = field(Float(0), "factor of negative values", 0.01, also_called=("negative_slope", "alpha"))

    def caption(self, x: TensorType) -> str:
        return f"leaky ReLU {self.slope:g}"

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.LeakyReLU(self.slope)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("LeakyRelu", x.name, alpha=self.slope)


@op("elu", bare="alpha")
class Elu(Activation):
    """x where positive, else alpha · (exp(x) - 1).

    Shapes   any -> the same
    Source   Clevert et al. 2015
    """

    also_called = ("ExponentialLinearUnit",)

    alpha: float = field(Float(0), "where negative values end", 1.0)

    def caption(self, x: TensorType) -> str:
        return "ELU"

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.ELU(self.alpha)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("Elu", x.name, alpha=self.alpha)


@op("prelu")
class Prelu(Activation):
    """x where positive, else a learned factor of its channel times x.

    Shapes   (N, C, …) -> the same
    Params   weight (C)
    Source   He et al. 2015
    """

    also_called = ("ParametricReLU",)

    start: float = field(Float(), "what the factor starts as", 0.25, also_called=("init", "alpha_initializer"))

    def caption(self, x: TensorType) -> str:
        return "PReLU"

    def params(self, x: TensorType) -> dict[str, Param]:
        return {"weight": Param((x.channels,), ("constant", self.start), dtype=x.dtype)}

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.PReLU(x.channels)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        ones = (1,) * (x.type.rank - 2)
        return g.node("PRelu", x.name, g.node("Reshape", g.param("weight"), g.ints("shape", (x.type.channels, *ones))))


@op("softmax")
class Softmax(Activation):
    """Probabilities over the channels.

    Shapes   (N, C, …) -> the same
    Source   Bridle 1990
    """

    also_called: ClassVar[tuple[str, ...]] = ("Softmax2d", "SoftmaxActivation", "SoftmaxOutput")

    module, node = "Softmax", "Softmax"
    saves = FROM_OUTPUT

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return True

    def gives_scores(self, given: Sequence[bool], x: TensorType) -> bool:
        return True

    def needs_float32(self, x: TensorType) -> bool:
        return True

    def gives_channels_last(self, given: Sequence[bool], x: TensorType) -> bool:
        return False

    def torch(self, nn: Any, x: TensorType) -> Any:
        return getattr(nn, self.module)(dim=1)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node(self.node, x.name, axis=1)


@op("log_softmax")
class LogSoftmax(Softmax):
    """The logarithm of softmax over the channels.

    Shapes   (N, C, …) -> the same
    Source   Bridle 1990
    """

    also_called = ()
    module, node = "LogSoftmax", "LogSoftmax"

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return False
