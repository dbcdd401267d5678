"""A selection as rows: for a terminal, Markdown, csv and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..compiler.frontend.reported import Reported
from ..text.interchange import csv_table, escape_markdown, markdown_table
from ..text.tables import format_count
from .protocols import METRICS, protocol_of
from .selection import Point, Selection


def table_head(chart: Selection) -> list[str]:
    """The columns of `table_rows`."""
    measured = [word for word, is_told in (("ms", has_times(chart)), ("J", has_energy(chart))) if is_told]
    return ["net", "accuracy", "params", "MACs", "activations", "depth", *measured, "source"]


def table_rows(chart: Selection) -> list[list[str]]:
    """A row for each net, the most accurate first, those without an accuracy last."""
    ordered = sorted(chart.points, key=lambda each: (each.accuracy is None, -(each.accuracy or 0)))
    return [table_row(chart, each) for each in ordered]


def has_times(chart: Selection) -> bool:
    """Whether a time of any of the nets was measured."""
    return any(each.measurement for each in chart.points)


def has_energy(chart: Selection) -> bool:
    """Whether the energy of any of the nets was measured."""
    return any(each.measurement and each.measurement.joules is not None for each in chart.points)


def table_row(chart: Selection, point: Point) -> list[str]:
    """The texts of a net's row, a column each of `table_head`; empty where nothing is known."""
    figures, found = point.figures, point.measurement
    times = [f"{found.time_ms:.4g}" if found else ""] * has_times(chart)
    energy = [f"{found.joules:.3g}" if found and found.joules is not None else ""] * has_energy(chart)
    accuracy = "" if point.accuracy is None else f"{point.accuracy:.2f} %"
    counts = [format_count(each) for each in figures[:3]]
    return [point.net.label, accuracy, *counts, f"{figures.depth:,}", *times, *energy, describe_source(chart, point)]


def describe_source(chart: Selection, point: Point) -> str:
    """Where a net's accuracy is stated; its protocol stands behind it where the chart has several, then what else is said of it."""
    if point.result is None or point.protocol is None:
        return ""
    row = point.result.row
    parts = [point.protocol.description] * (len(chart.protocols) > 1) + [row.doc] * bool(row.doc)
    return point.result.source + (f" ({'; '.join(parts)})" if parts else "")


def describe_chart(chart: Selection) -> list[str]:
    """Under what the figures hold, in lines: the metric with its protocol, and the setting of what was measured."""
    title = METRICS[chart.metric].title
    protocols = [each.description for each in chart.protocols]
    lines = (
        [f"{title}: {protocols[0]}" if len(protocols) == 1 else f"{title} by several protocols: {'; '.join(protocols)}"]
        if protocols
        else [describe_nothing(chart)]
    )
    if chart.setting and has_times(chart):
        lines.append(f"measured on {chart.setting.description}")
    return lines


def describe_nothing(chart: Selection) -> str:
    """That none of the nets reports the metric, and what they report instead."""
    others = [
        name
        for name, metric in METRICS.items()
        if any(metric.key in each.row.errors for point in chart.points for each in point.net.results)
    ]
    told = f"; --metric can be {' or '.join(others)}" if others else "; none reports any accuracy"
    return f"{METRICS[chart.metric].title}: none of these nets reports it{told}"


def group_left_out(chart: Selection) -> dict[str, list[str]]:
    """The nets that the chart leaves out, by the reason."""
    groups: dict[str, list[str]] = {}
    for label, why in chart.left_out:
        groups.setdefault(why, []).append(label)
    return groups


def chart_json(chart: Selection) -> dict[str, Any]:
    """What `--format json` prints: accuracies in percent, costs of one picture, and everything that each net reports."""
    return {
        "metric": chart.metric,
        "protocols": [each.name for each in chart.protocols],
        "x": chart.axis.name,
        "setting": chart.setting._asdict() if chart.setting and has_times(chart) else None,
        "nets": [net_json(chart, each) for each in chart.points],
        "left_out": [{"net": label, "why": why} for label, why in chart.left_out],
    }


def metric_of(row: Reported) -> str:
    """The first metric that a row has an error for."""
    return next(name for name, metric in METRICS.items() if metric.key in row.errors)


def net_json(chart: Selection, point: Point) -> dict[str, Any]:
    """What `archc compare --format json` has of one net; None for what is not known of it."""
    measured = point.measurement
    return {
        "net": point.net.label,
        "name": point.net.name,
        "accuracy": point.accuracy,
        "protocol": point.protocol.name if point.protocol else None,
        "source": point.result.source if point.result else None,
        **point.figures._asdict(),
        "time_ms": measured.time_ms if measured else None,
        "joules": measured.joules if measured else None,
        "reported": [
            {**each.row.errors, "protocol": protocol_of(metric_of(each.row), each.row).name, "source": each.source,
             "with": dict(each.row.params), "doc": each.row.doc}
            for each in point.net.results
        ],
        "stages": [each._asdict() for each in point.net.stages],
    }  # fmt: skip


def format_csv(chart: Selection) -> str:
    """A row for each net, with whole numbers, and a head."""
    columns = ("net", "accuracy", "protocol", "params", "macs", "activations", "depth", "time_ms", "joules", "source")
    facts = [net_json(chart, point) for point in chart.points]
    return csv_table(columns, [[each[name] for name in columns] for each in facts])


def format_markdown(chart: Selection) -> str:
    """The table of `table_rows`, under the lines that say under what it holds."""
    head = table_head(chart)
    told = [escape_markdown(line) for line in describe_chart(chart)]
    return "\n".join([*told, *([""] if told else []), markdown_table(head, table_rows(chart), alignment(head))])


def alignment(head: Sequence[str]) -> str:
    """How each column of `table_rows` is aligned: names and sources at the left, numbers at the right."""
    return "".join("<" if name in ("net", "source") else ">" for name in head)
