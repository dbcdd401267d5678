"""`archc verify MODEL`: whether a built file is still what it was built to be.

Its bytes are held against its seal, its data against the digest in its name, its nodes against the forms that archc writes, its graph
against its own sources, and its answers against torch's. Each is a fact that holds or not; one that fails hides no other, but a file that is not
as archc wrote it is not run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...compiler.backends.onnx.seal import KEY, has_seal, seal_holds
from ...compiler.content_names import has_named_content, is_content_name, is_plain_file
from ...compiler.diagnostics import Failure
from ...compiler.ir.graph import Graph
from ...compiler.limits import DEFAULT, Limits
from ...runtime.artifact import Artifact, open_artifact
from ...runtime.faults import RuntimeFault
from ...runtime.trust import find_data, find_doubt
from ..proof.prove import Extent, Parity
from .answers import Rebuilt, check_answers
from .fact import Fact
from .stored import read_graph, read_spec

SKIPPED = Fact("answers", None, "it is not run: what is wrong above comes first")
AGAIN = "get the file again from where it was built, or build it again"


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found of a file. `parity` is what the proof measured; None where there was none."""

    model: str
    facts: tuple[Fact, ...]
    parity: Parity | None

    @property
    def ok(self) -> bool:
        """Whether every check holds that was asked for."""
        return all(each.ok is not False for each in self.facts)


def verify(model: str | Path, extent: Extent | None = "fast", limits: Limits = DEFAULT) -> Verification:
    """Verifies a file that archc built; `extent` is that of the proof, None for no proof. `limits` are those of the spec's check.

    Raises RuntimeFault where it is no model, and Failure `nothing-to-verify` where archc did not build it.
    """
    artifact = open_artifact(model)
    if artifact.version is None:
        raise Failure("nothing-to-verify", f"`{artifact.path}` was not built by archc, so nothing in it says what it should be",
                      f"hold it against another model: archc verify {artifact.path} OTHER.onnx")  # fmt: skip
    facts = [check_bytes(artifact), *check_data(artifact)]
    if all(each.ok is not False for each in facts):
        facts.append(check_form(artifact))
    rebuilt, sources = check_sources(artifact, limits)
    facts.append(sources)
    parity = None
    if extent is not None:
        whole = all(each.ok for each in facts)
        parity, answers = check_answers(artifact, rebuilt, extent) if whole and rebuilt else (None, SKIPPED)
        facts.append(answers)
    return Verification(str(artifact.path), tuple(facts), parity)


def check_bytes(artifact: Artifact) -> Fact:
    """Whether the file's bytes are those that were written."""
    path = artifact.path
    if has_seal(path):
        if seal_holds(path):
            return Fact("bytes", True, f"as archc {artifact.version} wrote them")
        return Fact("bytes", False, "they are not those that archc wrote: at least one has changed", AGAIN)
    if KEY in artifact.metadata:
        return Fact("bytes", False, "something stands behind the file's seal, or another tool wrote it anew", AGAIN)
    return Fact("bytes", False, "the file has no seal: an older archc built it, or another tool wrote it anew", AGAIN)  # fmt: skip


def check_data(artifact: Artifact) -> Iterator[Fact]:
    """Whether each data file beside the model is the one that it was built with."""
    for name in find_data(artifact):
        folder = artifact.path.parent
        if not is_plain_file(folder, name):
            yield Fact("data", False, f"`{name}` is not beside the model", "copy it there: the weights are in it")
        elif not is_content_name(name):
            yield Fact("data", None, f"`{name}` has no digest in its name: an older archc wrote it")
        elif has_named_content(folder / name):
            yield Fact("data", True, f"`{name}` has the digest of its name")
        else:
            yield Fact("data", False, f"`{name}` has not the digest of its name: at least one byte has changed", AGAIN)


def check_form(artifact: Artifact) -> Fact:
    """Whether the file holds nothing but what archc writes."""
    doubt = find_doubt(artifact)
    if doubt:
        return Fact("nodes", False, f"the file holds what archc does not write: {doubt}", AGAIN)
    return Fact("nodes", True, f"{len(artifact.graph.nodes)} nodes, all of forms that archc writes")


def check_sources(artifact: Artifact, limits: Limits) -> tuple[Rebuilt | None, Fact]:
    """What the sources in the file give, None where that is not whole; and whether it is the graph that is in the file."""
    try:
        graph, spec = read_graph(artifact), read_spec(artifact)
    except (Failure, RuntimeFault) as fault:
        return None, Fact("sources", False, fault.message, fault.help)
    more = f" and {len(spec.texts) - 1} more" if len(spec.texts) > 1 else ""
    now = spec.check(limits)
    built = spec.build(now)
    if now.graph is None or built is None:
        wrong = next((each for each in now.diagnostics if each.severity == "error"), None)
        what = f": {wrong.message}" if wrong else ""
        return None, Fact(
            "sources", False, f"{spec.label} in the file does not compile any more{what}", wrong.help if wrong else ""
        )
    if built.sha256() == graph.sha256():
        return Rebuilt(now.graph, spec.options), Fact(
            "sources", True, f"{spec.label}{more} in the file give the same graph, {graph.sha256()[:12]}"
        )
    return None, Fact("sources", False, f"{spec.label}{more} in the file give another graph now: {first_difference(graph, built)}",
                      f"archc {artifact.version} built it; if that is another version than this one, build it again")  # fmt: skip


def first_difference(stored: Graph, built: Graph) -> str:
    """The first line in which the texts of two graphs differ, as the file has it."""
    ours, theirs = (graph.text(places=False).splitlines() for graph in (built, stored))
    line = next((b for a, b in zip(ours, theirs, strict=False) if a != b), None)
    return f"`{line.strip()[:120]}` is not in it" if line else f"{len(ours)} lines, not {len(theirs)}"
