"""Packages that only some work needs: looked for before it begins."""

from __future__ import annotations

from ..compiler.diagnostics import Failure
from ..runtime.faults import RuntimeFault
from ..runtime.packages import import_package


def require_package(module: str, purpose: str, otherwise: str = "") -> None:
    """Imports a package. Raises Failure `package-missing` (environment), which says what needs it and how to install it."""
    try:
        import_package(module, purpose, otherwise)
    except RuntimeFault as fault:
        raise Failure.of(fault) from fault
