"""Checkpoints: opened by what they are, and matched against a graph's tensors before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..diagnostics import Failure, nearest
from ..ops.op import Param
from .safetensors_file import SafetensorsFile, damaged
from .source import WeightSource

SHOWN = 10


class Report(NamedTuple):
    """What became of a checkpoint's tensors. `source` is a file's name or the seed."""

    source: str
    loaded: int
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()


class Matched(NamedTuple):
    source: WeightSource
    report: Report


class Renamed:
    """A source under other names (a `module.` prefix taken off), with a fallback for what it lacks."""

    def __init__(self, source: WeightSource, names: Mapping[str, str], fallback: WeightSource) -> None:
        self.source, self.map, self.fallback = source, names, fallback

    def names(self) -> Iterable[str]:
        return dict.fromkeys([*self.map, *self.fallback.names()])

    def _owner(self, name: str) -> tuple[WeightSource, str]:
        return (self.source, self.map[name]) if name in self.map else (self.fallback, name)

    def shape(self, name: str) -> tuple[int, ...]:
        source, own = self._owner(name)
        return source.shape(own)

    def dtype(self, name: str) -> str:
        source, own = self._owner(name)
        return source.dtype(own)

    def get(self, name: str) -> Any:
        source, own = self._owner(name)
        return source.get(own)


def open_checkpoint(path: Path) -> WeightSource:
    """A .safetensors or .pth by its first bytes, whatever it is called. Raises Failure."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise Failure(
            "weights-missing-file", f"the checkpoint `{path}` cannot be read: {error.strerror}", exit_code=2
        ) from None
    if not head:
        raise damaged(path, "it is empty")
    if head.startswith(b"PK"):
        from .pickles import PickleFile

        return PickleFile(path)
    if head[8:9] == b"{" or path.suffix == ".safetensors":
        return SafetensorsFile(path)
    if head[:1] == b"\x80":  # after .safetensors, whose first bytes are a length: any
        raise Failure("checkpoint-refused", f"{path.name} is a bare pickle (torch before 1.6 wrote them), which could run code",
                      "save it again: torch.save(torch.load(…), …) with a newer torch, or as .safetensors")  # fmt: skip
    raise damaged(path, "it is neither .safetensors nor a .pth of torch")


def match(source: WeightSource, params: Mapping[str, Param], fallback: WeightSource, *, name: str,
          optional: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> Matched:  # fmt: skip
    """Pairs a checkpoint's tensors with a graph's by name, shape and kind.

    `optional` are paths of auxiliary heads, which may be absent; what lies under `skip` is left out on purpose. Those
    tensors, and norms' batch counts, come from `fallback`. Raises Failure for anything else that is missing or does not fit.
    """
    found = {plain(own): own for own in source.names()}
    wanted = {t: p for t, p in params.items() if not under(t, skip)}
    missing = [t for t in wanted if t not in found]
    needed = [t for t in missing if not under(t, optional) and not t.endswith(".num_batches_tracked")]
    if needed:
        others = sum(t not in wanted for t in found)
        more = f"; it holds {others:,} others" if others else ""
        raise Failure("weights-missing", f"{name} lacks {listed(needed)}{more}", advice(needed[0], found))
    present = {t: found[t] for t in wanted if t in found}
    misshapen = [f"{t} {shape(source.shape(own))} for {shape(wanted[t].shape)}" for t, own in present.items()
                 if tuple(source.shape(own)) != wanted[t].shape]  # fmt: skip
    if misshapen:
        raise Failure("weights-misshapen", f"{name} has other shapes: {listed(misshapen)}",
                      "is it the checkpoint of another member, or of another number of classes?")  # fmt: skip
    check_kinds(source, wanted, present, name)
    unused = tuple(t for t in found if t not in present)
    absent = tuple(t for t in params if t not in present and not t.endswith(".num_batches_tracked"))
    report = Report(name, len(present), absent, unused)
    return Matched(Renamed(source, present, fallback), report)


def under(tensor: str, paths: tuple[str, ...]) -> bool:
    """Whether a tensor belongs to one of the steps at `paths`."""
    return any(tensor == p or tensor.startswith(p + ".") for p in paths)


def plain(name: str) -> str:
    return name.removeprefix("module.")


def shape(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes)) or "scalar"


def listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} tensor{'s' * (len(names) > 1)}: " + ", ".join(names[:SHOWN]) + more


def advice(wanted: str, found: Mapping[str, str]) -> str:
    near = nearest(wanted, found)
    return f"the nearest to `{wanted}` in it is `{near}`" if near else "is it the checkpoint of another net?"


def check_kinds(source: WeightSource, wanted: Mapping[str, Param], present: Mapping[str, str], name: str) -> None:
    """Integers where integers belong, floats where floats do, and no NaN or infinity among them."""
    import numpy as np

    for tensor, own in present.items():
        if wanted[tensor].dtype == "i64":
            if source.dtype(own) != "i64":
                raise Failure("weights-dtype", f"{name}: `{tensor}` is {source.dtype(own)}, where int64 belongs")
            continue
        if source.dtype(own) not in ("f32", "f64", "f16", "bf16"):
            raise Failure(
                "weights-dtype", f"{name}: `{tensor}` is {source.dtype(own)}, where floating point numbers belong"
            )
        if not np.isfinite(np.sum(source.get(own))) and not np.isfinite(source.get(own)).all():
            raise Failure(
                "weights-not-finite",
                f"{name}: `{tensor}` holds NaN or infinity",
                "the training that made it has diverged",
            )
