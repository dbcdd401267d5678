"""What a built file says of itself: where it comes from, and what its reader needs to make an answer of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from .. import __version__
from ..compiler.analysis.distributions import class_scores, distributions
from ..compiler.driver import Compilation
from ..compiler.ir.graph import Graph
from ..compiler.weights.names import belongs_to, owning_step
from ..compiler.weights.report import WeightReport
from .options import BuildOptions
from .precision.variant import PixelScale, Variant


def metadata(checked: Compilation, graph: Graph, report: WeightReport, options: BuildOptions,
             variant: Variant) -> dict[str, str]:  # fmt: skip
    """The metadata of a file, texts by `archc.*` keys; values that are no texts are JSON. `variant` says which file of the graph it is.

    Nothing of the machine, the place or the time is in it: two builds of a spec are the same bytes.
    """
    text = str(graph).encode("utf-8", "replace").decode()  # a file's name need not be UTF-8
    facts = {
        "archc.version": __version__,
        "archc.name": checked.name,
        "archc.phase": options.phase,
        "archc.precision": options.precision,
        "archc.graph": text,
        "archc.spec_sha256": graph.sha256(),
        "archc.sources": to_json({s.label: s.text for s in checked.sources}),
        "archc.settings": to_json(list(checked.settings)),
        "archc.passes": to_json(asdict(variant.passes)),
        "archc.weights": to_json(weights_origin(graph, report)),
    }
    if checked.graph is not None:  # before a pass: folded into a convolution, a normalisation is not seen any more
        facts["archc.scores"] = to_json(class_scores(checked.graph))
    if probabilities := distributions(graph):
        facts["archc.probabilities"] = to_json(probabilities)
    if checked.labels is not None:
        facts["archc.labels"] = to_json(list(checked.labels))
    if checked.header.preprocess is not None:
        stated = checked.header.preprocess.to_dict()
        facts["archc.preprocess"] = to_json(without_normalization(stated, variant.pixels) if variant.pixels else stated)
    if options.store is not None:
        facts["archc.store"] = options.store
    if not options.is_plain:
        facts["archc.max_error"] = to_json(options.allowed_error)
    return facts


def without_normalization(stated: Mapping[str, object], pixels: PixelScale) -> dict[str, object]:
    """What is left of a `preprocess` where the file normalises pixels itself, and how it does that `inside`."""
    left = {key: value for key, value in stated.items() if key not in ("mean", "std", "scale")}
    return left | {"inside": {"scale": pixels.scale, "mean": list(pixels.mean), "std": list(pixels.std)}}


def weights_origin(graph: Graph, report: WeightReport) -> dict[str, object]:
    """Where the file's tensors come from: `trained` if all are a checkpoint's; where only some are not, their steps."""
    owners = {node.path for node in graph.nodes} | {
        owning_step(tensor) for rewrite in graph.rewrites for _, tensor in rewrite.takes
    }
    # a head that is not in the file lacks nothing
    missing = any(owning_step(tensor) in owners for tensor in report.missing)
    origin: dict[str, object] = {"source": report.source, "trained": not (missing or report.as_started)}
    if missing and not report.as_started:
        origin["untrained"] = [step for step in report.untrained if any(belongs_to(path, [step]) for path in owners)]
    return origin


def to_json(value: object) -> str:
    """A value as JSON; a set as a list in order, so that two builds are the same bytes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=sorted)
