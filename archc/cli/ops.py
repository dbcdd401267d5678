"""`archc ops`: the operations of the language, read from the ops' own classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import format_option, print_json
from .tables import format_pairs, format_table

if TYPE_CHECKING:
    from ..compiler.ops.op import Field, Op


@click.command(epilog="Example: archc ops conv")
@click.argument("name", required=False)
@format_option()
def command(name: str | None, form: str) -> None:
    """List the operations, or describe one."""
    from ..catalog import find_op, public_ops

    if name is not None:
        op = find_op(name)
        print_json(op_json(op)) if form == "json" else print(op_text(op))
    elif form == "json":
        print_json({"ops": [op_json(op) for op in public_ops()]})
    else:
        print(format_table(["op", "what it is"], [[op.name, doc_lines(op)[0]] for op in public_ops()]))


def doc_lines(op: type[Op]) -> list[str]:
    """The lines of an op's docstring, without its indent."""
    from inspect import cleandoc

    return cleandoc(op.__doc__ or "").splitlines() or [""]


def op_text(op: type[Op]) -> str:
    """What is printed of an op: its docstring, its fields, and other frameworks' words for it and for them."""
    parts = [op.name, "", *("  " + line for line in doc_lines(op))]
    if op.fields:
        parts += [
            "",
            format_pairs(
                [(key, f"{field.doc}: {field.kind.wants}{describe_default(field)}") for key, field in op.fields.items()]
            ),
        ]
    if op.bare:
        parts += ["", f"  a bare value sets `{op.bare}`"]
    also = {op.name: op.also_called, **{key: field.also_called for key, field in op.fields.items()}}
    if any(also.values()):
        parts += [
            "",
            "  also called elsewhere",
            "",
            format_pairs([(key, ", ".join(called)) for key, called in also.items() if called]),
        ]
    return "\n".join(line.rstrip() for line in parts)


def describe_default(field: Field) -> str:
    """A field's default in brackets, or that it has none."""
    from ..compiler.ops.fields import quote_value

    return " (required)" if field.required else f" (default {quote_value(field.default)})"


def op_json(op: type[Op]) -> dict[str, Any]:
    """An op as `--format json` prints it."""
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
