"""A net as a chart knows it: its costs, what is reported of it, and its stages along the depth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ..compiler.analysis.cost import Cost, Layer
from ..compiler.frontend.header import Header
from ..compiler.frontend.reported import Reported
from ..compiler.ir.graph import Graph

YEAR = re.compile(r"\b(?:19|20)\d\d\b")
PLACE = re.compile(r"(tables?|figures?|sections?|appendix|pages?)\b", re.IGNORECASE)
# a chart of more bars than this cannot be read: then a net's steps are taken together
MAX_STAGES = 24


class Figures(NamedTuple):
    """The costs of one inference of one picture, without auxiliary heads; `params` are those that inference needs."""

    params: int
    macs: int
    activations: int
    depth: int


class Stage(NamedTuple):
    """The costs of a part of a net, by the path that its steps share."""

    name: str
    params: int
    macs: int
    activations: int


class Report(NamedTuple):
    """A row of `reported`, with the costs of the net of which it is: those of the spec, or under the row's `with`.

    `source` is where it is stated, the paper's authors and year too.
    """

    row: Reported
    figures: Figures
    source: str


class ComparedNet(NamedTuple):
    """A net that is compared. `label` tells it from the others, `family` is the zoo's folder or empty, `stem` the file's own name. One that
    `is_changed` has other params than its spec, and so nothing of what that reports.
    """

    name: str
    label: str
    family: str
    stem: str
    figures: Figures
    results: tuple[Report, ...]
    stages: tuple[Stage, ...]
    is_changed: bool = False


def read_net(
    name: str, stem: str, family: str, graph: Graph, header: Header, graph_with: Callable[[Mapping[str, Any]], Graph]
) -> ComparedNet:
    """The net of a training graph; `graph_with` gives the graph under other params, for what its header reports of such."""
    cost = Cost(graph)
    figures = figures_of(cost)
    variants: list[tuple[Mapping[str, Any], Figures]] = [({}, figures)]
    results = []
    for row in header.reported:
        found = next((each for params, each in variants if params == row.params), None)
        if found is None:
            found = figures_of(Cost(graph_with(row.params)))
            variants.append((row.params, found))
        results.append(Report(row, found, cite(row.source, header.source)))
    return ComparedNet(name, name, family, stem, figures, tuple(results), divide_into_stages(cost.layers))


def cite(source: str, paper: str) -> str:
    """A row's source; where that is a place in the spec's own paper, the authors and the year stand before it: `He et al. 2015, table 4`."""
    year = YEAR.search(paper)
    return f"{paper[: year.end()]}, {source}" if year and PLACE.match(source) else source


def figures_of(cost: Cost) -> Figures:
    """The figures of a net at inference: its heads are not counted."""
    return Figures(cost.params.without_aux, cost.macs, cost.activations, cost.depth)


def divide_into_stages(layers: Sequence[Layer]) -> tuple[Stage, ...]:
    """The stages along the depth, by the longest common paths that give at most MAX_STAGES of them; parts without a cost are left out."""
    costly = [x for x in layers if not x.aux and (x.params or x.macs or x.activations)]
    longest = max((x.path.count(".") + 1 for x in costly), default=1)
    stages: tuple[Stage, ...] = ()
    for parts in range(1, longest + 1):
        finer = tuple(sum_stages(costly, parts))
        if stages and len(finer) > MAX_STAGES:
            break
        stages = finer
    return stages


def sum_stages(layers: Sequence[Layer], parts: int) -> Iterator[Stage]:
    """A stage for each run of layers whose paths share their first `parts`. One that only normalises belongs to the stage before it.

    A step without a name of its own, whose path is its number, is called by its op.
    """
    stages: list[Stage] = []
    for path, run in groupby(layers, lambda x: ".".join(x.path.split(".")[:parts])):
        members = list(run)
        name = members[0].op if path.isdigit() and len(members) == 1 else path
        found = Stage(
            name, sum(x.params for x in members), sum(x.macs for x in members), sum(x.activations for x in members)
        )
        if stages and not found.macs and not found.activations:
            last = stages.pop()
            found = Stage(last.name, last.params + found.params, last.macs, last.activations)
        stages.append(found)
    return iter(stages)


def with_distinct_labels(nets: Sequence[ComparedNet]) -> tuple[ComparedNet, ...]:
    """The nets with labels that tell them apart: two of one name have their files' names, too, and a number where that is not enough."""
    named: list[ComparedNet] = []
    for net in nets:
        alike = [each for each in nets if each.name == net.name]
        label = net.name if len(alike) == 1 or net.name == net.stem else f"{net.name} ({net.stem})"
        taken = sum(each.label == label or each.label.startswith(f"{label} #") for each in named)
        named.append(net._replace(label=f"{label} #{taken + 1}" if taken else label))
    return tuple(named)
