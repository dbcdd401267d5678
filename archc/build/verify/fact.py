"""A fact that `archc verify` holds a file to."""

from __future__ import annotations

from typing import NamedTuple


class Fact(NamedTuple):
    """One thing that a file is held to. `ok` is None where it was not made, and `message` says why."""

    name: str
    ok: bool | None
    message: str
    help: str = ""
