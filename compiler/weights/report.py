"""The report on a build's weights: which tensors come from checkpoints, and which do not. It is printed and put into built files."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from .names import belongs_to, is_batch_count, summarize_by_step


class WeightReport(NamedTuple):
    """Where the tensors of a graph come from.

    - `source` names the checkpoints, or the seed; `loaded` is how many tensors come from checkpoints
    - `missing` are the graph's tensors that no checkpoint has; `untrained` are the steps that own them
    - `unused` are the checkpoints' tensors that the graph has no place for; `skipped` are the steps that were left out on
      purpose, and `unexpected` the unused tensors outside them
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
    as_started: bool = False


def report_weights(source: str, params: Iterable[str], loaded: Collection[str], unused: tuple[str, ...] = (),
                   skip: Iterable[str] = ()) -> WeightReport:  # fmt: skip
    """The report on a graph with the tensors `params`, of which `loaded` come from checkpoints; steps of `skip` were left out."""
    learned, skip = [tensor for tensor in params if not is_batch_count(tensor)], tuple(skip)
    missing = tuple(tensor for tensor in learned if tensor not in loaded)
    unexpected = tuple(tensor for tensor in unused if not belongs_to(tensor, skip) and not is_batch_count(tensor))
    return WeightReport(source, len(loaded), missing, unused, summarize_by_step(missing, learned), skip, unexpected)
