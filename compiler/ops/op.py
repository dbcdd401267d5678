"""What an op is: typed fields and the rules that must agree, kept in one class.

An op's shape rule, parameters, cost and both lowerings stand together, because the usual bug of such a compiler is that two of
them disagree. The backends come as arguments (`nn`, `g`) and are never imported. A new op is one class here and one row in
tests/op_cases.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Lock
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar, dataclass_transform
from weakref import WeakValueDictionary

from ..diagnostics import Reject
from ..ir.dtypes import HALF_BITS, DType
from ..ir.graph import Node
from ..ir.operation import Param
from ..ir.types import TensorType
from .fields import Kind
from .windows import POINTWISE_WINDOWS, Windows
from .working import Working, product

_MISSING: Any = object()


class Field:
    """A field of an op: its kind, one line of documentation, and its default, if it has one.

    `also_called` are other frameworks' words for it; the help of an error message comes from them.
    """

    __slots__ = ("also_called", "default", "doc", "kind", "name")

    def __init__(self, kind: Kind, doc: str, default: Any = _MISSING, also_called: tuple[str, ...] = ()) -> None:
        self.kind, self.doc, self.default, self.also_called = kind, doc, default, also_called
        self.name = ""

    @property
    def required(self) -> bool:
        return self.default is _MISSING


def field(kind: Kind, doc: str, default: Any = _MISSING, also_called: tuple[str, ...] = ()) -> Any:
    """Declares a field of an op; without a `default`, which is in canonical form, a spec must give it."""
    return Field(kind, doc, default, also_called)


Lengths = tuple[int, ...]  # the height and width of an image, the length of a vector
Strides = tuple[int, ...]  # of the batch and of each axis: how many elements apart neighbours lie in memory


class Saved(NamedTuple):
    """What training keeps of an op until its backward pass, as torch's autograd does.

    `inputs` and `output` say whether these are kept; `bytes` are those of tensors of its own for each image (a mask, indices), and
    `bytes_once` those that do not grow with the batch (the statistics of a batch). Several inputs are factors, multiplied from left
    to right: `products` are the bytes of the product of the first two, three, … for each image. `without_gaps` says that an input
    with gaps is kept as a copy of its own elements.
    """

    inputs: bool = False
    output: bool = False
    bytes: int = 0
    bytes_once: int = 0
    products: tuple[int, ...] = ()
    without_gaps: bool = False


class Repadding(NamedTuple):
    """An op with another padding.

    op       the op
    has      what it has without it, for a message: `kernel 3 and padding 0`
    padding  the padding as a spec writes it: `1`, `[2, 0]`, `same`; empty where the op's own one stays
    """

    op: Op
    has: str
    padding: str


class Doubt(NamedTuple):
    """A field that is allowed as it stands and was probably not meant so: a warning."""

    field: str
    code: str
    message: str
    help: str


# added up one by one in half floats, as many equal numbers as this make a sum that one more does not change
MOST_HALF_TERMS: int = 2**HALF_BITS
FAMILIES = ("conv", "linear", "pool", "merge", "norm", "activation", "shape", "other")
LAYER_FAMILIES = FAMILIES[:2]  # what counts as a layer
VOLUME_FAMILIES = FAMILIES[:3]  # what makes a new volume


class OnnxBuilder(Protocol):
    """What `Op.onnx` writes to; compiler/backends/onnx/write.py implements it. Names of values are strings."""

    opset: int

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output and returns the output's name. An empty input name leaves an optional input out."""

    def param(self, name: str) -> str:
        """The initialiser that holds this op's parameter `name`."""

    def ints(self, hint: str, values: tuple[int, ...]) -> str:
        """A small int64 constant, one axis; `hint` becomes part of its name."""

    def floats(
        self, hint: str, values: tuple[float, ...], shape: tuple[int, ...] = (), dtype: DType | None = None
    ) -> str:
        """A small constant of the node's own element type, or of `dtype`; a scalar unless `shape` is given."""

    def readers(self) -> tuple[Op, ...]:
        """The ops that read this op's result, in the order of the graph; none where only an output does."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Op:
    """The root of all ops. Instances are frozen and hold their fields in canonical form. Equal ops are one object, so that
    caches by op and input types work out each distinct layer once, however deep the net.

    What is special about an op is a class fact, so that nothing outside compiler/ops asks for an op by name:

    - `name` as YAML writes it; `fields` in order; `bare`, the field that a bare value sets
    - `also_called`: other frameworks' words for it; the help of an error message comes from them
    - `usual`: fields by their texts, for advice on a step of an op that does nothing without any
    - `example`: a step that shows its use, as YAML writes it, for images of 64×56×56; the name alone where it is empty
    - `arity`: how many inputs it takes, not counting a control input (None: one or more)
    - `is_merge`: its inputs are branches, which YAML writes out; `absorbs_own_kind`: an input that comes from the same op is
      replaced by that op's inputs
    - `is_internal`: the front end inserts it, and no spec can name it; `is_marker`: a step that only marks a place
    - `training_only`: the verifier refuses it in an inference graph
    - `takes_vector`: its torch module takes a vector; a C×1×1 that arrives is flattened before the module and not inside of it,
      so that another module may take its place
    - `counts`: what cost reports count its output as: "weight" (convolution, linear: MACs, depth, activations), "pool"
      (activations) or ""; `pools_to_size`: its output has a fixed size, whatever the input's size
    - `channels_limit_sizes`: which heights and widths it takes depends on how many channels arrive
    - `pads_with_zeros`: it may pad what it reads, and pads with zeros: a pad of zeros before it may become a part of its own
    - `since_opset`: the first ONNX opset that has a form of it
    - `family`: what a picture shows it as, one of FAMILIES; `is_companion`: a picture writes it into the box of the layer beside it
    """

    name: ClassVar[str] = ""
    fields: ClassVar[Mapping[str, Field]] = {}
    bare: ClassVar[str | None] = None
    also_called: ClassVar[tuple[str, ...]] = ()
    usual: ClassVar[Mapping[str, str]] = {}
    example: ClassVar[str] = ""
    arity: ClassVar[int | None] = 1
    is_merge: ClassVar[bool] = False
    absorbs_own_kind: ClassVar[bool] = False
    is_internal: ClassVar[bool] = False
    is_marker: ClassVar[bool] = False
    training_only: ClassVar[bool] = False
    takes_vector: ClassVar[bool] = False
    counts: ClassVar[str] = ""
    pools_to_size: ClassVar[bool] = False
    channels_limit_sizes: ClassVar[bool] = False
    pads_with_zeros: ClassVar[bool] = False
    since_opset: ClassVar[int] = 13
    family: ClassVar[str] = "other"
    is_companion: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        own = {key: value for key, value in vars(cls).items() if isinstance(value, Field)}
        for key, value in own.items():
            value.name = key
            delattr(cls, key)
        # a word that Python keeps for itself ends in an underscore there: `global_` is `global` in YAML
        cls.fields = {**cls.fields, **{key.rstrip("_"): value for key, value in own.items()}}

    def __new__(cls, **values: Any) -> Self:
        """The op of these field values, checked; the object that is there already, if there is an equal one.

        Raises Misfit for a value that its field refuses, TypeError for a field that is missing or unknown.
        """
        made = super().__new__(cls)
        for key, declared in cls.fields.items():
            if key in values:
                value = values.pop(key)
                value = value if value is None and declared.default is None else declared.kind.check(value)
            elif declared.required:
                raise TypeError(f"{cls.name} wants `{key}`")
            else:
                value = declared.default
            object.__setattr__(made, declared.name, value)
        if values:
            raise TypeError(f"{cls.name} has no field `{next(iter(values))}`")
        with _LOCK:
            return _INSTANCES.setdefault((cls, *vars(made).values()), made)  # type: ignore[return-value]

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        """How pickle and copy make it: by its fields, so that the result is again the one object of an equal op."""
        return (), self.field_values()

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(f"ops are frozen; make another with {self.name}.replace({key}=…)")

    def __repr__(self) -> str:
        return self.text("")

    def replace(self, **changes: Any) -> Op:
        """The same op with some fields changed."""
        return type(self)(**{**self.field_values(), **changes})

    def field_values(self) -> dict[str, Any]:
        """Its fields by name, in canonical form: `type(op)(**op.field_values())` is the op."""
        return {key: getattr(self, declared.name) for key, declared in self.fields.items()}

    def text(self, inputs: str) -> str:
        """The op applied to `inputs`, with the fields that differ from their defaults, as JSON: `conv(%x, out=64, kernel=[7, 7])`."""
        stated = [
            f"{key}={json.dumps(getattr(self, declared.name))}"
            for key, declared in self.fields.items()
            if declared.required or getattr(self, declared.name) != declared.default
        ]
        return f"{self.name}({', '.join([inputs] * bool(inputs) + stated)})"

    def caption(self, *x: Any, **_: Any) -> str:
        """What a picture writes on it: its few fields that matter, as papers write them: `7×7 conv, 64 /2`."""
        return self.name.replace("_", " ")

    def doubt(self, stated: Collection[str]) -> Doubt | None:
        """What was probably not meant, where a spec states the fields `stated`; None where nothing is doubtful."""
        return None

    # The rules. `x` are the input types (for `onnx` the input values), in order. The bases take `Any` so that each op may
    # state its own arity and types. Each `…_working` is a rule's own arithmetic, as text.

    def infer(self, *x: Any, **_: Any) -> TensorType:
        """The output's type, or raises Reject.

        An image comes of images. Its heights and widths are a matter of those that arrive, each axis by itself, whatever the
        channels and the order of the inputs; `channels_limit_sizes` says where channels decide about a Reject.
        """
        raise NotImplementedError

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        """The least lengths of an input for a result of at least the lengths `least`, with the weights that it has for `x`.

        `x` is that input in the net as it is; nothing is asked of inputs that are larger. Each axis is told by itself, with
        `x`'s own size on the other one.
        """
        return least

    def pad_fully(self, x: TensorType) -> Repadding | None:
        """The op padded so that each axis of an image has ceil(size / stride) positions; None where it has, or no padding of its does it."""
        return None

    def unstride(self, x: TensorType) -> Repadding | None:
        """The op with a stride of 1, padded so that it keeps the size of an image; None where its stride does not come of its kernel."""
        return None

    def params(self, *x: Any, **_: Any) -> dict[str, Param]:
        """The tensors it owns by name, in torch's order; both backends and every checkpoint agree with this.

        They depend on the channels that arrive, never on heights and widths: a net has the same weights for images of each size.
        """
        return {}

    def macs(self, y: TensorType, *x: Any, **_: Any) -> int:
        """Multiply-accumulates per image for the output type `y` (1 MAC = 2 FLOPs); only convolutions and linear layers have any."""
        return 0

    def shape_working(self, *x: Any, **_: Any) -> tuple[Working, ...]:
        """How each axis of the result comes about; an axis that is missing is that of the first input."""
        return ()

    def param_working(self, *x: Any, **_: Any) -> tuple[Working, ...]:
        """How many numbers each tensor of `params` has, in their order."""
        return tuple(
            Working(name, product(param.shape, " · "), param.elements, "a buffer" if param.buffer else "")
            for name, param in self.params(*x).items()
        )

    def mac_working(self, y: TensorType, *x: Any, **_: Any) -> tuple[Working, ...]:
        """How `macs` come about; nothing where there are none."""
        return ()

    def windows(self, *x: Any, **_: Any) -> Windows:
        """What one output position sees of each input, along the height and along the width."""
        return POINTWISE_WINDOWS

    def saved_for_backward(self, y: TensorType, *x: Any, **_: Any) -> Saved:
        """What its torch module keeps for the backward pass of a training step, beside its parameters."""
        return Saved()

    def view_strides(self, strides: Strides, *x: Any, **_: Any) -> Strides | None:
        """The strides of its torch module's result in training where that has the memory of its one input, which has `strides`.

        None where the result has memory of its own.
        """
        return None

    def gives_channels_last(self, given: Sequence[bool], *x: Any, **_: Any) -> bool:
        """Whether the channels of a position lie side by side in the memory of its torch module's result. `given` says the same of
        each input; what works element by element keeps their order."""
        return any(given[:1])

    def needs_float32(self, *x: Any, **_: Any) -> bool:
        """Whether half floats would lose what it computes: sums of squares or of exponentials, sums of very many numbers, and
        constants that half floats do not hold. In a net of half floats it is an island of float32, with casts around it."""
        return False

    def summarizes(self, *x: Any, **_: Any) -> bool:
        """Whether it makes one number per channel out of the whole map: a classifier's features end before it."""
        return self.pools_to_size

    def gives_distribution(self, given: Sequence[bool], *x: Any, **_: Any) -> bool:
        """Whether the channels of its result are probabilities: never negative, with sum one. `given` says the same of each input."""
        return False

    def gives_scores(self, given: Sequence[bool], *x: Any, **_: Any) -> bool:
        """Whether the channels of its result are scores of classes, one number a class, before or after a softmax.

        `given` says the same of each input. A layer with weights makes scores; what keeps a distribution keeps scores.
        """
        return self.counts == "weight" or self.gives_distribution(given, *x)

    @property
    def draw_probability(self) -> float:
        """The probability that the net draws one column for a whole forward pass; the front end then adds a control input.

        Only FractalNet's join has one; 0 is none.
        """
        return 0.0

    def torch(self, nn: Any, *x: Any, **_: Any) -> Any:
        """The torch module, made by constructors of `nn` alone: those of torch.nn and of compiler/backends/torch/layers.py."""
        raise NotImplementedError

    def onnx(self, g: OnnxBuilder, *x: Any, **_: Any) -> str:
        """Adds ONNX nodes to `g`, and returns the name of the result. NotImplementedError where it has no form in ONNX."""
        raise NotImplementedError

    def inference(self) -> Op | None:
        """The op that replaces this one in the inference graph, without a control input; None where the node is passed through."""
        return self


_INSTANCES: WeakValueDictionary[tuple[Any, ...], Op] = WeakValueDictionary()
_LOCK = Lock()  # two threads that make equal ops must not make two


def format_extent(pair: tuple[int, int]) -> str:
    """A window's size in a caption: `7×7`."""
    return f"{pair[0]}×{pair[1]}"


def format_stride(stride: tuple[int, int]) -> str:
    """A stride in a caption, behind a space: `/2`, or `/2×1` where it differs by axis; nothing for one of 1."""
    down, across = stride
    if stride == (1, 1):
        return ""
    return f" /{down}" if down == across else f" /{down}×{across}"


def op_of(node: Node) -> Op:
    """The op of a node, typed with all of its rules: ir/ knows only those that the verifier repeats."""
    return node.op  # type: ignore[return-value]


OPS: dict[str, type[Op]] = {}
_OpClass = TypeVar("_OpClass", bound=type[Op])


def op(name: str, bare: str | None = None) -> Callable[[_OpClass], _OpClass]:
    """Registers an op under the name that YAML uses; `bare` is the field that a bare value sets."""

    def register(cls: _OpClass) -> _OpClass:
        if name in OPS:
            raise RuntimeError(f"two ops are called {name}")
        cls.name, cls.bare = name, bare
        OPS[name] = cls
        return cls

    return register


def require_image(op: Op, x: TensorType) -> None:
    """Raises Reject `not-an-image` for anything but (N, C, H, W)."""
    if not x.is_image:
        raise Reject(
            "not-an-image",
            f"{op.name} works on an image of channels, height and width, but a flat {x} arrives",
            "put it before `flatten` or the first `linear`",
            about_rank=True,
        )
