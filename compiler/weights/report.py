"""The report on a build's weights: which tensors come from checkpoints, and which do not. It is printed and put into built files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from ..counts import count_of
from ..spelling import Spelling
from .names import belongs_to, is_bookkeeping, summarize_by_step

MAX_LISTED = 3
MAX_NAME = 200  # letters of a name or a place


class Taken(NamedTuple):
    """What was taken of a checkpoint.

    checkpoint   what messages call it: its path, where it has one
    step         the step that they are for; empty for the whole net
    key          the key of the state dict in the file; empty for the top
    prefix       what was taken off its names
    others       the places in the file that would have fitted, too
    passed_over  for each place that would have come first, but is not whole, what it lacks
    """

    checkpoint: str
    step: str
    key: str
    prefix: str
    others: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the file's name says it all: its top was taken as it is, and nothing else came into question."""
        return not (self.key or self.prefix or self.others or self.passed_over)

    @property
    def place(self) -> str:
        """Where in the file it was, in words."""
        return describe_place(self.key, self.prefix)


def describe_place(key: str, prefix: str) -> str:
    """A place in a checkpoint, in words: "`model_ema`", "`model`, prefix `net.`", "the top"."""
    parts = [f"`{key}`"] * bool(key) + [f"prefix `{prefix}`"] * bool(prefix)
    return ", ".join(parts) or "the top"


def describe_taken(taken: Taken, spelling: Spelling) -> str:
    """What of a checkpoint was taken, what else would have fitted, and what was passed over because it is not whole."""
    step = f"{taken.step}: " if taken.step else ""
    options = f"{spelling('weights_key')}, {spelling('weights_prefix')}"
    others = f" ({list_some(taken.others)} fit{'s' * (len(taken.others) == 1)}, too: {options})" if taken.others else ""
    passed = f"; passed over: {list_some(taken.passed_over)}" if taken.passed_over else ""
    return f"{step}taken: {taken.place}{others}{passed}"


def list_some(names: tuple[str, ...]) -> str:
    """The first few names, and whether there are more."""
    return ", ".join(name[:MAX_NAME] for name in names[:MAX_LISTED]) + ", …" * (len(names) > MAX_LISTED)


class WeightReport(NamedTuple):
    """Where the tensors of a graph come from. One that a checkpoint holds untouched, as a seed started it, counts as missing.

    source      the checkpoints, or the seed, in words
    loaded      how many tensors come from checkpoints
    missing     the graph's tensors that the given checkpoints lack; none where none is given
    unused      the checkpoints' tensors that the graph has no place for
    untrained   the steps that own the missing tensors
    skipped     the steps that were left out on purpose
    unexpected  the unused tensors outside of these
    taken       what was taken of each checkpoint
    not_run     by a checkpoint's name, the classes and functions that it names and archc does not know: none was called
    as_started  nothing is trained, whether there is a checkpoint or not: a seed explains every tensor
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


class WeightWarning(NamedTuple):
    """A warning about weights; its code has a page in docs/diagnostics."""

    code: str
    text: str


def weight_warnings(report: WeightReport) -> Iterator[WeightWarning]:
    """The warnings: tensors without a place in the net, and code that a checkpoint names and nobody ran."""
    if report.unexpected:
        yield WeightWarning("weights-unused", f"the net has no place for {describe_unexpected(report)}")
    for checkpoint, names in report.not_run.items():
        listed = list_some(tuple(f"`{name}`" for name in names))
        text = f"{checkpoint} names {listed} beside the tensors that were taken; nothing of it was run"
        yield WeightWarning("code-not-run", text)


def describe_unexpected(report: WeightReport) -> str:
    """The tensors of a checkpoint that the net has no place for: how many, of which file, and the first three."""
    return f"{count_of(len(report.unexpected), 'tensor')} of {report.source} ({list_some(report.unexpected)})"
