"""The check of a document against the JSON Schema of its language, each mistake in our words at its own key or value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..diagnostics import Collector, Diagnostic, LimitReached
from ..ops.fields import Schema, is_number
from .language import Rules, spec_rules
from .located_yaml import Located, plain_value

ERRORS_A_MISTAKE = 10  # errors of the schema for each mistake that is allowed: many may say the same


@lru_cache(maxsize=4)
def validator(rules: Rules = spec_rules) -> Any:
    """jsonschema's validator of a schema, with the types of the language: neither 1.0 nor `true` is an integer."""
    from jsonschema import Draft202012Validator, validators

    strict = strict_types()
    extend: Any = validators.extend
    shared = rules().get("$defs", {})

    def follow_reference(validator: Any, reference: str, instance: Any, _: Schema) -> Iterator[Any]:
        """jsonschema's keyword `$ref`, into `$defs`: to resolve references anew for each step is half of a check's time."""
        yield from validator.descend(instance, shared[reference.rpartition("/")[2]])

    words = {"$ref": follow_reference, "items": check_items}
    return extend(Draft202012Validator, words, type_checker=strict)(rules())


def strict_types() -> Any:
    """jsonschema's types, of which neither 1.0 nor `true` is an integer."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )


@lru_cache(maxsize=2)
def rule_validator(is_advice: bool = False) -> Any:
    """The validator of single rules. A reference is not followed: nothing fits it.

    What is an advice is held against more than the schema that editors read: it has the fields that are needed (`x-needs`), with values,
    and no number that is infinite or none.
    """
    from jsonschema import Draft202012Validator, ValidationError, validators

    def refuse_reference(validator: Any, reference: str, instance: Any, _: Schema) -> Iterator[Any]:
        """jsonschema's keyword `$ref`."""
        yield ValidationError(f"{reference} is not looked up")

    def require_needs(validator: Any, rows: Any, instance: Any, _: Schema) -> Iterator[Any]:
        """The keyword `x-needs` (named_choices.py)."""
        for fields, _, *only in rows if isinstance(instance, dict) else ():
            has = {key for key, value in instance.items() if value is not None}
            if has.issuperset(only) and not has.intersection(fields):
                yield ValidationError(f"one of {fields} is needed")

    extend: Any = validators.extend
    words: dict[str, Any] = {"$ref": refuse_reference}
    types = strict_types()
    if is_advice:
        words["x-needs"] = require_needs
        types = types.redefine("number", lambda _, value: is_number(value) and math.isfinite(value))
    return extend(Draft202012Validator, words, type_checker=types)({})


def fits(rule: Schema, value: Any) -> bool:
    """Whether a plain value is one that the rule takes and a message may tell; never for a rule that refers to another."""
    return bool(rule_validator(is_advice=True).evolve(schema=rule).is_valid(value))


def fits_itself(rule: Schema, value: Any) -> bool:
    """Whether a plain value is what the rule wants, whatever stands further in."""
    return all(error.absolute_path for error in rule_validator().evolve(schema=rule).iter_errors(value))


def check_items(validator: Any, rule: Schema, instance: Any, _: Schema) -> Iterator[Any]:
    """jsonschema's keyword `items`, which looks at a word once: a net written out says `relu` and `ConvBN` thousands of times."""
    sound: set[str] = set()
    for index, item in enumerate(instance if isinstance(instance, list) else ()):
        if type(item) is str and item in sound:
            continue
        is_sound = True
        for error in validator.descend(item, rule, path=index):
            is_sound = False
            yield error
        if is_sound and type(item) is str:
            sound.add(item)


def validate(root: Located, diagnostics: Collector, rules: Rules = spec_rules) -> list[Any]:
    """Checks a document against the schema, and reports each mistake at its own key or value.

    Returns the errors of jsonschema, for recovery.py. Raises LimitReached where there are too many.
    """
    errors: list[Any] = []
    most = ERRORS_A_MISTAKE * (diagnostics.limit or 1)
    for error in validator(rules).iter_errors(plain_value(root)):
        # late: only a mistake pays for its explanation
        from .schema_errors import explain
        from .schema_rules import find_node

        errors.append(error)
        if len(errors) > most:
            place = find_node(root, list(error.absolute_path))[1].span
            raise LimitReached(Diagnostic("too-many-mistakes", place, f"over {most} values do not fit the schema"))
        for diagnostic in explain(root, error, rules):
            diagnostics.add(diagnostic)
    return errors
