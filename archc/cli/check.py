"""`archc check`: all diagnostics of specs, and whether what they expect holds."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..compiler.diagnostics import clean
from ..text.tables import count_of, format_plain
from .options import (
    check_spec,
    format_option,
    limit_option,
    print_answer,
    print_json,
    set_option,
    specs_argument,
)
from .render import format_diagnostics

if TYPE_CHECKING:
    from ..compiler.analysis.expectations import Expectation
    from ..compiler.driver import Compilation
    from ..compiler.limits import Limits


MAX_OUTPUTS = 20  # named in a line
WORK_TO_FREE = 100_000  # of a check after which its memory is freed before the next one


@click.command(epilog="Example: archc check net.yaml --set classes=10")
@specs_argument
@set_option
@limit_option
@format_option("sarif", "github")
def command(specs: tuple[str, ...], settings: tuple[str, ...], limits: Limits, form: str) -> int:
    """Check specs: mistakes with their lines, and whether what `expect` states of a net holds; or check recipes.

    A recipe, which says how a net is trained, is known by its first key, `recipe`.
    """
    results, code = check_each(specs, settings, limits)
    if form == "text":
        for each in results:
            print_result(each)
    elif form == "json":
        print_json(check_json(results))
    else:
        from .formats import github_annotations, sarif_log

        found = [d for each in results for d in each.result.diagnostics]
        if form == "sarif":
            print_json(sarif_log(found))
        else:
            print_answer("\n".join(github_annotations(found)))
    return code


class Checked(NamedTuple):
    """What the check of a spec found, without its graph and trees, which many large specs would fill the memory with; `facts` are the net's."""

    spec: str
    result: Compilation
    facts: dict[str, Any] | None


def without_graph(spec: str, result: Compilation) -> Checked:
    """What is kept of a check that has ended."""
    document = result.document if result.open_params else None
    kept = result._replace(graph=None, nodes=(), known=None, rejected={}, scopes={}, root=None, document=document)
    return Checked(spec, kept, net_facts(result))


def check_each(specs: tuple[str, ...], settings: tuple[str, ...], limits: Limits) -> tuple[list[Checked], int]:
    """What each spec's check found, and the exit code. Among several, one that is not there does not keep the others' answers back."""
    from ..compiler.diagnostics import Diagnostic, Failure
    from ..compiler.driver import Compilation

    results: list[Checked] = []
    codes = [0]
    for spec in specs:
        try:
            result = check_either(spec, settings, limits)
            codes.append(int(result.failed))
        except Failure as failure:
            if len(specs) == 1 or failure.code != "no-such-spec":
                raise
            result = Compilation(spec, (Diagnostic(failure.code, None, failure.message, help=failure.help),))
            codes.append(failure.exit_code)
        results.append(without_graph(spec, result))
        if len(specs) > 1 and result.work > WORK_TO_FREE:
            del result
            gc.unfreeze()
            gc.collect()
    return results, max(codes)


def check_either(spec: str, settings: tuple[str, ...], limits: Limits) -> Compilation:
    """What the check of a spec found, or of a recipe. Raises Failure (usage) where there is neither."""
    from ..compiler.diagnostics import Failure
    from ..compiler.sources import BUNDLED, find_spec
    from ..training.recipe.find import bundled_recipes, find_recipe, is_recipe

    try:
        text = find_spec(spec)
    except Failure:
        if spec.removeprefix(BUNDLED) not in bundled_recipes():
            raise
        text = find_recipe(spec)
    if not is_recipe(text.data):
        return check_spec(text, settings, limits)
    # late: who checks specs pays no import for recipes
    from ..compiler.driver import Compilation
    from ..training.recipe.read import check_recipe

    found = check_recipe(text, settings, limits=limits)
    return Compilation(found.name, found.diagnostics, sources=found.sources, work=found.work)


def print_result(checked: Checked) -> None:
    """Prints one spec for people: its diagnostics, its expectations, the verdict, and for one that passes the net's facts."""
    spec, result, facts = checked
    if result.diagnostics:
        print(format_diagnostics(result.diagnostics, sys.stdout), end="\n\n")
    for each in result.expectations:
        if each.holds is not False:
            print(expectation_line(each))
    if result.open_params and not result.failed:
        from ..compiler.driver import explain_open_params

        notes = [each._replace(severity="note") for each in explain_open_params(result)]
        print(format_diagnostics(notes, sys.stdout), end="\n\n")
    print(f"{clean(spec)}: {verdict(result, facts is not None)}")
    if facts:
        print(f"  {facts_line(facts, len(result.diagnostics))}")


def net_facts(result: Compilation) -> dict[str, Any] | None:
    """The parameters, the MACs and the outputs' sizes of a net; None where the spec is refused or has open params."""
    found = result.cost
    if found is None or result.failed:
        return None
    return {"params": found.params.total, "macs": found.macs, "output": found.outputs}


def facts_line(facts: dict[str, Any], warnings: int) -> str:
    """The facts of a net, and how many warnings there were if there were any, in a line: logs are searched for that word."""
    from ..text.costs import describe_size

    outputs = list(facts["output"].items())
    output = ", ".join(describe_size(clean(name), sizes) for name, sizes in outputs[:MAX_OUTPUTS])
    output += f" and {len(outputs) - MAX_OUTPUTS} more" if len(outputs) > MAX_OUTPUTS else ""
    counted = f", {count_of(warnings, 'warning')}" if warnings else ""
    return f"{facts['params']:,} params, {facts['macs']:,} MACs, output {output}{counted}"


def expectation_line(each: Expectation) -> str:
    """The line of an expectation that holds, or that does not apply; one that fails is printed as a diagnostic."""
    if each.holds is None:
        return (
            f"  not applicable with --set  {each.name} {format_plain(each.expected)} (found {format_plain(each.found)})"
        )
    bound = "" if each.expected == each.found else f"  ({format_plain(each.expected)})"
    return f"  ok  {each.name} {format_plain(each.found)}{bound}"


def verdict(result: Compilation, has_facts: bool) -> str:
    """`ok` with the number of expectations that hold, or the number of errors; then that of warnings, if no line of facts has it."""
    errors = sum(d.severity == "error" for d in result.diagnostics)
    warnings = 0 if has_facts else len(result.diagnostics) - errors
    parts = [count_of(n, noun) for n, noun in ((errors, "error"), (warnings, "warning")) if n]
    proved = sum(e.holds is True for e in result.expectations)
    if not errors:
        parts = ["ok", *([f"{count_of(proved, 'expectation')} proved"] if proved else []), *parts]
    return ", ".join(parts)


def check_json(results: list[Checked]) -> dict[str, Any]:
    """What `--format json` prints: all specs in one document."""
    from .formats import diagnostic_json

    found = [d for each in results for d in each.result.diagnostics]
    errors = sum(d.severity == "error" for d in found)
    specs = [
        {
            "spec": spec,
            "name": result.name,
            "ok": not result.failed,
            "diagnostics": [diagnostic_json(d) for d in result.diagnostics],
            "expectations": [
                {"name": e.name, "expected": e.expected, "found": e.found, "holds": e.holds}
                for e in result.expectations
            ],
            "open_params": list(result.open_params),
            "facts": facts,
        }
        for spec, result, facts in results
    ]
    return {"ok": not errors, "errors": errors, "warnings": len(found) - errors, "specs": specs}
