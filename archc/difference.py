"""`archc diff`: two nets, each from a spec, a git revision or a built model, and all that differs between them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from .compiler.analysis.diff.changes import FieldChange, GraphDiff, compare_facts, diff_graphs
from .compiler.analysis.diff.costs import CostChange, compare_costs
from .compiler.diagnostics import Failure, SpecError, clean
from .compiler.driver import Compilation, check
from .compiler.limits import DEFAULT, Limits
from .compiler.sources import SpecText, find_spec, is_model
from .compiler.weights.carried import CarriedWeights, compare_weights
from .net import graph_of

if TYPE_CHECKING:
    from .compiler.ir.graph import Graph


class Side(NamedTuple):
    """One of two nets: `spec` as the user named it, what is known of it, and its training graph.

    `built_by` is the version of archc that built the model which the spec comes out of; None for a spec. `is_current`: the spec in a
    model gives the graph in it today. `precision` is what the model computes in, "fp32", "fp16" or "int8"; None for a spec.
    """

    spec: str
    checked: Compilation
    graph: Graph
    built_by: str | None = None
    is_current: bool = True
    precision: str | None = None

    @property
    def params(self) -> dict[str, Any]:
        """The values of the spec's parameters."""
        from .compiler.frontend.located_yaml import plain_value

        declared = self.checked.document.params if self.checked.document else {}
        return {name: None if each.default is None else plain_value(each.default) for name, each in declared.items()}

    @property
    def header(self) -> dict[str, Any]:
        """What of the header a built file has: `preprocess`, key by key, and `labels`."""
        stated = self.checked.header.preprocess
        facts = {f"preprocess.{key}": value for key, value in (stated.to_dict() if stated else {}).items()}
        return facts | ({"labels": self.checked.labels} if self.checked.labels is not None else {})

    @property
    def texts(self) -> list[str]:
        """The texts of the spec and of all that it extends and imports."""
        return [source.text for source in self.checked.sources]


class NetDiff:
    """All that differs between two nets; each part is worked out when it is first asked for. Printed, it is what `archc diff` prints."""

    def __init__(self, a: Side, b: Side) -> None:
        self.a, self.b = a, b

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {clean(self.a.spec)} and {clean(self.b.spec)}>"

    def __str__(self) -> str:
        from .text.diff import diff_text

        return diff_text(self)

    @cached_property
    def graph(self) -> GraphDiff:
        """The steps that were added, removed, changed and renamed."""
        return diff_graphs(self.a.graph, self.b.graph)

    @cached_property
    def params(self) -> tuple[FieldChange, ...]:
        """The parameters whose values differ, and those that only one spec has."""
        return tuple(compare_mappings(self.a.params, self.b.params))

    @cached_property
    def header(self) -> tuple[FieldChange, ...]:
        """What of `preprocess` and `labels` differs."""
        return tuple(compare_mappings(self.a.header, self.b.header))

    @cached_property
    def costs(self) -> tuple[CostChange, ...]:
        """Each cost of both nets."""
        return compare_costs(self.a.graph, self.b.graph)

    @cached_property
    def weights(self) -> CarriedWeights:
        """What of a checkpoint of the first net the second takes."""
        return compare_weights(self.a.graph, self.b.graph, self.graph.partners)

    @property
    def differs(self) -> bool:
        """Whether built files would differ in more than the net's name and weights: in the graph, the labels or the preprocessing."""
        return bool(self.header) or not self.graph.equal

    @property
    def same_text(self) -> bool:
        """Whether both specs are the same text with the same settings."""
        return self.a.texts == self.b.texts and not self.params


def compare_mappings(a: dict[str, Any], b: dict[str, Any]) -> Iterator[FieldChange]:
    """The keys whose values differ, in the order of `a`, then of `b`."""
    yield from compare_facts({key: (a.get(key), b.get(key)) for key in dict.fromkeys((*a, *b))})


class SpecUse(NamedTuple):
    """What a spec inside a model is wanted for, and what is told where archc did not build the model: a code, and what can be done."""

    verb: str
    code: str
    help: str


COMPARING = SpecUse("compare", "nothing-to-verify", "archc verify A.onnx B.onnx compares what two models answer")


def open_side(spec: str | SpecText, settings: Sequence[str] = (), limits: Limits = DEFAULT) -> Side:
    """A net from a spec, or from the spec in a built model. Raises SpecError, Failure or RuntimeFault where there is no net.

    What a spec expects of itself may be refuted: that is told elsewhere, and the nets can be compared.
    """
    if isinstance(spec, str) and is_model(spec):
        return open_model(spec, settings, limits)
    text = find_spec(spec) if isinstance(spec, str) else spec
    checked = check(text, settings, limits=limits)
    return Side(spec if isinstance(spec, str) else text.name, checked, sound_graph(checked))


def sound_graph(checked: Compilation) -> Graph:
    """The graph of a spec whose only mistakes are expectations that do not hold. Raises SpecError for any other."""
    if checked.refused:
        raise SpecError(checked.diagnostics)
    return graph_of(checked)


def open_model(path: str, settings: Sequence[str], limits: Limits, use: SpecUse = COMPARING) -> Side:
    """The net of a model that archc built: its file holds the spec, with all that it extends and imports.

    Raises RuntimeFault for what is no model, Failure for one that archc did not build, or whose spec is not whole or compiles no more.
    """
    from .build.verify.stored import read_spec
    from .runtime.artifact import open_artifact

    artifact = open_artifact(path)
    if artifact.version is None:
        made = f" ({artifact.producer} made it)" if artifact.producer else ""
        message = f"`{os.fspath(path)}` was not built by archc{made}, so there is no spec in it to {use.verb}"
        raise Failure(use.code, message, use.help)
    stored = read_spec(artifact)
    now = stored.check(limits)
    wrong = next((d for d in now.diagnostics if d.severity == "error" and d.code != "expectation-refuted"), None)
    if wrong or now.graph is None:
        why = f": {wrong.message}" if wrong else ""
        raise Failure("model-damaged", f"the spec in `{path}`, which archc {artifact.version} built, does not compile any more{why}",
                      "build the model again with this archc")  # fmt: skip
    built = stored.build(now)
    is_current = built is not None and built.sha256() == artifact.spec_sha256
    if settings:
        now = stored._replace(settings=(*stored.settings, *settings)).check(limits)
    return Side(path, now, sound_graph(now), artifact.version, is_current, artifact.precision)
