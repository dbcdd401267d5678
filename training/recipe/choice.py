"""What a recipe chooses by name, as how weights begin, its optimizer, its schedule and the steps of `augment`: a class each, in which all that is special about it
stands together.

The fields of the class are the values that a recipe gives it, each with the rule of the schema, which states the default. So the reader, the
schema and the training take them from one place, and a choice that is made in Python (`SCHEDULES["cosine"]()`) has the defaults of a file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, ClassVar

from ...compiler.diagnostics import Diagnostic
from ...compiler.frontend.located_yaml import Entry, Located
from ...compiler.frontend.schema import with_synonyms
from ...compiler.ops.fields import Schema, freeze
from .field_rules import choice_rule

# the keys of a recipe that choose one by its name, and those that list several
CHOICES = ("init", "optimizer", "schedule")
LISTS = ("augment",)
# a field of a choice whose keys are paths of a net, with a choice for each, and the key of a recipe that has it
BY_PATH, HAS_PATHS = "layers", "init"


def field(rule: Schema, *also_called: str) -> Any:
    """Declares a field by the rule of its values; `also_called` is what others call it. Without a default in the rule it must be given."""
    default = freeze(rule["default"]) if "default" in rule else MISSING
    if also_called:
        rule = with_synonyms(rule, *also_called)
    return dataclasses.field(default=default, metadata={"rule": rule})


@dataclass(frozen=True)
class RecipeChoice:
    """One choice: a frozen value with a field for each of its values. What is special about it is a class fact:

    - `name` as a recipe writes it; `also_called`, what others call it
    - `doc`, the line that editors show, where that is not the first one of its docstring
    - `bare`, the field that a bare value sets; `instead`, what to write for a value of another JSON type
    - `needs_a_field`: it is nothing without any, so its name does not stand alone
    - `needs`: rows of fields of which it has one, for advice: an example of the first, and the field with which it is needed, if not always
    - `exclusive`: pairs of fields that say the same, each with what that is
    """

    name: ClassVar[str]
    also_called: ClassVar[tuple[str, ...]] = ()
    doc: ClassVar[str] = ""
    bare: ClassVar[str] = ""
    instead: ClassVar[Mapping[str, str]] = {}
    needs_a_field: ClassVar[bool] = False
    needs: ClassVar[tuple[tuple[Any, ...], ...]] = ()
    exclusive: ClassVar[tuple[tuple[str, str, str], ...]] = ()

    @classmethod
    def field_rules(cls) -> Schema:
        """The rules of its fields, by name."""
        return {each.name: each.metadata["rule"] for each in dataclasses.fields(cls)}

    @classmethod
    def describe(cls) -> str:
        """What it is, in a line that begins as the middle of a sentence does."""
        line = (cls.__doc__ or cls.name).splitlines()[0].removesuffix(".")
        return cls.doc or line[:1].lower() + line[1:]

    @classmethod
    def rule(cls) -> Schema:
        """Its rule in the schema of recipes."""
        rules = cls.field_rules()
        required = tuple(name for name, rule in rules.items() if "default" not in rule)
        for (field_name, *_), example, *_ in cls.needs:
            rules[field_name] = rules[field_name] | {"x-example": example}
        rule = choice_rule(cls.name, cls.describe(), rules, bare=cls.bare, needs=required)
        if cls.needs:
            rule["x-needs"] = [[list(fields), *rest] for fields, *rest in cls.needs]
        if cls.needs_a_field:
            rule |= {"type": ["object"], "minProperties": 1}
        return with_synonyms(rule, *cls.also_called, **cls.instead) if cls.also_called or cls.instead else rule

    @classmethod
    def find_missing(cls, entry: Entry) -> Iterator[Diagnostic]:
        """Reports the needed fields that are missing in a composed recipe. `entry` has the choice's name and its fields."""
        yield from ()

    @classmethod
    def find_conflicts(cls, fields: Located, root: Located) -> Iterator[Diagnostic]:
        """Values that do not go together, or not with the recipe `root`; `fields` are the stated ones."""
        yield from ()


def choice_rules(choices: Mapping[str, type[RecipeChoice]]) -> Schema:
    """The rules of the choices, by name."""
    return {name: each.rule() for name, each in choices.items()}
