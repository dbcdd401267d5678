"""`repeat`: the values of its names in each copy of the step, from counts, lists and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ir.provenance import Frame
from ..limits import raise_limit
from ..ops.fields import quote_value
from .absent import Absent
from .budget import PARAM, Budget
from .context import Context, StepValue
from .expressions.arithmetic import Lookup
from .located_yaml import Entry, Located
from .naming import Paths
from .spec import Step
from .values import Fault, element_at, evaluate


def bind_copies(step: Step, x: StepValue, ctx: Context, paths: Paths) -> list[dict[str, Any]]:
    """The values of the names of `repeat`, for each copy of a step. A step without copies becomes absent in `paths`.

    Raises Fault or Poisoned; LimitReached where the budget is spent.
    """
    entry = step.modifiers["repeat"]
    copies = repeat_bindings(entry, ctx.lookup(x), ctx.budget)
    ctx.budget.spend(len(copies) * (1 + ctx.work_of_copy), entry.key)
    if not copies:
        name = step.modifiers.get("name")
        paths.absent.add(Absent(step, str(name.value.value) if name else None, "repeat", ctx, x))
    return copies


def repeat_bindings(entry: Entry, lookup: Lookup, budget: Budget) -> list[dict[str, Any]]:
    """For each copy of a step the values of the names of its `repeat`. All names have the same number of values.

    Raises Fault or Poisoned; LimitReached where the budget is spent.
    """
    columns: dict[str, list[Any]] = {}
    first: tuple[str, int] | None = None
    for key, item in entry.value.value.items():
        value = evaluate(item.value, lookup, budget)
        count = len(value) if isinstance(value, list) else value
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise Fault(
                "wrong-type",
                item.value.span,
                f"`repeat` wants an integer of at least 0 or a list, not {quote_value(value)}",
            )
        if first and first[1] != count:
            raise Fault("repeat-unequal", item.value.span, f"`{key}` has {count} rounds, but `{first[0]}` has {first[1]}",
                        "names of one repeat go in step")  # fmt: skip
        first = first or (key, count)
        if budget.steps + count > budget.limits.nodes:
            message = f"{count} copies are too many: a net has at most {budget.limits.nodes} steps"
            raise Fault("too-many-steps", item.value.span, message, raise_limit("nodes", budget.steps + count))
        names = key.split()
        # a copy has each of them; the first is counted with its step
        budget.spend(PARAM * count * (len(names) - (not columns)), item.value)
        columns |= read_columns(names, value, count, item.value)
    return [{name: column[i] for name, column in columns.items()} for i in range(first[1] if first else 0)]


def read_columns(names: list[str], value: Any, count: int, node: Located) -> dict[str, list[Any]]:
    """The values of each of the `names` of one key: a count, a list, or for several names the columns of a table.

    Raises Fault.
    """
    if len(names) == 1:
        return {names[0]: value if isinstance(value, list) else list(range(count))}
    if not isinstance(value, list):
        raise Fault(
            "wrong-type", node.span, f"a table of {len(names)} columns is a list of rows, not {quote_value(value)}"
        )
    for i, row in enumerate(value):
        if not isinstance(row, list) or len(row) != len(names):
            has = len(row) if isinstance(row, list) else quote_value(row)
            raise Fault("repeat-unequal", element_at(node, (i,)).span,
                        f"row {i} has {has} where the header `{' '.join(names)}` has {len(names)} columns")  # fmt: skip
    return {name: [row[c] for row in value] for c, name in enumerate(names)}


def bind_copy(ctx: Context, bindings: Mapping[str, Any], step: Step) -> Context:
    """The context of one copy of a repeated step, in which the names of `repeat` have the values `bindings`."""
    frame = Frame("repeat", "", tuple(bindings.items()), step.modifiers["repeat"].key.span)
    return ctx._replace(names={**ctx.names, **bindings}, frames=(*ctx.frames, frame))
