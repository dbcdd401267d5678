"""The values of single keys of a step: `name`, `when`, `aux`, `output`, `use`, and `skip` of a residual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ops.fields import quote_value
from .context import Context, StepValue
from .located_yaml import Located
from .step_names import advise_name, name_fault, port_fault
from .values import Fault


def evaluate_boolean(node: Located, key: str, x: StepValue, ctx: Context) -> bool:
    """The value of `key`, which is true or false. Raises Fault or Poisoned."""
    value = ctx.evaluate(node, x)
    if value is not True and value is not False:
        raise Fault("wrong-type", node.span, f"`{key}` wants a boolean, true or false, not {quote_value(value)}")
    return bool(value)


def evaluate_use(node: Located, x: StepValue, ctx: Context) -> str:
    """The name of a block or an op that `use` gives. Raises Fault or Poisoned."""
    name = ctx.evaluate(node, x)
    if not isinstance(name, str):
        raise Fault("wrong-type", node.span, f"`use` wants the name of one block or operation, not {quote_value(name)}")
    return name


def evaluate_weight(node: Located, x: StepValue, ctx: Context) -> float:
    """The weight that `aux` gives to a head's loss. Raises Fault or Poisoned."""
    value: Any = ctx.evaluate(node, x)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        what = f"`aux` wants the head's weight, a number of at least 0, not {quote_value(value)}"
        raise Fault("wrong-type", node.span, what)
    return float(value)


def evaluate_name(node: Located, x: StepValue, ctx: Context) -> str:
    """The name of a step. Raises Fault or Poisoned."""
    return require_name(node, ctx.evaluate(node, x), name_fault)


def evaluate_output(node: Located, x: StepValue, ctx: Context) -> str:
    """The name of an output. Raises Fault or Poisoned."""
    return require_name(node, ctx.evaluate(node, x), port_fault, "`output`: ")


def require_name(node: Located, name: Any, find_fault: Callable[[Any], str], key: str = "") -> str:
    """The name itself. Raises Fault at `node` where `find_fault` finds one, which the message says behind `key`."""
    fault = find_fault(name)
    if fault:
        raise Fault("bad-name", node.span, f"{key}{fault}", advise_name(name, find_fault))
    return str(name)
