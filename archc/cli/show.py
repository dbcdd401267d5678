"""`archc show`: the graph as text, after any pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import compiled, format_option, print_json, settings, spec_argument

if TYPE_CHECKING:
    from ..compiler.ir.graph import Node


@click.command(epilog="Example: archc show googlenet --after erase-training")
@spec_argument
@settings
@click.option(
    "--phase",
    type=click.Choice(["inference", "train"]),
    help="Which graph; the training graph as written if nothing is said.",
)
@click.option("--after", metavar="PASS", help="Stop behind this pass.")
@format_option()
def command(spec: str, settings: tuple[str, ...], phase: str | None, after: str | None, form: str) -> None:
    """Show the graph of a spec as text."""
    _, graph = compiled(spec, settings)
    if phase or after:
        from ..compiler.driver import run_passes
        from ..compiler.passes import Settings

        graph = run_passes(graph, Settings("train" if phase == "train" else "inference"), after)
    if form == "json":
        print_json({"name": graph.name, "text": str(graph), "nodes": [node_facts(node) for node in graph.nodes]})
    else:
        print(graph, end="")


def node_facts(node: Node) -> dict[str, Any]:
    return {
        "path": node.path,
        "op": node.op.name,
        "inputs": [value.name for value in node.inputs],
        "output": str(node.output.type),
        "source": node.span.short if node.span else None,
    }
