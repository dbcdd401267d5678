"""Which graph a build's options make of the plain float32 one: in half floats, with weights stored as half floats, or with pixels as inputs."""

from __future__ import annotations

from typing import NamedTuple

from ...compiler.diagnostics import Failure
from ...compiler.driver import Compilation, run_passes
from ...compiler.frontend.header import Preprocessing
from ...compiler.ir.dtypes import LARGEST_HALF
from ...compiler.ir.graph import Graph
from ...compiler.passes import PassOptions
from ...compiler.weights.rewrite import RewrittenSource, too_large_for_half
from ...compiler.weights.source import WeightSource
from ..options import BuildOptions


class Variant(NamedTuple):
    """The graph of a file, the options of the passes that made it, and the tensors that are half floats in the file alone, `stored_half`.

    `pixels` is how uint8 becomes what the net takes; None where it takes floats. `notes` are sentences on what stays float32 because
    half floats do not hold it.
    """

    graph: Graph
    passes: PassOptions
    stored_half: frozenset[str] = frozenset()
    pixels: PixelScale | None = None
    notes: tuple[str, ...] = ()


class PixelScale(NamedTuple):
    """How pixels become what a net takes: (pixel · scale - mean) / std, a mean and a deviation for each channel."""

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def factor(self) -> tuple[float, ...]:
        """What a pixel of each channel is multiplied by, before `offset` is added."""
        return tuple(self.scale / deviation for deviation in self.std)

    @property
    def offset(self) -> tuple[float, ...]:
        """What is added behind `factor`, for each channel."""
        return tuple(-mean / deviation for mean, deviation in zip(self.mean, self.std, strict=True))


def graph_options(options: BuildOptions) -> PassOptions:
    """What the passes need to make the plain float32 graph of a build."""
    return PassOptions(options.phase, options.keep_aux, options.fold)


def make_variant(
    checked: Compilation, training: Graph, exact: Graph, weights: WeightSource, options: BuildOptions
) -> Variant:
    """What `options` make of `exact`, the plain graph, whose tensors are in `weights` as the spec has them.

    Raises Failure `bad-option` for uint8 inputs where the spec does not say how pixels are normalised.
    """
    if options.is_plain:
        return Variant(exact, graph_options(options))
    pixels = pixel_scale(checked, exact, options) if options.input_type == "uint8" else None
    floats, large = float_params(exact), dict[str, float]()
    if "fp16" in (options.precision, options.store):
        large = too_large_for_half(RewrittenSource(weights, exact), sorted(floats))
    notes = tuple(
        f"`{name}` stays float32: it reaches {size:.3g}, and half floats {LARGEST_HALF:g}"
        for name, size in large.items()
    )
    plain = graph_options(options)
    passes = PassOptions(
        plain.phase, plain.keep_aux, plain.fold, options.precision == "fp16", options.io == "fp16",
        frozenset(name.rpartition(".")[0] for name in large), *((pixels.factor, pixels.offset) if pixels else ()),
    )  # fmt: skip
    graph = run_passes(training, passes)
    stored = frozenset(floats - large.keys()) if options.store == "fp16" else frozenset()
    return Variant(graph, passes, stored, pixels, notes)


def float_params(graph: Graph) -> frozenset[str]:
    """The parameters of a graph that are floats."""
    return frozenset(name for name, param in graph.params().items() if param.dtype.kind == "float")


def halves_of_training(training: Graph, weights: WeightSource, options: BuildOptions) -> frozenset[str]:
    """The tensors of a training graph that its file stores as half floats, which hold them."""
    if options.store != "fp16":
        return frozenset()
    floats = float_params(training)
    return floats - too_large_for_half(weights, sorted(floats)).keys()


def pixel_scale(checked: Compilation, graph: Graph, options: BuildOptions) -> PixelScale:
    """How the spec normalises pixels. Raises Failure `bad-option` where it does not say, or has inputs of several sizes."""
    stated, asked = checked.header.preprocess, options.spell("input_type", "uint8")
    if stated is None:
        raise Failure("bad-option", f"`{asked}` normalises pixels as the spec's `preprocess` says, and {checked.name} has none",
                      "write preprocess: {mean: […], std: […]} into the spec, or leave the option out", 2)  # fmt: skip
    first, *others = graph.inputs
    for other in others:
        if other.type != first.type:
            raise Failure("bad-option", f"`{asked}`: `preprocess` is for {first.type}, and the input `{other.name}` is {other.type}",
                          "leave the option out", 2)  # fmt: skip
    return scale_of(stated, first.type.channels)


def scale_of(stated: Preprocessing, channels: int) -> PixelScale:
    """How a spec normalises pixels; what it does not state is as the runtime takes it."""
    scale = 1 / 255 if stated.scale is None else stated.scale
    mean, std = (
        (numbers or (default,)) * (channels if len(numbers or (default,)) == 1 else 1)
        for numbers, default in ((stated.mean, 0.0), (stated.std, 1.0))
    )
    return PixelScale(scale, mean, std)
