"""Rooflines as people read them: what bounds a net on a card, the least time, and the largest batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..compiler.analysis.roofline import LayerTime, Roofline, largest_batch, sum_times
from ..compiler.diagnostics import clean
from .cost_details import Training
from .cost_tables import CostTable, TableColumn, fit_columns, markdown_columns, row_name, share_cells
from .costs import CostReport
from .layout import table_width
from .tables import format_count, format_number, format_pairs, format_table


class CardReport(NamedTuple):
    """A net on a card, with what its costs say of memory there; of `training`, if that is there."""

    report: CostReport
    roof: Roofline
    training: Training | None = None

    @property
    def fixed_bytes(self) -> int:
        """What is in memory once: the parameters that inference needs, or in training all but the activations."""
        if self.training:
            return self.training.fixed_bytes
        return self.report.cost.params.without_aux * self.report.element_bytes

    @property
    def image_bytes(self) -> int:
        """What is in memory for each image: the peak of the activations, or in training those that are kept."""
        return self.training.image_bytes if self.training else self.report.peak_bytes // self.report.batch

    @property
    def largest_batch(self) -> int | None:
        return largest_batch(self.roof.card, self.fixed_bytes, self.image_bytes)


def card_text(found: CardReport) -> str:
    """What bounds the net on the card, in two columns."""
    roof = found.roof
    total, card = roof.total, roof.card
    images = f"{roof.batch:,} image{'s' * (roof.batch > 1)} at once"
    rows = [
        ("peak", f"{describe_peak(roof)} ({card.source})"),
        (
            "least time",
            format_seconds(total.seconds)
            + f", at most {format_rate(roof.images_per_second)} images/s" * bool(total.seconds),
        ),
        ("bound by", f"{total.bound}, {describe_bound(total)}" if total.bound else "nothing: no layer counts"),
        (
            "intensity",
            f"{format_rate(total.intensity)} FLOPs a byte; arithmetic bounds from {format_rate(roof.ridge)} on",
        ),
        ("largest batch", describe_largest(found)),
    ]
    return f"{clean(found.report.label)} on {clean(card.title)} in {roof.precision}, {images}\n{format_pairs(rows)}"


def describe_peak(roof: Roofline) -> str:
    """A card's numbers: `989.5 TFLOP/s in fp16, 4.8 TB/s, 141 GB`."""
    card = roof.card
    memory = f", {card.memory / 1e9:g} GB" if card.memory else ""
    other = (
        f" ({card.flops['tf32'] / 1e12:g} in tf32)"
        if roof.precision == "fp32" and card.flops.get("tf32", 0) > card.flops["fp32"]
        else ""
    )
    return f"{card.peak(roof.precision) / 1e12:g} TFLOP/s in {roof.precision}{other}, {card.bandwidth / 1e9:g} GB/s{memory}"


def describe_bound(total: LayerTime) -> str:
    """How much of the least time arithmetic and memory set."""
    share = total.arithmetic_seconds / total.seconds
    return f"{100 * share:.0f} % of the time by arithmetic and {100 - round(100 * share)} % by memory"


def describe_largest(found: CardReport) -> str:
    """The largest batch that fits, and of what that is made."""
    fixed = "parameters, gradients and optimiser state" if found.training else "parameters"
    parts = f"{format_memory(found.fixed_bytes)} of {fixed}, {format_memory(found.image_bytes)} of activations an image"
    batch = found.largest_batch
    return f"unknown: no memory is told ({parts})" if batch is None else f"{batch:,} ({parts})"


def format_memory(count: int) -> str:
    """Bytes as makers of cards count them, in powers of ten: `51.1 MB`."""
    return f"{format_count(count)}B" if count >= 1000 else f"{count} B"


def format_seconds(seconds: float) -> str:
    """A time to three digits: `812 µs`, `3.16 ms`, `1.2 s`."""
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"


def format_micros(seconds: float) -> str:
    """Microseconds: to a hundredth, and small ones to three digits."""
    micros = 1e6 * seconds
    return f"{micros:,.2f}" if micros >= 1 else f"{micros:.3g}"


def format_rate(rate: float) -> str:
    """Images a second, or FLOPs a byte: whole from 100 on."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def card_columns(table: CostTable, roof: Roofline) -> list[TableColumn]:
    """The columns of a table of least times. The last row is what all rows add up to."""
    times = [*part_times(table, roof), roof.total]
    shares = share_cells([x.seconds for x in times[:-1]])
    return [
        TableColumn(table.by, table.by, [*map(row_name, table.rows), "total"]),
        *([] if table.by == "op" else [TableColumn("op", "op", [*(x.op for x in table.rows), ""])]),
        *(
            TableColumn(
                head,
                head,
                [f"{x:,}" if x else "" for x in numbers],
                True,
                head,
                [format_count(x).strip() if x else "" for x in numbers],
            )
            for head, numbers in (("FLOPs", [x.flops for x in times]), ("bytes", [x.bytes for x in times]))
        ),
        TableColumn("FLOPs/byte", "FLOPs/byte", [format_rate(x.intensity) if x.bytes else "" for x in times], True),
        TableColumn("bound by", "bound by", [x.bound for x in times]),
        TableColumn("least µs", "least µs", [format_micros(x.seconds) if x.bytes else "" for x in times], True),
        TableColumn("share", "of time", [*shares, ""]),
    ]


def part_times(table: CostTable, roof: Roofline) -> list[LayerTime]:
    """What each row of a table takes at least."""
    return [sum_times(tuple(roof.layers[at] for at in part.members)) for part in table.parts]


def card_table(table: CostTable, roof: Roofline) -> str:
    """What `--by` prints of a card."""
    return fit_columns(card_columns(table, roof))


def card_markdown(table: CostTable, roof: Roofline) -> str:
    """The same in Markdown."""
    return markdown_columns(card_columns(table, roof))


COMPARED = ["net", "card", "precision", "batch", "least time", "images/s", "bound by", "FLOPs/byte", "largest batch"]


def compared_cards(found: Sequence[CardReport]) -> list[list[str]]:
    """A row for each net on each card."""
    return [
        [
            each.report.label,
            each.roof.card.name,
            each.roof.precision,
            f"{each.roof.batch:,}",
            format_seconds(each.roof.total.seconds),
            format_rate(each.roof.images_per_second),
            each.roof.total.bound,
            format_rate(each.roof.total.intensity),
            format_number(each.largest_batch) if each.largest_batch is not None else "",
        ]
        for each in found
    ]


def compare_cards(found: Sequence[CardReport]) -> str:
    """Nets on cards in one table."""
    return format_table(
        COMPARED, compared_cards(found), "<<<>>><>>", ("precision", "batch", "FLOPs/byte"), table_width()
    )


def compare_cards_markdown(found: Sequence[CardReport]) -> str:
    """The same in Markdown."""
    from .interchange import markdown_table

    return markdown_table(COMPARED, compared_cards(found), "<<<>>><>>")
