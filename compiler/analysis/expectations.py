"""What a spec expects of its net, held against what the net costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from ..diagnostics import Diagnostic, Span
from ..ir.graph import Graph
from .cost import Cost, cost


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
    """One line of `expect`: what it states, what was found, and whether it holds (None: not applicable)."""

    name: str
    expected: Any
    found: Any
    holds: bool | None
    span: Span

    def diagnostic(self) -> Diagnostic:
        """The error where it does not hold."""
        expected, found = format_fact(self.expected), format_fact(self.found)
        return Diagnostic("expectation-refuted", self.span, f"expected {self.name} {expected}, found {found}")


def check_expectations(expected: Iterable[ExpectedFact], graph: Graph, overridden: bool) -> Iterator[Expectation]:
    """Each expectation with both numbers; with overridden params they speak of another net and do not apply."""
    facts = cost(graph)
    for line in expected:
        found = fact(facts, line)
        if isinstance(line.value, dict) and line.name != "output":
            held = {bound: found >= v if bound == "min" else found <= v for bound, v in line.value.items()}
            holds = all(held.values())
            span = next((line.bounds[bound] for bound, fine in held.items() if not fine), line.span)
        else:
            holds, span = found == line.value, line.span
        yield Expectation(line.name, line.value, found, None if overridden else holds, span)


def fact(facts: Cost, line: ExpectedFact) -> Any:
    """The number, or the sizes, that a line speaks of; only what is expected is worked out."""
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


def format_fact(value: object) -> str:
    """A number, or sizes as `64×56×56`."""
    return "×".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
