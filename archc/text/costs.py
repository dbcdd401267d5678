"""A net's costs as people read them: one rendering for `archc cost`, `print(net.cost())` and notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..compiler.analysis.cost import ELEMENT_BYTES, Cost, Layer
from ..compiler.diagnostics import clean
from .tables import format_bytes, format_number, format_pairs

if TYPE_CHECKING:
    from ..compiler.analysis.depth import PathDepths
    from ..compiler.analysis.inference_memory import Peak
    from ..compiler.analysis.input_limits import InputLimits
    from ..compiler.analysis.parts import By
    from ..compiler.analysis.receptive_field import ReceptiveField
    from .cost_details import Training
    from .cost_tables import CostTable
    from .rooflines import CardReport

PRECISION_NAMES = {"fp32": "float32", "tf32": "float32", "fp16": "float16", "int8": "int8"}


class NetCost(Cost):
    """What `Net.cost()` gives: a Cost that prints as `archc cost` does, and as a table in a notebook."""

    def __str__(self) -> str:
        return cost_text(report_costs(self))

    def _repr_html_(self) -> str:
        return html_table(self.name, cost_rows(report_costs(self)))

    def by(self, by: By, depth: int = 1, *, weights_only: bool = False, batch: int = 1) -> CostTable:
        """The costs of each `layer`, `block` or `op`, as `archc cost --by` has them: a sequence of rows that prints as a table.

        `depth` is how many words of the paths name a block. Raises Failure `usage` for another `by`.
        """
        from .cost_tables import CostTable

        return CostTable(report_costs(self, weights_only, batch), by, depth)


class CostReport(NamedTuple):
    """A net's costs for `batch` images. The layers' parameters are all, or the weights alone, as `counted` says in a word.

    `precision` is what bytes are told for; `label` is what the net is called beside others.
    """

    cost: Cost
    weights_only: bool
    batch: int
    precision: str = "fp32"
    label: str = ""

    @property
    def counted(self) -> str:
        return "weights" if self.weights_only else "parameters"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The costs of each layer."""
        if not self.weights_only and self.batch == 1:
            return self.cost.layers
        return tuple(
            x._replace(
                params=self.cost.weights.get(x.path, 0) if self.weights_only else x.params,
                macs=x.macs * self.batch,
                activations=x.activations * self.batch,
            )
            for x in self.cost.layers
        )

    @property
    def element_bytes(self) -> int:
        return ELEMENT_BYTES[self.precision]

    @property
    def peak_bytes(self) -> int:
        """The most bytes of activations that are alive at once."""
        return self.cost.peak_activation_bytes * self.batch * self.element_bytes // ELEMENT_BYTES["fp32"]

    @property
    def params(self) -> int:
        return sum(self.cost.weights.values()) if self.weights_only else self.cost.params.total

    @property
    def params_without_aux(self) -> int:
        return sum(x.params for x in self.layers if not x.aux) if self.weights_only else self.cost.params.without_aux

    @property
    def activations(self) -> int:
        return self.cost.activations * self.batch

    @property
    def with_input(self) -> int:
        """Activations, and the elements of the input."""
        return (self.cost.activations + self.cost.input_elements) * self.batch


class CostDetails(NamedTuple):
    """What was asked for; the rest is None. `peaks` are those of a run, without and with results written over what they are made of,
    in bytes of float32."""

    peaks: tuple[Peak, Peak] | None = None
    training: Training | None = None
    sizes: InputLimits | None = None
    paths: PathDepths | None = None


class NetReport(NamedTuple):
    """A net as it was asked for: its costs, what was asked for beside them, what it takes on cards, and its receptive fields by path."""

    spec: str
    report: CostReport
    details: CostDetails
    cards: Sequence[CardReport]
    fields: Mapping[str, ReceptiveField]


def report_costs(
    costs: Cost, weights_only: bool = False, batch: int = 1, precision: str = "fp32", label: str = ""
) -> CostReport:
    """The costs of `batch` images; `weights_only` leaves out biases and normalisation."""
    return CostReport(costs, weights_only, batch, precision, label or costs.name)


def cost_text(report: CostReport, more: Sequence[tuple[str, str]] = ()) -> str:
    """The net's name, and its numbers in two columns; `more` are rows below these."""
    return f"{clean(report.label)}\n{format_pairs([*cost_rows(report), *more])}"


def cost_rows(report: CostReport) -> list[tuple[str, str]]:
    """The net's numbers by what they are called; a row that belongs to the one above it is indented."""
    cost, batch = report.cost, report.batch
    per = "" if batch == 1 else f" for {batch:,} images"
    number = PRECISION_NAMES[report.precision]
    params = format_number(report.params)
    if report.params_without_aux != report.params:
        params += f" ({report.params_without_aux:,} without the auxiliary heads)"
    return [
        (report.counted, params),
        ("weight layers", describe_weight_layers(cost.weight_layers)),
        ("MACs" + per, f"{cost.macs * batch:,}"),
        ("activations" + per, f"{report.activations:,}"),
        ("  with the input", f"{report.with_input:,}, {report.with_input * report.element_bytes:,} bytes in {number}"),
        ("peak activations" + per, f"{format_bytes(report.peak_bytes)} in {number}"),
        ("depth", f"{cost.depth:,}"),
        ("receptive field", format_number(cost.receptive_field)),
        ("minimum input", format_number(cost.min_input)),
        ("output", describe_sizes(cost.outputs)),
    ]


def count_layers(kinds: Mapping[str, int]) -> int:
    """How many convolutions and linear layers there are, without those of auxiliary heads."""
    return sum(n for kind, n in kinds.items() if kind != "aux")


def describe_weight_layers(kinds: Mapping[str, int]) -> str:
    """How many convolutions and linear layers there are, in all and by kind."""
    own = {kind: n for kind, n in kinds.items() if kind != "aux"}
    of = ", ".join(f"{n:,} {kind}" for kind, n in own.items())
    heads = f", and {kinds['aux']} in the auxiliary heads" if "aux" in kinds else ""
    return f"{sum(own.values()):,} ({of}){heads}" if own else "0"


def describe_sizes(values: Mapping[str, tuple[int, ...]]) -> str:
    """Inputs or outputs by name with their sizes: `features 512×1×1, logits 1000`."""
    return ", ".join(describe_size(name, sizes) for name, sizes in values.items())


def describe_size(name: str, sizes: tuple[int, ...]) -> str:
    """One of them. The end of a graph is called `logits` where its spec says nothing; of a map, which holds none, only the sizes are told."""
    is_map = any(side != 1 for side in sizes[1:])
    return format_number(sizes) if name == "logits" and is_map else f"{name} {format_number(sizes)}"


def html_table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """Rows of two columns under a title, for a notebook. An indented name stays so."""
    from html import escape

    style = '<td style="text-align: left">'
    lines = [
        f"<tr>{style}{escape(name).replace('  ', '&emsp;')}</td>{style}{escape(value)}</td></tr>"
        for name, value in rows
    ]
    return f"<table><caption>{escape(title)}</caption><tbody>{''.join(lines)}</tbody></table>"
