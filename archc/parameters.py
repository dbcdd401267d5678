"""The parameters of a spec, as `archc show --params` lists them: what `--set` and `params=` may change, and to what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .compiler.frontend.located_yaml import Located, plain_value
from .compiler.frontend.open_params import choices_of
from .compiler.ops.fields import quote_value

if TYPE_CHECKING:
    from .compiler.driver import Compilation


class SpecParameter(NamedTuple):
    """A parameter of a spec.

    name        its name
    type        one of the language's words; `any` where the default is an expression
    default     its value as it is written, or as `--set` gives it; None where it has none, and a member of the family gives it
    allowed     the values that it takes, in words; empty where the type alone says it
    doc         what the spec says of it; empty where that says nothing
    written_at  `file:line` of that value, or of the declaration where it has none; `--set` where that gives it
    """

    name: str
    type: str
    default: Located | None
    allowed: str
    doc: str
    written_at: str

    @property
    def value(self) -> str:
        """Its value as a spec writes it, with quotes only where they are needed to see it; empty without any."""
        if self.default is None:
            return ""
        value = plain_value(self.default)
        return value if isinstance(value, str) and value and value == value.strip() else quote_value(value)

    def to_json(self) -> dict[str, Any]:
        """{"name", "type", "value", "allowed", "doc", "source"}; "value" is null where it is open."""
        value = None if self.default is None else plain_value(self.default)
        facts = {
            "name": self.name,
            "type": self.type,
            "value": value,
            "allowed": self.allowed or None,
            "doc": self.doc or None,
        }
        return {**facts, "source": self.written_at}


def spec_parameters(checked: Compilation) -> tuple[SpecParameter, ...]:
    """The parameters of a checked spec, in the order in which they are declared."""
    document = checked.document
    if document is None:
        return ()
    overridden = {setting.partition("=")[0] for setting in checked.settings}
    return tuple(
        SpecParameter(
            name=p.name,
            type=p.type,
            default=p.default,
            allowed=choices_of(p, document).removeprefix("it is "),
            doc=p.doc,
            written_at="--set" if p.name in overridden else p.key.span.short,
        )
        for p in document.params.values()
    )
