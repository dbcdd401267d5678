"""What of one net's checkpoint another net takes, in sentences, with the options that make it load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .tables import count_of, format_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..compiler.weights.carried import CarriedWeights

MAX_LISTED = 6
MAX_SUGGESTED = 8  # steps that an option is written out for


def weight_lines(found: CarriedWeights) -> Iterator[str]:
    """The answer first, then what is lost, new and of another shape, and what to do."""
    if not found.wanted:
        yield "B has no weights"
    elif found.whole:
        yield f"it fits: all {count_of(found.wanted, 'tensor')}"
    elif found.fits and not found.misplaced:
        yield f"it fits: {found.carried:,} of {count_of(found.wanted, 'tensor')}"
    elif found.fits:
        yield f"it loads, but {count_of(len(found.misplaced), 'tensor')} of it {'are' if len(found.misplaced) != 1 else 'is'} another step's: the names have moved"
    else:
        yield f"it does not fit as it is; {found.carried:,} of {count_of(found.wanted, 'tensor')} can go over"
    for title, tensors, steps in (
        ("lost", found.lost, found.lost_steps),
        ("new, from a seed", found.new, found.new_steps),
        ("another step's by the name", found.misplaced, found.misplaced),
    ):
        if tensors:
            yield f"{title}: {count_of(len(tensors), 'tensor')} ({list_first(steps, MAX_LISTED)})"
    if found.reshaped:
        shapes = [f"{each.name} {describe_shape(each.a)} → {describe_shape(each.b)}" for each in found.reshaped]
        yield f"of another shape: {count_of(len(shapes), 'tensor')}: {list_first(shapes, 3)}"
    yield from advice_lines(found)


def advice_lines(found: CarriedWeights) -> Iterator[str]:
    """The options of a build of B that takes A's checkpoint; none where it takes it as it is."""
    options = [f"--weights-skip {step}" for step in found.skip]
    options += ["--weights-map names.yaml"] * bool(found.names) + [f"--weights-input {found.input}"] * bool(found.input)
    if not options:
        return
    if not found.carried or not found.works:
        yield "it is another net's checkpoint: no few options make it load"
        return
    some = options if len(found.skip) <= MAX_SUGGESTED else [*options[:2], "…", *options[len(found.skip) :]]
    yield f"to build B with it: archc build B --weights A.safetensors {' '.join(some)}"
    if found.names:
        pairs = [f"{quote_key(ours)}: {quote_key(theirs)}" for ours, theirs in found.names.items()]
        yield f"names.yaml, {count_of(len(pairs), 'line')}: {list_first(pairs, MAX_LISTED)}"
    if len(found.names) > MAX_LISTED or len(found.skip) > MAX_SUGGESTED:
        yield "--format json has all of them: weights.skip, weights.names"


def quote_key(path: str) -> str:
    """A path as YAML reads it back: in quotes where it would be a number."""
    return f'"{path}"' if path[0].isdecimal() else path


def list_first(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def describe_shape(shape: tuple[int, ...]) -> str:
    return format_number(shape) or "a number"
