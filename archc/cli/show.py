"""`archc show`: the graph as text, after any pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..text.layout import fold_line, output_width
from .completion import offer, pass_names
from .options import compile_spec, format_option, limit_option, print_json, set_option, spec_argument

if TYPE_CHECKING:
    from ..compiler.ir.graph import Node
    from ..compiler.limits import Limits


PASSES = "\b\nThe passes, in their order: " + ", ".join(pass_names())


@click.command(epilog=f"{PASSES}\n\nExample: archc show googlenet --after erase-training")
@spec_argument
@set_option
@limit_option
@click.option(
    "--phase",
    type=click.Choice(["inference", "train"]),
    help="Which graph; the training graph as written if nothing is said.",
)
@click.option(
    "--after",
    metavar="PASS",
    help="Stop behind this pass, one of those below.",
    shell_complete=offer(pass_names),
)
@format_option()
def command(
    spec: str, settings: tuple[str, ...], limits: Limits, phase: str | None, after: str | None, form: str
) -> None:
    """Show the graph of a spec as text."""
    _, graph = compile_spec(spec, settings, limits)
    if phase or after is not None:
        from ..compiler.driver import run_passes
        from ..compiler.passes import PassOptions

        graph = run_passes(graph, PassOptions("train" if phase == "train" else "inference"), after)
    if form == "json":
        print_json({"name": graph.name, "text": str(graph), "nodes": [node_json(node) for node in graph.nodes]})
    else:
        width = output_width()
        print(
            "\n".join(part for line in str(graph).splitlines() for part in fold_line(line, width, "      ", cut=False))
        )


def node_json(node: Node) -> dict[str, Any]:
    """A node as `--format json` prints it."""
    return {
        "path": node.path,
        "op": node.op.name,
        "inputs": [value.name for value in node.inputs],
        "output": str(node.output.type),
        "source": node.span.short if node.span else None,
    }
