"""The runtime: a built model in, answers out. It knows nothing of the compiler, torch or YAML; a server installs only this.

Importing it is light: numpy, pillow and onnxruntime come when a session opens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .faults import RuntimeFault

if TYPE_CHECKING:
    from .session import Session

__all__ = ["RuntimeFault", "Session"]


def __getattr__(name: str) -> Any:
    if name == "Session":
        from .session import Session

        return Session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
