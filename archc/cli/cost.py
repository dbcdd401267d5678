"""`archc cost`: what a net costs, in all and in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .options import compiled, format_option, print_json, settings, specs_argument
from .tables import facts, number, size, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..compiler.analysis.cost import Cost, Layer
    from ..compiler.ir.graph import Graph


@click.command(epilog="Example: archc cost resnet50 --by block --share")
@specs_argument
@settings
@click.option("--by", type=click.Choice(["layer", "block", "op"]), help="Also a table of the parts.")
@click.option("--share", is_flag=True, help="In the table, each part's share in percent; the input is a part, too.")
@click.option("--weights-only", is_flag=True, help="Count no biases and no normalisation, as many papers do.")
@click.option(
    "--batch",
    type=click.IntRange(1, 2**31 - 1),
    default=1,
    help="Images at once: MACs, activations and memory are multiplied.",
)
@format_option()
def command(
    specs: tuple[str, ...],
    settings: tuple[str, ...],
    by: str | None,
    share: bool,
    weights_only: bool,
    batch: int,
    form: str,
) -> None:
    """Count parameters, MACs, activations and memory of specs.

    MACs are those of convolutions and linear layers; 1 MAC is 2 FLOPs. Activations are the outputs of convolutions, pools
    and linear layers.
    """
    if share and not by:
        raise click.UsageError("--share is about a table; say which: --by layer, block or op")
    counted = [count(compiled(spec, settings)[1], weights_only, batch) for spec in specs]
    if form == "json":
        documents = [document(each, by) for each in counted]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        print("\n\n".join(text(each, by, share) for each in counted))


BYTES = 4  # of a float32


class Counted(NamedTuple):
    """A net's costs for so many images; its layers' parameters are all, or the weights alone."""

    cost: Cost
    layers: tuple[Layer, ...]
    what: str
    batch: int

    @property
    def params(self) -> int:
        return sum(x.params for x in self.layers)

    @property
    def params_without_aux(self) -> int:
        return sum(x.params for x in self.layers if not x.aux)

    @property
    def activations(self) -> int:
        return self.cost.activations * self.batch

    @property
    def with_input(self) -> int:
        return (self.cost.activations + self.cost.input_elements) * self.batch


def count(graph: Graph, weights_only: bool, batch: int) -> Counted:
    from ..compiler.analysis.cost import cost

    told = cost(graph)
    layers = tuple(
        x._replace(
            params=told.weights.get(x.path, 0) if weights_only else x.params,
            macs=x.macs * batch,
            activations=x.activations * batch,
        )
        for x in told.layers
    )
    return Counted(told, layers, "weights" if weights_only else "parameters", batch)


def text(counted: Counted, by: str | None, share: bool) -> str:
    cost, batch = counted.cost, counted.batch
    per = "" if batch == 1 else f" for {batch:,} images"
    params = number(counted.params)
    if counted.params_without_aux != counted.params:
        params += f" ({counted.params_without_aux:,} without the auxiliary heads)"
    told = [
        (counted.what, params),
        ("weight layers", weight_layers(cost.weight_layers)),
        ("MACs" + per, f"{cost.macs * batch:,}"),
        ("activations" + per, f"{counted.activations:,}"),
        ("  with the input", f"{counted.with_input:,}, {counted.with_input * BYTES:,} bytes in float32"),
        ("peak activations" + per, f"{size(cost.peak_activation_bytes * batch)} in float32"),
        ("depth", f"{cost.depth:,}"),
        ("receptive field", number(cost.receptive_field)),
        ("minimum input", number(cost.min_input)),
        ("output", ", ".join(f"{name} {number(sizes)}" for name, sizes in cost.outputs.items())),
    ]
    parts = [cost.name, facts(told)]
    if by:
        parts += ["", shares_table(counted, by) if share else parts_table(counted, by)]
    return "\n".join(parts)


def weight_layers(kinds: Mapping[str, int]) -> str:
    """How many convolutions and linear layers there are, in all and by kind."""
    own = {kind: n for kind, n in kinds.items() if kind != "aux"}
    of = ", ".join(f"{n:,} {kind}" for kind, n in own.items())
    heads = f", and {kinds['aux']} in the auxiliary heads" if "aux" in kinds else ""
    return f"{sum(own.values()):,} ({of}){heads}" if own else "0"


def parts_table(counted: Counted, by: str) -> str:
    from ..compiler.analysis.cost import sum_layers

    head = [by, "op", "output", counted.what, "MACs", "activations", "source"]
    rows = [
        [
            x.path + " (aux)" * x.aux,
            x.op,
            number(x.output),
            f"{x.params:,}",
            f"{x.macs:,}",
            f"{x.activations:,}",
            x.source,
        ]
        for x in sum_layers(counted.layers, by)
    ]
    if by == "op":  # the same op gives many outputs, at many places
        return table([by, *head[3:6]], [[row[0], *row[3:6]] for row in rows], "<>>>")
    return table(head, rows, "<<<>>><")


def shares_table(counted: Counted, by: str) -> str:
    from ..compiler.analysis.cost import sum_layers

    def percent(part: int, whole: int) -> str:
        return f"{100 * part / whole:.2f} %" if part else ""

    rows = [["input", "", "", percent(counted.cost.input_elements * counted.batch, counted.with_input)]]
    for x in sum_layers(counted.layers, by):
        macs = percent(x.macs, counted.cost.macs * counted.batch)
        rows.append([x.path, percent(x.params, counted.params), macs, percent(x.activations, counted.with_input)])
    return table([by, counted.what, "MACs", "activations"], [row for row in rows if any(row[1:])], "<>>>")


def document(counted: Counted, by: str | None) -> dict[str, Any]:
    from ..compiler.analysis.cost import sum_layers

    cost = counted.cost
    told: dict[str, Any] = {
        "name": cost.name,
        "params": {"total": counted.params, "without_aux": counted.params_without_aux},
        "weight_layers": cost.weight_layers,
        "macs": cost.macs * counted.batch,
        "activations": counted.activations,
        "activations_with_input": counted.with_input,
        "peak_activation_bytes": cost.peak_activation_bytes * counted.batch,
        "depth": cost.depth,
        "receptive_field": cost.receptive_field,
        "min_input": cost.min_input,
        "output": cost.outputs,
        "batch": counted.batch,
        "layers": [x._asdict() for x in counted.layers],
    }
    parts = [x._asdict() for x in sum_layers(counted.layers, by)] if by in ("block", "op") else []
    return told | ({f"{by}s": parts} if parts else {})
