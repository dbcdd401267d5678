"""The command line as tests run it: in process, with what it printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import pytest

from archc.cli import main

RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u200b\u202a-\u202e\u2066-\u2069]")


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def program(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs archc; whatever it prints holds no control characters and no traceback."""

    def execute(*arguments: str) -> Ran:
        code = main(arguments)
        out, err = capsys.readouterr()
        assert not RAW.search(out + err)
        assert "Traceback" not in out + err
        return Ran(code, out, err)

    return execute
