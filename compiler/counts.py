"""How people read a count, a size in bytes, a share and a few words: in messages, tables and pictures alike."""

from __future__ import annotations

from collections.abc import Sequence


def format_count(count: float | None) -> str:
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


def count_of(count: int, noun: str) -> str:
    """`1 error`, `2 errors`, `1,000 errors`; `2 classes`."""
    ending = "es" if noun.endswith(("s", "x", "sh", "tch", "nch")) else "s"
    return f"{count:,} {noun}{'' if count == 1 else ending}"


def format_bytes(count: int) -> str:
    """A size of memory or of a file, in powers of 1024: `512 B`, `97.7 MiB`."""
    value, units = float(count), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while value >= 1024 and unit != "TiB":
        value, unit = value / 1024, next(units)
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def format_share(share: float) -> str:
    """A part of the whole in per cent: `23 %`, `4.1 %`."""
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 else f"{100 * share:.0f} %"


def list_words(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
