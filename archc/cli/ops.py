"""`archc ops`: the operations of the language, from the ops' own fields and words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import format_option, print_json
from .tables import facts, table

if TYPE_CHECKING:
    from ..compiler.ops.op import Field, Op


@click.command(epilog="Example: archc ops conv")
@click.argument("name", required=False)
@format_option()
def command(name: str | None, form: str) -> None:
    """List the operations, or describe one."""
    from ..catalog import op_named, ops

    if name is not None:
        op = op_named(name)
        print_json(document(op)) if form == "json" else print(description(op))
    elif form == "json":
        print_json({"ops": [document(op) for op in ops()]})
    else:
        print(table(["op", "what it is"], [[op.name, doc_lines(op)[0]] for op in ops()]))


def doc_lines(op: type[Op]) -> list[str]:
    from inspect import cleandoc

    return cleandoc(op.__doc__ or "").splitlines() or [""]


def description(op: type[Op]) -> str:
    """The page of an op: its docstring, its fields, and the words by which other frameworks know them."""
    parts = [op.name, "", *("  " + line for line in doc_lines(op))]
    if op.fields:
        parts += [
            "",
            facts([(key, f"{field.doc}: {field.kind.wants}{default(field)}") for key, field in op.fields.items()]),
        ]
    if op.bare:
        parts += ["", f"  a bare value sets `{op.bare}`"]
    also = {op.name: op.also_called, **{key: field.also_called for key, field in op.fields.items()}}
    if any(also.values()):
        parts += [
            "",
            "  also called elsewhere",
            "",
            facts([(key, ", ".join(called)) for key, called in also.items() if called]),
        ]
    return "\n".join(line.rstrip() for line in parts)


def default(field: Field) -> str:
    from ..compiler.ops.fields import show

    return " (required)" if field.required else f" (default {show(field.default)})"


def document(op: type[Op]) -> dict[str, Any]:
    """The same as data, for `--format json`."""
    fields = [
        {
            "name": key,
            "doc": field.doc,
            "wants": field.kind.wants,
            "required": field.required,
            "also_called": field.also_called,
        }
        | ({} if field.required else {"default": field.default})
        for key, field in op.fields.items()
    ]
    return {
        "name": op.name,
        "doc": "\n".join(doc_lines(op)),
        "bare": op.bare,
        "also_called": op.also_called,
        "fields": fields,
    }
