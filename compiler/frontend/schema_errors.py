"""Schema errors in our words: what is at a place, what the place wants, and what to write instead.

jsonschema says which rule failed, and where. The rules carry the words for messages (schema.py lists them). Ops and fields
carry the words of other frameworks, so nothing here knows an op by its name. One mistake gives one diagnostic: what only
follows from another mistake at the same place is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..diagnostics import Diagnostic, Span
from ..ops import OPS
from ..ops.fields import Schema, quote_value
from ..ops.words import INFERRED, NOT_ARCHITECTURE, argument_advice, is_among, match_op
from . import foreign_steps as foreign
from .bare_names import advise_expression, names_in_sight
from .located_yaml import Entry, Located, plain_value
from .punctuation import advise_punctuation
from .schema_rules import (
    KnownKeys,
    Path,
    block_names,
    find_node,
    is_branches,
    known_keys,
    step_names,
    synonyms,
    unknown_entries,
    wants_in_words,
)
from .spec import MODIFIERS
from .step_errors import explain_not_a_step, explain_unknown_step_keys, unknown_step


def explain(root: Located, error: Any) -> Iterator[Diagnostic]:
    """The diagnostics of one jsonschema error, each at its own key or value; none where another error says the same."""
    path, rule = list(error.absolute_path), error.schema
    key, node = find_node(root, path)
    holder = next((each for each in reversed(path) if isinstance(each, str)), None)
    is_item = path and isinstance(path[-1], int) and holder is not None and "$ref" not in rule
    subject = f"an item of `{holder}` " if is_item else f"`{holder}` " if path and holder is not None else ""
    wants = rule.get("x-wants") or wants_in_words(rule)
    if error.validator == "additionalProperties":
        yield from explain_unknown_keys(root, node, rule)
    elif error.validator == "required":
        yield from explain_missing_key(node, key or node.span, rule, subject)
    elif rule.get("x-what") == "call" and key and is_foreign_call(root, str(path[-1])):
        yield unknown_step(root, Located(path[-1], key), node)
    elif rule.get("x-what") == "step":
        yield from explain_not_a_step(root, path, node, wants)
    elif error.validator in ("minimum", "maximum", "exclusiveMinimum"):
        limit = f"wants {wants}" if "x-wants" in rule else f"wants a number in range ({wants})"
        yield Diagnostic("out-of-range", node.span, f"{subject}{limit}, not {quote_value(error.instance)}")
    elif error.validator == "minProperties" and path:
        yield Diagnostic("empty", node.span, f"{subject}is empty", help=f"{subject}wants {wants}")
    elif not has_unknown_rest(root, path, node):
        size = f", of {len(error.instance)}" if error.validator in ("minItems", "maxItems") else ""
        message = f"{subject}wants {wants}, not {quote_value(error.instance)}{size}"
        yield Diagnostic("wrong-type", node.span, message, help=advise_value(root, node, rule, path))


BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def advise_value(root: Located, node: Located, rule: Schema, path: Path) -> str:
    """What to write instead of a value that its rule refuses; empty where nothing can be guessed."""
    value, kinds = node.value, rule.get("type", [])
    braced = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else ""  # `{width}`
    if isinstance(value, str) or (braced and value[braced].value.value is None):
        expression = advise_expression(braced or value, names_in_sight(root, path))
        if expression:
            return expression
    if isinstance(value, str):
        if value.lower() in rule.get("x-other-words", {}):
            return f"`{value}` is `{rule['x-other-words'][value.lower()]}` here"
        if node.style == "" and "boolean" in kinds and value.lower() in BOOLEANS:
            return f"write {BOOLEANS[value.lower()]}: YAML 1.2 reads `{value}` as a string"
        if node.style == "" and "boolean" in kinds and isinstance(foreign.parse_scalar(value), bool):
            return f"write {foreign.format_flow(foreign.parse_scalar(value))}: YAML 1.2 reads `{value}` as a string"
        if pair := re.fullmatch(r"(\d+) *[x×,] *(\d+)", value) if "array" in kinds and "integer" in kinds else None:
            return f"write `{pair[1]}`" if pair[1] == pair[2] else f"write `[{pair[1]}, {pair[2]}]`"
        if fits_without_quotes(value, kinds):
            return f"write {foreign.format_flow(foreign.parse_scalar(value))} without quotes: in quotes it is a string"
        if re.fullmatch(r"\([\d, ]+\)", value):
            return f"write `[{value[1:-1].strip(', ')}]`"
        if value in step_names(root) and is_branches(rule):
            return foreign.join_with_arriving(str(path[-1]), value)
    if "boolean" in kinds and isinstance(value, (int, float)) and value in (0, 1):
        return f"write {foreign.format_flow(bool(value))}"
    json_type = {str: "string", list: "array", int: "integer"}.get(type(value), "")
    if isinstance(value, str) and "$" in value and "expression" in rule.get("x-instead", {}):
        json_type = "expression"
    called = OPS.get(rule.get("x-op", ""))
    if called and not (called.bare or called.is_merge):
        return f"write `{foreign.format_call(called, {})}`"
    form = rule.get("x-instead", {}).get(json_type, "")
    return f"write `{form.replace('VALUE', foreign.format_flow(plain_value(node)))}`" if form else ""


def fits_without_quotes(text: str, kinds: str | list[str]) -> bool:
    """Whether a string would have one of the JSON types `kinds` if it had no quotes."""
    value = foreign.parse_scalar(text)
    if isinstance(value, bool):
        return "boolean" in kinds
    return isinstance(value, (int, float)) and ("number" in kinds or (isinstance(value, int) and "integer" in kinds))


def is_foreign_call(root: Located, name: str) -> bool:
    """Whether a CamelCase key is no block of this document, nor of one that it may import."""
    composed = "extends" in root.value or "import" in root.value
    return not composed and name not in block_names(root)


def explain_missing_key(node: Located, place: Span, rule: Schema, subject: str) -> Iterator[Diagnostic]:
    """The diagnostic of a missing key; none where an unknown key means it, because that one is reported."""
    known = known_keys(rule)
    unknown = [str(entry.key.value) for entry in unknown_entries(node, rule)]
    meant = {known.key_for(word) for word in unknown if not is_among(word, (*INFERRED, *NOT_ARCHITECTURE))}
    missing = [name for name in rule["required"] if name not in node.value and name not in meant]
    if missing == ["archspec"] and "name" not in node.value and "graph" in node.value:
        missing = ["archspec` and a `name"]  # the second is missed by the driver, at the same place
    if missing and not (known.op and None in meant):  # a field that nobody knows may be meant for it
        help = "write `archspec: 1` first" if missing[0] == "archspec" else ""
        yield Diagnostic("missing-key", place, f"{subject or 'the document '}needs `{missing[0]}`", help=help)


def explain_unknown_keys(root: Located, node: Located, rule: Schema) -> Iterator[Diagnostic]:
    """The diagnostics of the keys of a mapping that its rule does not have."""
    unknown, what = unknown_entries(node, rule), rule.get("x-what", "key")
    rest = next(filter(is_rest_of_pair, unknown), None)
    if rest:
        message = f"`{rest.key.value}` is the rest of a value that ends at the comma: YAML knows no ( )"
        help = "write a pair or a list in square brackets: [3, 3]"
        yield Diagnostic("unknown-key", rest.key.span, message, help=help)
    elif what == "step":
        yield from explain_unknown_step_keys(root, node, rule, unknown)
    elif what == "block":
        for entry in unknown:
            name = str(entry.key.value)
            yield Diagnostic("block-name", entry.key.span, f"`{name}` cannot name a block: blocks are CamelCase",
                             help=f"call it `{camel_case(name)}`; lower-case names are operations")  # fmt: skip
    else:
        for entry in unknown:
            help = advise_punctuation(entry.key) or advise_key(known_keys(rule), node, entry)
            yield Diagnostic("unknown-key", entry.key.span, f"unknown {what}: `{entry.key.value}`", help=help)


def is_rest_of_pair(entry: Entry) -> bool:
    """Whether the key is the end of a pair in parentheses, which YAML cuts at the comma: `{kernel: (3, 3)}`."""
    name = str(entry.key.value)
    return entry.value.value is None and name.count(")") > name.count("(")


def has_unknown_rest(root: Located, path: Path, node: Located) -> bool:
    """Whether the value is the beginning of such a pair. Then the other half, which is an unknown key, is reported."""
    if not isinstance(node.value, str) or node.value.count("(") <= node.value.count(")") or not path:
        return False
    _, around = find_node(root, path[:-1])
    return isinstance(around.value, dict) and any(map(is_rest_of_pair, around.value.values()))


def camel_case(name: str) -> str:
    """The name that a block may have, made from one that it may not have."""
    joined = "".join(part[:1].upper() + part[1:] for part in re.split(r"\W|_", name))
    return joined if joined[:1].isalpha() and joined.isascii() else f"Block{joined}"


def advise_key(known: KnownKeys, node: Located, entry: Entry) -> str:
    """What to write instead of an unknown key."""
    name, op = str(entry.key.value), known.op
    corrected = f"write `{foreign.suggest_mapping(op, plain_value(node))}`" if op and not op.is_merge else ""
    key = known.key_for(name)
    is_synonym = key is not None and is_among(name, (key, *synonyms(known, key)))
    if op and not is_synonym and name in MODIFIERS and isinstance(node.value, dict):
        inner = {k: plain_value(e.value) for k, e in node.value.items() if k != name}
        beside = foreign.format_flow({name: plain_value(entry.value)})[1:-1]
        return f"it stands beside `{op.name}`: write `{{{beside}, {foreign.suggest_mapping(op, inner)}}}`"
    if op and not is_synonym and argument_advice(name):
        return argument_advice(name)
    if op and is_among(name, (*INFERRED, *NOT_ARCHITECTURE)):
        return "; ".join(filter(None, (foreign.advise_argument(op, name, None), corrected)))
    if key and is_synonym:
        return f"`{name}` is `{key}` here" + (f": {corrected}" if corrected else "")
    own = foreign.advise_own_step(name, plain_value(entry.value)) if op and match_op(name) is not op else ""
    if op and own:
        return f"`{op.name}` has none: {own}"
    if key:
        return f"did you mean `{key}`?"
    return f"it can be {', '.join(known.keys)}" if known.keys else "it takes no fields"
