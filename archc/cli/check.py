"""`archc check`: all diagnostics of specs, and each expectation proved or refuted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from .options import checked, format_option, print_json, settings, specs_argument
from .render import clean, counted, diagnostics
from .tables import plain

if TYPE_CHECKING:
    from ..compiler.analysis.expectations import Expectation
    from ..compiler.driver import Compilation


@click.command(epilog="Example: archc check net.yaml --set classes=10")
@specs_argument
@settings
@format_option("sarif", "github")
def command(specs: tuple[str, ...], settings: tuple[str, ...], form: str) -> int:
    """Check specs and prove or refute what they expect."""
    results = [(spec, checked(spec, settings)) for spec in specs]
    if form == "text":
        for spec, result in results:
            print_result(spec, result)
    elif form == "json":
        print_json(document(results))
    else:
        from .formats import github, sarif

        found = [d for _, result in results for d in result.diagnostics]
        if form == "sarif":
            print_json(sarif(found))
        else:
            print("\n".join(github(found)), end="\n" if found else "")
    return int(any(result.failed for _, result in results))


def print_result(spec: str, result: Compilation) -> None:
    """Prints what people read of one spec: its diagnostics, its expectations, and the verdict last."""
    if result.diagnostics:
        print(diagnostics(result.diagnostics, sys.stdout), end="\n\n")
    for each in result.expectations:
        if each.holds is not False:
            print(expectation_line(each))
    if result.open_params and not result.failed:
        names = ", ".join(f"`{name}`" for name in result.open_params)
        print(f"  an abstract family; open: {names}; give them with --set or `extends`")
    print(f"{clean(spec)}: {verdict(result)}")


def expectation_line(each: Expectation) -> str:
    if each.holds is None:
        return f"  not applicable with --set  {each.name} {plain(each.expected)} (found {plain(each.found)})"
    bound = "" if each.expected == each.found else f"  ({plain(each.expected)})"
    return f"  ok  {each.name} {plain(each.found)}{bound}"


def verdict(result: Compilation) -> str:
    """`ok`, or how many errors and warnings; with the number of expectations that were proved."""
    errors = sum(d.severity == "error" for d in result.diagnostics)
    warnings = len(result.diagnostics) - errors
    parts = [counted(n, noun) for n, noun in ((errors, "error"), (warnings, "warning")) if n]
    proved = sum(e.holds is True for e in result.expectations)
    if not errors:
        parts = ["ok", *([f"{counted(proved, 'expectation')} proved"] if proved else []), *parts]
    return ", ".join(parts)


def document(results: list[tuple[str, Compilation]]) -> dict[str, Any]:
    """What `--format json` prints: all specs in one document."""
    from .formats import as_json

    found = [d for _, result in results for d in result.diagnostics]
    errors = sum(d.severity == "error" for d in found)
    specs = [
        {
            "spec": spec,
            "name": result.name,
            "ok": not result.failed,
            "diagnostics": [as_json(d) for d in result.diagnostics],
            "expectations": [
                {"name": e.name, "expected": e.expected, "found": e.found, "holds": e.holds}
                for e in result.expectations
            ],
            "open_params": list(result.open_params),
        }
        for spec, result in results
    ]
    return {"ok": not errors, "errors": errors, "warnings": len(found) - errors, "specs": specs}
