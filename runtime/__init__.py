"""The runtime: a built model in, answers out. It needs nothing of the compiler, torch or YAML, so a server can do without them.

Importing it is light: numpy, pillow and onnxruntime are imported when a session is opened.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .faults import PictureFault, RuntimeFault, UntrainedWarning

if TYPE_CHECKING:
    from .answers import Answer, Prediction, Result, Results
    from .limits import WorkerLimits
    from .session import Session

# From 1.29 on, onnxruntime's wheels write a device's id and a database of events below the home folder, and send them to Microsoft: from
# its first import on, unless this is set. Who sets it to something else has decided.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Answer",
    "PictureFault",
    "Prediction",
    "Result",
    "Results",
    "RuntimeFault",
    "Session",
    "UntrainedWarning",
    "WorkerLimits",
]


def __getattr__(name: str) -> Any:
    """What a session is made of, imported when it is first asked for."""
    if name == "Session":
        from .session import Session

        return Session
    if name == "WorkerLimits":
        from .limits import WorkerLimits

        return WorkerLimits
    if name in __all__:
        from . import answers

        return getattr(answers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What there is for users, whether it is imported yet or not."""
    return sorted(__all__)
