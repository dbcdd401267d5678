"""Tables and numbers for people: aligned columns, and thousands separators."""

from __future__ import annotations

from collections.abc import Sequence

from .render import clean, text_width


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> str:
    """Rows under their heads. `right` has a character for each column: `>` aligns it at the right."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    widths = [max(text_width(row[i]) for row in ([*head], *cleaned)) for i in range(len(head))]
    lines = []
    for row in ([*head], *cleaned):
        parts = []
        for i, cell in enumerate(row):
            space = " " * (widths[i] - text_width(cell))
            parts.append(space + cell if right[i : i + 1] == ">" else cell + space)
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def format_pairs(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and their values in two columns, a line for each."""
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(f"  {name:<{width}}  {clean(value)}".rstrip() for name, value in pairs)


def format_number(value: object) -> str:
    """A number with separators, a shape as `64×56×56`, anything else as it is."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**30 else "a number of over 30 digits"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return "×".join(str(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {format_number(v)}" for k, v in value.items())
    return str(value)


def format_plain(value: object) -> str:
    """As format_number does, but without separators, so that numbers can be searched for and compared."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {format_plain(v)}" for k, v in value.items())
    return format_number(value).replace(",", "") if isinstance(value, int) else format_number(value)


def format_count(count: int | None) -> str:
    """A count to three digits, as papers print it: `25.6 M`, `4.09 G`; empty for None."""
    if count is None:
        return ""
    value, units = float(count), iter(("", " k", " M", " G", " T"))
    unit = next(units)
    while value >= 999.5 and unit != " T":
        value, unit = value / 1000, next(units)
    if not unit or value >= 99.95:
        return f"{value:.0f}{unit}"
    return f"{value:.1f}{unit}" if value >= 9.995 else f"{value:.2f}{unit}"


def format_bytes(count: int) -> str:
    """A number of bytes for people: `512 B`, `97.7 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError
