"""What the doctor says: one fact at a time."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One fact about the machine. `advice` says what to do, with a command to paste.

    `ok` is True for what was looked at and is in order, False for what is wrong. It is None where that cannot be told: for a variable
    that is set, and for what only some need and is not here (a GPU, torch).

    `area` says what the fact is about: all use of archc, which is on the CPU, or only that of a GPU, or of a plugin's device.
    """

    name: str
    value: str
    ok: bool | None = None
    advice: str = ""
    area: Literal["cpu", "gpu", "plugin"] = "cpu"
