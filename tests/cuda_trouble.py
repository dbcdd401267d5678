"""A machine on which CUDA does not work, with a GPU to be seen or without: what `auto` then says of the CPU."""

from __future__ import annotations

import pytest

from archc.runtime.devices import Trouble
from archc.runtime.devices.nvidia import CUDA


def break_cuda(monkeypatch: pytest.MonkeyPatch, driver: bool) -> str:
    """Makes this process's machine one, on which a driver is here or not; gives the reason that `auto` has for the CPU."""
    reason = "CUDA's libraries do not load" if driver else "no NVIDIA driver is here"
    monkeypatch.setattr("archc.runtime.devices.registry.CUDA", CUDA._replace(find_trouble=lambda: Trouble(reason, "")))
    monkeypatch.setattr("archc.runtime.devices.registry.can_load", lambda name: driver)
    return reason
