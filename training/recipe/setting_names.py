"""The names of `--set` for recipes: where each belongs, and what is said of one that a recipe has no place for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...compiler.diagnostics import Collector, Failure, Source, list_names, nearest
from ...compiler.frontend.corrections import correct, is_off
from ...compiler.frontend.located_yaml import Located, is_broken, parse_yaml, plain_value
from ...compiler.frontend.other_words import advise_other_word
from ...compiler.frontend.overrides import Override
from ...compiler.frontend.schema_rules import find_key
from ...compiler.ops.fields import Schema
from ...compiler.ops.words import is_among
from .choice import BY_PATH, CHOICES, LISTS
from .rules import recipe_schema
from .tree import find
from .write import flow

OF_RECIPE, OF_SPEC = "recipe.", "spec."
FIXED = ("recipe", "extends")  # what a setting cannot change
SHELL_WORD = re.compile(r"[\w.,+-]+")


def places(rule: Schema, before: str = "", depth: int = 3) -> Iterator[tuple[str, str, Schema]]:
    """The keys of a recipe with the dotted word that sets each, and their rules. The name of a choice is no part of the word."""
    for key, inner in rule.get("properties", {}).items():
        yield key, before + key, inner
        if not depth:
            continue
        if not before and key in CHOICES:
            for each in inner["properties"].values():
                yield from places(each, f"{key}.", depth - 1)
        else:
            yield from places(inner, f"{before}{key}.", depth - 1)


def place_of(name: str) -> str | None:
    """The dotted word that a name, its last part or a synonym of that, was probably meant for; None where there is none."""
    last = name.rpartition(".")[2]
    known = list(places(recipe_schema()))
    for key, dotted, rule in known:
        if is_among(last, (key, *rule.get("x-also-called", ()))) and dotted != name:
            return dotted
    return nearest(name, [dotted for _, dotted, _ in known])


def did_you_mean(place: str, value: str) -> str:
    """The question for a name that was meant for another place, with the setting as it is written there."""
    rule = next((rule for _, dotted, rule in places(recipe_schema()) if dotted == place), None)
    node = parse_yaml(Source("--set", value), Collector()) if value and "\n" not in value else None
    if rule and node and (found := correct(rule, plain_value(node))):
        value = found.value if isinstance(found.value, str) else flow(found.value)
    return f"did you mean `{place}`?" + (f" write {write_setting(place, value)}" if value else "")


def write_setting(name: str, value: str) -> str:
    """`--set name=value` as a shell takes it."""
    quote = "" if SHELL_WORD.fullmatch(name) and SHELL_WORD.fullmatch(value) else "'"
    return f"--set {quote}{name}={value[:120]}{quote}"


def advise_elsewhere(name: str, text: str) -> str:
    """What to do instead of a name that a recipe has no place for, or that is a step of its list; empty for any other."""
    rule = recipe_schema()
    node = parse_yaml(Source("--set", text), Collector()) if text and "\n" not in text else None
    value = plain_value(node) if node else None
    last = name.rpartition(".")[2]
    if "." not in name and (other := advise_other_word(rule, name, value)):
        return other
    first = name.partition(".")[0]
    for words, section, key in rule["x-stands-in"]:
        if section in LISTS and is_among(last, tuple(words)) and ("." not in name or first == section):
            return advise_list(section, [], key or last, value)
    return ""


def advise_list(section: str, steps: list[Any], word: str, value: Any) -> str:
    """What to write for one step of a list, which is set as a whole: the list with that step, or without it."""
    rule = recipe_schema()["properties"][section]
    if isinstance(value, dict):
        there: dict[str, Any] = next(
            (step[word] for step in steps if isinstance(step, dict) and isinstance(step.get(word), dict)), {}
        )
        value = {**there, **value}
    found = correct(rule["items"], {word: value})
    name = next(iter(found.value), word) if found and isinstance(found.value, dict) else found.value if found else word
    others = [step for step in steps if name not in step]
    if is_off(value):
        return (
            f"the list is set as a whole, without the step: {write_setting(section, flow(others))}"
            if steps
            else f"the list is set as a whole: leave `{word}` out of it"
        )
    if found is None:
        return f"the list is set as a whole: {write_setting(section, flow(steps or [word]))}"
    places = [found.value if name in step else step for step in steps]
    return f"the list is set as a whole: {write_setting(section, flow(places if len(others) < len(steps) else [*steps, found.value]))}"


def as_setting(help: str, override: Override) -> str:
    """The help of a value that is set in a shell, in which what to write is a setting, too."""
    if not override.in_shell:
        return help

    def as_option(entry: re.Match[str]) -> str:
        """An entry as a setting, where its key is the last part of the name, or the path of a step, which has dots."""
        return f"`{write_setting(override.name, entry[2])}`" if f".{override.name}".endswith(f".{entry[1]}") else entry[0]  # fmt: skip

    return re.sub(r"`\"?([^`:\"]+)\"?: ([^`]+)`", as_option, help)


def ask_for_start(override: Override, help: str) -> str:
    """The help of a refused value, with a question before it where the end of a path of `init.layers` is nearly a start, or a field of one."""
    before, _, path = override.name.rpartition(f".{BY_PATH}.")
    *step, last = path.split(".")
    if not (before and step) or not override.value.is_scalar:
        return help
    (rule,) = recipe_schema()["properties"]["init"]["properties"]["default"]["properties"][BY_PATH][
        "patternProperties"
    ].values()
    starts = rule["properties"]
    near = nearest(last, starts[step[-1]].get("properties", {}) if step[-1] in starts and len(step) > 1 else starts)
    return f"did you mean `{override.name.removesuffix(last)}{near}`? or {help}" if near else help


def advise_choice(path: list[str], field: str, value: Any) -> str:
    """Which optimizers or schedules have a field that the recipe's own has not, and how to set the first of them; empty where none has it."""
    if len(path) != 2 or path[0] not in CHOICES:
        return ""
    choices = recipe_schema()["properties"][path[0]]["properties"]
    found = [name for name, rule in choices.items() if field in rule.get("properties", {})]
    if not found:
        return ""
    # what it does not go without, as its learning rate; those with a condition are left out
    needed = {
        fields[0]: example
        for fields, example, *when in choices[found[0]].get("x-needs", ())
        if not when and field not in fields
    }
    setting = write_setting(path[0], flow({found[0]: {**needed, field: value}}))
    return f"{list_names(found, '`{}`')} {'has' if len(found) == 1 else 'have'} it: {setting}"


def refuse_name(override: Override, path: list[str], part: str, rule: Schema, root: Located) -> None:
    """Raises Failure (usage) for a name that a recipe does not have at this place."""
    if not path and part in FIXED:
        raise Failure(
            "set-unknown", f"{override.origin}: `{part}` is no value that can be set", "write it into the file", 2
        )
    where = f"`{path[-1]}` has no `{part[:80]}`" if path else f"a recipe has no key `{part[:80]}`"
    keys: Mapping[str, Schema] = rule.get("properties", {})
    synonym = find_key(keys, part)
    near = synonym or nearest(part, keys)
    place = place_of(override.name)
    value = plain_value(override.value)
    text = override.value.raw or flow(value)
    other = ("" if synonym else advise_other_word(rule, part, value)) if path else advise_elsewhere(override.name, text)
    if len(path) == 1 and path[0] in LISTS:
        steps = find(root, path[0])
        for word in reversed(override.name.removeprefix(OF_RECIPE).split(".")[2:]):
            value = {word: value}
        help = advise_list(path[0], plain_value(steps) if steps and not is_broken(steps) else [], part, value)
    elif other:
        help = other
    elif near:
        help = did_you_mean(".".join([*(path[:1] if path[:1] and path[0] in CHOICES else path), near]), text)
    elif place and not path:
        help = did_you_mean(place, text)
    elif choices := advise_choice(path, part, value):
        help = choices
    else:
        known = [key for key in keys if path or key not in FIXED]
        help = f"it can be {', '.join(known)}" if known else "a list, and a value without keys, is set as a whole"
    raise Failure("set-unknown", f"{override.origin}: {where}", help, 2)
