"""Checkpoints: opened by what they are, and matched against a graph's tensors before anything is built."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..diagnostics import Failure, nearest
from ..ir.dtypes import DType
from ..ir.operation import Param
from .names import bare, owner, under, undotted, whole
from .source import WeightSource

SHOWN = 10
STEPS_ADVISED = 3
COUNT = ".num_batches_tracked"


class Report(NamedTuple):
    """What became of a checkpoint's tensors. `source` is a file's name or the seed.

    `missing` and `unused` are tensors; `untrained` are the steps that own the missing ones, `skipped` those left out on
    purpose, and `unexpected` the unused tensors that nobody asked to leave out.
    """

    source: str
    loaded: int
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    untrained: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()


class Matched(NamedTuple):
    source: WeightSource
    report: Report


class Renamed:
    """Some tensors of a source, by the net's names; all others come from a fallback."""

    def __init__(self, source: WeightSource, names: Mapping[str, str], fallback: WeightSource) -> None:
        self.source, self.map, self.fallback = source, names, fallback

    def names(self) -> Iterable[str]:
        return dict.fromkeys([*self.map, *self.fallback.names()])

    def _owner(self, name: str) -> tuple[WeightSource, str]:
        return (self.source, self.map[name]) if name in self.map else (self.fallback, name)

    def shape(self, name: str) -> tuple[int, ...]:
        source, own = self._owner(name)
        return source.shape(own)

    def dtype(self, name: str) -> DType:
        source, own = self._owner(name)
        return source.dtype(own)

    def get(self, name: str) -> Any:
        source, own = self._owner(name)
        return source.get(own)


class Pairing(NamedTuple):
    """What a graph's tensors are called in a checkpoint, and which of the checkpoint's (by the graph's names) are over."""

    pairs: dict[str, str]
    unused: tuple[str, ...]


def named(source: WeightSource, params: Mapping[str, Param], at: str = "") -> dict[str, str]:
    """A checkpoint's tensors by the names that they have in the graph, where it is for the step `at`; with their own."""
    prefix = f"{at}." if at else ""
    wanted = {t.removeprefix(prefix) for t in params if t.startswith(prefix)}
    return {prefix + name: own for name, own in bare(tuple(source.names()), wanted).items()}


def pair(source: WeightSource, found: Mapping[str, str], params: Mapping[str, Param], *, name: str, at: str = "",
         optional: Collection[str] = (), skip: Collection[str] = ()) -> Pairing:  # fmt: skip
    """Pairs the tensors `found` in a checkpoint with a graph's, or with those of the step `at`, by name, shape and kind.

    `optional` are paths of auxiliary heads, which may be absent; what lies under `skip` is left out on purpose. Norms'
    batch counts may be absent, too. Raises Failure for anything else that is missing, does not fit, or has no place.
    """
    prefix = f"{at}." if at else ""
    within = [t for t in params if t.startswith(prefix)]
    wanted = [t for t in within if not under(t, skip)]
    pairs = {t: found[t] for t in wanted if t in found}
    pairs |= undotted([t for t in wanted if t not in pairs], {t: own for t, own in found.items() if t not in pairs})
    used = set(pairs.values())
    unused = tuple(t for t, own in found.items() if own not in used)
    missing = [t for t in wanted if t not in pairs and not under(t, optional) and not t.endswith(COUNT)]
    if missing:
        more = f"; it holds {len(unused):,} others" if unused else ""
        raise Failure("weights-missing", f"{name} lacks {listed(missing)}{more}", advice(missing, found))
    check_shapes(source, params, pairs, name)
    parts = {first(t, prefix) for t in within}
    strays = [t for t in unused if first(t, prefix) in parts and not t.endswith(COUNT) and not under(t, skip)]
    if strays:
        raise Failure("weights-unused", f"{name} has {listed(strays)}, for which the net has no place",
                      f"is it the checkpoint of another member?{ways(whole(strays, found), 'out')}")  # fmt: skip
    check_kinds(source, params, pairs, name)
    return Pairing(pairs, unused)


def match(source: WeightSource, params: Mapping[str, Param], fallback: WeightSource, *, name: str,
          optional: Collection[str] = (), skip: Collection[str] = ()) -> Matched:  # fmt: skip
    """A checkpoint as a source for the whole graph; what it lacks comes from `fallback`. Raises Failure."""
    pairs, unused = pair(source, named(source, params), params, name=name, optional=optional, skip=skip)
    return Matched(Renamed(source, pairs, fallback), report(name, params, pairs, unused, skip))


def report(source: str, params: Iterable[str], loaded: Collection[str], unused: tuple[str, ...] = (),
           skip: Iterable[str] = ()) -> Report:  # fmt: skip
    """The report of a graph with tensors `params`, of which `loaded` came from checkpoints."""
    learned, skip = [t for t in params if not t.endswith(COUNT)], tuple(skip)
    missing = tuple(t for t in learned if t not in loaded)
    unexpected = tuple(t for t in unused if not under(t, skip) and not t.endswith(COUNT))
    return Report(source, len(loaded), missing, unused, whole(missing, learned), skip, unexpected)


def first(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).partition(".")[0]


def shape(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes)) or "scalar"


def listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} tensor{'s' * (len(names) > 1)}: " + ", ".join(names[:SHOWN]) + more


def advice(missing: list[str], found: Mapping[str, str]) -> str:
    near = nearest(missing[0], found)
    told = f"the nearest to `{missing[0]}` in it is `{near}`." if near else "is it the checkpoint of another net?"
    return told + ways(tuple(dict.fromkeys(map(owner, missing))), "untrained")


def ways(steps: tuple[str, ...], how: str) -> str:
    """How to leave a few steps out; nothing where they are many, as then the checkpoint is the wrong one."""
    if len(steps) > STEPS_ADVISED:
        return ""
    flags = " ".join(f"--weights-skip {step}" for step in steps)
    return f" `{flags}` leaves {'it' if len(steps) == 1 else 'them'} {how}"


def check_shapes(source: WeightSource, params: Mapping[str, Param], pairs: Mapping[str, str], name: str) -> None:
    misshapen = {t: shape(source.shape(own)) for t, own in pairs.items() if tuple(source.shape(own)) != params[t].shape}
    if misshapen:
        told = [f"{t} {found} for {shape(params[t].shape)}" for t, found in misshapen.items()]
        few = ways(tuple(dict.fromkeys(map(owner, misshapen))), "untrained")
        raise Failure("weights-misshapen", f"{name} has other shapes: {listed(told)}",
                      f"is it for another number of classes?{few}" if few else "is it the checkpoint of another member?")  # fmt: skip


def check_kinds(source: WeightSource, params: Mapping[str, Param], pairs: Mapping[str, str], name: str) -> None:
    """Integers where integers belong, floats where floats do, and no NaN or infinity among them."""
    import numpy as np

    for tensor, own in pairs.items():
        found, whole_numbers = source.dtype(own), params[tensor].dtype.kind == "int"
        if whole_numbers and found != params[tensor].dtype:
            raise Failure("weights-dtype", f"{name}: `{tensor}` is {found}, where {params[tensor].dtype} belongs")
        if not whole_numbers and found.kind != "float":
            raise Failure("weights-dtype", f"{name}: `{tensor}` is {found}, where floating point numbers belong")
        # a sum is quick, and may overflow: only then are all looked at
        if not whole_numbers and not np.isfinite(np.sum(source.get(own))) and not np.isfinite(source.get(own)).all():
            raise Failure("weights-not-finite", f"{name}: `{tensor}` holds NaN or infinity",
                          "the training that made it has diverged")  # fmt: skip
