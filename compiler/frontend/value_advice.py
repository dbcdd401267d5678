"""What to write instead of a value that its rule refuses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from ..diagnostics import nearest
from ..ops import OPS
from ..ops.fields import Schema, is_int
from ..ops.op import Op
from . import foreign_steps as foreign
from .bare_names import advise_expression, names_in_sight
from .corrections import is_off, missing_fields, suggest_entry
from .located_yaml import Located, plain_value
from .other_words import JSON_TYPES, advise_other_word
from .schema_rules import Path, find_node, is_branches, step_names
from .validation import fits

BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false", "none": "false", "null": "false"}  # fmt: skip


def advise_value(root: Located, node: Located, rule: Schema, path: Path) -> str:
    """What to write instead of a value that its rule refuses; empty where nothing can be guessed."""
    value, kinds = node.value, rule.get("type", [])
    text = value if isinstance(value, str) else node.raw if value is None else ""
    if len(path) > 1 and path[0] == "input" and text and (advice := advise_input_size(root, text)):
        return advice
    # `{width}`
    braced = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else ""
    if text or (braced and value[braced].value.value is None):
        expression = advise_expression(braced or text, names_in_sight(root, path))
        if expression:
            return expression
    if text and (advice := advise_text(text, node, rule)):
        return advice
    if text in step_names(root) and is_branches(rule):
        return foreign.join_with_arriving(str(path[-1]), text)
    if "boolean" in kinds and isinstance(value, (int, float)) and value in (0, 1):
        return f"write {foreign.format_flow(bool(value))}"
    if isinstance(value, float) and value.is_integer() and "integer" in kinds and value >= rule.get("minimum", value):
        return f"write {int(value)}: a number with a point is no integer"
    if isinstance(value, float) and "integer" in kinds and "number" not in kinds and abs(value) < 2**31:
        return f"write {math.floor(value)} or {math.floor(value) + 1}"
    return advise_list(root, node, rule, path) or advise_form(node, rule)


def advise_input_size(root: Located, text: str) -> str:
    """What to write instead of an expression, or the bare name of a param, for a size of an input; empty for any other text."""
    name = text.removeprefix("$")
    params = root.value["params"].value.value if "params" in root.value else None
    declared = params[name].value if isinstance(params, dict) and name in params else None
    if "$" not in text and declared is None:
        return ""
    fields = declared.value if declared and isinstance(declared.value, dict) else {}
    default = fields["default"].value if "default" in fields else declared
    is_known = default is not None and (is_int(default.value) or isinstance(default.value, list))
    value = foreign.format_flow(plain_value(default)) if default is not None and is_known else "its value"
    return (
        f"an input's sizes are plain numbers, which no parameter changes: write {value}; "
        "for another size, a spec that `extends` this one has an `input` of its own"
    )


def advise_text(text: str, node: Located, rule: Schema) -> str:
    """What to write instead of a string, or of a null that is written as `text`; empty where nothing can be guessed."""
    kinds, is_plain = rule.get("type", []), node.style == ""
    if text.lower() in rule.get("x-other-words", {}):
        return f"`{text}` is `{rule['x-other-words'][text.lower()]}` here"
    if near := nearest(
        text, [*rule.get("x-words", ()), *(word for word in rule.get("enum", ()) if isinstance(word, str))]
    ):
        return f"did you mean `{near}`?"
    scalar = foreign.parse_scalar(text)
    boolean = BOOLEANS.get(text.lower()) or (foreign.format_flow(scalar) if isinstance(scalar, bool) else "")
    if is_plain and "boolean" in kinds and boolean:
        return f"write {boolean}" + (f": YAML 1.2 reads `{text}` as a string" if node.value is not None else "")
    if fraction := advise_fraction(node, rule):
        return fraction
    if pair := re.fullmatch(r"(\d+) *[x×,] *(\d+)", text) if "array" in kinds and "integer" in kinds else None:
        return f"write `{pair[1]}`" if pair[1] == pair[2] else f"write `[{pair[1]}, {pair[2]}]`"
    if fits_without_quotes(text, kinds):
        return f"write {foreign.format_flow(scalar)} without quotes: in quotes it is a string"
    if "array" in kinds and re.fullmatch(r"\([\d, ]+\)", text):
        return f"write `[{text[1:-1].strip(', ')}]`"
    if "$" in text and "string" not in kinds and is_plain:
        return "no expression can stand here: write its value"
    return ""


def advise_number(node: Located, rule: Schema, key: str) -> Iterator[str]:
    """What to write instead of a number that is out of its range, the best first; `key` is that under which it stands, empty for an item."""
    yield advise_fraction(node, rule)
    yield advise_other_word(rule, str(node.value), node.value)
    yield advise_off(node, rule, key)
    yield advise_correction(node, rule, key)


def advise_off(node: Located, rule: Schema, key: str) -> str:
    """What to do instead of a value that says that there is to be none; empty for any other value, and where something has to be."""
    value = plain_value(node)
    if not is_off(value) or "x-op" in rule:
        return ""
    if "default" in rule and rule["default"] in (None, []):
        return f"leave it out, or write `{key}: {foreign.format_flow(rule['default'])}`: then there is none"
    return "leave the step out: then there is none" if "x-bare" in rule else ""


def advise_correction(node: Located, rule: Schema, key: str) -> str:
    """The value as it was probably meant, or an example; empty where there is neither. `key` is empty for an item of a list."""
    if "x-op" in rule:
        return advise_op_example(OPS[rule["x-op"]])
    return (
        suggest_entry(key, rule, plain_value(node))
        or advise_string(node, rule, key)
        or advise_example(rule, key)
        or advise_empty_value(node, key)
    )


def advise_op_example(op: type[Op]) -> str:
    """The example of an operation, where that is a step of its own; empty where it has none."""
    return f"write, for example, `{op.example}`" if op.example.startswith(f"{op.name}: ") else ""


def advise_string(node: Located, rule: Schema, key: str) -> str:
    """A number in quotes, where a string is wanted; empty for any other value."""
    is_number = isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
    wants_string = "string" in rule.get("type", ()) and is_number and fits(rule, node.raw)
    return f'write `{key}: "{node.raw}"`' if key and wants_string else ""


def advise_example(rule: Schema, key: str) -> str:
    """An example that the rule has for messages, what a choice needs, or a default, of the rule or of one of its fields; empty without such."""
    example, is_default = rule.get("x-example"), False
    if example is None and "x-needs" in rule:
        example = missing_fields(rule, {})
    elif example is None:
        example, is_default = find_default(rule), True
    if not example or not key:
        return ""
    return f"such as `{key}: {foreign.format_flow(example)}`" + (", the default" if is_default else "")


def find_default(rule: Schema) -> Any:
    """The default of a rule, or of its bare field, or of the first field that has one; None without any."""
    fields = rule.get("properties", {})
    if "x-bare" in rule:
        return fields[rule["x-bare"]].get("default")
    if rule.get("default") is not None or "maxProperties" in rule:
        return rule.get("default")
    stated = ({field: each["default"]} for field, each in fields.items() if each.get("default") not in (None, [], ""))
    return next(stated, None)


def advise_empty_value(node: Located, key: str) -> str:
    """What to do with a key behind which nothing stands; empty for any value."""
    return f"write a value behind `{key}:`, or leave the key out" if key and node.value is None and node.raw == "" else ""  # fmt: skip


def advise_fraction(node: Located, rule: Schema) -> str:
    """What to write for a percentage where a number of at most 1 is wanted; empty for any other value."""
    percent = re.fullmatch(r"(\d{1,3}(?:\.\d+)?) *%?", str(node.value))
    most = rule.get("maximum", rule.get("exclusiveMaximum"))
    if percent is None or most != 1 or not 2 <= float(percent[1]) <= (100 if "maximum" in rule else 99):
        return ""
    return f"write {float(percent[1]) / 100:g}: 1 is all of it"


def advise_list(root: Located, node: Located, rule: Schema, path: Path) -> str:
    """What to write instead of a list, or of numbers with commas between them; empty where nothing can be guessed."""
    called, items = OPS.get(rule.get("x-op", "")), listed_values(node.value)
    if called and called.bare and items:
        written = foreign.suggest_positional_call(called, items)
        return "" if foreign.PLACEHOLDER in written else f"write `{written}`"
    size = rule.get("maxItems", 0)
    if size == rule.get("minItems") == len(items) - 1 and "implicit" in rule.get("x-wants", ""):
        return f"write {foreign.format_flow(items[1:])}"
    if path[-1:] == ["from"] and items and all(isinstance(item, str) for item in items):
        around = find_node(root, path[:-1])[1].value
        merge = next((OPS[key] for key in around if key in OPS and OPS[key].is_merge), None)
        return f"write `{foreign.suggest_merge(merge, items)}`" if merge else ""
    return ""


def advise_form(node: Located, rule: Schema) -> str:
    """What the rule says to write instead of a value of this JSON type; empty where it says nothing."""
    called, instead = OPS.get(rule.get("x-op", "")), rule.get("x-instead", {})
    if called and not (called.bare or called.is_merge):
        return advise_op_example(called) or f"write `{foreign.format_call(called, {})}`"
    json_type = JSON_TYPES.get(type(node.value), "")
    if json_type == "integer" and json_type not in instead:
        json_type = "number"
    if isinstance(node.value, str) and "$" in node.value and "expression" in instead:
        json_type = "expression"
    form = instead.get(json_type, "")
    return f"write `{form.replace('VALUE', foreign.format_flow(plain_value(node)))}`" if form else ""


def listed_values(value: object) -> list[Any]:
    """The scalars of a list of two or more, or of a text such as `16, 3, 1`; none for any other value."""
    if isinstance(value, str) and re.fullmatch(r"\(?[\w.]+(, *[\w.]+)+\)?", value):
        return [foreign.parse_scalar(item.strip()) for item in value.strip("()").split(",")]
    items = [plain_value(item) for item in value] if isinstance(value, list) else []
    return items if len(items) > 1 else []


def fits_without_quotes(text: str, kinds: str | list[str]) -> bool:
    """Whether a string would have one of the JSON types `kinds` if it had no quotes."""
    value = foreign.parse_scalar(text)
    if isinstance(value, bool):
        return "boolean" in kinds
    return isinstance(value, (int, float)) and ("number" in kinds or (isinstance(value, int) and "integer" in kinds))
