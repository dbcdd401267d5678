"""`archc explain`: a step of a net from all sides, or the page of a diagnostic's code."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from ..compiler.diagnostics import clean
from ..compiler.sources import is_model
from ..text.layout import fold_line, output_width
from .completion import complete_explained, complete_spec_path
from .options import check_spec, checked_graph, format_option, limit_option, print_answer, print_json, set_option

if TYPE_CHECKING:
    from ..compiler.driver import Compilation
    from ..compiler.ir.graph import Graph
    from ..compiler.limits import Limits

LINE = re.compile(r"(?P<spec>.+?):(?P<line>[0-9]{1,7})(?::[0-9]{0,7})?")
EXAMPLES = """\b
Example: archc explain resnet50 layer1.0.conv2   a step, or all steps below it
         archc explain net.yaml:21               what a line of a spec makes
         archc explain resnet50 resnet.yaml:48   a line of a file it extends
         archc explain net.onnx stage1.down      a step of a model of archc's
         archc explain shape-mismatch            the code of a diagnostic
"""


@click.command(epilog=EXAMPLES)
@click.argument("what", metavar="CODE|SPEC|SPEC:LINE|MODEL", shell_complete=complete_explained)
@click.argument("step", metavar="[PATH|LINE|FILE:LINE]", required=False, shell_complete=complete_spec_path)
@set_option
@limit_option
@format_option()
def command(what: str, step: str | None, settings: tuple[str, ...], limits: Limits, form: str) -> None:
    """Explain a step of a spec, or of a model that archc built, from all sides, or the code of a diagnostic.

    Of a step: where it is written and what it was expanded from, its shapes and costs with their arithmetic, its receptive field, its
    PyTorch module and tensors, the ONNX nodes that it becomes, and what each pass does to it. A block or a repeat is summed up.
    """
    place = LINE.fullmatch(what) if step is None else None
    if place:
        what, step = place["spec"], f":{place['line']}"
    if step is None and not is_model(what):
        explain_code(what, form)
    else:
        explain_step(what, step, settings, limits, form)


def explain_step(spec: str, step: str | None, settings: tuple[str, ...], limits: Limits, form: str) -> None:
    """Prints the explanation of a step, also where the spec is wrong elsewhere. Raises UsageError for a model of archc's without a step."""
    from ..explanations import explain_known_steps, explain_steps
    from ..text.explanations import explanation_text

    checked, graph = (
        compile_model(spec, settings, limits) if is_model(spec) else (check_spec(spec, settings, limits), None)
    )
    if step is None:
        raise click.UsageError(
            f"`{spec}` is a model of {checked.name}; say which step of it: archc explain {spec} PATH"
        )
    if graph is None and checked.refused:
        found = explain_known_steps(checked, step)
        print(f"note: {describe_errors(spec, checked)}", file=sys.stderr)
    else:
        found = explain_steps(checked, graph or checked_graph(checked), step)
    if form == "json":
        print_json(found.to_json())
    else:
        print_answer(explanation_text(found, sys.stdout))


def describe_errors(spec: str, checked: Compilation) -> str:
    """A line on the errors of a spec of which a step is explained all the same."""
    errors = [each for each in checked.diagnostics if each.severity == "error"]
    count = "an error elsewhere," if len(errors) == 1 else f"{len(errors)} errors elsewhere, the first is"
    place = f" ({clean(errors[0].span.place)})" if errors[0].span else ""
    return f"the spec has {count} {errors[0].code}{place}: `archc check {clean(spec)}` tells more"


def compile_model(path: str, settings: tuple[str, ...], limits: Limits) -> tuple[Compilation, Graph]:
    """The checked spec inside a model of archc's and its training graph. Says on standard error where it gives another net today."""
    from ..explanations import open_explained_model
    from .render import format_diagnostics

    side = open_explained_model(path, settings, limits)
    if side.checked.diagnostics:
        print(format_diagnostics(side.checked.diagnostics, sys.stderr), file=sys.stderr)
    if not side.is_current:
        print(
            f"note: archc {side.built_by} built this model; today its spec gives another graph, which is explained",
            file=sys.stderr,
        )
    return side.checked, side.graph


def explain_code(code: str, form: str) -> None:
    """Prints the page of a diagnostic's code. Raises UsageError for a spec without a step, Failure for what is neither."""
    from ..catalog import diagnostic_pages, read_diagnostic_page
    from ..compiler.sources import names_spec

    if code not in diagnostic_pages() and names_spec(code):
        raise click.UsageError(
            f"`{code}` is a spec; say which step of it, or which line: archc explain {code} PATH; "
            f"`archc show {code}` tells the paths"
        )
    text = read_diagnostic_page(code)
    if form == "json":
        print_json({"code": code, "page": text})
    else:
        print_answer(fold_page(text.rstrip("\n"), output_width()))


def fold_page(page: str, width: int) -> str:
    """A page whose sentences are folded to `width` columns; what is fenced, as code, stays as it is."""
    parts = re.split(r"(^```.*?^```$)", page, flags=re.M | re.S)
    for at in range(0, len(parts), 2):
        parts[at] = "\n".join(folded for line in parts[at].split("\n") for folded in fold_line(line, width))
    return "".join(parts)
