"""What a spec expects of its net, compared with what the net costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..diagnostics import Diagnostic, Span
from .cost import Cost

if TYPE_CHECKING:  # a protocol takes long to create, and only the type checker asks for it
    from typing import Protocol

    class ExpectedFact(Protocol):
        """A line of `expect` as the front end types it."""

        @property
        def name(self) -> str: ...

        @property
        def value(self) -> Any:
            """A number, sizes, sizes by output, or the bounds {min, max}."""

        @property
        def span(self) -> Span: ...

        @property
        def bounds(self) -> Mapping[str, Span]: ...


class Expectation(NamedTuple):
    """One line of `expect`: the number that it states, the net's own number, and whether it holds (None: not applicable)."""

    name: str
    expected: Any
    found: Any
    holds: bool | None
    span: Span

    def diagnostic(self) -> Diagnostic:
        """The error to report where it does not hold."""
        expected, found = format_fact(self.expected), format_fact(self.found)
        return Diagnostic("expectation-refuted", self.span, f"expected {self.name} {expected}, found {found}")


def check_expectations(expected: Iterable[ExpectedFact], facts: Cost, overridden: bool) -> Iterator[Expectation]:
    """Compares each line of `expect` with what the net costs. Where parameters are `overridden` none applies: the lines are about another net."""
    for line in expected:
        found = look_up_fact(facts, line)
        if isinstance(line.value, dict) and line.name != "output":
            within = {bound: found >= v if bound == "min" else found <= v for bound, v in line.value.items()}
            holds = all(within.values())
            span = next((line.bounds[bound] for bound, fine in within.items() if not fine), line.span)
        else:
            holds, span = found == line.value, line.span
        yield Expectation(line.name, line.value, found, None if overridden else holds, span)


def look_up_fact(facts: Cost, line: ExpectedFact) -> Any:
    """The net's own number, or sizes, for a line of `expect`; nothing else is worked out."""
    match line.name:
        case "output":
            outputs = {name: list(sizes) for name, sizes in facts.outputs.items()}
            return outputs if isinstance(line.value, dict) else outputs[list(outputs)[-1]]
        case "params":
            return facts.params.total
        case "params_without_aux":
            return facts.params.without_aux
        case "receptive_field":
            return list(facts.receptive_field)
        case "macs":
            return facts.macs
        case "depth":
            return facts.depth
    raise AssertionError(line.name)


BOUNDS = {"min": "at least", "max": "at most"}


def format_fact(value: object) -> str:
    """A number as it is; sizes as `64×56×56`; bounds as `at least 4, at most 8`; the sizes of several outputs by their names."""
    if isinstance(value, Mapping):
        return ", ".join(f"{BOUNDS.get(name, name)} {format_fact(each)}" for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return "×".join(map(str, value))
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
