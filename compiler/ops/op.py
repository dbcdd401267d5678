"""What an op is: typed fields and the rules that must agree, kept in one class.

An op's shape rule, parameters, cost and both lowerings stand together because what goes wrong in a compiler like this is
disagreement between them. The backends are handed in (`nn`, `g`), never imported. A new op is one class here and one row
in tests/op_cases.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar, dataclass_transform
from weakref import WeakValueDictionary

from ..diagnostics import Reject
from ..ir.dtypes import DType
from ..ir.graph import Node
from ..ir.operation import Param
from ..ir.types import TensorType
from .fields import Kind

_MISSING: Any = object()


class Field:
    """A field of an op: its kind, one line of documentation, and its default, if it has one.

    `also_called` are the words by which other frameworks know it; a mistake is answered from them.
    """

    __slots__ = ("also_called", "default", "doc", "kind", "name")

    def __init__(self, kind: Kind, doc: str, default: Any = _MISSING, also_called: tuple[str, ...] = ()) -> None:
        self.kind, self.doc, self.default, self.also_called = kind, doc, default, also_called
        self.name = ""

    @property
    def required(self) -> bool:
        return self.default is _MISSING


def field(kind: Kind, doc: str, default: Any = _MISSING, also_called: tuple[str, ...] = ()) -> Any:
    """Declares a field of an op. `default` is in canonical form."""
    return Field(kind, doc, default, also_called)


class Window(NamedTuple):
    """What one output position sees of the input, per axis (height, width): for receptive fields.

    `stride` is how far two neighbouring positions look apart; below one where the map is enlarged.
    """

    kernel: tuple[int, int]
    stride: tuple[float, float]


PLAIN_WINDOW = Window((1, 1), (1, 1))


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


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Op:
    """The root of all ops. Instances are frozen and hold their fields in canonical form; equal ops are one object, so
    what follows from an op and its input types is worked out once, however deep the net.

    Class facts, of which nobody outside this room asks by name:

    - `name` as YAML writes it; `fields` in order; `bare`, the field that a bare value sets
    - `also_called`: words of other frameworks that mean it; a mistake is answered from them
    - `arity`: how many inputs, a control input aside (None: one or more)
    - `is_merge`: its inputs are branches, and YAML writes them; `absorbs_own_kind`: an input that the same op made counts as
      that op's inputs
    - `is_internal`: the front end's own, no spec can say it; `is_marker`: a step that does nothing but mark a place
    - `training_only`: the verifier refuses it in an inference graph
    - `counts`: what cost reports count its output as: "weight" (convolution, linear: MACs, depth, activations), "pool"
      (activations) or ""; `pools_to_size`: it pools to a size of its own choosing, whatever arrives
    - `since_opset`: the first ONNX opset that has a form of it
    """

    name: ClassVar[str] = ""
    fields: ClassVar[Mapping[str, Field]] = {}
    bare: ClassVar[str | None] = None
    also_called: ClassVar[tuple[str, ...]] = ()
    arity: ClassVar[int | None] = 1
    is_merge: ClassVar[bool] = False
    absorbs_own_kind: ClassVar[bool] = False
    is_internal: ClassVar[bool] = False
    is_marker: ClassVar[bool] = False
    training_only: ClassVar[bool] = False
    counts: ClassVar[str] = ""
    pools_to_size: ClassVar[bool] = False
    since_opset: ClassVar[int] = 13

    def __init_subclass__(cls) -> None:
        own = {key: value for key, value in vars(cls).items() if isinstance(value, Field)}
        for key, value in own.items():
            value.name = key
            delattr(cls, key)
        # a word that Python keeps for itself ends in an underscore there: `global_` is `global` in YAML
        cls.fields = {**cls.fields, **{key.rstrip("_"): value for key, value in own.items()}}

    def __new__(cls, **given: Any) -> Self:
        made = super().__new__(cls)
        for key, declared in cls.fields.items():
            if key in given:
                value = given.pop(key)
                value = value if value is None and declared.default is None else declared.kind.check(value)
            elif declared.required:
                raise TypeError(f"{cls.name} wants `{key}`")
            else:
                value = declared.default
            object.__setattr__(made, declared.name, value)
        if given:
            raise TypeError(f"{cls.name} has no field `{next(iter(given))}`")
        with _ONE:
            return _MADE.setdefault((cls, *vars(made).values()), made)  # type: ignore[return-value]

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        """A copy, or what is unpickled, is again the one op of its fields."""
        return (), self.field_values()

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(f"ops are frozen; make another with {self.name}.replace({key}=…)")

    def __repr__(self) -> str:
        return self.text("")

    def replace(self, **changes: Any) -> Op:
        """The same op with some fields changed."""
        return type(self)(**{**self.field_values(), **changes})

    def field_values(self) -> dict[str, Any]:
        """Its fields as they are given to make it."""
        return {key: getattr(self, declared.name) for key, declared in self.fields.items()}

    def text(self, inputs: str) -> str:
        """The op applied to `inputs`, with the fields that differ from their defaults, as JSON: `conv(%x, out=64, kernel=[7, 7])`."""
        stated = [
            f"{key}={json.dumps(getattr(self, declared.name))}"
            for key, declared in self.fields.items()
            if declared.required or getattr(self, declared.name) != declared.default
        ]
        return f"{self.name}({', '.join([inputs] * bool(inputs) + stated)})"

    # The rules. `x` are the input types (for `onnx` the input values), in order. The bases take `Any` so that each op may
    # state its own arity and types.

    def infer(self, *x: Any, **_: Any) -> TensorType:
        """The output's type, or raises Reject."""
        raise NotImplementedError

    def params(self, *x: Any, **_: Any) -> dict[str, Param]:
        """The tensors it owns by name, in torch's order; both backends and every checkpoint agree with this."""
        return {}

    def macs(self, y: TensorType, *x: Any, **_: Any) -> int:
        """Multiply-accumulates per image (1 MAC = 2 FLOPs); only convolutions and linear layers have any."""
        return 0

    def window(self, *x: Any, **_: Any) -> Window:
        """What one output position sees."""
        return PLAIN_WINDOW

    def summarizes(self, *x: Any, **_: Any) -> bool:
        """Whether it makes one number a channel of the whole map: the features of a classifier end before it."""
        return self.pools_to_size

    def gives_distribution(self, given: Sequence[bool], *x: Any, **_: Any) -> bool:
        """Whether the channels of its result are never negative and add up to one; `given` says it of each input."""
        return False

    @property
    def draw_probability(self) -> float:
        """How often it wants a column drawn for the whole pass, by a control input that the front end adds; 0: it wants none."""
        return 0.0

    def torch(self, nn: Any, *x: Any, **_: Any) -> Any:
        """The torch module, built from constructors of `nn` (torch.nn and compiler/backends/torch/layers.py) alone."""
        raise NotImplementedError

    def onnx(self, g: OnnxBuilder, *x: Any, **_: Any) -> str:
        """Writes nodes to `g` and returns the name of the result."""
        raise NotImplementedError

    def inference(self) -> Op | None:
        """What stands for this op in the inference phase, without a control input; None where the tensor just passes through."""
        return self


_MADE: WeakValueDictionary[tuple[Any, ...], Op] = WeakValueDictionary()
_ONE = Lock()  # two threads that make equal ops must not make two


def op_of(node: Node) -> Op:
    """The op of a node with all of its rules: ir/ knows only those that the verifier repeats."""
    return node.op  # type: ignore[return-value]


OPS: dict[str, type[Op]] = {}
_OpClass = TypeVar("_OpClass", bound=type[Op])


def op(name: str, bare: str | None = None) -> Callable[[_OpClass], _OpClass]:
    """Registers an op under the name that YAML uses."""

    def register(cls: _OpClass) -> _OpClass:
        if name in OPS:
            raise RuntimeError(f"two ops are called {name}")
        cls.name, cls.bare = name, bare
        OPS[name] = cls
        return cls

    return register


def want_image(op: Op, x: TensorType) -> None:
    """Rejects anything but (N, C, H, W)."""
    if not x.is_image:
        raise Reject(
            "not-an-image",
            f"{op.name} works on an image of channels, height and width, but a flat {x} arrives",
            "put it before `flatten` or the first `linear`",
            about_rank=True,
        )
