"""Options that several commands share, and what every command does with a spec."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..compiler.driver import Compilation
    from ..compiler.ir.graph import Graph

_F = TypeVar("_F", bound=Callable[..., Any])


def settings(command: _F) -> _F:
    text = "Override a parameter of the spec; repeatable."
    return click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help=text)(command)


def format_option(*more: str) -> Callable[[_F], _F]:
    choices = click.Choice(["text", "json", *more])
    return click.option(
        "--format", "form", type=choices, default="text", show_default=True, help="How to print the answer."
    )


spec_argument = click.argument("spec")
specs_argument = click.argument("specs", metavar="SPEC...", nargs=-1, required=True)


def checked(spec: str, settings: tuple[str, ...]) -> Compilation:
    """Checks a spec and says so where a bundled one stands for it."""
    from ..compiler.driver import check

    result = check(spec, settings)
    if result.bundled:
        print(f"using the bundled {result.bundled}", file=sys.stderr)
    return result


def compiled(spec: str, settings: tuple[str, ...]) -> tuple[Compilation, Graph]:
    """The checked spec and its training graph; raises SpecError where there is none. Warnings go to standard error."""
    from ..compiler.diagnostics import SpecError
    from ..net import graph_of
    from .render import diagnostics

    result = checked(spec, settings)
    if result.failed:
        raise SpecError(result.diagnostics)
    if result.diagnostics:
        print(diagnostics(result.diagnostics, sys.stderr), file=sys.stderr)
    return result, graph_of(result)


class Batch(click.ParamType[int | None]):
    """An integer, or `dynamic` for None; whether there can be so many is for BuildOptions to say."""

    name = "dynamic|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or value == "dynamic":
            return None
        if not re.fullmatch(r"-?[0-9]{1,20}", str(value)):
            self.fail(f"`{value}` is neither `dynamic` nor a number of at least 1", param, ctx)
        return int(value)


def print_json(document: object) -> None:
    """The one document that a command prints; pure ASCII, so that no terminal is upset by what a spec holds."""
    import json

    print(json.dumps(finite(document), indent=2))


def finite(value: Any) -> Any:
    """JSON knows no infinity and no NaN; they are told as text."""
    if isinstance(value, float) and value - value != 0:
        return str(value)
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value
