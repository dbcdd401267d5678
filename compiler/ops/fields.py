"""The kinds of values that an op's field takes.

A kind is the only place where a field's type is stated: it checks a value, says in words what it wants, and gives the JSON
Schema fragment that editors and the YAML check use. Every fragment is flat (`type` lists, no `anyOf`), because nested
alternatives ruin both the messages and an editor's completion. A string with `$` is an expression and passes the schema;
its value is checked when it is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

EXPRESSION = r"\$"
MAX_INT = 2**31 - 1
Schema = dict[str, Any]


class Misfit(ValueError):
    """A value that its kind refuses. `at` is the path of the wrong element inside the value, by index; () is the value itself."""

    def __init__(self, message: str, at: tuple[int | str, ...] = (), code: str = "wrong-type") -> None:
        super().__init__(message)
        self.at = at
        self.code = code


def is_int(value: object) -> bool:
    """An integer and not a boolean (in Python a boolean is an integer, in a spec it is not)."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """An integer or a float, and not a boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def quote_value(value: object) -> str:
    """A value as YAML writes it, cut where it is long."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif value is None:
        text = "null"
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(quote_items(value)) + (", …]" if len(value) > 12 else "]")
    elif isinstance(value, dict):
        text = "a mapping"
    elif isinstance(value, str):
        text = f"'{value}'"
    elif isinstance(value, int) and abs(value) > 10**40:
        text = "a number of over 40 digits"
    else:
        text = str(value)
    return text if len(text) <= 80 else text[:77] + "…" + (text[-1] if text[-1] in "]'" else "")


def quote_items(values: Sequence[object]) -> Iterator[str]:
    """The first of the values, as far as they are shown: a nest of lists is not written out to be cut then."""
    room = 80
    for value in values[:12]:
        text = quote_value(value)
        yield text
        room -= len(text)
        if room < 0:
            return


def freeze(value: Any) -> Any:
    """The value with its lists and mappings as tuples, so that it can be looked up."""
    if isinstance(value, list):
        return tuple([freeze(item) for item in value])
    return tuple([(key, freeze(item)) for key, item in value.items()]) if isinstance(value, dict) else value


class Kind:
    """What a field takes. Subclasses give `wants` (in words, for messages), `schema` and `check`, and `spell` where a value has a shorter form.

    `other_words` are the values of other frameworks, in lower case, each with the value that means the same here.
    """

    wants: str
    other_words: Mapping[str, str] = MappingProxyType({})

    def schema(self) -> Schema:
        """The JSON Schema of a value that is written out, or computed by an expression."""
        raise NotImplementedError

    def check(self, value: Any) -> Any:
        """The value in its canonical form. Raises Misfit where the kind refuses it."""
        raise NotImplementedError

    def spell(self, value: Any) -> str:
        """A value in its canonical form as a spec writes it, as shortly as can be: `check` makes it of that again."""
        return quote_value(value)


class Int(Kind):
    """An integer from `ge` to MAX_INT."""

    def __init__(self, ge: int = 0) -> None:
        self.ge = ge
        self.wants = f"an integer of at least {ge}"

    def schema(self) -> Schema:
        return {"type": ["integer", "string"], "minimum": self.ge, "maximum": MAX_INT, "pattern": EXPRESSION}

    def check(self, value: Any) -> int:
        """The integer; a float is refused even where it is whole, with a hint at `//` and round()."""
        if not is_int(value):
            hint = "; `/` always gives a float, `//` or round() an integer" if isinstance(value, float) else ""
            raise Misfit(f"wants {self.wants}, not {quote_value(value)}{hint}")
        if value < self.ge:
            raise Misfit(f"wants {self.wants}, not {value}", code="out-of-range")
        if value > MAX_INT:
            raise Misfit(f"{quote_value(value)} is too large: the limit is {MAX_INT}", code="out-of-range")
        return int(value)


class Float(Kind):
    """A finite number: at least `ge`, at most `le`, greater than `over`, where these are given."""

    def __init__(self, ge: float | None = None, le: float | None = None, over: float | None = None) -> None:
        self.ge, self.le, self.over = ge, le, over
        named = (("at least", ge), ("over", over), ("at most", le))
        bounds = [f"{word} {bound:g}" for word, bound in named if bound is not None]
        self.wants = "a number" + (" of " + " and ".join(bounds) if bounds else "")

    def schema(self) -> Schema:
        bounds = {"minimum": self.ge, "maximum": self.le, "exclusiveMinimum": self.over}
        return {
            "type": ["number", "string"],
            **{k: v for k, v in bounds.items() if v is not None},
            "pattern": EXPRESSION,
        }

    def check(self, value: Any) -> float:
        """The number as a float. Raises Misfit where it is infinite, NaN or out of bounds."""
        if not is_number(value):
            raise Misfit(f"wants {self.wants}, not {quote_value(value)}")
        if not math.isfinite(value):
            raise Misfit(f"wants {self.wants}; {quote_value(value)} is not finite", code="out-of-range")
        if (
            (self.ge is not None and value < self.ge)
            or (self.le is not None and value > self.le)
            or (self.over is not None and value <= self.over)
        ):
            raise Misfit(f"wants {self.wants}, not {quote_value(value)}", code="out-of-range")
        return float(value) + 0.0  # one zero: ops of equal fields are one, and -0.0 equals 0.0

    def spell(self, value: Any) -> str:
        """With a point in it, as YAML 1.1 wants: `1.0e-5`."""
        digits, exponential, exponent = str(value).partition("e")
        return f"{digits if '.' in digits else digits + '.0'}e{int(exponent)}" if exponential else digits


class Bool(Kind):
    """true or false."""

    wants = "a boolean, true or false"

    def schema(self) -> Schema:
        return {"type": ["boolean", "string"], "pattern": EXPRESSION}

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise Misfit(f"wants {self.wants}, not {quote_value(value)}")
        return value


class Choice(Kind):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.wants = "one of " + ", ".join(f"`{w}`" for w in words)

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^({'|'.join(self.words)})$|{EXPRESSION}"}

    def check(self, value: Any) -> str:
        if value not in self.words:
            raise Misfit(f"wants {self.wants}, not {quote_value(value)}")
        return str(value)

    def spell(self, value: Any) -> str:
        return str(value)


class Pair(Kind):
    """One integer for both axes, or [height, width]."""

    def __init__(self, ge: int = 1) -> None:
        self.item = Int(ge)
        self.wants = f"an integer of at least {ge} or a pair [height, width] of them"

    def schema(self) -> Schema:
        one = self.item.schema()
        return one | {"type": ["integer", "array", "string"], "items": one, "minItems": 2, "maxItems": 2}

    def check(self, value: Any) -> tuple[int, int]:
        if is_int(value):
            n = self.item.check(value)
            return n, n
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise Misfit(f"wants {self.wants}, not {quote_value(value)}")
        return check_item(self.item, value, 0), check_item(self.item, value, 1)

    def spell(self, value: Any) -> str:
        return quote_value(value[0] if isinstance(value, tuple) and len({*value}) == 1 else value)


class Padding(Kind):
    """One integer, [height, width], [top, left, bottom, right], or `same`. The canonical form is four sides, or `same`."""

    wants = "an integer, [height, width], [top, left, bottom, right] or `same`"
    other_words = MappingProxyType(
        {
            "valid": "0",
            "none": "0",
            "null": "0",
            "false": "0",
            "same": "same",
            "same_upper": "same",
            "auto": "same",
            "half": "same",
        }
    )

    def schema(self) -> Schema:
        """A list of three numbers passes it, as JSON Schema has no "two or four" in a flat fragment; `check` refuses it."""
        one = Int(0).schema()
        return one | {
            "type": ["integer", "array", "string"],
            "items": one,
            "minItems": 2,
            "maxItems": 4,
            "pattern": f"^same$|{EXPRESSION}",
            "x-other-words": dict(self.other_words),
        }

    def check(self, value: Any) -> tuple[int, int, int, int] | str:
        """(top, left, bottom, right), or `same`, which depends on the map."""
        if value == "same":
            return "same"
        side = Int(0)
        if is_int(value):
            n = side.check(value)
            return n, n, n, n
        if not isinstance(value, (list, tuple)) or len(value) not in (2, 4):
            count = f", of {len(value)} numbers" if isinstance(value, (list, tuple)) else ""
            raise Misfit(f"wants {self.wants}, not {quote_value(value)}{count}")
        sides = [check_item(side, value, i) for i in range(len(value))]
        return (sides[0], sides[1], sides[0], sides[1]) if len(sides) == 2 else (sides[0], sides[1], sides[2], sides[3])

    def spell(self, value: Any) -> str:
        if value == "same":
            return "same"
        return quote_value(value[0] if len({*value}) == 1 else value[:2] if value[:2] == value[2:] else value)


class IntList(Kind):
    """A list of integers of at least `ge`; `size` is the (least, greatest) length. `what` says in words what it wants."""

    def __init__(self, ge: int = 0, size: tuple[int, int] = (1, 65536), what: str = "a list of integers") -> None:
        self.item, self.size, self.wants = Int(ge), size, what

    def schema(self) -> Schema:
        bounds = {"minItems": self.size[0], "maxItems": self.size[1]}
        return {"type": ["array", "string"], "items": self.item.schema(), **bounds, "pattern": EXPRESSION}

    def check(self, value: Any) -> tuple[int, ...]:
        if not isinstance(value, (list, tuple)) or not self.size[0] <= len(value) <= self.size[1]:
            raise Misfit(f"wants {self.wants}, not {quote_value(value)}")
        if set(map(type, value)) == {int} and min(value) >= self.item.ge and max(value) <= MAX_INT:
            return tuple(value)
        return tuple(check_item(self.item, value, i) for i in range(len(value)))


class FloatList(Kind):
    """A list of numbers."""

    wants = "a list of numbers"

    def schema(self) -> Schema:
        return {"type": ["array", "string"], "items": Float().schema(), "minItems": 1, "pattern": EXPRESSION}

    def check(self, value: Any) -> tuple[float, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            raise Misfit(f"wants {self.wants}, not {quote_value(value)}")
        return tuple(check_item(Float(), value, i) for i in range(len(value)))


class Matrix(Kind):
    """A list of rows of numbers, all equally long."""

    wants = "a list of rows of numbers, all equally long"

    def schema(self) -> Schema:
        row = {"type": ["array", "string"], "items": {"type": ["number", "string"], "pattern": EXPRESSION}}
        return {"type": ["array", "string"], "items": row | {"pattern": EXPRESSION}, "pattern": EXPRESSION}

    def check(self, value: Any) -> tuple[tuple[float, ...], ...]:
        """The rows. Raises Misfit, with the place of the row or number that is wrong."""
        if not isinstance(value, (list, tuple)) or not value:
            raise Misfit(f"wants {self.wants}, not {quote_value(value)}")
        rows = []
        for i, row in enumerate(value):
            if not isinstance(row, (list, tuple)) or not row:
                raise Misfit(f"wants {self.wants}, not {quote_value(row)} as a row", (i,))
            if len(row) != len(value[0]):
                raise Misfit(f"row {i} has {len(row)} numbers where the first has {len(value[0])}", (i,))
            rows.append(tuple(check_item(Float(), row, j, (i,)) for j in range(len(row))))
        return tuple(rows)


SCHEMES = ("kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform", "torch_default", "zeros", "ones")
MEASURED = ("normal", "uniform", "truncated_normal", "constant")


class InitKind(Kind):
    """A weight's initialisation: the name of a scheme, or one with its measure, `{normal: 0.01}`."""

    wants = "one of " + ", ".join(SCHEMES) + ", or one of " + ", ".join(f"{{{m}: number}}" for m in MEASURED)
    other_words = MappingProxyType(
        {"he_normal": "kaiming_normal", "he_uniform": "kaiming_uniform", "msra": "kaiming_normal", "glorot_normal": "xavier_normal",
         "glorot_uniform": "xavier_uniform", "xavier": "xavier_uniform", "zero": "zeros", "one": "ones"}
    )  # fmt: skip

    def schema(self) -> Schema:
        """A scheme's name, or a mapping of one measured scheme to its number."""
        number = {"type": ["number", "string"], "pattern": EXPRESSION}
        return {
            "type": ["string", "object"],
            "pattern": f"^({'|'.join(SCHEMES)})$|{EXPRESSION}",
            "properties": dict.fromkeys(MEASURED, number),
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "x-other-words": dict(self.other_words),
        }

    def check(self, value: Any) -> tuple[str, float]:
        """(scheme, measure). The measure is a standard deviation, a bound or a value; 0 for a scheme that has none."""
        if isinstance(value, str) and value in SCHEMES:
            return value, 0.0
        if isinstance(value, dict) and len(value) == 1:
            scheme, measure = next(iter(value.items()))
            if scheme in MEASURED:
                return scheme, Float(ge=None if scheme == "constant" else 0).check(measure)
        if (
            isinstance(value, (tuple, list)) and len(value) == 2 and value[0] in SCHEMES + MEASURED
        ):  # as a graph prints it
            return value[0], float(value[1])
        raise Misfit(f"wants {self.wants}, not {quote_value(value)}")

    def spell(self, value: Any) -> str:
        scheme, measure = value
        return str(scheme) if scheme in SCHEMES else f"{{{scheme}: {measure:g}}}"


def check_item(kind: Kind, values: Sequence[Any], index: int, prefix: tuple[int | str, ...] = ()) -> Any:
    """The element `index` of a list in its canonical form. A Misfit gets the element's place, behind `prefix`."""
    try:
        return kind.check(values[index])
    except Misfit as misfit:
        raise Misfit(str(misfit), (*prefix, index, *misfit.at), misfit.code) from None
