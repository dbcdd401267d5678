"""`archc cost`: what a net costs, in all and in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import compiled, format_option, print_json, settings, specs_argument
from .tables import facts, number, size, table

if TYPE_CHECKING:
    from ..compiler.report import Cost


@click.command(epilog="Example: archc cost resnet50 --by block")
@specs_argument
@settings
@click.option("--by", type=click.Choice(["layer", "block", "op"]), help="Also a table of the parts.")
@click.option(
    "--batch",
    type=click.IntRange(1, 2**31 - 1),
    default=1,
    help="Images at once: MACs, activations and memory are multiplied.",
)
@format_option()
def command(specs: tuple[str, ...], settings: tuple[str, ...], by: str | None, batch: int, form: str) -> None:
    """Count parameters, MACs, activations and memory of specs.

    MACs are those of convolutions and linear layers; 1 MAC is 2 FLOPs.
    """
    from ..compiler.report import cost

    costs = [cost(compiled(spec, settings)[1]) for spec in specs]
    if form == "json":
        documents = [document(each, by, batch) for each in costs]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        print("\n\n".join(text(each, by, batch) for each in costs))


def text(cost: Cost, by: str | None, batch: int) -> str:
    per = "" if batch == 1 else f" for {batch:,} images"
    params = number(cost.params.total)
    if cost.params.without_aux != cost.params.total:
        params += f" ({cost.params.without_aux:,} without the auxiliary heads)"
    told = [
        ("parameters", params),
        ("MACs" + per, f"{cost.macs * batch:,}"),
        ("activations" + per, f"{cost.activations * batch:,}"),
        ("peak activations" + per, f"{size(cost.peak_activation_bytes * batch)} in float32"),
        ("depth", f"{cost.depth:,}"),
        ("receptive field", number(cost.receptive_field)),
        ("minimum input", number(cost.min_input)),
        ("output", ", ".join(f"{name} {number(sizes)}" for name, sizes in cost.outputs.items())),
    ]
    parts = [cost.name, facts(told)]
    if by:
        parts += ["", parts_table(cost, by, batch)]
    return "\n".join(parts)


def parts_table(cost: Cost, by: str, batch: int) -> str:
    from ..compiler.report import summed

    head = [by, "op", "output", "parameters", "MACs", "activations", "source"]
    if by == "op":
        rows = [
            [x.path, f"{x.params:,}", f"{x.macs * batch:,}", f"{x.activations * batch:,}"]
            for x in summed(cost.layers, by)
        ]
        return table(["op", *head[3:6]], rows, "<>>>")
    rows = [
        [
            x.path + " (aux)" * x.aux,
            x.op,
            number(x.output),
            f"{x.params:,}",
            f"{x.macs * batch:,}",
            f"{x.activations * batch:,}",
            x.source,
        ]
        for x in summed(cost.layers, by)
    ]
    return table(head, rows, "<<<>>><")


def document(cost: Cost, by: str | None, batch: int) -> dict[str, Any]:
    from ..compiler.report import summed

    def rows(by: str) -> list[dict[str, Any]]:
        return [
            each._asdict() | {"macs": each.macs * batch, "activations": each.activations * batch}
            for each in summed(cost.layers, by)
        ]

    told: dict[str, Any] = {
        "name": cost.name,
        "params": cost.params._asdict(),
        "macs": cost.macs * batch,
        "activations": cost.activations * batch,
        "peak_activation_bytes": cost.peak_activation_bytes * batch,
        "depth": cost.depth,
        "receptive_field": cost.receptive_field,
        "min_input": cost.min_input,
        "output": cost.outputs,
        "batch": batch,
        "layers": rows("layer"),
    }
    return told | ({by + "s": rows(by)} if by in ("block", "op") else {})
