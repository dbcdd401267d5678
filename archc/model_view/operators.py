"""ONNX's operators as a picture shows them: family, title, which inputs are parameters, and multiply-accumulates.

A model from elsewhere has operators that archc does not write, so these facts do not stand with the ops of the compiler. The
titles are written as those write theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from ..compiler.ops.op import FAMILIES, VOLUME_FAMILIES, format_extent, format_stride
from ..runtime.full_graph import FullNode

Sizes = tuple[int | str | None, ...]
CONV, LINEAR, POOL, MERGE, NORM, ACTIVATION, SHAPE, OTHER = FAMILIES


class OperatorUse(NamedTuple):
    """A node with the shapes of its inputs and of its first output, None where one is not known. `constant` says which inputs are constants;
    the shapes of all others have no batch.
    """

    node: FullNode
    inputs: Sequence[Sizes | None]
    output: Sizes | None
    constant: Sequence[bool]

    def get(self, name: str, default: Any) -> Any:
        """An attribute of the type of the `default`, or that."""
        value = self.node.attributes.get(name, default)
        return value if isinstance(value, type(default)) else default

    def constant_shape(self, at: int) -> Sizes | None:
        """The shape of the input `at`, if it is a constant."""
        return self.inputs[at] if at < len(self.inputs) and self.constant[at] else None


class Operator(NamedTuple):
    """What is known of an operator.

    - `family`: as of the compiler's ops; `is_companion`: it is written into the box of the layer beside it
    - `title`: what a picture writes on it
    - `params`: the inputs that are parameters where they are constants
    - `macs`: multiply-accumulates for one image, None where sizes are open
    - `keeps_shape`: its first output has the shape of its first input
    - `makes`: what it does, without sizes, so that two nodes that do the same are equal
    """

    family: str = OTHER
    title: Callable[[OperatorUse], str] = lambda use: use.node.kind
    is_companion: bool = False
    params: tuple[int, ...] = ()
    macs: Callable[[OperatorUse], int | None] = lambda use: 0
    keeps_shape: bool = False
    makes: Callable[[OperatorUse], Any] = lambda use: None


def count(shape: Sizes | None) -> int | None:
    """The elements of a shape; None where a size is open."""
    if shape is None:
        return None
    sizes = [size for size in shape if isinstance(size, int)]
    return prod(sizes) if len(sizes) == len(shape) and min(sizes, default=0) >= 0 else None


def pair(values: Any, default: int) -> tuple[int, int] | None:
    """Two numbers of an attribute that has one for each axis of an image; None where it has another number of them."""
    if not values:
        return default, default
    numbers = [int(value) for value in values]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def window(kernel: Sizes, word: str, stride: Any) -> str:
    """`3×3 conv`, with ` /2` for its stride: for an image as the compiler writes it, for others in the same way."""
    two, steps = pair(kernel, 1), pair(stride, 1)
    if len(kernel) == 2 and two and steps:
        return f"{format_extent(two)} {word}{{}}{format_stride(steps)}"
    extent = "×".join("?" if size is None else str(size) for size in kernel)
    moved = "×".join(map(str, stride)) if stride and set(stride) != {1} else ""
    return f"{extent} {word}{{}}{' /' * bool(moved)}{moved}"


def conv_title(at: int, transposed: bool = False) -> Callable[[OperatorUse], str]:
    """The title of a convolution whose weight is the input `at`."""

    def title(use: OperatorUse) -> str:
        weight = use.inputs[at] if at < len(use.inputs) else None
        group = use.get("group", 1)
        if weight is None or len(weight) < 3:
            return CONV
        out = weight[1] if transposed else weight[0]
        out = out * group if transposed and isinstance(out, int) else out
        depthwise = not transposed and group > 1 and weight[1] == 1
        word = "depthwise" if depthwise else "transposed conv" if transposed else CONV
        parts = [window(weight[2:], word, use.get("strides", ())).format(f", {out}")]
        parts += [f"{group} groups"] if group > 1 and not depthwise else []
        dilation = use.get("dilations", ())
        parts += [f"dilation {'×'.join(map(str, dict.fromkeys(dilation)))}"] if set(dilation) - {1} else []
        return ", ".join(parts)

    return title


def conv_macs(at: int, transposed: bool = False) -> Callable[[OperatorUse], int | None]:
    """Each element of the result, of a transposed one each of the input, times a window of the weight, the input `at`."""

    def macs(use: OperatorUse) -> int | None:
        weight = use.inputs[at] if at < len(use.inputs) else None
        each = count(weight[1:]) if weight else None
        elements = count(use.inputs[0] if transposed else use.output)
        return None if each is None or elements is None else elements * each

    return macs


def conv_makes(at: int) -> Callable[[OperatorUse], Any]:
    """How many channels it gives, with what window."""

    def makes(use: OperatorUse) -> Any:
        weight = use.inputs[at] if at < len(use.inputs) else None
        return (weight[0], weight[2:]) if weight and len(weight) > 2 else None

    return makes


def gemm_outputs(use: OperatorUse) -> Any:
    """How many numbers it gives."""
    return use.output[-1] if use.output else None


def linear_title(use: OperatorUse) -> str:
    """A linear layer's, or a product's of two values."""
    out = gemm_outputs(use)
    is_layer = len(use.constant) > 1 and any(use.constant[1:])
    return f"linear, {out}" if is_layer and out is not None else "matmul"


def gemm_macs(use: OperatorUse) -> int | None:
    """Each element of the result times what is summed over."""
    first = use.inputs[0] if use.inputs else None
    elements = count(use.output)
    if not first or elements is None:
        return None
    # the first dimension of a transposed one is no batch's
    summed = None if use.get("transA", 0) else first[-1]
    return elements * summed if isinstance(summed, int) else None


def quantized_macs(at: int) -> Callable[[OperatorUse], int | None]:
    """A product of rounded matrices, of which the second is the input `at`."""

    def macs(use: OperatorUse) -> int | None:
        other = use.inputs[at] if at < len(use.inputs) else None
        elements, summed = count(use.output), other[-2] if other and len(other) > 1 else None
        return elements * summed if elements is not None and isinstance(summed, int) else None

    return macs


def pool_title(word: str) -> Callable[[OperatorUse], str]:
    """A pool's."""
    return lambda use: window(use.get("kernel_shape", ()), word, use.get("strides", ())).format("")


def cast_title(use: OperatorUse) -> str:
    """To which type of floats a cast leads."""
    return {1: "to float32", 10: "to float16", 16: "to bfloat16", 11: "to float64"}.get(use.get("to", 0), worded(use))


def worded(use: OperatorUse) -> str:
    """An operator's own name in words: `depth to space`."""
    return " ".join(re.findall(r"[A-Z]*[a-z0-9]+|[A-Z]+", use.node.kind)).lower()


def named(title: str) -> Callable[[OperatorUse], str]:
    """A title that is the same for each."""
    return lambda use: title


def convolution(at: int, params: tuple[int, ...], transposed: bool = False) -> Operator:
    """A convolution whose weight is the input `at`."""
    return Operator(CONV, conv_title(at, transposed), False, params, conv_macs(at, transposed), False, conv_makes(at))


def activation(title: str, params: tuple[int, ...] = ()) -> Operator:
    """A function of each number."""
    return Operator(ACTIVATION, named(title), True, params, keeps_shape=True)


def norm(title: str, params: tuple[int, ...] = ()) -> Operator:
    """A normalisation."""
    return Operator(NORM, named(title), True, params, keeps_shape=True)


def merge(title: str, params: tuple[int, ...] = ()) -> Operator:
    """What makes one value of several."""
    return Operator(MERGE, named(title), False, params)


def linear(params: tuple[int, ...], macs: Callable[[OperatorUse], int | None]) -> Operator:
    """A linear layer."""
    return Operator(LINEAR, linear_title, False, params, macs, False, gemm_outputs)


ROUNDING = Operator(OTHER, is_companion=True, keeps_shape=True)
RECURRENT = Operator(LINEAR, params=(1, 2, 3), macs=lambda use: None)
OPERATORS: Mapping[str, Operator] = {
    "Conv": convolution(1, (1, 2)),
    "FusedConv": convolution(1, (1, 2)),
    "ConvTranspose": convolution(1, (1, 2), transposed=True),
    "QLinearConv": convolution(3, (3, 8)),
    "ConvInteger": convolution(1, (1,)),
    "DeformConv": convolution(1, (1, 3)),
    "Gemm": linear((1, 2), gemm_macs),
    "FusedGemm": linear((1, 2), gemm_macs),
    "MatMul": linear((0, 1), gemm_macs),
    "FusedMatMul": linear((0, 1), gemm_macs),
    "MatMulInteger": linear((1,), quantized_macs(1)),
    "QLinearMatMul": linear((3,), quantized_macs(3)),
    "Einsum": Operator(LINEAR, named("einsum"), False, (0, 1), lambda use: None),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), RECURRENT),
    "MaxPool": Operator(POOL, pool_title("max pool")),
    "AveragePool": Operator(POOL, pool_title("avg pool")),
    "LpPool": Operator(POOL, pool_title("Lp pool")),
    "GlobalAveragePool": Operator(POOL, named("global avg pool")),
    "GlobalMaxPool": Operator(POOL, named("global max pool")),
    "ReduceMean": Operator(POOL, named("mean")),
    "ReduceMax": Operator(POOL, named("max")),
    "ReduceSum": Operator(POOL, named("sum")),
    "BatchNormalization": norm("BN", (1, 2)),
    "InstanceNormalization": norm("instance norm", (1, 2)),
    "LayerNormalization": norm("layer norm", (1, 2)),
    "GroupNormalization": norm("group norm", (1, 2)),
    "RMSNormalization": norm("RMS norm", (1,)),
    "LpNormalization": norm("Lp norm"),
    "MeanVarianceNormalization": norm("normalise"),
    "LRN": norm("LRN"),
    "Relu": activation("ReLU"),
    "PRelu": activation("PReLU", (1,)),
    "LeakyRelu": Operator(ACTIVATION, lambda use: f"leaky ReLU {use.get('alpha', 0.01):g}", True, keeps_shape=True),
    "HardSwish": activation("hard swish"),
    "HardSigmoid": activation("hard sigmoid"),
    **{name: activation(name) for name in ("Elu", "Selu", "Celu", "Sigmoid", "Tanh", "Gelu", "Mish", "Softplus", "Softsign", "Erf",
                                           "ThresholdedRelu", "Swish", "QuickGelu")},
    **{name: activation(name.lower()) for name in ("Softmax", "LogSoftmax", "Clip", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg",
                                                    "Sign", "Floor", "Ceil", "Round", "Not", "Sin", "Cos")},
    "Add": merge("+", (0, 1)), "Sum": merge("+"), "Sub": merge("−"), "Mul": merge("×", (0, 1)), "Div": merge("÷"), "Pow": merge("power"),
    **dict.fromkeys(("Max", "Min", "Mean", "Concat", "Where"), Operator(MERGE, worded)),
    **dict.fromkeys(("Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Pad", "Slice", "Split", "Expand", "Tile", "Resize",
                     "Upsample", "DepthToSpace", "SpaceToDepth", "Shape"), Operator(SHAPE, worded)),
    "Gather": Operator(SHAPE, worded, params=(0,)),
    "QuantizeLinear": ROUNDING._replace(title=named("to 8 bits")),
    "DequantizeLinear": ROUNDING._replace(title=named("to floats")),
    "DynamicQuantizeLinear": ROUNDING._replace(title=named("to 8 bits")),
    "Cast": ROUNDING._replace(title=cast_title),
    **dict.fromkeys(("Identity", "Dropout"), ROUNDING._replace(title=worded)),
}  # fmt: skip
UNKNOWN = Operator()
ONNX_DOMAINS = ("", "ai.onnx", "com.microsoft")
# what counts as activations: the results of convolutions, pools and linear layers
COUNTED = VOLUME_FAMILIES


def find_operator(node: FullNode, constants: Container[str] = ()) -> Operator:
    """What is known of a node's operator; nothing for one of another domain with a name of ONNX's, but for onnxruntime's own.

    `constants` are the values that are constants.
    """
    if node.graphs:
        inside = " + ".join(map(str, node.graphs))
        return Operator(OTHER, named(f"{node.kind} ({inside} nodes)"))
    known = OPERATORS.get(node.kind, UNKNOWN) if node.domain in ONNX_DOMAINS else UNKNOWN
    values = sum(name not in constants for name in node.inputs)
    return with_constants(known) if known.family == MERGE and values == 1 < len(node.inputs) else known


def with_constants(operator: Operator) -> Operator:
    """A merge of one value with constants: it is a function of each number, as a bias or a scale is."""
    word = {"+": "bias", "×": "scale"}
    return operator._replace(
        family=OTHER,
        is_companion=True,
        keeps_shape=True,
        title=lambda use: word.get(title := operator.title(use), title),
    )
