"""Where the steps of an archc file come from: the spec in its metadata is checked again, and its nodes have the same paths.

Metadata can be changed by anyone. So lines and blocks are read off it, which only name things; structure and costs are the graph's.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from ..build.verify.stored import read_spec
from ..compiler.diagnostics import Failure
from ..compiler.limits import DEFAULT
from ..compiler.view.draw import Files, calls_of, spans_of
from ..compiler.view.drawing import FileLine
from ..runtime.artifact import Artifact
from ..runtime.faults import RuntimeFault


class StepOrigin(NamedTuple):
    """The lines of a step, and the blocks that it was expanded from, as of a vertex."""

    places: tuple[FileLine, ...] = ()
    calls: tuple[tuple[str, Hashable], ...] = ()


class Origin(NamedTuple):
    """The origins of steps by path, and the texts that their lines are in."""

    steps: dict[str, StepOrigin]
    texts: tuple[tuple[str, str], ...]

    def find(self, path: str) -> StepOrigin:
        """The origin of a node; of one that was made for a step, `conv1/Pad`, that of the step. Empty for what is in no spec."""
        return self.steps.get(path) or self.steps.get(path.partition("/")[0]) or StepOrigin()


NOWHERE = Origin({}, ())


def find_origin(artifact: Artifact) -> Origin:
    """Where the steps of a file come from; nowhere if it is not archc's, or its spec is not whole or passes no check."""
    if artifact.version is None:
        return NOWHERE
    try:
        checked = read_spec(artifact).check(DEFAULT)
    except (Failure, RuntimeFault):
        return NOWHERE
    if checked.graph is None:
        return NOWHERE
    files = Files(checked.sources[:1])
    steps = {node.path: StepOrigin(files.places(spans_of(node)), calls_of(node)) for node in checked.graph.nodes}
    return Origin(steps, files.texts)
