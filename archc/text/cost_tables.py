"""Tables of a net's costs by layer, by block or by op: for a terminal of any width, for Markdown and for notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, overload

from ..compiler.analysis.cost import Layer
from ..compiler.analysis.parts import By, CostPart, divide_layers, sum_part
from ..compiler.diagnostics import Failure, clean
from .bars import can_show_eighths, draw_bar
from .costs import CostReport
from .layout import cut_end, table_width, text_width
from .tables import format_bytes, format_count, format_number, format_table, table_columns, table_note

if TYPE_CHECKING:
    from ..compiler.analysis.receptive_field import ReceptiveField

OP_ROOM = 10  # columns that are left of the name of an op or a block that is cut
SHARE_BAR, PERCENT_BAR = 4, 5  # columns


class CostTable(Sequence[Layer]):
    """The rows of a table of costs, each with the sums of its layers; `parts` says which these are."""

    def __init__(self, report: CostReport, by: By, depth: int = 1) -> None:
        if by not in get_args(By) or depth < 1:
            raise Failure(
                "usage",
                f"there is no table by {str(by)[:40]!r} of depth {depth}",
                f"by is one of {', '.join(get_args(By))}",
                2,
            )
        self.report, self.by = report, by
        self.parts: tuple[CostPart, ...] = divide_layers(report.layers, report.cost.frames, by, depth)
        self.rows = tuple(sum_part(part, report.layers) for part in self.parts)

    @overload
    def __getitem__(self, at: int) -> Layer: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Layer, ...]: ...
    def __getitem__(self, at: Any) -> Any:
        return self.rows[at]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"<CostTable of {clean(self.report.label)}: {len(self)} rows by {self.by}>"

    def __str__(self) -> str:
        return fit_columns(cost_columns(self))

    def _repr_html_(self) -> str:
        from html import escape

        columns = cost_columns(self)

        def line(tag: str, cells: Sequence[str]) -> str:
            sides = [f'<{tag} style="text-align: {"right" if x.right else "left"}">' for x in columns]
            return "<tr>" + "".join(f"{side}{escape(clean(cell))}</{tag}>" for side, cell in zip(sides, cells, strict=True)) + "</tr>"  # fmt: skip

        body = "".join(line("td", cells) for cells in zip(*(x.cells for x in columns), strict=True))
        head = line("th", [x.head for x in columns])
        return f"<table><caption>{escape(clean(self.report.label))}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"

    @property
    def totals(self) -> list[Layer]:
        """What all rows add up to, under the name `total`; a second time without the heads, if there are any."""
        report = self.report
        macs, activations = sum(x.macs for x in self.rows), sum(x.activations for x in self.rows)
        names = {"total": report.params} | {"without the heads": report.params_without_aux}
        found = [Layer(name, "", "", (), params, macs, activations, False) for name, params in names.items()]
        return found[: 1 + (report.params_without_aux != report.params)]


class TableColumn(NamedTuple):
    """A column of a table: its cells, and shorter ones for where there is no room."""

    name: str
    head: str
    cells: list[str]
    right: bool = False
    short_head: str = ""
    short_cells: list[str] = []


class TableFit(NamedTuple):
    """How a table is made narrower: columns that are left out, numbers that are rounded, and then ops that are cut to OP_ROOM at most."""

    left_out: tuple[str, ...] = ()
    rounds: bool = False


# the first that fits is taken
LAYOUTS = (
    TableFit(),
    TableFit(("source",)),
    TableFit(("source",), rounds=True),
    TableFit(("source", "op"), rounds=True),
    TableFit(("source", "op", "share"), rounds=True),
)


def cost_columns(table: CostTable) -> list[TableColumn]:
    """The columns of a table of costs. The last ones say what all rows add up to."""
    rows, report, by = table.rows, table.report, table.by
    totals = table.totals
    blank = [""] * len(totals)
    columns = [TableColumn(by, by, [*map(row_name, [*rows, *totals])])]
    if by == "op":
        columns.append(
            TableColumn("steps", "steps", [*(f"{len(part.members):,}" for part in table.parts), *blank], right=True)
        )
    else:
        columns.append(TableColumn("op", "op", [*(x.op for x in rows), *blank]))
        columns.append(TableColumn("output", "output", [*(format_number(x.output) for x in rows), *blank]))
    for name, head, short in (
        ("params", report.counted, "params" if report.counted == "parameters" else report.counted),
        ("macs", "MACs", "MACs"),
        ("activations", "activations", "acts"),
    ):
        numbers = [getattr(x, name) for x in (*rows, *totals)]
        cells, rounded = [f"{x:,}" for x in numbers], [format_count(x).strip() for x in numbers]
        columns.append(TableColumn(head, head, cells, True, short, rounded))
    columns.append(TableColumn("share", "of MACs", [*share_cells([x.macs for x in rows]), *blank]))
    return columns if by == "op" else [*columns, TableColumn("source", "source", [*(x.source for x in rows), *blank])]


def row_name(row: Layer | CostPart) -> str:
    """What a row is called: its path, how many equal rounds it is, and whether only a head needs it."""
    return row.path + f" ×{row.times}" * (row.times > 1) + " (aux)" * row.aux


def bytes_columns(table: CostTable) -> list[TableColumn]:
    """The columns of the bytes of parameters and of activations, in the report's precision."""
    found = []
    for name, head in (("params", "param. bytes"), ("activations", "act. bytes")):
        numbers = [getattr(x, name) * table.report.element_bytes for x in (*table.rows, *table.totals)]
        found.append(
            TableColumn(head, head, [f"{x:,}" for x in numbers], True, head, [format_bytes(x) for x in numbers])
        )
    return found


def share_cells(parts: Sequence[float]) -> list[str]:
    """The share of each of the parts of their sum in percent, with a bar that the largest fills."""
    whole, largest, eighths = sum(parts), max(parts, default=0), can_show_eighths()
    return [
        f"{format_percent(x / whole):>4} {draw_bar(x / largest, SHARE_BAR, eighths):<{SHARE_BAR}}" if x else ""
        for x in parts
    ]


def format_percent(share: float) -> str:
    """A share in percent in at most four characters: `22.9`, `0.3`, `<0.1`, `100`."""
    return "100" if share >= 0.9995 else "<0.1" if share < 0.0005 else f"{100 * share:.1f}"


def fit_columns(columns: Sequence[TableColumn], layouts: Sequence[TableFit] = LAYOUTS) -> str:
    """The columns as a table, in the first of the layouts that fits; a last line says what is left out, and whether numbers are rounded."""
    room = table_width()
    for layout in layouts:
        kept = [shorten(x) if layout.rounds else x for x in columns if x.name not in layout.left_out]
        excess = table_columns([[x.head, *x.cells] for x in kept]) - room
        if excess > 0:
            kept = [cut_op(x, excess) for x in kept]
        if table_columns([[x.head, *x.cells] for x in kept]) <= room:
            break
    table = format_table([x.head for x in kept], [*zip(*(x.cells for x in kept), strict=True)],
                         "".join("<>"[x.right] for x in kept), width=room)  # fmt: skip
    left_out = [x.head for x in columns if x.name in layout.left_out]
    notes = [f"left out at {room} columns: {', '.join(left_out)}"] if left_out else []
    notes += ["numbers are rounded" if notes else f"numbers are rounded at {room} columns"] if layout.rounds else []
    return table + table_note("; ".join(notes), room)


def shorten(column: TableColumn) -> TableColumn:
    """The column with its short cells, if it has any."""
    return column._replace(head=column.short_head, cells=column.short_cells) if column.short_cells else column


def cut_op(column: TableColumn, excess: int) -> TableColumn:
    """The column of ops, narrower by `excess` if it then has OP_ROOM; any other as it is."""
    if column.name != "op":
        return column
    room = max(max(map(text_width, column.cells)) - excess, OP_ROOM)
    return column._replace(cells=[x if text_width(x) <= room else cut_end(x, room - 1) + "…" for x in column.cells])


def parts_table(table: CostTable, with_bytes: bool = False) -> str:
    """What `--by` prints: the rows and what they add up to."""
    columns = cost_columns(table)
    if with_bytes:
        columns[-1:-1] = bytes_columns(table)
    return fit_columns(columns)


def shares_table(table: CostTable) -> str:
    """What `--share` prints: the parts' shares in percent, with bars; the input is a part of the activations, and empty rows are left out."""
    report, rows = table.report, table.rows
    eighths = can_show_eighths()

    def cells(parts: list[int], whole: int) -> list[str]:
        largest = max(parts, default=0)
        return [f"{100 * x / whole:>6.2f} % {draw_bar(x / largest, PERCENT_BAR, eighths):<{PERCENT_BAR}}" if x else "" for x in parts]  # fmt: skip

    columns = [
        ["input", *map(row_name, rows)],
        cells([0, *(x.params for x in rows)], report.params),
        cells([0, *(x.macs for x in rows)], report.cost.macs * report.batch),
        cells([report.cost.input_elements * report.batch, *(x.activations for x in rows)], report.with_input),
    ]
    lines = [line for line in zip(*columns, strict=True) if any(line[1:])]
    return format_table([table.by, report.counted, "MACs", "activations"], lines, "<<<<", width=table_width())


def field_columns(table: CostTable, fields: Mapping[str, ReceptiveField]) -> list[TableColumn]:
    """The columns of the receptive field of each layer: its size, the distance to the next one, and the middle of the first."""

    def pairs(name: str, sign: str) -> list[str]:
        found = [getattr(fields[x.path], name) if x.path in fields else () for x in table.rows]
        return [sign.join(f"{side:g}" for side in each) for each in found]

    columns = [x for x in cost_columns(table) if x.name in ("layer", "op", "output", "source")]
    columns = [x._replace(cells=x.cells[: len(table)]) for x in columns]
    columns[-1:-1] = [
        TableColumn("field", "field", pairs("size", "×"), right=True),
        TableColumn("stride", "stride", pairs("stride", "×"), right=True),
        TableColumn("center", "center", pairs("center", ", "), right=True),
    ]
    return columns


def parts_markdown(table: CostTable, with_bytes: bool = False) -> str:
    """The table in Markdown."""
    columns = cost_columns(table)
    if with_bytes:
        columns[-1:-1] = bytes_columns(table)
    return markdown_columns(columns)


def markdown_columns(columns: Sequence[TableColumn]) -> str:
    """The columns as a table in Markdown, without the one of bars."""
    from .interchange import markdown_table

    kept = [x for x in columns if x.name != "share"]
    lines = zip(*(x.cells for x in kept), strict=True)
    return markdown_table([x.head for x in kept], lines, "".join("<>"[x.right] for x in kept))
