"""A net as a tree for a terminal: blocks as branches, repeats as one row with ×n, what runs side by side, heads behind the trunk.

It is the drawing (compiler/view) in rows, so what is folded here is what every picture folds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from ..compiler.analysis.step_groups import shared_scope
from ..compiler.diagnostics import clean
from ..compiler.view.drawing import (
    ArcsItem,
    CardItem,
    Costs,
    GroupItem,
    InputItem,
    Item,
    OpItem,
    OutputItem,
    ParallelItem,
    RepeatItem,
    Shape,
    exit_of,
    members,
)
from .excerpts import BLUE, BOLD, YELLOW, Paint
from .layout import cut_end, text_width
from .tables import count_of, format_count, format_number

if TYPE_CHECKING:
    from ..compiler.view.drawing import Drawing, DrawnHead

DIM = "2"
LEAST_LABEL = 24  # columns of a label that costs do not take


class TreeRow(NamedTuple):
    """A row with those under it. `name` is a path without what the rows around it say, `what` says in words what it is.

    `costs` are those of all rounds where it is a repeat of so many `times`, and the rows under it are one round. `shape` is that of what
    leaves it; None where several values leave. Rounds that differ in size say that the rows are the first one's. `is_side` is set of what stands beside the trunk: a head, an output on the way.
    """

    name: str
    what: str
    shape: Shape | None = None
    costs: Costs = Costs()
    rows: tuple[TreeRow, ...] = ()
    times: int = 1
    is_side: bool = False

    def to_json(self) -> dict[str, Any]:
        """{"name", "what", "output", "params", "macs", "activations", "times", "rows"}."""
        return {
            "name": self.name,
            "what": self.what,
            "output": self.shape,
            "params": self.costs.params,
            "macs": self.costs.macs,
            "activations": self.costs.activations,
            "times": self.times,
            "rows": [row.to_json() for row in self.rows],
        }


def net_rows(drawing: Drawing, depth: int | None = None) -> tuple[TreeRow, ...]:
    """The rows of a whole net, at most `depth` levels of them; its heads come last."""
    return TreeMaker(drawing).net_rows(depth or -1)


class TreeMaker:
    """Makes the rows of one drawing. In each method `levels` is how many levels of rows there may be, -1 for all.

    A block, a named list, a round of a repeat and a head are levels; what runs side by side is none.
    """

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing
        drawn = drawing.outputs_in_series
        # outputs that are read on, by the node that gives them
        self.on_the_way = {o.node: o.name for k, o in enumerate(drawing.outputs) if k not in drawn}
        self.reads: dict[int, list[int]] = {}
        for value, node in drawing.edges:
            self.reads.setdefault(node, []).append(value)

    def net_rows(self, levels: int) -> tuple[TreeRow, ...]:
        """The rows of the trunk, then those of what stands beside it."""
        trunk = self.series(self.drawing.tree, "", levels)
        return (*trunk, *(self.head_row(head, levels) for head in self.drawing.heads))

    def head_row(self, head: DrawnHead, levels: int) -> TreeRow:
        """The row of an auxiliary head, or of an output that stands beside the trunk."""
        kind = "output" if head.weight is None else f"head, weight {head.weight:g}"
        own = [n for item in head.items for n in members(item)]
        what = f"{kind}, reads {self.value_name(head.source)}"
        rows = self.series(head.items, head.path, levels - 1) if levels != 1 else ()
        return TreeRow(head.path, what, self.shape_behind(head.items), self.costs(own), rows, is_side=True)

    def series(self, items: Sequence[Item], scope: str, levels: int) -> tuple[TreeRow, ...]:
        """The rows of a series whose paths begin with `scope`."""
        rows = [self.row(item, scope, levels) for item in items]
        for at, (around, join) in enumerate(pairwise(items)):
            if isinstance(around, ParallelItem) and not isinstance(join, OutputItem):
                taken, given = self.values_read(join), leaving_values(items[: at + 1])
                in_order = [*given, *(value for value in taken if value not in given)] == taken
                is_sign = len(self.titles([next(members(join))])) == 1  # a sum, whose order means nothing
                if (at and around.skip) or not (is_sign or in_order or len(around.branches) == 1):
                    rows[at + 1] = self.read_from(rows[at + 1], taken)
        return tuple(rows)

    def values_read(self, item: Item) -> list[int]:
        """The values from outside that an item reads, in the order in which it takes them."""
        own = dict.fromkeys(members(item))
        return [*dict.fromkeys(value for node in own for value in self.reads.get(node, ()) if value not in own)]

    def read_from(self, row: TreeRow, values: Iterable[int]) -> TreeRow:
        """The row that says what it reads."""
        return row._replace(what=f"{row.what} ← {', '.join(map(self.value_name, values))}")

    def row(self, item: Item, scope: str, levels: int) -> TreeRow:
        """The row of an item."""
        drawing, inner = self.drawing, levels - 1
        shape, costs = self.shape_behind([item]), self.costs(members(item))
        match item:
            case InputItem(k):
                return TreeRow(drawing.inputs[k].name, "input", drawing.inputs[k].shape)
            case OutputItem(k):
                return TreeRow(drawing.outputs[k].name, "output", drawing.outputs[k].shape)
            case OpItem(node):
                return TreeRow(below(drawing.nodes[node].path, scope), self.titles([node]), shape, costs)
            case CardItem(nodes, main, id):
                return TreeRow(below(id or drawing.nodes[main].path, scope), self.titles(nodes), shape, costs)
            case GroupItem(id, block, inside):
                rows = self.series(inside, id, inner) if inner else ()
                return TreeRow(below(id, scope), block, shape, costs, rows)
            case RepeatItem(rounds):
                first, last = (self.row(each, scope, levels) for each in (rounds[0], rounds[-1]))
                sizes = {(self.costs(members(each)), self.shape_behind([each])) for each in rounds}
                note = ", below the first round" * (len(sizes) > 1 and bool(first.rows))
                name = f"{first.name} … {last.name}"
                return TreeRow(name, f"{first.what}{note}".lstrip(", "), shape, costs, first.rows, len(rounds))
            case ParallelItem(branches, skip):
                return self.parallel_row(branches, skip, scope, costs, levels)
            case ArcsItem(inside, edges):
                rows = self.arc_rows(inside, edges, scope, levels)
                return TreeRow("", f"{count_of(len(inside), 'step')}, wired across", shape, costs, rows)
        raise AssertionError(item)

    def parallel_row(
        self, branches: Sequence[Sequence[Item]], skip: bool, scope: str, costs: Costs, levels: int
    ) -> TreeRow:
        """What runs side by side; one branch alone stands beside a skip."""
        if len(branches) == 1:
            rows = self.series(branches[0], scope, levels)
            return TreeRow("", "with a skip around it", self.shape_behind(branches[0]), costs, rows)
        rows = tuple(self.branch_row(branch, scope, levels) for branch in branches)
        rows += (TreeRow("", "skip"),) * skip
        return TreeRow("", f"{len(branches)} branches{' and a skip' * skip}", None, costs, rows)

    def branch_row(self, branch: Sequence[Item], scope: str, levels: int) -> TreeRow:
        """A branch: its one item, or a row of its own over them."""
        if len(branch) == 1:
            return self.row(branch[0], scope, levels)
        own = [n for item in branch for n in members(item)]
        name = shared_scope([self.drawing.nodes[n].path for n in own])
        is_below = len(name) > len(scope)
        rows = self.series(branch, name if is_below else scope, levels)
        return TreeRow(
            below(name, scope) if is_below else "", "branch", self.shape_behind(branch), self.costs(own), rows
        )

    def arc_rows(
        self, items: Sequence[Item], edges: Sequence[tuple[int, int]], scope: str, levels: int
    ) -> tuple[TreeRow, ...]:
        """The rows of items that are no series: each says which of them it reads, unless it is the one before it alone."""
        rows = []
        for k, item in enumerate(items, 1):
            read = [a for a, b in edges if b == k]
            row = self.row(item, scope, levels)
            rows.append(row if read in ([], [k - 1]) else self.read_from(row, self.values_read(item)))
        return tuple(rows)

    def titles(self, nodes: Sequence[int]) -> str:
        """What nodes of one row are, and which of their values are outputs, too."""
        named = [self.on_the_way[n] for n in nodes if n in self.on_the_way]
        titles = " · ".join(self.drawing.nodes[n].title for n in nodes)
        return f"{titles} → {', '.join(named)}" if named else titles

    def shape_behind(self, items: Sequence[Item]) -> Shape | None:
        """The shape of what leaves a series; None where several values leave, or none."""
        leaves = exit_of(items[-1]) if items else None
        return None if leaves is None else self.drawing.shape_of(leaves)

    def value_name(self, value: int | None) -> str:
        """The path of a node, or the name of an input."""
        if value is None:
            return "?"
        return self.drawing.nodes[value].path if value >= 0 else self.drawing.inputs[-1 - value].name

    def costs(self, nodes: Iterable[int]) -> Costs:
        """What nodes cost together."""
        return sum((self.drawing.nodes[n].costs for n in nodes), Costs())


def leaving_values(items: Sequence[Item]) -> list[int | None]:
    """The values that leave a series, as they stand: of branches at its end each one's, then what a skip brings."""
    if not items or not isinstance(items[-1], ParallelItem):
        return [exit_of(items[-1])] if items else []
    given = [value for branch in items[-1].branches for value in leaving_values(branch)]
    return given + (leaving_values(items[:-1]) if items[-1].skip else [])


def below(path: str, scope: str) -> str:
    """A path without the scope that it is in; empty for the scope's own, which a named merge has."""
    return "" if path == scope else path.removeprefix(f"{scope}.") if scope else path


class TreeLine(NamedTuple):
    """A line before it is laid out: the strokes before the row, and the row."""

    strokes: str
    row: TreeRow

    @property
    def name(self) -> str:
        """The name with the number of rounds."""
        times = f"×{self.row.times}" if self.row.times > 1 else ""
        return clean(" ".join(part for part in (self.row.name, times) if part))

    def cells(self) -> list[str]:
        """What stands at the right: shape, parameters and MACs."""
        shape = format_number(self.row.shape) if self.row.shape is not None else ""
        return [shape, *(format_count(n) if n else "" for n in (self.row.costs.params, self.row.costs.macs))]


def tree_text(drawing: Drawing, depth: int | None = None, stream: TextIO | None = None) -> str:
    """The tree of a net as text, `depth` levels of it: what fits the terminal if `stream` is one, and in colour there."""
    paint = Paint(stream)
    lines = [TreeLine("", TreeRow(drawing.name, "", None, drawing.totals)), *tree_lines(net_rows(drawing, depth))]
    cells = [["output", "params", "MACs"], *(line.cells() for line in lines)]
    widths = [max(map(text_width, column)) for column in zip(*cells, strict=True)]
    kept = [0, 1, 2]
    for column in (1, 2):  # a narrow terminal has no room for all
        if paint.width - sum(widths[k] + 2 for k in kept) < LEAST_LABEL:
            kept.remove(column)
    labels = [text_width(f"{line.strokes}{line.name}  {line.row.what}") for line in lines]
    room = max(min(max(labels), paint.width - sum(widths[k] + 2 for k in kept)), 1)
    text = [" " * room + "".join(f"  {align(cells[0][k], widths[k], k)}" for k in kept)]
    for line, row in zip(lines, cells[1:], strict=True):
        right = "".join(f"  {align(row[k], widths[k], k)}" for k in kept)
        text.append(f"{label_text(line, room, paint)}{right}".rstrip())
    return "\n".join(text)


def align(cell: str, width: int, column: int) -> str:
    """A cell in its column: shapes at the left, numbers at the right."""
    space = " " * (width - text_width(cell))
    return cell + space if column == 0 else space + cell


def label_text(line: TreeLine, room: int, paint: Paint) -> str:
    """The strokes, the name and what it is, cut to `room` columns and filled up to them."""
    gap = "  " if line.name and line.row.what else ""
    whole = f"{line.strokes}{line.name}{gap}{clean(line.row.what)}"
    cut = whole if text_width(whole) <= room else cut_end(whole, room - 1) + "…"
    at, end = len(line.strokes), len(line.strokes) + len(line.name)
    parts = (
        (cut[:at], DIM),
        (cut[at:end], YELLOW if line.row.is_side else BOLD),
        (cut[end:], BLUE if line.row.rows else ""),
    )
    return "".join(paint(part, style) if style and part else part for part, style in parts) + " " * (
        room - text_width(cut)
    )


def tree_lines(rows: Sequence[TreeRow], strokes: str = "") -> Iterator[TreeLine]:
    """The lines of rows and of those under them."""
    for at, row in enumerate(rows):
        is_last = at == len(rows) - 1
        yield TreeLine(f"{strokes}{'└─ ' if is_last else '├─ '}", row)
        yield from tree_lines(row.rows, strokes + ("   " if is_last else "│  "))
