"""Steps in the words of other frameworks, and how the language writes them: the whole corrected fragment.

`{in_channels: 3, out_channels: 64, kernel_size: 1}` under `Conv2d` becomes `conv: {out: 64, kernel: 1}`. Values that fit are
kept; where a needed one is missing or does not fit, `…` stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..ops.fields import Kind, Misfit
from ..ops.op import Op
from ..ops.words import INFERRED, NOT_ARCHITECTURE, composition, field_meant, is_among, op_meant, step_meant
from .located_yaml import Located, plain_value

MAX_FRAGMENT = 160
UNKNOWN = "…"


class Suggestion(NamedTuple):
    """A step as the language writes it, and remarks on what has no place in it."""

    fragment: str
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join((f"write `{self.fragment}`", *self.remarks))


def advise_step(word: str, args: Located | None) -> str:
    """What to write for a step `word: args` that is not ours; empty where the word means nothing known."""
    advice = composition(word)
    if advice:
        return advice
    op = op_meant(word)
    return f"`{word}` is `{op.name}` here: {rewrite_call(op, plain_value(args) if args else None)}" if op else ""


def advise_own_step(word: str, value: Any) -> str:
    """The step to add for an argument that another framework's op takes, such as `activation: relu`; empty where there is none."""
    op = step_meant(word, value)
    if op is None or op.is_merge:
        return ""
    arguments = None if isinstance(value, bool) or op is not op_meant(word) else value
    return f"add the step `- {rewrite_call(op, arguments).fragment}` after it"


def rewrite_call(op: type[Op], value: Any) -> Suggestion:
    """`value`, the arguments in any framework's words (a mapping, a bare value or none), as a call of `op`."""
    if op.is_merge:
        return Suggestion(f"{op.name}: {{branches: [ {UNKNOWN} ]}}" if op.fields else f"{op.name}: [ {UNKNOWN} ]")
    fields: Mapping[str, str] = {}
    remarks: tuple[str, ...] = ()
    if isinstance(value, dict):
        fields, remarks = translate_fields(op, value)
    elif op.bare and value is not None:
        fields = {op.bare: value_text(op.fields[op.bare].kind, value)}
    return Suggestion(call_text(op, fields), remarks)


def corrected_call(op: type[Op], arguments: Mapping[str, Any]) -> str:
    """The call with its fields by our names, always as a mapping where it has any: what a user wrote, put right."""
    return call_text(op, translate_fields(op, arguments)[0], short=False)


def rewrite_positional(op: type[Op], values: list[Any]) -> str:
    """A call whose arguments stand in order, as in `[64, 3, 2]`; only the op's needed fields where one does not fit."""
    texts = {key: value_text(each.kind, value) for (key, each), value in zip(op.fields.items(), values, strict=False)}
    fit = len(values) <= len(op.fields) and UNKNOWN not in texts.values()
    return call_text(op, texts if fit else {})


def join_with_arriving(merge: str, step: str) -> str:
    """How a merge takes an earlier step and what arrives."""
    return f"write `{merge}: [{{from: {step}}}, []]` for `{step}` and what arrives"


def translate_fields(op: type[Op], arguments: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The arguments by our names for the fields, as text, and a remark on each that is no field."""
    fields: dict[str, str] = {}
    remarks: list[str] = []
    for word, value in arguments.items():
        key = word if word in op.fields else field_meant(op, word)
        if key:
            fields.setdefault(key, value_text(op.fields[key].kind, value))
        elif not word.startswith("x-"):
            remarks.append(advise_argument(op, word, value))
    return fields, tuple(dict.fromkeys(remarks))


def advise_argument(op: type[Op], word: str, value: Any) -> str:
    """What becomes of an argument that is no field of the op."""
    if is_among(word, INFERRED):
        return f"leave `{word}` out: it is inferred from what arrives"
    if is_among(word, NOT_ARCHITECTURE):
        return f"leave `{word}` out: it is no part of an architecture"
    own = advise_own_step(word, value)
    return f"`{op.name}` has no `{word}`" + (f": {own}" if own else "")


def call_text(op: type[Op], fields: Mapping[str, str], short: bool = True) -> str:
    """A call in flow style, its fields in their order: `relu`, `conv: {out: 64, kernel: 3}`, and `short` `linear: 10`."""
    ordered = {k: fields.get(k, UNKNOWN) for k, each in op.fields.items() if k in fields or each.required}
    if not ordered:
        return op.name
    if short and op.bare and list(ordered) == [op.bare]:
        return f"{op.name}: {ordered[op.bare]}"
    text = f"{op.name}: {{{', '.join(f'{key}: {value}' for key, value in ordered.items())}}}"
    return text if len(text) <= MAX_FRAGMENT else f"{op.name}: {{{', '.join(f'{key}: {UNKNOWN}' for key in ordered)}}}"


def value_text(kind: Kind, value: Any) -> str:
    """A value as YAML, in our words, where its kind takes it, or `…`."""
    if isinstance(value, str):
        if "$" in value:
            return flow(value)
        if value.lower() in kind.other_words:
            return kind.other_words[value.lower()]
        value = unquoted(value)
    try:
        kind.check(value)
    except Misfit:
        return UNKNOWN
    return flow(value)


def unquoted(text: str) -> Any:
    """The number or boolean that a string spells; the string itself where it spells none."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d{0,15}\.\d{1,15}(e-?\d{1,2})?", text) else text


def flow(value: Any) -> str:
    """A plain value in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return value if re.fullmatch(r"\$?\w+", value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
