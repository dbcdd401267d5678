"""How params are declared: a type, a default, or a mapping of both with bounds and choices."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..diagnostics import Collector, list_names, nearest
from ..ops.fields import freeze
from .located_yaml import BROKEN, Entry, Located, is_broken, plain_value

TYPES = ("int", "float", "bool", "string", "list", "pair", "padding", "step")

# types by their words elsewhere, in lower case
OTHER_TYPES = {
    **{kind: kind for kind in TYPES}, "integer": "int", "number": "float", "double": "float", "boolean": "bool", "str": "string",
    "array": "list", "tuple": "pair",
}  # fmt: skip


class Declaration(NamedTuple):
    """The declaration of a parameter. `default` is a YAML node; None: the parameter is required.

    `choices` are hashable, lists as tuples, in a mapping, so that a look-up does not grow with their number.
    """

    name: str
    key: Located
    type: str
    default: Located | None
    min: float | None = None
    max: float | None = None
    choices: Mapping[Any, None] = MappingProxyType({})
    doc: str = ""


class ParamBuilder:
    """Turns located YAML into declarations. Reports what is wrong; a method then gives None."""

    def __init__(self, diagnostics: Collector) -> None:
        self.diagnostics = diagnostics

    def build_params(
        self, node: Located | None, base: Mapping[str, Declaration] | None = None
    ) -> dict[str, Declaration]:
        """The declarations of a `params` mapping, over those of the `base`.

        Over a base, a value that is no mapping is a new default.
        """
        params = dict(base or {})
        for key, entry in node.value.items() if node and node.value is not BROKEN else ():
            old = params.get(key)
            if base is not None and not isinstance(entry.value.value, dict):
                if old is None:
                    self.report_unknown_param(entry, base)
                else:
                    params[key] = old._replace(default=entry.value, key=entry.key)
                continue
            param = self.build_param(entry)
            if param:
                params[key] = param
        return params

    def report_unknown_param(self, entry: Entry, base: Mapping[str, Declaration]) -> None:
        """Reports a new default for a parameter that the base does not have."""
        near = nearest(str(entry.key.value), base)
        hint = f"did you mean `{near}`? " if near else f"its parameters are {list_names(base)}; "
        self.diagnostics.error(
            "unknown-param",
            entry.key.span,
            f"the base has no parameter `{entry.key.value}`",
            f"{hint}a new one is declared in the long form, {{type: int, default: 1}}",
        )

    def build_param(self, entry: Entry) -> Declaration | None:
        """A declaration from an entry of `params`: a type, a default, or a mapping of both (the long form)."""
        name, value = str(entry.key.value), entry.value
        if not name.isidentifier() or name == "x" or name in ("and", "or", "not", "if", "else", "true", "false"):
            why = "`x` is the tensor that arrives" if name == "x" else "no expression can say it"
            self.diagnostics.error("param-name", entry.key.span, f"a parameter cannot be called `{name}`: {why}")
            return None
        if is_broken(value):
            return Declaration(name, entry.key, "any", Located(BROKEN, value.span))
        if isinstance(value.value, dict):
            return self.build_long_param(name, entry.key, value)
        if value.style == "" and (meant := OTHER_TYPES.get(str(value.value).lower())) and value.value not in TYPES:
            self.diagnostics.error(
                "wrong-type", value.span, f"`{value.value}` is no type", f"`{value.value}` is `{meant}` here"
            )
            return Declaration(name, entry.key, "any", Located(BROKEN, value.span))
        if value.style == "" and value.value in TYPES:
            return Declaration(name, entry.key, str(value.value), None)
        kind = default_type(value)
        if kind is None:
            self.diagnostics.error(
                "wrong-type", value.span, f"parameter `{name}` wants a type ({', '.join(TYPES)}) or a default"
            )
            return None
        return Declaration(name, entry.key, kind, value)

    def build_long_param(self, name: str, key: Located, node: Located) -> Declaration | None:
        """A declaration in the long form: {type, default, min, max, choices, doc}."""
        fields = {k: e.value for k, e in node.value.items()}
        kind = fields.get("type")
        known = str(kind.value) if kind else default_type(fields["default"]) if "default" in fields else None
        if known is None:
            self.diagnostics.error("wrong-type", node.span, f"parameter `{name}` needs a `type` or a `default`")
            return None
        choices = (freeze(plain_value(each)) for each in fields["choices"].value) if "choices" in fields else ()
        bounds = {k: fields[k].value for k in ("min", "max") if k in fields}
        doc = str(fields["doc"].value) if "doc" in fields else ""
        return Declaration(name, key, known, fields.get("default"), **bounds, choices=dict.fromkeys(choices), doc=doc)


def default_type(node: Located) -> str | None:
    """The type of a parameter by its default: `any` for an expression; None where the value cannot be a default."""
    value = node.value
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "any" if "$" in value else "string"
    for python, name in ((int, "int"), (float, "float"), (list, "list")):
        if isinstance(value, python):
            return name
    return None
