"""What a schema cannot say of a recipe: what it lacks once it is composed, and values that do not go together.

The tree may have parts that are reported as wrong already; nothing that follows from these is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ...compiler.diagnostics import Collector, Diagnostic, Note, Span
from ...compiler.frontend.located_yaml import Entry, Located
from ...compiler.ops.fields import is_number, quote_value
from ..augment.steps import STEPS
from ..initialization import INITS
from ..optimizers import OPTIMIZERS
from ..schedules import SCHEDULES
from .choice import RecipeChoice
from .rules import recipe_schema
from .tree import chosen, chosen_entry, chosen_span, find, holds, is_sound_mapping, number

Found = Iterator[Diagnostic]


def check_recipe_values(root: Located, diagnostics: Collector, complete: bool) -> None:
    """Reports what is wrong in a composed tree. Where it is not `complete`, because a key or the base is refused, nothing is reported as missing."""
    for check in CHECKS if complete else CHECKS[1:]:
        for diagnostic in check(root):
            diagnostics.add(diagnostic)


def missing_keys(root: Located) -> Found:
    """What no recipe goes without."""
    place = root.value["recipe"].key.span if "recipe" in root.value else root.span
    missing = []
    if not holds(root, "epochs") and not holds(root, "steps"):
        missing.append(("`epochs` or `steps`: how long it trains", "`epochs: 90`, or `steps: 600000`"))
    if not holds(root, "batch"):
        missing.append(("`batch`: how many pictures a step takes", "`batch: 256`"))
    if missing:
        what, example = (" and ".join(texts) for texts in zip(*missing, strict=True))
        yield Diagnostic("missing-key", place, f"the recipe needs {what}", help=f"write {example}")
    for choice, entry in chosen_fields(root):
        yield from choice.find_missing(entry)
    warmup = find(root, "warmup")
    if warmup and not holds(warmup, "epochs") and not holds(warmup, "steps") and is_sound_mapping(warmup):
        help = "write `warmup: {epochs: 5}`"
        yield Diagnostic("missing-key", warmup.span, "`warmup` needs `epochs` or `steps`: how long it takes", help=help)
    if warmup and is_constant(warmup) and "start" not in warmup.value and is_sound_mapping(warmup):
        message = "a constant warm-up needs `start`, the share of the learning rate at which it stays"
        yield Diagnostic("missing-key", warmup.span, message, help="write `start: 0.1` beside `shape: constant`")


def is_constant(warmup: Located) -> bool:
    """Whether a warm-up stays where it starts."""
    shape = find(warmup, "shape")
    return bool(shape and shape.value == "constant")


def two_ways(root: Located) -> Found:
    """Two keys that say the same."""
    places: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
        ((), "epochs", "steps", "how long the run is"),
        (("warmup",), "epochs", "steps", "how long the warm-up is"),
        *((("schedule", each.name), *pair) for each in SCHEDULES.values() for pair in each.exclusive),
        (("data",), "val", "split", "which pictures validate"),
    )
    for path, first, second, what in places:
        node = find(root, *path)
        if node and holds(node, first) and holds(node, second):
            one, two = sorted(
                (node.value[first].key, node.value[second].key), key=lambda key: (key.span.line, key.span.column)
            )
            note = Note("the first is here", one.span)
            message = f"`{one.value}` and `{two.value}` both say {what}"
            yield Diagnostic("keys-conflict", two.span, message, notes=(note,), help="leave one of them out")


def validation(root: Located) -> Found:
    """A plateau or a best metric that has nothing to look at."""
    schedule = find(root, "schedule")
    data = find(root, "data")
    has_none = bool(data and "val" in data.value and data.value["val"].value.value is None and not holds(data, "split"))
    if not data or not has_none:
        return
    note = Note("nothing is validated: this is null, and there is no `split`", data.value["val"].key.span)
    ways = "name a folder as `val`, write `split: {val: 0.1}`, or"
    course = SCHEDULES.get(chosen(schedule) or "") if schedule else None
    if schedule and course and course.watches:
        message = f"`{course.name}` looks at the validation pictures, and there are none"
        yield Diagnostic(
            "no-validation", chosen_span(schedule), message, notes=(note,), help=f"{ways} take another schedule"
        )
    if best := find(root, "checkpoint", "best"):
        message = f"`best: {best.value}` looks at the validation pictures, and there are none: the last weights are kept as the best"
        yield Diagnostic(
            "no-validation", best.span, message, severity="warning", notes=(note,), help=f"{ways} leave `best` out"
        )


def chosen_values(root: Located) -> Found:
    """What is wrong with the values of the start, the optimizer and the schedule."""
    for choice, entry in chosen_fields(root):
        yield from choice.find_conflicts(entry.value, root)


def chosen_fields(root: Located) -> Iterator[tuple[type[RecipeChoice], Entry]]:
    """The start, the optimizer and the schedule of a recipe that have fields, with the entry of their names and fields."""
    for key, choices in (("init", INITS), ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        node = find(root, key)
        entry = chosen_entry(node) if node else None
        if entry and entry.key.value in choices and isinstance(entry.value.value, dict):
            yield choices[entry.key.value], entry


def rising_ranges(root: Located) -> Found:
    """Ranges of `augment` whose lowest number is over the highest."""
    for name, fields in augment_steps(root):
        for first, *second in STEPS[name].ranges if name in STEPS else ():
            pair = find(fields, first)
            if pair and isinstance(pair.value, list) and len(pair.value) == 2:
                yield from falling(first, pair.value[0], pair.value[1], pair.span)
            elif pair and second and (most := find(fields, *second)):
                yield from falling(first, pair, most, most.span)


def falling(key: str, low: Located, high: Located, place: Span) -> Found:
    """The diagnostic of two numbers of which the first is the larger."""
    if is_number(low.value) and is_number(high.value) and low.value > high.value:
        message = f"the lowest of `{key}`, {quote_value(low.value)}, is over the highest, {quote_value(high.value)}"
        yield Diagnostic("not-rising", place, message, help="let them change places")


def augment_steps(root: Located) -> Iterator[tuple[str, Located]]:
    """The steps of `augment` that have fields, by name."""
    steps = find(root, "augment")
    for step in steps.value if steps and isinstance(steps.value, list) else ():
        for name, entry in step.value.items() if isinstance(step.value, dict) else ():
            if isinstance(entry.value.value, dict):
                yield name, entry.value


def lengths(root: Located) -> Found:
    """A warm-up that is longer than the run, and passes that do not add up to the batch."""
    for key in ("epochs", "steps"):
        node, end = find(root, "warmup", key), number(root, key)
        if node and end is not None and is_number(node.value) and node.value > end:
            message = f"the warm-up takes {quote_value(node.value)} {key}, and the run only {quote_value(end)}"
            yield Diagnostic(
                "beyond-end", node.span, message, help="the learning rate would never be reached: make it shorter"
            )
    start, warmup = find(root, "warmup", "start"), find(root, "warmup")
    if warmup and start and is_constant(warmup) and start.value == 0:
        message = "a constant warm-up that starts at 0 stays there, and trains nothing"
        yield Diagnostic("out-of-range", start.span, message, help="write a share over 0, as `start: 0.1`")
    node, batch = find(root, "accumulate"), number(root, "batch")
    if node and batch and is_number(node.value) and batch % node.value:
        message = f"a batch of {quote_value(batch)} cannot be taken in {quote_value(node.value)} equal passes"
        yield Diagnostic("out-of-range", node.span, message, help="let `accumulate` divide `batch`")


def lowest_rate(root: Located) -> Found:
    """A schedule that ends over the learning rate of the optimizer."""
    optimizer, schedule = find(root, "optimizer"), find(root, "schedule")
    name, course = chosen(optimizer) if optimizer else None, chosen(schedule) if schedule else None
    rate = number(root, "optimizer", name, "lr") if name else None
    low = find(root, "schedule", course, "min_lr") if course else None
    if low and rate is not None and is_number(low.value) and low.value > rate:
        message = f"`min_lr` {quote_value(low.value)} is over the learning rate, {quote_value(rate)}"
        yield Diagnostic("out-of-range", low.span, message, help="write a `min_lr` below `lr`")


def finite(root: Located) -> Found:
    """Numbers that are none: .nan passes every bound of a schema, and .inf those without an upper one."""
    waiting = [(key, entry.value) for key, entry in root.value.items() if key in recipe_schema()["properties"]]
    while waiting:
        key, node = waiting.pop()
        if isinstance(node.value, dict):
            waiting += [(name, entry.value) for name, entry in node.value.items()]
        elif isinstance(node.value, list):
            waiting += [(key, item) for item in node.value]
        elif isinstance(node.value, float) and not math.isfinite(node.value):
            yield Diagnostic("out-of-range", node.span, f"`{key}` wants a finite number, not {node.raw}")


CHECKS: tuple[Callable[[Located], Found], ...] = (
    missing_keys,
    two_ways,
    validation,
    chosen_values,
    rising_ranges,
    lengths,
    lowest_rate,
    finite,
)
