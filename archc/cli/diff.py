"""`archc diff`: what differs between two nets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from ..compiler.diagnostics import Failure, SpecError
from .completion import complete_setting, complete_spec
from .options import format_option, limit_option, print_answer, print_json, set_option

if TYPE_CHECKING:
    from ..compiler.limits import Limits
    from ..difference import NetDiff, Side

TROUBLE = 2  # with --exit-code: 1 says that the nets differ, and nothing else
EXAMPLES = """\b
Example: archc diff resnet50 resnet101
         archc diff googlenet --set classes=10
         archc diff HEAD~1:net.yaml net.yaml --format markdown
         archc diff net.yaml net.onnx --exit-code"""


@click.command(epilog=EXAMPLES)
@click.argument("a", metavar="A", shell_complete=complete_spec)
@click.argument("b", metavar="[B]", required=False, shell_complete=complete_spec)
@set_option
@click.option("--set-a", "settings_a", multiple=True, metavar="NAME=VALUE", shell_complete=complete_setting,
              help="Override a parameter of A alone; repeatable.")  # fmt: skip
@click.option("--set-b", "settings_b", multiple=True, metavar="NAME=VALUE", shell_complete=complete_setting,
              help="Override a parameter of B alone; repeatable.")  # fmt: skip
@limit_option
@format_option("markdown")
@click.option("--summary", is_flag=True, help="Leave out the lists of steps, in text and markdown.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where they differ; whatever is wrong is 2 or more then.")
@click.option("--quiet", "-q", is_flag=True, help="Print no answer; implies --exit-code.")
def command(
    a: str,
    b: str | None,
    settings: tuple[str, ...],
    settings_a: tuple[str, ...],
    settings_b: tuple[str, ...],
    limits: Limits,
    form: str,
    summary: bool,
    exit_code: bool,
    quiet: bool,
) -> int:
    """Say what differs between two nets: steps, shapes, costs, and whether A's checkpoint fits B.

    A and B are specs, git revisions (REV:path), or models that archc built. Without B, A is compared with itself under --set;
    with B, --set is for both.
    """
    if b is None and not (settings or settings_a or settings_b):
        raise click.UsageError("there is nothing to compare A with; name B, or settings: --set NAME=VALUE")
    if a == b == "-":
        raise click.UsageError("standard input can be read once: name a file for A or B")
    if summary and form == "json":
        raise click.UsageError("--summary is for people, as text or markdown; --format json has all steps")
    own = (settings_a, (*settings, *settings_b)) if b is None else ((*settings, *settings_a), (*settings, *settings_b))
    wants_code = exit_code or quiet
    try:
        diff = open_diff(a, b, own, limits)
        if not quiet:
            with reader_may_leave(sys.stdout):
                print_diff(diff, form, summary)
        return int(wants_code and diff.differs)
    except SpecError as error:
        raise SpecError(error.diagnostics, TROUBLE if wants_code else 1) from None
    except Failure as failure:
        if wants_code and failure.exit_code == 1:
            failure.exit_code = TROUBLE
        raise


def open_diff(a: str, b: str | None, settings: tuple[tuple[str, ...], tuple[str, ...]], limits: Limits) -> NetDiff:
    """Both nets, read in this order; what is read from standard input is read once. Says on standard error what is noteworthy of each."""
    from ..compiler.sources import find_spec
    from ..difference import NetDiff, open_side
    from ..runtime.faults import RuntimeFault

    first = find_spec(a) if a == "-" else a
    try:
        sides = [open_side(first, settings[0], limits), open_side(first if b is None else b, settings[1], limits)]
    except RuntimeFault as fault:
        raise Failure.of(fault) from None
    for side in sides if b is not None else sides[1:]:
        with reader_may_leave(sys.stderr):
            tell_of(side)
    return NetDiff(*sides)


@contextmanager
def reader_may_leave(stream: TextIO) -> Iterator[None]:
    """What is printed to a stream, all of it or as much as somebody reads: the exit code says whether the nets differ all the same."""
    from . import leave_pipe

    try:
        yield
        stream.flush()
    except BrokenPipeError:
        leave_pipe(stream)


def tell_of(side: Side) -> None:
    """Says that a spec is a bundled one, and what its check found that does not keep it from being compared."""
    from .render import format_diagnostics

    if side.checked.bundled:
        print(f"using the bundled {side.checked.bundled}", file=sys.stderr)
    if side.checked.diagnostics:
        print(format_diagnostics(side.checked.diagnostics, sys.stderr), file=sys.stderr)


def print_diff(diff: NetDiff, form: str, summary: bool) -> None:
    """Prints the answer in a format, or a summary of it."""
    if form == "json":
        from ..text.diff_json import diff_json

        print_json(diff_json(diff))
    elif form == "markdown":
        from ..text.diff_markdown import diff_markdown

        print_answer(diff_markdown(diff, summary))
    else:
        from ..text.diff import diff_text

        print_answer(diff_text(diff, sys.stdout, summary))
