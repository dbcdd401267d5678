"""`archc ops`: the operations of the language, read from the ops' own classes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from ..text.layout import fold_line, prose_width
from ..text.tables import format_pairs
from .completion import offer, op_names
from .options import format_option, print_json

if TYPE_CHECKING:
    from ..compiler.ops.op import Field, Op


@click.command(epilog="Example: archc ops conv")
@click.argument("name", required=False, shell_complete=offer(op_names))
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
        print(format_pairs([(op.name, doc_lines(op)[0]) for op in public_ops()], prose_width()))


def doc_lines(op: type[Op]) -> list[str]:
    """The lines of an op's docstring, without its indent."""
    from inspect import cleandoc

    return cleandoc(op.__doc__ or "").splitlines() or [""]


def op_text(op: type[Op]) -> str:
    """What is printed of an op: its docstring, its fields, an example, and other frameworks' words for it and for them."""
    width = prose_width()
    parts = [op.name, ""]
    for line in doc_lines(op):  # `Params   weight (…)`: what goes on stands under the text
        label = re.match(r"\w+ {2,}", line)
        parts += fold_line("  " + line, width, "  " + " " * (label.end() if label else 0))
    if op.fields:
        described = [
            (key, f"{field.doc}: {field.kind.wants}{describe_default(field)}") for key, field in op.fields.items()
        ]
        parts += ["", format_pairs(described, width)]
    if op.bare:
        parts += ["", f"  a bare value sets `{op.bare}`"]
    parts += ["", *fold_line(f"  - {op.example or op.name}", width, "    ")]
    also = {op.name: op.also_called, **{key: field.also_called for key, field in op.fields.items()}}
    if any(also.values()):
        listed = [(key, ", ".join(called)) for key, called in also.items() if called]
        parts += ["", "  also called elsewhere", "", format_pairs(listed, width)]
    return "\n".join(line.rstrip() for line in parts)


def describe_default(field: Field) -> str:
    """A field's default in brackets, or that it has none."""
    return " (required)" if field.required else f" (default {field.kind.spell(field.default)})"


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
        "example": op.example or op.name,
        "also_called": op.also_called,
        "fields": fields,
    }
