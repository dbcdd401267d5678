"""The limits of a check as a table: names and numbers from compiler/limits.py, what is counted from its docstring."""

from __future__ import annotations

import re
from collections.abc import Sequence

ITEM = re.compile(r"^(\w+) {2,}(\S.*)$")


def limits_table(_: Sequence[str] = ()) -> str:
    """A row for each limit: its default, the highest that it may be raised to, and what is counted."""
    from archc.compiler.limits import DEFAULT, Limits, highest_of

    items = (ITEM.match(line.strip()) for line in (Limits.__doc__ or "").splitlines())
    counted = {item[1]: item[2] for item in items if item}
    rows = [
        f"| `{name}` | {number:,} | {highest_of(name):,} | {counted[name]} |\n"
        for name, number in DEFAULT._asdict().items()
    ]
    return "| name | default | at most | what is counted |\n| --- | --: | --: | --- |\n" + "".join(rows)
