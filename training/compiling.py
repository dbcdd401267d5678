"""torch.compile, where a recipe asks for it, and what is said where it cannot compile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..compiler.diagnostics import Failure


@contextmanager
def compile_faults() -> Iterator[None]:
    """Turns an error of torch.compile, which compiles at the first step, into a Failure `compile-failed`."""
    try:
        yield
    except RuntimeError as error:
        # whoever raised it has imported it
        faults = sys.modules.get("torch._dynamo.exc")
        if faults is None or not isinstance(error, faults.TorchDynamoException):
            raise
        why = " ".join(str(error).partition("\n\n")[0].split()) or type(error).__name__
        raise Failure("compile-failed", f"torch.compile could not compile the net: {why[:200]}",
                      "it wants a C++ compiler (g++), and Triton on a GPU; --set compile=false trains without it", 3) from None  # fmt: skip
