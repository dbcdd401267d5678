"""Steps in the words of other frameworks, and the corrected step in the words of the language.

`{in_channels: 3, out_channels: 64, kernel_size: 1}` under `Conv2d` becomes `conv: {out: 64, kernel: 1}`. A value that fits is
kept. `…` stands for a value that is needed and is missing or does not fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

from ..ops.fields import Kind, Misfit
from ..ops.op import Op
from ..ops.words import (
    INFERRED,
    INPUT_KEYS,
    NOT_ARCHITECTURE,
    ROW_REMARKS,
    argument_advice,
    asks_for_no_step,
    composition_advice,
    is_among,
    match_field,
    match_op,
    match_step_argument,
    match_usual_step,
    read_foreign_call,
)
from .located_yaml import Located, plain_value

MAX_FRAGMENT = 160
MAX_ARGUMENTS = 40  # of a call: more are not written out
PLACEHOLDER = "…"


class Suggestion(NamedTuple):
    """A step in the words of the language, and remarks on arguments that have no place in it."""

    fragment: str
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join((f"write `{self.fragment}`", *self.remarks))


def advise_step(word: str, args: Located | None) -> str:
    """What to write for a step `word: args` that the language does not have; empty where the word is not known."""
    value = plain_value(args) if args else None
    own = match_step_argument(word, value)
    if own:
        return f"write the step `{own.name}`"
    advice = composition_advice(word)
    if advice:
        return advice
    call = read_foreign_call(word, value)
    if call is None:
        return advise_numbered(word, value)
    op = call.op
    if isinstance(call.value, list) and any(is_among(word, words) for words, _ in ROW_REMARKS):
        return f"`{word}` is `{op.name}` here: write `{suggest_positional_call(op, call.value)}`"
    written = suggest_call(op, call.value)
    return f"`{word}` is `{op.name}` here: {written._replace(remarks=(*written.remarks, *call.remarks))}"


def advise_numbered(word: str, value: Any) -> str:
    """What to write for a word that is an op's and a number, as layers are often named (`conv1`, `fc6`); empty for all others."""
    match = re.fullmatch(r"([A-Za-z][A-Za-z_]+?)_?\d[\d_]*", word)
    op = match_op(match[1]) if match else None
    if op is None or op.is_merge:
        return ""
    call = suggest_call(op, value).fragment
    return f"a name stands beside the operation: `{{name: {word}, {call}}}`"


def advise_own_step(word: str, value: Any) -> str:
    """Says to add a step for an argument that is a step of its own here, such as `activation: relu`; empty for all others."""
    usual = match_usual_step(word)
    if asks_for_no_step(value) and (usual or (match_op(word) and value is not None)):
        return "leave it out: there is none without a step of its own"
    call = read_foreign_call(value if usual and isinstance(value, str) else word, None if usual else value)
    if usual and isinstance(value, str) and call is None:
        return composition_advice(value) or f"it is a step of its own after it, such as `- {usual.name}`"
    op = usual if usual and call is None else call.op if call else None
    if op is None or op.is_merge:
        return ""
    arguments = call.value if call and not isinstance(value, bool) else None
    return f"add the step `- {suggest_call(op, arguments).fragment}` after it"


def suggest_call(op: type[Op], value: Any) -> Suggestion:
    """A call of `op` with the arguments `value`, which are in any framework's words: a mapping, a bare value, or None."""
    if op.is_merge:
        return Suggestion(suggest_merge(op, value))
    fields: Mapping[str, str] = {}
    remarks: tuple[str, ...] = ()
    if isinstance(value, dict):
        fields, remarks = translate_fields(op, value)
    elif op.bare and value is not None:
        fields = {op.bare: format_value(op.fields[op.bare].kind, value)}
    return Suggestion(format_call(op, fields), remarks)


def suggest_merge(op: type[Op], value: Any) -> str:
    """A call of a merge; words that are no operations are taken for the names of earlier steps."""
    if isinstance(value, dict):
        value = next((inner for key, inner in value.items() if key in INPUT_KEYS and isinstance(inner, list)), None)
    names = value if isinstance(value, list) and value and all(isinstance(each, str) for each in value) else []
    branches = ", ".join(each if match_op(each) else f"{{from: {each}}}" for each in names) or f" {PLACEHOLDER} "
    return f"{op.name}: {{branches: [{branches}]}}" if op.fields else f"{op.name}: [{branches}]"


def suggest_mapping(op: type[Op], arguments: Mapping[str, Any]) -> str:
    """A call of `op` with the arguments by our names; where there are any, it is a mapping, as the user wrote it."""
    return format_call(op, translate_fields(op, arguments)[0], short=False)


def suggest_positional_call(op: type[Op], values: list[Any]) -> str:
    """A call of `op` with arguments by position, such as `[64, 3, 2]`.

    Where one of them does not fit, the call has only the required fields, each as `…`.
    """
    if op.is_merge:
        return suggest_merge(op, None)
    texts = {key: format_value(each.kind, value) for (key, each), value in zip(op.fields.items(), values, strict=False)}
    fit = len(values) <= len(op.fields) and PLACEHOLDER not in texts.values()
    return format_call(op, texts if fit else {})


def join_with_arriving(merge: str, step: str) -> str:
    """Says how to merge an earlier step with what arrives."""
    return f"write `{merge}: [{{from: {step}}}, []]` for `{step}` and what arrives"


def translate_fields(op: type[Op], arguments: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The arguments as text, by our names for the fields, and a remark on each argument that is no field."""
    fields: dict[str, str] = {}
    remarks: list[str] = []
    for word, value in islice(arguments.items(), MAX_ARGUMENTS):
        key = word if word in op.fields else match_field(op, word)
        if key:
            fields.setdefault(key, format_value(op.fields[key].kind, value))
        elif not word.startswith("x-"):
            remarks.append(advise_argument(op, word, value))
    return fields, tuple(dict.fromkeys(remarks))


def advise_argument(op: type[Op], word: str, value: Any) -> str:
    """What to do with an argument that is no field of the op."""
    if is_among(word, INFERRED):
        return f"leave `{word}` out: it is inferred from what arrives"
    if is_among(word, NOT_ARCHITECTURE):
        return f"leave `{word}` out: it is no part of an architecture"
    if advice := argument_advice(word):
        return advice
    own = advise_own_step(word, value)
    return f"`{op.name}` has no `{word}`" + (f": {own}" if own else "")


def format_call(op: type[Op], fields: Mapping[str, str], short: bool = True) -> str:
    """A call in flow style: `relu`, `conv: {out: 64, kernel: 3}`, and, if `short`, `linear: 10`.

    Fields are in the op's order.
    """
    ordered = {k: fields.get(k, PLACEHOLDER) for k, each in op.fields.items() if k in fields or each.required}
    if not ordered and not op.usual:
        return op.name
    ordered = ordered or dict(op.usual)
    if short and op.bare and list(ordered) == [op.bare]:
        return f"{op.name}: {ordered[op.bare]}"
    text = f"{op.name}: {{{', '.join(f'{key}: {value}' for key, value in ordered.items())}}}"
    return (
        text if len(text) <= MAX_FRAGMENT else f"{op.name}: {{{', '.join(f'{key}: {PLACEHOLDER}' for key in ordered)}}}"
    )


def format_value(kind: Kind, value: Any) -> str:
    """A value as YAML, in our words; `…` where its kind does not accept it."""
    if isinstance(value, str):
        if len(value) > MAX_FRAGMENT:
            return PLACEHOLDER
        if "$" in value:
            return format_flow(value)
        if value.lower() in kind.other_words:
            return kind.other_words[value.lower()]
        value = parse_scalar(value)
    try:
        kind.check(value)
    except Misfit:
        return PLACEHOLDER
    return format_flow(value)


def parse_scalar(text: str) -> Any:
    """The number or boolean that a string spells; else the string itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d{0,15}\.\d{1,15}(e-?\d{1,2})?", text) else text


def format_flow(value: Any) -> str:
    """A value without spans in YAML's flow style, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{format_key(key)}: {format_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(format_flow, value)) + "]"
    if isinstance(value, str):
        return value if re.fullmatch(r"\$?\w+", value) else json.dumps(value, ensure_ascii=False)
    # YAML 1.1 takes 1e-05 for a string
    return re.sub(r"^(-?\d+)e", r"\1.0e", json.dumps(value))


def format_key(key: Any) -> str:
    """A key in YAML's flow style: in quotes where it begins as another kind of value does, as the paths `0` and `*.conv1`."""
    text = str(key)
    return (
        text if re.fullmatch(r"[$\w][\w.+-]*", text) and not text[0].isdigit() else json.dumps(text, ensure_ascii=False)
    )
