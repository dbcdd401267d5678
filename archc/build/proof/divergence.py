"""Where a file that fails its proof begins to differ, and whether the runtime's optimiser is what makes it differ."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...compiler.diagnostics import Failure
from ...compiler.ir.graph import Graph, Node
from .agreement import agrees, difference
from .reference import Reference

REPORT = "this is a bug of archc or of a backend: please report it with the spec"
OPTIMIZER = "onnxruntime's own optimiser changes what the file means, which archc has to keep it from: please report it with the spec"


class Case(NamedTuple):
    """One image that the file answers wrongly: its kind, the image by the names of the inputs, whether onnxruntime's
    optimisations were on, the output, and by how much it differs."""

    kind: str
    inputs: Mapping[str, Any]
    optimized: bool
    output: str
    gap: float


class Inspection:
    """Runs a file for one image with other outputs than its own: any results of nodes, at either level of optimisation."""

    def __init__(self, path: Path, built: Graph, inputs: Mapping[str, Any], batch: int | None, threads: int) -> None:
        """`batch` is the file's fixed number of images; the one image is repeated then."""
        import numpy as np
        import onnx

        from ...compiler.backends.onnx.write import onnx_names

        self.folder, self.threads = path.parent, threads
        self.inputs = {name: np.repeat(array, batch or 1, axis=0) for name, array in inputs.items()}
        self.model = onnx.load(str(path), load_external_data=False)
        self.types = {each.name: each for each in (*self.model.graph.value_info, *self.model.graph.output)}
        names = onnx_names(built)
        self.names = {node.path: names.get(node.output.name, node.output.name) for node in built.nodes}

    def values(self, paths: Collection[str], optimize: bool) -> dict[str, Any]:
        """The results of the nodes at `paths`, for the one image."""
        from ...runtime.devices import PROVIDERS
        from ...runtime.inference import create_ort_session, session_options

        asked = {self.names[path]: path for path in paths if self.names[path] in self.types}
        del self.model.graph.output[:]
        self.model.graph.output.extend(self.types[name] for name in asked)
        options = session_options(self.threads, optimize)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(self.folder))
        session = create_ort_session(self.model.SerializeToString(), options, (PROVIDERS["cpu"],))
        found = session.run([*asked], self.inputs)
        return {path: value[:1] for path, value in zip(asked.values(), found, strict=True)}


class Comparison:
    """The results of a file's nodes for one image against torch's."""

    def __init__(self, reference: Reference, inspection: Inspection, inputs: Mapping[str, Any]) -> None:
        gives = {rewrite.node: rewrite.gives for rewrite in reference.built.rewrites}
        self.in_torch = {node.path: gives.get(node.path, node.path) for node in reference.built.nodes}
        self.exact, self.rounding = reference.trace(inputs).nodes, reference.rounding(inputs).nodes
        self.inspection = inspection
        self.nodes = [node for node in reference.built.nodes if self.in_torch[node.path] in self.exact]
        self.makers = {node.output.name: node for node in self.nodes}

    def gap(self, node: Node, values: Mapping[str, Any]) -> float:
        """By how much a node's value differs from torch's; 0 within the tolerance, and where it is not known."""
        name, found = self.in_torch[node.path], values.get(node.path)
        if found is None or agrees(found, self.exact[name], self.rounding[name]):
            return 0.0
        return difference(found, self.exact[name])[0]

    def first_unoptimized(self) -> tuple[Node, float] | None:
        """The first node that differs without optimisations, and by how much."""
        values = self.inspection.values([node.path for node in self.nodes], optimize=False)
        return next(((node, gap) for node in self.nodes if (gap := self.gap(node, values))), None)

    def optimized_gap(self, node: Node) -> float:
        """By how much a node differs with optimisations. It is asked for alone, as a value that is asked for is not fused away."""
        return self.gap(node, self.inspection.values([node.path], optimize=True))

    def first_optimized(self) -> tuple[Node, float] | None:
        """A node that differs with optimisations, all of whose inputs agree: halving finds one that differs, and from there it
        goes back, as what stands between in the graph's order may lie in a branch that agrees."""
        at = bisect_left(self.nodes, True, key=lambda node: self.optimized_gap(node) > 0)
        node = self.nodes[at] if at < len(self.nodes) else None
        while node is not None:
            before = [self.makers[value.name] for value in node.inputs if value.name in self.makers]
            wrong = next((each for each in before if self.optimized_gap(each)), None)
            if wrong is None:
                return node, self.optimized_gap(node)
            node = wrong
        return None


def describe_divergence(reference: Reference, path: Path, batch: int | None, case: Case) -> Failure:
    """The failure `parity` for an image that is answered wrongly: it names the first node that differs, the kind of input and
    the level of optimisation."""
    inspection = Inspection(path, reference.built, case.inputs, batch, reference.threads)
    comparison = Comparison(reference, inspection, case.inputs)
    first = comparison.first_unoptimized()
    alone = case.optimized and first is None
    if alone:
        first = comparison.first_optimized()
    level = "with its optimisations alone" if alone else "with its optimisations and without" if case.optimized else "without its optimisations"  # fmt: skip
    return Failure("parity", f"onnxruntime and torch differ by {describe_place(case, first)}, on {case.kind} input, {level}",
                   OPTIMIZER if alone else REPORT)  # fmt: skip


def describe_place(case: Case, first: tuple[Node, float] | None) -> str:
    """By how much two answers differ, and where first: `1, first at `3` (net.yaml:9)`."""
    if first is None:
        return f"{case.gap:.3g} in the output `{case.output}`"
    node, gap = first
    return f"{gap:.3g}, first at `{node.path}`" + (f" ({node.span.short})" if node.span else "")
