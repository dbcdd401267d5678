"""What the open params of a family can be: their choices, or the values that the bundled members of the family give."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Collector, Diagnostic, list_names
from ..ops.fields import quote_value
from ..sources import ZOO, Folder
from .compose import Composer, Document
from .declarations import Declaration
from .located_yaml import plain_value

MAX_MEMBERS = 4


def explain_open_param(document: Document, name: str) -> Diagnostic:
    """The diagnostic of one param without a value, at its declaration."""
    param = document.params[name]
    kinds = {"int": "an int", "any": "a value"}
    what = f"`{name}` has no value: {document.name} is a family, and its member gives it {kinds.get(param.type, f'a {param.type}')}"
    choices = choices_of(param, document)
    help = f"give it with --set {name}=…, in Python with params={{'{name}': …}}, or under `params` of a spec that extends this"
    if choices:
        help += f"; {choices}"
    members = list(members_values(document, name))
    if members:
        more = f" and {len(members) - MAX_MEMBERS} more" if len(members) > MAX_MEMBERS else ""
        help += "; bundled are " + ", ".join(f"{member} with {value}" for member, value in members[:MAX_MEMBERS]) + more
    return Diagnostic("open-params", param.key.span, what, help=help)


def choices_of(param: Declaration, document: Document) -> str:
    """The values that the declaration allows, in words; empty where it says nothing of them."""
    if param.choices:
        return f"it is one of {quote_value(list(param.choices))}"
    if param.type == "bool":
        return "it is true or false"
    if param.type == "step":
        return f"the blocks are {list_names(document.blocks, '`{}`')}" if document.blocks else ""
    named = (("at least", param.min), ("at most", param.max))
    bounds = [f"{word} {quote_value(bound)}" for word, bound in named if bound is not None]
    return f"it is {' and '.join(bounds)}" if bounds else ""


def members_values(document: Document, name: str) -> Iterator[tuple[str, str]]:
    """The bundled specs that extend this bundled one, with the value that each gives the param; smaller names first."""
    own = document.root.span.source
    file = next(
        (path for path in ZOO.glob(f"*/{own.label.rpartition('/')[2]}") if path.read_text("utf-8") == own.text), None
    )
    for path in sorted(file.parent.glob("*.yaml"), key=lambda path: (len(path.stem), path.stem)) if file else ():
        if path == file or b"extends:" not in path.read_bytes():
            continue
        composer = Composer(Folder(ZOO), Collector(), trusted=True)
        member = composer.read_document(path.read_bytes(), path.name, path.relative_to(ZOO).as_posix())
        param = member.params.get(name) if member else None
        if param and param.default and any(each.text == own.text for each in composer.sources):
            yield f"`{path.stem}`", quote_value(plain_value(param.default)).replace("'", "")
