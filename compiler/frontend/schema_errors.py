"""Schema errors in our words: what is at a place, what the place wants, and what to write instead.

jsonschema says which rule failed, and where. The rules carry the words for messages (schema.py lists them). Ops and fields
carry the words of other frameworks, so nothing here knows an op by its name. One mistake gives one diagnostic: what only
follows from another mistake at the same place is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

from ..diagnostics import Diagnostic, Span
from ..ops import OPS
from ..ops.fields import Schema, is_int, quote_value
from ..ops.words import INFERRED, NOT_ARCHITECTURE, argument_advice, is_among, match_op
from . import foreign_steps as foreign
from .choice_errors import explain_choice
from .corrections import correct_entry, join_parts, suggest_entry
from .language import Rules, spec_rules
from .located_yaml import Entry, Located, plain_value
from .named_choices import find_name_key, is_choice
from .other_words import advice_by_word, advise_other_word, choose_advice
from .punctuation import advise_punctuation
from .schema_rules import (
    KnownKeys,
    Path,
    block_names,
    find_node,
    known_keys,
    step_names,
    synonyms,
    unknown_entries,
    wants_in_words,
)
from .shares import explain_shares, find_shares
from .sound_advice import first_sound, is_sound, scopes_at
from .spec import MODIFIERS
from .step_errors import advise_modifier, explain_not_a_step, explain_unknown_step_keys, unknown_step
from .strays import correct_section, explain_strays, find_strays, several_of
from .value_advice import advise_correction, advise_number, advise_off, advise_value


def explain(root: Located, error: Any, rules: Rules = spec_rules) -> Iterator[Diagnostic]:
    """The diagnostics of one jsonschema error, each at its own key or value; none where another error says the same.

    `rules` gives the schema of the whole document.
    """
    path, rule = list(error.absolute_path), error.schema
    key, node = find_node(root, path)
    holder = next((each for each in reversed(path) if isinstance(each, str)), None)
    is_item = path and isinstance(path[-1], int) and holder is not None and "$ref" not in rule
    subject = f"an item of `{holder}` " if is_item else f"`{holder}` " if path and holder is not None else ""
    wants = rule.get("x-wants") or wants_in_words(rule)
    if follows_from_another(root, path, node, rule, error.validator, rules):
        return
    shares = explain_shares(root, path, error.validator, rules)
    yield from shares or ()
    if shares is not None and error.validator != "additionalProperties":
        return
    is_out_of_range = error.validator in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    if is_out_of_range and isinstance(node.value, float) and "number" not in rule.get("type", "number"):
        # it is no integer either, which is reported
        return
    if path and is_choice(rule):
        # an unknown name tells what the other errors tell of the same value
        if error.validator == "additionalProperties" or not (
            isinstance(node.value, dict) and unknown_entries(node, rule)
        ):
            yield from explain_choice_at(root, path, node, rule, subject, rules)
    elif error.validator == "additionalProperties":
        yield from explain_unknown_keys(root, node, rule, rules)
    elif error.validator == "required":
        yield from explain_missing_key(root, node, key or node.span, rule, subject)
    elif rule.get("x-what") == "call" and key and is_foreign_call(root, str(path[-1])):
        yield unknown_step(root, Located(path[-1], key), node)
    elif rule.get("x-what") == "step":
        yield from explain_not_a_step(root, path, node, wants)
    elif is_out_of_range:
        limit = f"wants {wants}" if "x-wants" in rule else f"wants a number in range ({wants})"
        if error.validator == "maximum" and is_left_out(rule["maximum"], wants):
            limit = f"is at most {rule['maximum']:,}"
        advices = advise_number(node, rule, "" if is_item else str(holder))
        help = first_sound(advices, scopes_at(rules, path))
        yield Diagnostic("out-of-range", node.span, f"{subject}{limit}, not {quote_value(error.instance)}", help=help)
    elif error.validator in ("minProperties", "minLength") and path:
        help = advise_correction(node, rule, str(holder)) or f"{subject}wants {wants}"
        yield Diagnostic("empty", node.span, f"{subject}is empty", help=help)
    elif not has_unknown_rest(root, path, node):
        size = f", of {len(error.instance)}" if error.validator in ("minItems", "maxItems") else ""
        message = f"{subject}wants {wants}, not {quote_value(error.instance)}{size}"
        help = advise_wrong_type(root, path, node, rule, "" if is_item else str(holder), rules)
        yield Diagnostic("wrong-type", node.span, message, help=help)


def is_left_out(limit: float, wants: str) -> bool:
    """Whether the words do not name a limit: that of all counts is far from what people write, and is told to those alone who pass it."""
    return f"{limit:,}" not in wants and str(limit) not in wants


def advise_wrong_type(root: Located, path: Path, node: Located, rule: Schema, key: str, rules: Rules) -> str:
    """What to write instead of a value of another kind than its place wants; `key` is empty for an item of a list."""
    has_strays = len(path) == 1 and str(path[0]) in find_strays(root, rules)

    def advices() -> Iterator[str]:
        """All that may be said, each only looked for where those before it do not hold."""
        yield advise_whole(root, path, node)
        yield advise_other_word(rule, str(node.raw or node.value), node.value) if node.is_scalar else ""
        yield advise_off(node, rule, key)
        section = correct_section(root, str(path[0]), rules) if has_strays else None
        yield section.advice if section else ""
        yield advise_value(root, node, rule, path)
        yield advise_correction(node, rule, key)

    return first_sound(advices(), scopes_at(rules, path))


def explain_choice_at(
    root: Located, path: Path, node: Located, rule: Schema, subject: str, rules: Rules
) -> Iterator[Diagnostic]:
    """The diagnostic of a choice by name; of a list of those that other tools write all in the same way, the first has it."""
    is_item, section = isinstance(path[-1], int), str(path[0])
    named = items_by_name_key(root.value[section].value, rules, section) if is_item and len(path) == 2 else {}
    if named.get(node):
        return
    cut = find_cut_calls(root.value[section].value) if is_item and len(path) == 2 else {}
    if cut.get(node) == "":
        return
    is_whole = len(path) == 1 or (node in named and len(named) > 1)
    corrected = correct_section(root, section, rules) if is_whole else None
    if not is_whole and node in cut:
        corrected = correct_entry("", rule, cut[node])
    yield explain_choice(node, rule, subject, "" if is_item else str(path[-1]), corrected)


@lru_cache(maxsize=4)
def find_cut_calls(node: Located) -> dict[Located, str]:
    """The items of a list that are a call, `RandomCrop(32, padding=4)`, of which a comma has made several: its text for the first, and
    an empty one for the others."""
    found: dict[Located, str] = {}
    first: Located | None = None
    for item in node.value if isinstance(node.value, list) else ():
        text = str(item.raw) if item.is_scalar else ""
        if first is not None:
            found[item], found[first] = "", f"{found[first]}, {text}"
            if len(found[first]) > foreign.MAX_FRAGMENT:
                return {}
            if text.count(")") > text.count("("):
                first = None
        elif item.style == "" and text.count("(") > text.count(")"):
            found[item], first = text, item
    return found if first is None else {}


@lru_cache(maxsize=4)
def items_by_name_key(node: Located, rules: Rules, section: str) -> dict[Located, int]:
    """The items of a section that name what they choose under a key, `{type: RandomCrop, size: 32}`, with their order: looked for once."""
    rule = rules()["properties"][section].get("items", {})
    items = [item for item in (node.value if isinstance(node.value, list) else ()) if isinstance(item.value, dict)]
    named = [
        item for item in items if find_name_key(rule, {key: entry.value.value for key, entry in item.value.items()})
    ]
    return {item: order for order, item in enumerate(named)}


def follows_from_another(root: Located, path: Path, node: Located, rule: Schema, validator: str, rules: Rules) -> bool:
    """Whether the error only follows from another mistake that is reported: around its value, or at the first of its kind."""
    if not path:
        return False
    holder = find_node(root, path[:-1])[1]
    around = holder.value
    # a list of a wrong length
    if path[0] == "input" and len(path) == 3:
        return isinstance(around, list) and len(around) != 3
    if not isinstance(around, dict):
        return False
    if validator == "minItems" and "from" in around and isinstance(around["from"].value.value, list):
        return True
    # a document's own keys stand where they belong, as a recipe's `steps` beside its `schedule`
    own = rules().get("properties", {}) if len(path) == 1 else {}
    if node.value is None and any(key in around and key not in own for key in rule.get("properties", {})):
        # keys that stand beside it, and not in it
        return True
    if next(iter(around)) == path[-1]:
        return False
    if path[0] == "input" and len(path) == 2:
        return types_in(holder) <= {int, bool}
    return is_merge(path[-2:-1]) and types_in(holder) == {type(None)}


@lru_cache(maxsize=16)
def types_in(node: Located) -> frozenset[type]:
    """The types of the values of a mapping: looked through once, however many of them are wrong."""
    return frozenset([type(entry.value.value) for entry in node.value.values()])


def is_merge(path: Path) -> bool:
    """Whether the path has one key, and that is a merge."""
    return len(path) == 1 and path[0] in OPS and OPS[str(path[0])].is_merge


def advise_whole(root: Located, path: Path, node: Located) -> str:
    """What to write for the mapping around a value: sizes by name under `input`, and branches that are names of steps."""
    around = find_node(root, path[:-1])[1].value if path else None
    if not isinstance(around, dict) or len(path) < 2:
        return ""
    merge, names = OPS.get(str(path[-2])), list(around)
    if path[0] == "input" and len(path) == 2 and len(names) == 3 and is_int(node.value):
        order = sorted(names, key=lambda name: ("chw".find(name[0].lower()), names.index(name)))
        return f"write `input: {{image: [{', '.join(str(around[name].value.value) for name in order)}]}}`"
    if node.value is None and merge and merge.is_merge and step_names(root) >= set(names):
        return f"write `{foreign.suggest_merge(merge, names)}`"
    return ""


def is_foreign_call(root: Located, name: str) -> bool:
    """Whether a CamelCase key is no block of this document, nor of one that it may import."""
    composed = "extends" in root.value or "import" in root.value
    return not composed and name not in block_names(root)


def explain_missing_key(root: Located, node: Located, place: Span, rule: Schema, subject: str) -> Iterator[Diagnostic]:
    """The diagnostic of a missing key; none where an unknown key means it, because that one is reported."""
    known = known_keys(rule)
    unknown = [str(entry.key.value) for entry in unknown_entries(node, rule)]
    meant = {known.key_for(word) for word in unknown if not is_among(word, (*INFERRED, *NOT_ARCHITECTURE))}
    missing = [name for name in rule["required"] if name not in node.value and name not in meant]
    if is_place_key(rule, missing) and any(is_step_key(root, word) for word in unknown):
        return
    also = ""
    if missing == ["archspec"] and "name" not in node.value and "graph" in node.value:
        # the driver would report this one as missing, at the same place
        also = " and a `name`"
    # a field that nobody knows may be meant for it
    if missing and not (known.op and None in meant):
        first = known.keys.get(missing[0], {}).get("const")
        help = f"write `{missing[0]}: {first}` first" if first is not None else ""
        yield Diagnostic("missing-key", place, f"{subject or 'the document '}needs `{missing[0]}`{also}", help=help)


def is_place_key(rule: Schema, keys: list[str]) -> bool:
    """Whether the one of the keys is a place for steps."""
    return len(keys) == 1 and rule.get("properties", {}).get(keys[0], {}).get("$ref", "").endswith("/place")


def is_step_key(root: Located, word: str) -> bool:
    """Whether the word is an operation or a block."""
    return word in OPS or word in block_names(root)


def explain_unknown_keys(root: Located, node: Located, rule: Schema, rules: Rules) -> Iterator[Diagnostic]:
    """The diagnostics of the keys of a mapping that its rule does not have."""
    shares = find_shares(rule, plain_value(node)) if "x-shares" in rule else None
    unknown = [each for each in unknown_entries(node, rule) if not shares or each.key.value not in shares.by_key]
    what = rule.get("x-what", "key")
    rest = next(filter(is_rest_of_pair, unknown), None)
    if rest:
        message = f"`{rest.key.value}` is the rest of a value that ends at the comma: YAML knows no ( )"
        help = f"write a pair or a list in square brackets: {join_pair(node, rest)}"
        yield Diagnostic("unknown-key", rest.key.span, message, help=help)
    elif what == "step":
        yield from explain_unknown_step_keys(root, node, rule, unknown)
    elif what == "block":
        for entry in unknown:
            name = str(entry.key.value)
            yield Diagnostic("block-name", entry.key.span, f"`{name}` cannot name a block: blocks are CamelCase",
                             help=f"call it `{camel_case(name)}`; lower-case names are operations")  # fmt: skip
    elif is_place_key(rule, rule.get("required", [])) and any(is_step_key(root, str(e.key.value)) for e in unknown):
        owner, place = rule["x-owner"], rule["required"][0]
        step = next(entry for entry in unknown if is_step_key(root, str(entry.key.value)))
        help = f"steps stand in `{place}`: write `{owner}: {{{place}: [ … ]}}`"
        yield Diagnostic("unknown-key", step.key.span, f"unknown {what}: `{step.key.value}`", help=help)
    else:
        if node is root:
            yield from explain_strays(root, what, rules)
            strays = {id(each.entry) for found in find_strays(root, rules).values() for each in found}
            unknown = [entry for entry in unknown if id(entry) not in strays]
        yield from explain_unknown_words(node, rule, unknown, rules)


def explain_unknown_words(node: Located, rule: Schema, unknown: list[Entry], rules: Rules) -> Iterator[Diagnostic]:
    """The diagnostics of keys that nobody knows; those to which the answer is the same are one mistake."""
    what = rule.get("x-what", "key")
    told: dict[str, list[Entry]] = {}
    advices = advice_by_word(rule)
    for advice, parts in join_unknown_parts(rule, unknown):
        if is_sound(advice, [rule]):
            told[advice] = parts
    unknown_parts = {id(entry) for parts in told.values() for entry in parts}
    for entry in unknown if advices else ():
        if id(entry) in unknown_parts:
            continue
        # that of the value, else that without one
        said = (choose_advice(advices, str(entry.key.value), value) for value in (plain_value(entry.value), None))
        if other := first_sound(said, [rules(), rule]):
            told.setdefault(other, []).append(entry)
    advice_at = {id(entries[0]): advice for advice, entries in told.items()}
    others = {id(entry) for entries in told.values() for entry in entries[1:]}
    for entry in unknown:
        if id(entry) in others:
            continue
        word, other = str(entry.key.value), advice_at.get(id(entry), "")
        words = [f"`{each.key.value}`" for each in told[other]] if other else [f"`{word}`"]
        help = (
            other or advise_punctuation(entry.key) or advise_quotes(entry) or advise_key(known_keys(rule), node, entry)
        )
        kind = several_of(what, len(words))
        yield Diagnostic("unknown-key", entry.key.span, f"unknown {kind}: {', '.join(words)}", help=help)


def join_unknown_parts(rule: Schema, unknown: list[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """The keys that are each a number of one list here, with the list as it is written: `beta1` and `beta2`."""
    for key, each in rule.get("properties", {}).items():
        words = tuple(word for words in each.get("x-parts", ()) for word in words)
        parts = [entry for entry in unknown if is_among(str(entry.key.value), words)] if words else []
        if parts:
            numbers = join_parts(rule, {str(entry.key.value): plain_value(entry.value) for entry in parts})
            yield f"both are one list: write `{key}: {foreign.format_flow(numbers[key])}`", parts


def advise_quotes(entry: Entry) -> str:
    """The help for words without a value, which are the rest of a text that YAML cut at its comma: `{source: our run, of May}`."""
    is_rest = entry.value.value is None and " " in str(entry.key.value)
    return "a text with a comma stands in quotes" if is_rest else ""


def is_rest_of_pair(entry: Entry) -> bool:
    """Whether the key is the end of a pair in parentheses, which YAML cuts at the comma: `{kernel: (3, 3)}`."""
    name = str(entry.key.value)
    return entry.value.value is None and name.count(")") > name.count("(")


def join_pair(node: Located, rest: Entry) -> str:
    """The pair of which YAML has made two entries, as a list; an example where its other half is not found."""
    values = (entry.value.value for entry in node.value.values())
    begun = next((value for value in values if isinstance(value, str) and value.count("(") > value.count(")")), "(3")
    joined = f"{begun}, {rest.key.value if begun != '(3' else '3'}".strip("() ")
    return f"[{joined}]" if re.fullmatch(r"[-\d., ]{1,60}", joined) else "[3, 3]"


def has_unknown_rest(root: Located, path: Path, node: Located) -> bool:
    """Whether the value is the beginning of such a pair. Then the other half, which is an unknown key, is reported."""
    if not isinstance(node.value, str) or node.value.count("(") <= node.value.count(")") or not path:
        return False
    return holds_rest_of_pair(find_node(root, path[:-1])[1])


@lru_cache(maxsize=16)
def holds_rest_of_pair(node: Located) -> bool:
    """Whether a mapping has the end of a pair in parentheses among its keys."""
    return isinstance(node.value, dict) and any(map(is_rest_of_pair, node.value.values()))


def camel_case(name: str) -> str:
    """The name that a block may have, made from one that it may not have."""
    joined = "".join(part[:1].upper() + part[1:] for part in re.split(r"\W|_", name))
    return joined if joined[:1].isalpha() and joined.isascii() else f"Block{joined}"


def advise_key(known: KnownKeys, node: Located, entry: Entry) -> str:
    """What to write instead of an unknown key."""
    # late: schema.py calls this module
    from .schema import modifier_rules

    name, op = str(entry.key.value), known.op
    given = {k: plain_value(e.value) for k, e in islice(node.value.items(), foreign.MAX_ARGUMENTS)}
    corrected = f"write `{foreign.suggest_mapping(op, given)}`" if op and not op.is_merge else ""
    key = known.key_for(name)
    is_synonym = key is not None and is_among(name, (key, *synonyms(known, key)))
    if op and not is_synonym and name in MODIFIERS and isinstance(node.value, dict):
        inner = {k: value for k, value in given.items() if k != name}
        beside = advise_modifier(modifier_rules()[name], name, entry.value)
        return f"it stands beside `{op.name}`: write `{{{beside}, {foreign.suggest_mapping(op, inner)}}}`"
    if op and not is_synonym and argument_advice(name):
        return argument_advice(name)
    if op and is_among(name, (*INFERRED, *NOT_ARCHITECTURE)):
        return "; ".join(filter(None, (foreign.advise_argument(op, name, None), corrected)))
    if key and is_synonym and key in node.value:
        return f"`{name}` is `{key}` here, which stands there too: leave one of them out"
    if key and is_synonym:
        corrected = corrected or ("" if op else suggest_entry(key, known.keys[key], plain_value(entry.value)))
        return f"`{name}` is `{key}` here" + (f": {corrected}" if corrected else "")
    own = foreign.advise_own_step(name, plain_value(entry.value)) if op and match_op(name) is not op else ""
    if op and own:
        return f"`{op.name}` has none: {own}"
    if key:
        return f"did you mean `{key}`?"
    return f"it can be {', '.join(known.keys)}" if known.keys else "it takes no fields"
