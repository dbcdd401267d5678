"""What a built file says of itself: whence it comes, and what its reader needs to make an answer of it."""

from __future__ import annotations

import hashlib
import json

from ..compiler.driver import Checked, Phase
from ..compiler.ir.graph import Graph
from ..compiler.weights.matching import Report
from ..compiler.weights.names import owner, under
from ..version import version

UNCHANGED = ("flatten", "identity", "dropout", "drop_path")  # of a distribution they make the same one


def metadata(checked: Checked, graph: Graph, report: Report, phase: Phase) -> dict[str, str]:
    """What the file says of itself; nothing of the machine, the place or the time."""
    text = str(graph).encode("utf-8", "replace").decode()  # a file's name need not be UTF-8
    facts = {
        "archc.version": version(),
        "archc.name": checked.name,
        "archc.phase": phase,
        "archc.spec": text,
        "archc.spec_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "archc.sources": said({s.label: s.text for s in checked.sources}),
        "archc.settings": said(list(checked.settings)),
        "archc.weights": said(origin(graph, report)),
    }
    if probabilities := distributions(graph):
        facts["archc.probabilities"] = said(probabilities)
    if checked.labels is not None:
        facts["archc.labels"] = said(list(checked.labels))
    if checked.preprocess is not None:
        facts["archc.preprocess"] = said(checked.preprocess)
    return facts


def origin(graph: Graph, report: Report) -> dict[str, object]:
    """Where the file's tensors come from: `trained` if all are a checkpoint's; where only some are not, their steps."""
    owners = {node.path for node in graph.nodes} | {fold.norm for fold in graph.folds}
    missing = any(owner(tensor) in owners for tensor in report.missing)  # a head that is not in the file lacks nothing
    told: dict[str, object] = {"source": report.source, "trained": report.loaded > 0 and not missing}
    if report.loaded and missing:
        told["untrained"] = [step for step in report.untrained if any(under(path, [step]) for path in owners)]
    return told


def distributions(graph: Graph) -> list[str]:
    """The outputs that are probabilities already: a softmax, or a mean of such, as in an ensemble."""
    found: set[str] = set()
    for node in graph.nodes:
        mixes = node.op.name in ("mean", *UNCHANGED) and all(value.name in found for value in node.inputs)
        if node.op.name == "softmax" or mixes:
            found.add(node.output.name)
    return [output.name for output in graph.outputs if output.value.name in found]


def said(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
