"""What a built file says that it was made of: the graph, and the texts of the spec that it can be made of again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from ...compiler.diagnostics import Failure
from ...compiler.driver import Compilation, check, run_passes
from ...compiler.ir.graph import Graph
from ...compiler.ir.parse import GraphSyntaxError, parse
from ...compiler.limits import Limits
from ...compiler.ops import OPS
from ...compiler.passes import PassOptions
from ...compiler.sources import Memory, SpecText
from ...runtime.artifact import Artifact


class StoredSpec(NamedTuple):
    """The spec in a built file: its texts by label, the first of which is the spec's own; the settings; and the options of its passes."""

    texts: dict[str, str]
    settings: tuple[str, ...]
    options: PassOptions

    @property
    def label(self) -> str:
        """The label of the spec's own text."""
        return next(iter(self.texts))

    def check(self, limits: Limits) -> Compilation:
        """The spec as it is checked now."""
        name = "<stdin>" if self.label == "-" else PurePosixPath(self.label).name
        text = SpecText(Memory(self.texts), self.label, self.texts[self.label].encode("utf-8", "surrogateescape"), name)
        return check(text, self.settings, limits=limits)

    def build(self, checked: Compilation) -> Graph | None:
        """The graph that is built of the spec as it was checked; None where that gave none."""
        return None if checked.graph is None else run_passes(checked.graph, self.options)


def read_spec(artifact: Artifact) -> StoredSpec:
    """The spec in a file. Raises Failure `model-damaged` where that is not whole, RuntimeFault where it is no JSON."""
    texts = artifact.read_json("archc.sources", dict)
    settings = artifact.read_json("archc.settings", list)
    given = artifact.read_json("archc.passes", dict)
    if not texts or settings is None or given is None:
        raise damaged(artifact, "holds no spec")
    options = read_passes(given)
    if options is None or not all(isinstance(each, str) for each in (*texts.values(), *settings)):
        raise damaged(artifact, "holds a spec that is not as archc writes it")
    return StoredSpec(texts, tuple(settings), options)


def read_passes(given: Mapping[str, Any]) -> PassOptions | None:
    """The options of the passes as metadata holds them; None where they are not of the types of PassOptions."""
    defaults = {each.name: each.default for each in fields(PassOptions)}
    found: dict[str, Any] = {}
    for name, value in given.items():
        kind = type(defaults.get(name))
        if kind in (tuple, frozenset) and isinstance(value, list):
            value = kind(value)
        if type(value) is not kind:
            return None
        found[name] = value
    return PassOptions(**found)


def read_graph(artifact: Artifact) -> Graph:
    """The graph in a file. Raises Failure `model-damaged` where there is none, or it is not the one of the hash beside it."""
    try:
        graph = parse(artifact.graph_text or "", OPS)
    except (GraphSyntaxError, ValueError, TypeError) as error:
        raise damaged(artifact, f"holds no graph that can be read: {error}") from None
    if graph.sha256() != artifact.spec_sha256:
        raise damaged(artifact, "holds another graph than its hash says")
    return graph


def damaged(artifact: Artifact, what: str) -> Failure:
    """The failure for a file whose facts are not whole."""
    return Failure("model-damaged", f"`{artifact.path}` {what}", "build it again")
