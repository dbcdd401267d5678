"""What the doctor says: one fact at a time."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One fact about the machine. `ok` is None where it is neither good nor bad; `advice` says what to do, with a command to paste.

    `area` says what the fact is about: all use of archc, which is on the CPU, or only that of a GPU, or of a plugin's device.
    """

    name: str
    value: str
    ok: bool | None = None
    advice: str = ""
    area: Literal["cpu", "gpu", "plugin"] = "cpu"
