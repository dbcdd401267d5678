"""What torch cannot compute in a step, in words: a norm over one value, and numbers beyond a float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from ..compiler.diagnostics import Failure

if TYPE_CHECKING:
    from torch import nn

ONE_VALUE, OVERFLOW = "more than 1 value per channel", "without overflow"


@contextmanager
def step_faults(network: nn.Module) -> Iterator[None]:
    """Turns what torch raises there into a Failure: `batch-too-small`, which names the step of the spec, and `diverged`."""
    try:
        yield
    except ValueError as error:
        if ONE_VALUE not in str(error):
            raise
        path = raised_in(network, error.__traceback__)
        raise Failure("batch-too-small", f"`{path}` has one value a channel in this batch, and no deviation of it: one picture of one pixel",
                      "take at least 2 pictures in each pass of each process (batch over accumulate and processes); or freeze the step, or take another norm") from None  # fmt: skip
    except (OverflowError, RuntimeError) as error:
        if not isinstance(error, OverflowError) and OVERFLOW not in str(error):
            raise
        raise Failure("diverged", f"a number of the optimizer does not fit into a float32: {str(error)[:200]}",
                      "take lower numbers in the recipe's optimizer and schedule") from None  # fmt: skip


def raised_in(network: nn.Module, trace: TracebackType | None) -> str:
    """The path of the innermost module of the net in which an error was raised."""
    paths = {id(module): path for path, module in network.named_modules()}
    found = ""
    while trace is not None:
        found = paths.get(id(trace.tb_frame.f_locals.get("self"))) or found
        trace = trace.tb_next
    return found or "a norm"
