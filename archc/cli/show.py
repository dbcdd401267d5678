"""`archc show`: the graph as text or as a tree, after any pass, or the parameters."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ..text.layout import fold_line, output_width
from .completion import offer, pass_names
from .options import (
    Count,
    check_spec,
    format_option,
    limit_option,
    look_at_spec,
    print_answer,
    print_json,
    set_option,
    spec_argument,
)

if TYPE_CHECKING:
    from ..compiler.driver import Compilation
    from ..compiler.ir.graph import Graph, Node
    from ..compiler.limits import Limits


PASSES = "\b\nThe passes, in their order:\n  " + ", ".join(pass_names())


@click.command(
    epilog=f"{PASSES}\n\nExample: archc show googlenet --after erase-training; archc show resnet50 --tree; archc show resnet50 --params"
)
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
@click.option("--tree", is_flag=True, help="As a tree: blocks as branches, equal rounds as one with ×n, with costs.")
@click.option(
    "--depth", type=Count(1, 1000), help="How many levels of the tree; all if nothing is said. It means --tree."
)
@click.option(
    "--params",
    is_flag=True,
    help="The spec's parameters instead, which --set changes: types, values, and where they are written.",
)
@format_option()
def command(
    spec: str,
    settings: tuple[str, ...],
    limits: Limits,
    phase: str | None,
    after: str | None,
    tree: bool,
    depth: int | None,
    params: bool,
    form: str,
) -> None:
    """Show the graph of a spec as text, or as a tree; or its parameters.

    In a tree, a repeat's costs are those of all its rounds, and the rows under it are one round, the first where they differ. What stands beside the trunk, as
    auxiliary heads do, comes last, and its costs are not in the first line.
    """
    if params:
        if phase or after is not None or tree or depth:
            raise click.UsageError(
                "--params lists parameters, and no graph: leave out --phase, --after, --tree and --depth"
            )
        print_parameters(spec, settings, limits, form)
        return
    checked, graph = look_at_spec(spec, settings, limits)
    if phase or after is not None:
        from ..compiler.driver import run_passes
        from ..compiler.passes import PassOptions

        graph = run_passes(graph, PassOptions("train" if phase == "train" else "inference"), after)
    if tree or depth:
        print_tree(graph, depth, form)
    elif form == "json":
        nodes = [node_json(node) for node in graph.nodes]
        print_json({"name": graph.name, "text": str(graph), "nodes": nodes, "params": parameters_json(checked)})
    else:
        width = output_width()
        print_answer(
            "\n".join(part for line in str(graph).splitlines() for part in fold_line(line, width, "      ", cut=False))
        )


def print_parameters(spec: str, settings: tuple[str, ...], limits: Limits, form: str) -> None:
    """Prints the parameters of a spec, of a family too, whose params have no value yet. Raises SpecError for a spec with errors."""
    from ..compiler.diagnostics import SpecError
    from ..parameters import spec_parameters
    from ..text.parameters import parameters_text

    checked = check_spec(spec, settings, limits)
    if checked.refused:
        raise SpecError(checked.diagnostics)
    if form == "json":
        print_json({"name": checked.name, "params": parameters_json(checked)})
    else:
        print_answer(parameters_text(checked.name, spec_parameters(checked)))


def parameters_json(checked: Compilation) -> list[dict[str, Any]]:
    """The parameters of a checked spec as `--format json` prints them."""
    from ..parameters import spec_parameters

    return [each.to_json() for each in spec_parameters(checked)]


def print_tree(graph: Graph, depth: int | None, form: str) -> None:
    """Prints a graph as a tree."""
    from ..compiler.view.draw import draw_graph
    from ..text.tree import net_rows, tree_text

    drawing = draw_graph(graph)
    if form == "json":
        print_json({"name": graph.name, "tree": [row.to_json() for row in net_rows(drawing, depth)]})
    else:
        print_answer(tree_text(drawing, depth, sys.stdout))


def node_json(node: Node) -> dict[str, Any]:
    """A node as `--format json` prints it."""
    return {
        "path": node.path,
        "op": node.op.name,
        "inputs": [value.name for value in node.inputs],
        "output": str(node.output.type),
        "source": node.span.short if node.span else None,
    }
