"""What is wrong with this machine for archc, and what to do: packages, libraries, the driver, the environment. It changes nothing."""

from __future__ import annotations

from .devices import device_findings
from .extras import extra_findings
from .finding import Finding
from .gpu import gpu_findings
from .packages import import_packages, package_findings, provider_findings, wheel_findings
from .surroundings import surrounding_findings

__all__ = ["Finding", "examine_machine"]


def examine_machine() -> list[Finding]:
    """All findings, in the order in which `archc doctor` prints them.

    Each package is imported in a process of its own: one that is broken may end the process that imports it.
    """
    troubles = import_packages()
    broken = bool(troubles.get("onnxruntime"))
    return [
        *package_findings(troubles),
        *wheel_findings(),
        *extra_findings(),
        *provider_findings(broken),
        *gpu_findings(broken),
        *device_findings(broken),
        *surrounding_findings(),
    ]
