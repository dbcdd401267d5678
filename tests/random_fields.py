"""How the fields of each operation are drawn: values that fit what arrives, in every form that the language has for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from archc.compiler.ir.types import BATCH, TensorType
from archc.compiler.ops import OPS
from archc.compiler.ops.fields import MEASURED, SCHEMES, Bool, Choice, Float
from archc.compiler.ops.op import Op

Fields = dict[str, Any]

WIDEST = 12  # channels that an operation of its own choice gives


class Chooser:
    """Hypothesis' `draw` in a generator's words; it shrinks to the first option, the lowest number, and no."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw

    def one(self, options: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(options))

    def whole(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def coin(self) -> bool:
        return bool(self.draw(st.booleans()))

    def rarely(self, of: int) -> bool:
        """True about once in `of`."""
        return self.whole(0, of - 1) == of - 1


def vector(channels: int) -> TensorType:
    return TensorType((BATCH, channels))


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def some(d: Chooser, **makers: Callable[[], Any]) -> Fields:
    """Each field by a coin of its own, so every combination is met; those that are None are left out."""
    drawn = {key: make() for key, make in makers.items() if d.coin()}
    return {key: value for key, value in drawn.items() if value is not None}


def pair(d: Chooser, highs: tuple[int, int], lows: tuple[int, int] = (1, 1)) -> Any:
    """One number for both axes where one fits both, or [height, width]."""
    low, high = max(lows), min(highs)
    if low > high or d.coin():
        return [d.whole(lows[0], highs[0]), d.whole(lows[1], highs[1])]
    return d.whole(low, high)


def both(value: Any) -> tuple[int, int]:
    return (value[0], value[1]) if isinstance(value, list) else (value, value)


def padding(d: Chooser, height: int, width: int) -> Any:
    """No padding, or one of its four forms, up to `height` and `width` a side."""
    form = d.one(("none", "one", "two", "four", "same"))
    if form in ("none", "same"):
        return None if form == "none" else "same"
    if form == "one":
        return d.whole(0, min(height, width))
    vertical, horizontal = d.whole(0, height), d.whole(0, width)
    return [vertical, horizontal] if form == "two" else [vertical, horizontal, d.whole(0, height), d.whole(0, width)]


def four(value: Any) -> list[int]:
    """A padding's sides (top, left, bottom, right); none for `same`, which depends on the window."""
    if isinstance(value, list):
        return value if len(value) == 4 else value * 2
    return [value if isinstance(value, int) else 0] * 4


def how_it_starts(d: Chooser) -> Any:
    """How a weight starts: a scheme's name, or one with its measure."""
    word = d.one(SCHEMES + MEASURED)
    return word if word in SCHEMES else {word: d.one((0.5, 0.02, 1))}


def conv(d: Chooser, x: TensorType) -> Fields:
    pads = padding(d, 2, 2)
    top, left, bottom, right = four(pads)
    fields = some(d, dilation=lambda: pair(d, (3, 3)), groups=lambda: d.one(divisors(x.channels)),
                  stride=lambda: pair(d, (3, 3)), bias=d.coin, init=lambda: how_it_starts(d))  # fmt: skip
    rooms = (x.height + top + bottom, x.width + left + right)
    fits = [5 if pads == "same" else min(5, (room - 1) // by + 1)
            for room, by in zip(rooms, both(fields.get("dilation", 1)), strict=True)]  # fmt: skip
    fields |= some(d, kernel=lambda: pair(d, (fits[0], fits[1])))
    groups = fields.get("groups", 1)
    padded = {} if pads is None else {"padding": pads}
    return {"out": groups * d.whole(1, max(1, WIDEST // groups)), **fields, **padded}


def pool(d: Chooser, x: TensorType) -> Fields:
    """A window that fits and is at least twice each padding; torch wants that."""
    if d.rarely(5):
        return {"kernel": pair(d, (min(3, x.height), min(3, x.width)))}
    pads = padding(d, min(2, x.height), min(2, x.width))
    top, left, bottom, right = four(pads)
    lows = (max(1, 2 * top, 2 * bottom), max(1, 2 * left, 2 * right))
    rooms = (x.height + top + bottom, x.width + left + right)
    highs = [4 if pads == "same" else max(low, min(5, room)) for low, room in zip(lows, rooms, strict=True)]
    padded = {} if pads is None else {"padding": pads}
    kernel = pair(d, (highs[0], highs[1]), lows)
    return {"kernel": kernel, **some(d, stride=lambda: pair(d, (4, 4)), ceil_mode=d.coin), **padded}


def avg_pool(d: Chooser, x: TensorType) -> Fields:
    return pool(d, x) | some(d, count_include_pad=d.coin)


def linear(d: Chooser, x: TensorType) -> Fields:
    return {"out": d.whole(1, WIDEST), **some(d, bias=d.coin, init=lambda: how_it_starts(d))}


def rbf(d: Chooser, x: TensorType) -> Fields:
    out = d.whole(1, 4)
    number = st.sampled_from((-1, 1, 0.5, 0))
    rows = st.lists(st.lists(number, min_size=x.channels, max_size=x.channels), min_size=out, max_size=out)
    return {"out": out} | (some(d, centers=lambda: d.draw(rows)) if x.channels <= 8 else {})


def axes(d: Chooser, x: TensorType, make: Callable[[int], list[int]]) -> Fields:
    """A range for some of the axes that there are."""
    named = zip(("channels", "height", "width"), x.sizes, strict=False)
    return {axis: make(size) for axis, size in named if d.coin()}


def take(d: Chooser, size: int) -> list[int]:
    first = d.whole(0, size - 1)
    return [first, d.whole(first + 1, size), *([d.whole(1, 3)] if d.coin() else [])]


def epsilon(d: Chooser) -> Fields:
    return some(d, eps=lambda: d.one((0.001, 0.1, 1.0e-5, 1)))


def nothing(d: Chooser, x: TensorType) -> Fields:
    return {}


def by_kind(op: type[Op]) -> Callable[[Chooser, TensorType], Fields]:
    """Fields drawn by their kinds alone, which will do where they do not depend on what arrives: numbers, booleans, words."""

    def value(d: Chooser, kind: Any) -> Any:
        if isinstance(kind, Float):
            low, high = kind.ge if kind.ge is not None else kind.over or -2, kind.le if kind.le is not None else 2
            return d.one([n for n in (0.5, low, high, 0.25) if low <= n <= high and n != kind.over])
        if isinstance(kind, Bool):
            return d.coin()
        assert isinstance(kind, Choice), f"how the fields of `{op.name}` are drawn is for this file to say"
        return d.one(kind.words)

    def fields(d: Chooser, x: TensorType) -> Fields:
        return {key: value(d, f.kind) for key, f in op.fields.items() if f.required or d.coin()}

    return fields


KEEP: dict[str, Callable[[Chooser, TensorType], Fields]] = {  # those that give the type that they take
    "leaky_relu": lambda d, x: some(d, slope=lambda: d.one((0.2, 0, 1.5))),
    "elu": lambda d, x: some(d, alpha=lambda: d.one((0.5, 0, 2))),
    "prelu": lambda d, x: some(d, start=lambda: d.one((0.1, -0.5, 0))),
    "dropout": lambda d, x: some(d, p=lambda: d.one((0.2, 0, 1))),
    "drop_path": lambda d, x: {"p": d.one((0.3, 0, 0.75)), **some(d, per=lambda: d.one(("sample", "batch")),
                                                                 rescale=lambda: d.one(("training", "inference")))},
    "scale": lambda d, x: {"value": d.one((0.17, -2, 1, 0))},
    "affine": lambda d, x: some(d, bias=d.coin),
    "batch_norm": lambda d, x: epsilon(d) | some(d, momentum=lambda: d.one((0.1, 0, 0.9)), affine=d.coin, init=lambda: how_it_starts(d)),
    "layer_norm": lambda d, x: epsilon(d),
}  # fmt: skip
ANY: dict[str, Callable[[Chooser, TensorType], Fields]] = {
    **KEEP,
    "pad": lambda d, x: axes(d, x, lambda n: [d.whole(0, 2), d.whole(0, 2)]) | some(d, value=lambda: d.one((0.5, 0, -1))),
    "slice": lambda d, x: axes(d, x, lambda n: take(d, n)),
    "select": lambda d, x: {"channels": d.draw(st.lists(st.integers(0, x.channels - 1), min_size=1, max_size=6))},
}  # fmt: skip
IMAGE: dict[str, Callable[[Chooser, TensorType], Fields]] = {
    **ANY,
    "conv": conv,
    "max_pool": pool,
    "avg_pool": avg_pool,
    "adaptive_avg_pool": lambda d, x: {"size": pair(d, (x.height + 1, x.width + 1))},
    "global_avg_pool": nothing,
    "global_max_pool": nothing,
    "group_norm": lambda d, x: {"groups": d.one([g for g in divisors(x.channels) if g < x.elements]), **epsilon(d)},
    "local_response_norm": lambda d, x: {"size": d.one((1, 3, 5)),
                                         **some(d, alpha=lambda: d.one((0.5, 0, 1.0e-4)), beta=lambda: d.one((0.75, 0, 1)),
                                                k=lambda: d.one((2, 1, 0.5)))},
    "channel_shuffle": lambda d, x: {"groups": d.one(divisors(x.channels))},
    "upsample": lambda d, x: {"scale": d.whole(1, max(1, min(3, 20 // max(x.height, x.width)))),
                              **some(d, mode=lambda: d.one(("nearest", "bilinear")))},
}  # fmt: skip
FLAT: dict[str, Callable[[Chooser, TensorType], Fields]] = {"flatten": nothing}  # of any image, to a vector
VECTOR: dict[str, Callable[[Chooser, TensorType], Fields]] = {"linear": linear, "rbf": rbf}  # of vectors and of C×1×1
# whatever this file does not name takes any tensor and keeps its type, and has fields that do not depend on it
OTHERS = {
    n: by_kind(op)
    for n, op in OPS.items()
    if n not in (*IMAGE, *FLAT, *VECTOR) and not op.is_merge and not op.is_internal
}
for group in (KEEP, ANY, IMAGE):
    group.update(OTHERS)
FIELDS = {**IMAGE, **FLAT, **VECTOR}
# how many times as often as others: those with many forms
OFTEN = {"conv": 8, "linear": 8, "max_pool": 6, "avg_pool": 6, "batch_norm": 6, "rbf": 3, "pad": 3, "slice": 3, "drop_path": 3,
         "affine": 3, "upsample": 3, "local_response_norm": 2, "group_norm": 2, "prelu": 2, "adaptive_avg_pool": 2}  # fmt: skip


def operations(x: TensorType, flat: bool) -> tuple[str, ...]:
    """The operations that take `x`, some more than once: to vectors only where `flat`."""
    if x.is_vector:
        fit = [*ANY, *FLAT, *VECTOR]
    else:
        fit = [*IMAGE, *(FLAT if flat else ()), *(VECTOR if flat and x.sizes[1:] == (1, 1) else ())]
        fit = [op for op in fit if op != "group_norm" or x.elements > 1]
    return tuple(op for op in fit for _ in range(OFTEN.get(op, 1)))


def towards(d: Chooser, t: TensorType, target: TensorType) -> tuple[str, Fields]:
    """An operation, with its fields, that brings the type `t` nearer to `target`; an image does not come of a vector."""
    if target.is_vector and t.is_image and t.sizes[1:] != (1, 1):
        return d.one(("global_avg_pool", *(("flatten",) if t.elements < 4000 else ()))), {}
    if target.is_vector:
        return "linear", {**linear(d, t), "out": target.channels}
    if t.sizes[1:] != target.sizes[1:]:
        size = [target.height, target.width]
        return "adaptive_avg_pool", {"size": size}
    if t.channels > target.channels and d.coin():
        return "slice", {"channels": [0, target.channels]}
    if t.channels < target.channels and d.coin():
        return "pad", {"channels": [0, target.channels - t.channels]}
    start = some(d, bias=d.coin, init=lambda: how_it_starts(d))
    return "conv", {"out": target.channels, **d.one(({}, {"kernel": 3, "padding": 1})), **start}
