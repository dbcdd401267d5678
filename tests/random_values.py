"""What a random spec says: values written out, or as expressions over parameters, repeats and the tensor that arrives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from archc.compiler.ir.types import TensorType
from archc.compiler.ops import OPS

from .random_fields import Chooser


class Sight:
    """The parameters of a document or of a block, and a block's `let`, with the values that they have in the text."""

    def __init__(self, outer: Sight | None = None) -> None:
        self.outer = outer
        self.params: dict[str, Any] = {}
        self.let: dict[str, Any] = {}

    def known(self) -> Iterator[tuple[str, Any]]:
        yield from (*self.params.items(), *self.let.items())
        yield from self.outer.known() if self.outer else ()


class Here(NamedTuple):
    """Where a step is written. `named` is what `from` sees; `suffix` tells copies of an unnamed repeat apart; `flat`
    allows vectors to come out of an image; `outputs` and `heads` allow those."""

    sight: Sight
    named: dict[str, TensorType]
    suffix: str = ""
    rounds: tuple[str, ...] = ()
    flat: bool = True
    outputs: bool = True
    heads: bool = True

    def scope(self, opened: object) -> Here:
        """Inside a step that opens a scope, if it does."""
        return self._replace(named=dict(self.named), suffix="") if opened else self

    def shaped(self, x: TensorType) -> Here:
        """Where the result is to have the shape of `x`: an image stays one."""
        return self._replace(flat=self.flat and x.is_vector)

    def copied(self, counter: str, named: bool) -> Here:
        """Inside a repeat."""
        suffix = "" if named else f"{self.suffix}_$({counter})"
        return self._replace(named=dict(self.named), suffix=suffix, rounds=(*self.rounds, counter))


class Speaker:
    """Says values. A parameter comes into being when a value is first said by its name."""

    def __init__(self, d: Chooser) -> None:
        self.d, self.count = d, 0

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def say(self, value: Any, here: Here, x: TensorType | None, rare: int = 6) -> Any:
        """A value written out, or as an expression that gives it."""
        if isinstance(value, dict):
            return {key: self.say(item, here, x) for key, item in value.items()}
        if not self.d.rarely(rare):
            return value
        if self.d.coin():
            return f"${self.parameter(value, here)}"
        if isinstance(value, list):
            return [self.say(item, here, x) for item in value]
        if isinstance(value, bool):
            return self.truth(value, here)
        return f"$({self.expression(value, here, x)})"

    def truth(self, value: bool, here: Here) -> Any:
        yes = ("true", "not false", "1 < 2 and 3 >= 3", "'a' != 'b'", "x.channels > 0 or false")
        word = self.d.one(yes)
        return self.d.one((value, f"$({word})" if value else f"$(not ({word}))"))

    def expression(self, value: Any, here: Here, x: TensorType | None) -> str:
        """Text that evaluates to an int, float or string."""
        if isinstance(value, str):
            return self.d.one((f"'{value}'", f"['{value}', 1][0]", f"'{value}' if 1 < 2 else 'no'"))
        forms = [
            f"{value} * 1",
            f"{value} if not false else 9",
            f"[{value}, 7][:1][0]",
            f"max({value}, {value} - 1)",
            f"sum([{value}])",
        ]
        forms += [f"{value} + {i} * 0" for i in here.rounds]
        if isinstance(value, int) and value >= 0:
            forms += [f"{value} + 6 - 2 * 3", f"{2 * value + 1} // 2", f"len(range({value}))", f"round({value} / 1)", f"abs(-{value})",
                      f"min({value}, 9999)", f"ceil({value} / 1)", f"floor({value}.5)", f"int({value}.0)", f"{value} % 100000 ** 1"]  # fmt: skip
            forms += [f"divisible({value}, 1)"] if value else []
            forms += [f"x.channels + {value} - {x.channels}"] if x else []
            forms += [f"{value} + x.height - x.width - {x.height} + {x.width}"] if x and x.is_image else []
            forms += [f"x.features + {value} - {x.channels}"] if x and x.is_vector else []
        return self.d.one(forms)

    def parameter(self, value: Any, here: Here) -> str:
        """The name of a parameter, or of a `let`, that has this value; one is made if there is none."""
        same = [n for n, v in here.sight.known() if type(v) is type(value) and v == value]
        if same and self.d.coin():
            return str(self.d.one(same))
        where = here.sight.let if here.sight.outer and self.d.rarely(3) else here.sight.params
        name = self.fresh("p")
        where[name] = value
        return name

    def declare(self, params: dict[str, Any]) -> dict[str, Any]:
        """The declarations of parameters whose defaults are their values."""
        made: dict[str, Any] = {}
        for name, value in params.items():
            forms = [value, {"type": self.kind(value), "default": value, "doc": "a remark"}, {"default": value}]
            if type(value) in (int, float):
                forms += [{"type": self.kind(value), "default": value, "min": value - 1, "max": value + 1}]
                forms += [f"$({n} - {params[n]} + {value})" for n in made if type(params[n]) is type(value) is int]
            if isinstance(value, str):
                forms += [{"default": value, "choices": [value, "other"]}]
            made[name] = self.d.one(forms)
        return made

    def kind(self, value: Any) -> str:
        """A type word that takes the value."""
        if isinstance(value, (bool, float)):
            return "bool" if isinstance(value, bool) else "float"
        if isinstance(value, str):
            return self.d.one(
                ("string", *(("step",) if value in OPS else ()), *(("padding",) if value == "same" else ()))
            )
        whole = isinstance(value, int) or all(type(v) is int for v in value)
        words = ["int", "pair", "padding"] if isinstance(value, int) else ["list"]
        if isinstance(value, list) and whole and len(value) in (2, 4):
            words += ["pair"] * (len(value) == 2) + ["padding"]
        return str(self.d.one(words[:1] if isinstance(value, int) and value < 0 else words))


class PlainDumper(yaml.SafeDumper):
    """YAML without anchors: what is said twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
