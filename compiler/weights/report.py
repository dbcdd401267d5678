"""What became of the tensors of a graph and of its checkpoints: what a build says, and writes into its files."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from .names import belongs_to, is_batch_count, summarize_by_step


class WeightReport(NamedTuple):
    """`source` names the checkpoints, or the seed; `loaded` is the number of tensors that come from checkpoints.

    `missing` are the graph's tensors that no checkpoint gives, and `unused` the checkpoints' that the graph has no place
    for; `untrained` are the steps that own the missing ones, `skipped` those left out on purpose, and `unexpected` the
    unused tensors that nobody asked to leave out.
    """

    source: str
    loaded: int
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    untrained: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()


def report_weights(source: str, params: Iterable[str], loaded: Collection[str], unused: tuple[str, ...] = (),
                   skip: Iterable[str] = ()) -> WeightReport:  # fmt: skip
    """The report of a graph with the tensors `params`, of which `loaded` come from checkpoints; `skip` are steps."""
    learned, skip = [tensor for tensor in params if not is_batch_count(tensor)], tuple(skip)
    missing = tuple(tensor for tensor in learned if tensor not in loaded)
    unexpected = tuple(tensor for tensor in unused if not belongs_to(tensor, skip) and not is_batch_count(tensor))
    return WeightReport(source, len(loaded), missing, unused, summarize_by_step(missing, learned), skip, unexpected)
