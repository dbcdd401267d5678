"""Options that several commands have, and how a command checks its spec and prints JSON."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from ..compiler.limits import Limits, read_limits

# commands have these from here, beside their options
from .answer import as_json as as_json
from .answer import print_answer as print_answer
from .answer import print_json as print_json
from .completion import complete_setting, complete_spec

if TYPE_CHECKING:
    from ..compiler.driver import Compilation
    from ..compiler.ir.graph import Graph
    from ..compiler.sources import SpecText

_F = TypeVar("_F", bound=Callable[..., Any])
LONGEST_NUMBER = 1000  # characters; Python converts no integer of over 4300 digits


def set_option(command: _F) -> _F:
    """The option `--set NAME=VALUE`, as the argument `settings`."""
    text = "Override a parameter of the spec; repeatable."
    return click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", help=text, shell_complete=complete_setting
    )(command)


def limit_option(command: _F) -> _F:
    """The option `--limit NAME=N`, as the argument `limits`, which is a Limits."""

    def read(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Limits:
        return read_limits(values)

    text = f"Raise a limit of the check ({', '.join(Limits._fields)}); repeatable."
    return click.option("--limit", "limits", multiple=True, metavar="NAME=N", callback=read, help=text)(command)


def format_option(*more: str) -> Callable[[_F], _F]:
    """The option `--format`, text, json or one of `more`, as the argument `form`."""
    choices = click.Choice(["text", "json", *more])
    return click.option(
        "--format", "form", type=choices, default="text", show_default=True, help="How to print the answer."
    )


spec_argument = click.argument("spec", shell_complete=complete_spec)
specs_argument = click.argument("specs", metavar="SPEC...", nargs=-1, required=True, shell_complete=complete_spec)


def refuse_two_answers(output: str | None, form: str) -> None:
    """Raises a UsageError where `-o` and `--format json` both want standard output."""
    if form == "json" and writes_to_stdout(output):
        raise click.UsageError(f"`-o {output}` and `--format json` both write to standard output; give -o a path")


def output_path(output: str) -> Path:
    """The path that `-o` means; `-` is standard output. Raises Failure `output-is-folder` for one that ends as only a folder's does."""
    from ..compiler.destinations import file_path

    return file_path("/dev/stdout" if output == "-" else output)


def writes_to_stdout(output: str | None) -> bool:
    """Whether `-o` puts a file on standard output, so that nothing else may stand there."""
    from ..compiler.destinations import is_standard_output

    return output is not None and is_standard_output(output_path(output))


def text_stream(output: str | None) -> TextIO:
    """Where a command prints what it says of its output file: standard output, unless the file goes there."""
    return sys.stderr if writes_to_stdout(output) else sys.stdout


def check_spec(spec: str | SpecText, settings: tuple[str, ...], limits: Limits) -> Compilation:
    """Checks a spec. Says on standard error if it is a bundled one, because a file was perhaps meant."""
    from ..compiler.driver import check

    result = check(spec, settings, limits=limits)
    gc.freeze()  # what a check found is kept to the end of the command: no collection need look through it
    if result.bundled:
        print(f"using the bundled {result.bundled}", file=sys.stderr)
    return result


def compile_spec(spec: str | SpecText, settings: tuple[str, ...], limits: Limits) -> tuple[Compilation, Graph]:
    """The checked spec and its training graph. Raises SpecError where the spec has errors; warnings go to standard error."""
    return look_at_spec(spec, settings, limits, refuted_too=False)


def look_at_spec(
    spec: str | SpecText, settings: tuple[str, ...], limits: Limits, refuted_too: bool = True
) -> tuple[Compilation, Graph]:
    """The same for a command that builds nothing: with `refuted_too` an expectation that does not hold is told as warnings are, and keeps
    no answer back. Raises SpecError for any other error."""
    result = check_spec(spec, settings, limits)
    return result, checked_graph(result, refuted_too)


def checked_graph(result: Compilation, refuted_too: bool = True) -> Graph:
    """The training graph of a check that look_at_spec's rules let pass; its warnings go to standard error. Raises SpecError."""
    from ..compiler.diagnostics import SpecError
    from ..net import graph_of
    from .render import format_diagnostics

    if result.refused if refuted_too else result.failed:
        raise SpecError(result.diagnostics)
    if result.diagnostics:
        print(format_diagnostics(result.diagnostics, sys.stderr), file=sys.stderr)
    return graph_of(result)


def refuse_unusual_digits(kind: click.ParamType[Any], value: Any, param: click.Parameter | None, ctx: click.Context | None) -> None:  # fmt: skip
    """Raises BadParameter for a number that Python's int() and float() read, and few people: `1_0`, the digits of other scripts, very many."""
    text = str(value)
    if "_" in text or not text.isascii() or len(text) > LONGEST_NUMBER:
        kind.fail(f"`{text[:40]}` is no number as archc reads it: the digits 0 to 9, and not too many", param, ctx)


class Whole(click.types.IntParamType):
    """An integer of any size."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        refuse_unusual_digits(self, value, param, ctx)
        return super().convert(value, param, ctx)


class Count(Whole, click.IntRange):
    """An integer within limits, which the help tells."""

    name = "integer"


class Number(click.types.FloatParamType):
    """A floating-point number. Who asks for it checks its range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        refuse_unusual_digits(self, value, param, ctx)
        return super().convert(value, param, ctx)


class Positive(click.ParamType[float]):
    """A number over 0 that is finite, and at most `highest`."""

    name = "float"

    def __init__(self, highest: float = sys.float_info.max) -> None:
        self.highest = highest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number. Raises BadParameter, which names the range, for anything else."""
        refuse_unusual_digits(self, value, param, ctx)
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number <= self.highest:
            self.fail(
                f"`{str(value)[:40]}` is no number over 0"
                + (f" and up to {self.highest:g}" if self.highest < 1e300 else ""),
                param,
                ctx,
            )
        return number


class Batch(click.ParamType[int | None]):
    """An integer, or `dynamic`, which becomes None. BuildOptions checks the integer's range."""

    name = "dynamic|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or value == "dynamic":
            return None
        if not re.fullmatch(r"-?[0-9]{1,20}", str(value)):
            self.fail(f"`{value}` is neither `dynamic` nor a number of at least 1", param, ctx)
        return int(value)
