"""Plain tables and numbers for people. Columns align without a library; numbers carry thousands separators."""

from __future__ import annotations

from collections.abc import Sequence

from .render import cells, clean


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> str:
    """Rows under their heads; `right` marks with `>` the columns to align at the right."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    widths = [max(cells(row[i]) for row in ([*head], *cleaned)) for i in range(len(head))]
    lines = []
    for row in ([*head], *cleaned):
        parts = []
        for i, cell in enumerate(row):
            space = " " * (widths[i] - cells(cell))
            parts.append(space + cell if right[i : i + 1] == ">" else cell + space)
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and what they are, one a line, in two columns."""
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(f"  {name:<{width}}  {clean(value)}".rstrip() for name, value in pairs)


def number(value: object) -> str:
    """A number with separators, a shape with its sizes, anything else as it is."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**30 else "a number of over 30 digits"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return "×".join(str(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {number(v)}" for k, v in value.items())
    return str(value)


def plain(value: object) -> str:
    """The same without separators, to be searched for and compared."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {plain(v)}" for k, v in value.items())
    return number(value).replace(",", "") if isinstance(value, int) else number(value)


def short(count: int | None) -> str:
    """A count to three digits, as papers print it: 25.6 M, 4.09 G; empty for none."""
    if count is None:
        return ""
    value, units = float(count), iter(("", " k", " M", " G", " T"))
    unit = next(units)
    while value >= 999.5 and unit != " T":
        value, unit = value / 1000, next(units)
    if not unit or value >= 99.95:
        return f"{value:.0f}{unit}"
    return f"{value:.1f}{unit}" if value >= 9.995 else f"{value:.2f}{unit}"


def size(count: int) -> str:
    """Bytes for people."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError
