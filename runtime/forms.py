"""The forms of nodes that archc writes: operator, attributes, inputs, and how large the result is.

A node of such a form, whose sizes fit together, takes no more memory and time than is worked out here. The compiler writes the forms
(`Op.onnx`); the runtime knows nothing of the compiler, so they stand here a second time, and tests/test_forms.py holds one against
the other. Every value that a node makes is of floats, of 32 bits or of 16, and those that it takes are of one type, but
for a Cast's; int64 are only the weights that say sizes, axes and indices, uint8 only inputs. The open dimension of the inputs, the batch, has a number here: trust.py works out all sizes for two of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

from .outline import Outline, OutlineNode

# ONNX's numbers of the element types that archc writes
FLOAT, UINT8, INT8, INT32, INT64, FLOAT16 = 1, 2, 3, 6, 7, 10
FLOATS = (FLOAT, FLOAT16)
# of weights: the bytes of an element, and the letter by which struct reads it
SIZES = {FLOAT: 4, UINT8: 1, INT8: 1, INT32: 4, INT64: 8, FLOAT16: 2}
LETTERS = {FLOAT: "f", INT64: "q", FLOAT16: "e"}
Sizes = tuple[int, ...]


class Unfit(Exception):
    """A node's sizes do not fit together, so that it is none of archc's."""


class Known:
    """The shapes of all values that are known so far, and the numbers in small weights."""

    def __init__(self, outline: Outline, batch: int) -> None:
        """Knows the inputs, with `batch` where a dimension is open, and the weights of a graph."""
        self.weights = outline.weights
        # ONNX's number of each value's element type
        self.dtypes = {name: tensor.dtype for name, tensor in outline.weights.items()} | outline.input_types
        self.shapes: dict[str, Sizes] = {name: tensor.shape for name, tensor in outline.weights.items()}
        for name, shape in outline.inputs.items():
            self.shapes[name] = tuple(d if isinstance(d, int) else batch for d in shape)

    def numbers(self, name: str) -> tuple[Any, ...]:
        """The numbers of a small weight, such as the sizes for a Reshape. Raises Unfit for any other value."""
        tensor = self.weights.get(name)
        if tensor is None or not tensor.content or tensor.dtype not in LETTERS:
            raise Unfit
        return struct.unpack(f"<{tensor.size_bytes // SIZES[tensor.dtype]}{LETTERS[tensor.dtype]}", tensor.content)


class NodeUse(NamedTuple):
    """One node with the shapes of its inputs, and all that is known."""

    node: OutlineNode
    shapes: tuple[Sizes, ...]
    known: Known

    def get(self, name: str, default: Any) -> Any:
        """An attribute's value, or the `default`."""
        return self.node.attributes.get(name, default)

    def numbers(self, at: int) -> tuple[Any, ...]:
        """The numbers of the small weight that is the input `at`."""
        return self.known.numbers(self.node.inputs[at])


class Form(NamedTuple):
    """What a node may be: the shape of its result, or Unfit; the numbers of inputs that it may have; its attributes with the types of
    their values; how many elements each element of the result is made of (`window`); which of the inputs are int64 weights
    (`integers`) and which always floats of 32 bits (`singles`), as the others are floats of one type. That is the result's, too, unless
    `dtype` says which it is."""

    result: Callable[[NodeUse], Sizes]
    inputs: range = range(1, 2)
    attributes: Mapping[str, type] = {}
    window: Callable[[NodeUse], int] = lambda use: 1
    integers: range = range(0)
    singles: range = range(0)
    dtype: Callable[[NodeUse], int] | None = None


def require(fits: bool) -> None:
    """Raises Unfit unless `fits`."""
    if not fits:
        raise Unfit


def same_shape(use: NodeUse) -> Sizes:
    """The first input's shape."""
    return use.shapes[0]


def softmax_shape(use: NodeUse) -> Sizes:
    """The first input's shape; it has channels, and works along these."""
    require(use.get("axis", -1) == 1 and len(use.shapes[0]) > 1)
    return use.shapes[0]


def channel_norm_shape(use: NodeUse) -> Sizes:
    """The first input's shape; each other input has one number a channel."""
    x, *others = use.shapes
    require(len(x) > 1 and all(each == x[1:2] for each in others))
    return x


def layer_norm_shape(use: NodeUse) -> Sizes:
    """The first input's shape; each other input has as many numbers as its last dimension."""
    x, *others = use.shapes
    require(use.get("axis", 0) == -1 and all(each == x[-1:] for each in others))
    return x


def broadcast_shape(use: NodeUse) -> Sizes:
    """The shape that all inputs are spread to."""
    rank = max(map(len, use.shapes))
    aligned = [(1,) * (rank - len(shape)) + shape for shape in use.shapes]
    sizes = tuple(max(each) for each in zip(*aligned, strict=True))
    require(all(d in (1, size) for shape in aligned for d, size in zip(shape, sizes, strict=True)))
    return sizes


def first_shape(use: NodeUse) -> Sizes:
    """The first input's shape, to which the others are spread."""
    require(broadcast_shape(use) == use.shapes[0])
    return use.shapes[0]


def window_sizes(use: NodeUse, kernel: Sizes) -> Sizes:
    """Height and width behind a window of `kernel` that slides over an image."""
    size = use.shapes[0][2:]
    stride, dilation, pads = use.get("strides", (1, 1)), use.get("dilations", (1, 1)), use.get("pads", (0,) * 4)
    require(len(size) == len(kernel) == len(stride) == len(dilation) == 2 and len(pads) == 4)
    require(min(*kernel, *stride, *dilation) > 0 and min(pads) >= 0)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padded = [size[i] + pads[i] + pads[i + 2] for i in range(2)]
    return tuple((padded[i] - reach[i]) // stride[i] + 1 for i in range(2))


def conv_shape(use: NodeUse) -> Sizes:
    """A convolution's."""
    x, weight, *bias = use.shapes
    group = use.get("group", 1)
    require(len(x) == len(weight) == 4 and group > 0 and x[1] == weight[1] * group and weight[0] % group == 0)
    require(use.get("kernel_shape", weight[2:]) == weight[2:] and all(each == weight[:1] for each in bias))
    return x[0], weight[0], *window_sizes(use, weight[2:])


def pool_shape(use: NodeUse) -> Sizes:
    """A pool's; no window lies in the padding alone."""
    kernel = use.get("kernel_shape", ())
    sizes = window_sizes(use, kernel)
    require(all(pad < k for pad, k in zip(use.get("pads", ()), kernel * 2, strict=False)))
    return (*use.shapes[0][:2], *sizes)


def global_pool_shape(use: NodeUse) -> Sizes:
    """One number a channel."""
    require(len(use.shapes[0]) == 4)
    return (*use.shapes[0][:2], 1, 1)


def flatten_shape(use: NodeUse) -> Sizes:
    """(N, numbers)."""
    x = use.shapes[0]
    require(len(x) > 1 and use.get("axis", 1) == 1)
    return x[0], prod(x[1:])


def gemm_shape(use: NodeUse) -> Sizes:
    """A linear layer's: the weight is (out, in)."""
    x, weight, *bias = use.shapes
    require(use.get("transB", 0) == 1 and len(x) == len(weight) == 2 and x[1] == weight[1])
    require(all(each == weight[:1] for each in bias))
    return x[0], weight[0]


def matmul_shape(use: NodeUse) -> Sizes:
    """A product of matrices, of which one may stand for many."""
    a, b = use.shapes
    require(min(len(a), len(b)) >= 2 and a[-1] == b[-2] and (len(a) == 2 or len(b) == 2))
    return (*(a if len(a) > 2 else b)[:-2], a[-2], b[-1])


def concat_shape(use: NodeUse) -> Sizes:
    """All inputs along the second dimension."""
    first = use.shapes[0]
    require(use.get("axis", 0) == 1 and len(first) > 1)
    require(all(len(each) == len(first) and (each[0], *each[2:]) == (first[0], *first[2:]) for each in use.shapes))
    return first[0], sum(each[1] for each in use.shapes), *first[2:]


def reshape_shape(use: NodeUse) -> Sizes:
    """As the second input says: 0 is the size that was there, -1 what is left."""
    x, wanted = use.shapes[0], use.numbers(1)
    sizes = [x[at] if d == 0 else d for at, d in enumerate(wanted)]
    left = [at for at, d in enumerate(sizes) if d == -1]
    count = prod(d for d in sizes if d != -1)
    require(len(left) < 2 and count > 0)
    for at in left:
        sizes[at] = prod(x) // count
    require(prod(sizes) == prod(x))
    return tuple(sizes)


def transpose_shape(use: NodeUse) -> Sizes:
    """The dimensions in another order."""
    x, order = use.shapes[0], use.get("perm", ())
    require(sorted(order) == [*range(len(x))])
    return tuple(x[at] for at in order)


def unsqueeze_shape(use: NodeUse) -> Sizes:
    """With a dimension of 1 more."""
    x, (axis,) = use.shapes[0], use.numbers(1)
    require(0 <= axis <= len(x))
    return (*x[:axis], 1, *x[axis:])


def reduce_shape(use: NodeUse) -> Sizes:
    """With a dimension less."""
    x, (axis,) = use.shapes[0], use.numbers(1)
    require(use.get("keepdims", 1) == 0 and 0 <= axis < len(x))
    return (*x[:axis], *x[axis + 1 :])


def pad_shape(use: NodeUse) -> Sizes:
    """With zeros, or another number, before and after each dimension."""
    x, pads = use.shapes[0], use.numbers(1)
    require(len(pads) == 2 * len(x) and min(pads) >= 0 and all(shape in ((), (1,)) for shape in use.shapes[2:]))
    return tuple(d + pads[at] + pads[at + len(x)] for at, d in enumerate(x))


def slice_shape(use: NodeUse) -> Sizes:
    """A part of some dimensions."""
    sizes = [*use.shapes[0]]
    parts = [use.numbers(at) for at in range(1, 5)]
    require(len({len(part) for part in parts}) == 1 and len({*parts[2]}) == len(parts[2]))
    for start, stop, axis, step in zip(*parts, strict=True):
        require(0 <= axis < len(sizes) and 0 <= start < stop and step > 0)
        sizes[axis] = len(range(start, min(stop, sizes[axis]), step))
    return tuple(sizes)


def gather_shape(use: NodeUse) -> Sizes:
    """Some of the second dimension."""
    x, chosen = use.shapes
    require(use.get("axis", 0) == 1 and len(x) > 1 and len(chosen) == 1)
    return x[0], *chosen, *x[2:]


def resize_shape(use: NodeUse) -> Sizes:
    """Enlarged by the third input's factors."""
    x, scales = use.shapes[0], use.numbers(2)
    require(use.node.inputs[1] == "" and len(scales) == len(x))
    require(all(1 <= scale <= 2**16 for scale in scales))
    return tuple(int(d * scale) for d, scale in zip(x, scales, strict=True))


def cast_dtype(use: NodeUse) -> int:
    """The type of a Cast's result: floats, which it makes of floats or of pixels."""
    wanted = use.get("to", 0)
    require(wanted in FLOATS and use.known.dtypes[use.node.inputs[0]] in (*FLOATS, UINT8))
    return int(wanted)


def result_dtype(use: NodeUse, form: Form) -> int:
    """ONNX's number of the result's element type. Raises Unfit where an input has not the type that the form asks for."""
    types = {at: use.known.dtypes[name] for at, name in enumerate(use.node.inputs) if name}
    plain = {kind for at, kind in types.items() if at not in form.integers and at not in form.singles}
    require(all(kind == INT64 for at, kind in types.items() if at in form.integers))
    require(all(kind == FLOAT for at, kind in types.items() if at in form.singles))
    if form.dtype:
        return form.dtype(use)
    require(len(plain) == 1 and plain <= {*FLOATS})
    return plain.pop()


def quantized_shape(use: NodeUse) -> Sizes:
    """The first input's shape; the scale and the zero point are single numbers."""
    x, scale, zero_point = use.shapes
    require(scale == zero_point == ())
    return x


def quantized_dtype(use: NodeUse) -> int:
    """The type of floats that are rounded to 8 bits: unsigned."""
    require([use.known.dtypes[name] for name in use.node.inputs] == [FLOAT, FLOAT, UINT8])
    return UINT8


def dequantized_shape(use: NodeUse) -> Sizes:
    """The first input's shape; the scale and the zero point are single numbers, or one for each place along `axis`."""
    x, scale, zero_point = use.shapes
    axis = use.get("axis", None)
    require(scale == zero_point == (() if axis is None else (x[axis],)) and (axis is None or axis >= 0))
    return x


def dequantized_dtype(use: NodeUse) -> int:
    """The type of what is made of a rounded value, or of the integers of a weight or a bias: floats."""
    integer, scale, zero_point = (use.known.dtypes[name] for name in use.node.inputs)
    require(scale == FLOAT and integer == zero_point and integer in (UINT8, INT8, INT32))
    return FLOAT


def kernel_window(use: NodeUse) -> int:
    """The elements under a pool's window."""
    return prod(use.get("kernel_shape", ()))


ONE, TWO, THREE = range(1, 2), range(2, 3), range(3, 4)
SECOND = range(1, 2)
SLIDES = {"kernel_shape": tuple, "strides": tuple, "pads": tuple}
RESIZES = {"mode": str, "coordinate_transformation_mode": str, "nearest_mode": str}
FORMS: dict[str, Form] = {
    **dict.fromkeys(("Relu", "Sigmoid", "Tanh", "HardSwish", "Erf", "Gelu", "Identity"), Form(same_shape)),
    **dict.fromkeys(("LeakyRelu", "Elu"), Form(same_shape, ONE, {"alpha": float})),
    **dict.fromkeys(("Softmax", "LogSoftmax"), Form(softmax_shape, ONE, {"axis": int})),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow"), Form(broadcast_shape, TWO)),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), Form(global_pool_shape, window=lambda use: prod(use.shapes[0][2:]))),
    "HardSigmoid": Form(same_shape, ONE, {"alpha": float, "beta": float}),
    "LRN": Form(same_shape, ONE, {"size": int, "alpha": float, "beta": float, "bias": float}, lambda use: use.get("size", 1)),
    "Clip": Form(first_shape, range(3, 4)),
    "PRelu": Form(first_shape, TWO),
    "Sum": Form(broadcast_shape, range(1, 2**16)),
    "Conv": Form(conv_shape, range(2, 4), {**SLIDES, "dilations": tuple, "group": int}, lambda use: prod(use.shapes[1][1:])),
    "MaxPool": Form(pool_shape, ONE, SLIDES, kernel_window),
    "AveragePool": Form(pool_shape, ONE, {**SLIDES, "count_include_pad": int}, kernel_window),
    "BatchNormalization": Form(channel_norm_shape, range(5, 6), {"epsilon": float}),
    "InstanceNormalization": Form(channel_norm_shape, range(3, 4), {"epsilon": float}),
    "LayerNormalization": Form(layer_norm_shape, range(3, 4), {"axis": int, "epsilon": float}),
    "Gemm": Form(gemm_shape, range(2, 4), {"transB": int}, lambda use: use.shapes[0][1]),
    "MatMul": Form(matmul_shape, TWO, window=lambda use: use.shapes[0][-1]),
    "Concat": Form(concat_shape, range(1, 2**16), {"axis": int}),
    "Flatten": Form(flatten_shape, ONE, {"axis": int}),
    "Reshape": Form(reshape_shape, TWO, integers=SECOND),
    "Transpose": Form(transpose_shape, ONE, {"perm": tuple}),
    "Unsqueeze": Form(unsqueeze_shape, TWO, integers=SECOND),
    "ReduceSum": Form(reduce_shape, TWO, {"keepdims": int}, integers=SECOND),
    "Pad": Form(pad_shape, range(2, 4), integers=SECOND),
    "Slice": Form(slice_shape, range(5, 6), integers=range(1, 5)),
    "Gather": Form(gather_shape, TWO, {"axis": int}, integers=SECOND),
    "Resize": Form(resize_shape, range(3, 4), RESIZES, singles=range(2, 3)),
    "QuantizeLinear": Form(quantized_shape, THREE, dtype=quantized_dtype),
    "DequantizeLinear": Form(dequantized_shape, THREE, {"axis": int}, dtype=dequantized_dtype),
    "Cast": Form(same_shape, ONE, {"to": int}, dtype=cast_dtype),
}  # fmt: skip
