"""The report on a build's weights: which tensors come from checkpoints, and which do not. It is printed and put into built files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from .names import belongs_to, is_bookkeeping, summarize_by_step


class Taken(NamedTuple):
    """What was taken of a checkpoint for a step ("" is the whole net): the state dict at `key`, less the `prefix` of its names.

    `others` are the places in the file that would have fitted, too, and `passed_over` says of each that would have come first, but
    is not whole, what it lacks.
    """

    checkpoint: str
    step: str
    key: str
    prefix: str
    others: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return describe_place(self.key, self.prefix)


def describe_place(key: str, prefix: str) -> str:
    """A place in a checkpoint, in words: "`model_ema`", "`model`, prefix `net.`", "the top"."""
    parts = [f"`{key}`"] * bool(key) + [f"prefix `{prefix}`"] * bool(prefix)
    return ", ".join(parts) or "the top"


class WeightReport(NamedTuple):
    """Where the tensors of a graph come from.

    - `source` names the checkpoints, or the seed; `loaded` is how many tensors come from checkpoints
    - `missing` are the graph's tensors that the given checkpoints lack, none where none is given; `untrained` are the steps that own them
    - `unused` are the checkpoints' tensors that the graph has no place for; `skipped` are the steps that were left out on
      purpose, and `unexpected` the unused tensors outside them
    - `taken` says what of each checkpoint was taken; `not_run` are the classes and functions that a checkpoint names and archc
      does not know, by its name: none was called
    - `as_started`: nothing is trained, whether there is a checkpoint or not; a seed explains every tensor

    A tensor that a checkpoint holds untouched, as a seed started it, counts as missing.
    """

    source: str
    loaded: int
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    untrained: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    taken: tuple[Taken, ...] = ()
    not_run: Mapping[str, tuple[str, ...]] = {}
    as_started: bool = False


def report_weights(source: str, params: Iterable[str], loaded: Collection[str], unused: tuple[str, ...] = (),
                   skip: Iterable[str] = (), left_out: Iterable[str] = ()) -> WeightReport:  # fmt: skip
    """The report on a graph with the tensors `params`, of which `loaded` come from checkpoints; steps of `skip` were left out.

    `left_out` are the same steps by the checkpoints' names, where these are others.
    """
    learned, skip = [tensor for tensor in params if not is_bookkeeping(tensor)], tuple(skip)
    meant = {*skip, *left_out}
    missing = tuple(tensor for tensor in learned if tensor not in loaded)
    unexpected = tuple(tensor for tensor in unused if not belongs_to(tensor, meant) and not is_bookkeeping(tensor))
    return WeightReport(source, len(loaded), missing, unused, summarize_by_step(missing, learned), skip, unexpected)
