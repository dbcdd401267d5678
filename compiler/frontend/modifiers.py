"""What stands beside a step's core and has a value: `when`, `aux`, `output`."""

from __future__ import annotations

from typing import Any

from ..ops.fields import show
from .context import Arriving, Context
from .located_yaml import Entry
from .names import name_fault
from .values import Fault, evaluate


def is_kept(entry: Entry, x: Arriving, ctx: Context) -> bool:
    """Whether `when` leaves its step in. Raises Fault or Poisoned."""
    value = evaluate(entry.value, ctx.lookup(x))
    if value is not True and value is not False:
        raise Fault("wrong-type", entry.value.span, f"`when` wants a boolean, true or false, not {show(value)}")
    return bool(value)


def head_weight(entry: Entry, x: Arriving, ctx: Context) -> float:
    """The share of the loss that `aux` gives a head. Raises Fault or Poisoned."""
    value: Any = evaluate(entry.value, ctx.lookup(x))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        what = f"`aux` wants the head's weight, a number of at least 0, not {show(value)}"
        raise Fault("wrong-type", entry.value.span, what)
    return float(value)


def output_name(entry: Entry, x: Arriving, ctx: Context) -> str:
    """The name that `output` gives. Raises Fault or Poisoned."""
    name = evaluate(entry.value, ctx.lookup(x))
    fault = name_fault(name)
    if fault:
        raise Fault("bad-name", entry.value.span, f"`output`: {fault}")
    return str(name)
