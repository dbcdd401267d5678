"""Where the steps of an archc file come from: the spec in its metadata is checked again, and its nodes have the same paths.

Metadata can be changed by anyone. So lines and blocks are read off it, which only name things; structure and costs are the graph's.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple

from ..build.verify.stored import StoredSpec, read_spec
from ..compiler.diagnostics import Failure
from ..compiler.driver import Compilation
from ..compiler.limits import DEFAULT
from ..compiler.view.draw import Files, calls_of, spans_of
from ..compiler.view.drawing import FileLine
from ..runtime.artifact import Artifact
from ..runtime.faults import RuntimeFault

if TYPE_CHECKING:
    from ..compiler.analysis.explanation import Explanation


class StepOrigin(NamedTuple):
    """The lines of a step, and the blocks that it was expanded from, as of a vertex."""

    places: tuple[FileLine, ...] = ()
    calls: tuple[tuple[str, Hashable], ...] = ()


class Origin(NamedTuple):
    """The origins of steps by path, the texts that their lines are in, and the spec, as it is stored and as it is checked now."""

    steps: dict[str, StepOrigin]
    texts: tuple[tuple[str, str], ...]
    stored: StoredSpec | None = None
    checked: Compilation | None = None

    def find(self, path: str) -> StepOrigin:
        """The origin of a node; of one that was made for a step, `conv1/Pad`, that of the step. Empty for what is in no spec."""
        return self.steps.get(path) or self.steps.get(path.partition("/")[0]) or StepOrigin()

    def explain(self, sha256: str | None) -> tuple[Explanation, ...]:
        """The steps from all sides, as this build made them; none where the spec does not give the graph of this hash today."""
        from ..explanations import explain_graph

        if self.stored is None or self.checked is None or self.checked.graph is None:
            return ()
        built = self.stored.build(self.checked)
        if built is None or built.sha256() != sha256:
            return ()
        return explain_graph(self.checked.graph, self.stored.options)


NOWHERE = Origin({}, ())


def find_origin(artifact: Artifact) -> Origin:
    """Where the steps of a file come from; nowhere if it is not archc's, or its spec is not whole or passes no check."""
    if artifact.version is None:
        return NOWHERE
    try:
        stored = read_spec(artifact)
        checked = stored.check(DEFAULT)
    except (Failure, RuntimeFault):
        return NOWHERE
    if checked.graph is None:
        return NOWHERE
    files = Files(checked.sources[:1])
    steps = {node.path: StepOrigin(files.places(spans_of(node)), calls_of(node)) for node in checked.graph.nodes}
    return Origin(steps, files.texts, stored, checked)
