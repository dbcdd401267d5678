"""From a model's file to its drawing, by the same stage as a spec's: names give the paths, the graph gives the structure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..compiler.diagnostics import clean
from ..compiler.view.draw import draw_vertices
from ..compiler.view.drawing import Costs, Drawing, DrawingWarning, DrawnInput
from ..compiler.view.sketch import NamedEnd
from ..compiler.view.structure import Vertex
from ..details import with_details
from ..runtime.artifact import open_artifact
from ..runtime.full_graph import FullGraph, FullNode, read_model, shorten_name
from .graph import LiveGraph, find_dangling_reads, find_live_graph, reads
from .node_facts import node_facts
from .operators import COUNTED, Operator, OperatorUse, count, find_operator
from .origin import Origin, find_origin
from .paths import find_paths
from .sizes import Shapes, display_shape, has_open_sizes
from .times import find_times, read_profile, rename_steps, with_times

OPEN = "some sizes are open: what depends on them counts as 0"
# values without a maker that are told one by one
TOLD_VALUES = 5


def draw_model(file: str, only: str | None = None, profile: str | None = None, explained: bool = False) -> Drawing:
    """The drawing of an ONNX file, with the times of a `profile` of it; `only` is the path of a part that is drawn alone. Where it is
    `explained`, its nodes have details: what the file says of them, and, in a file of archc's, what the spec inside it tells of its steps.

    Raises RuntimeFault for what is no such file, and for one that cannot be drawn; Failure where there is no such part, and for a profile
    that is none of this model.
    """
    path = Path(file)
    # refuses folders, specs and what is no model, in words
    artifact = open_artifact(path)
    graph = read_model(path)
    live = find_live_graph(graph, f"`{clean(file)}`")
    model = ModelDrawing(
        graph, live, Shapes(artifact, graph, live), find_origin(artifact), clean(shorten_name(artifact.name))
    )
    drawing = model.draw(only)
    if profile is not None:
        whole = model.draw() if only else drawing
        measured = rename_steps(read_profile(profile), model.paths_by_name)
        drawing = with_times(drawing, find_times(whole, measured, [node.name for node in graph.nodes]))
    return model.explain(drawing, artifact.spec_sha256) if explained else drawing


class ModelDrawing:
    """What a drawing is made of: the graph as it is drawn, its shapes, and for a file of archc's where its steps come from."""

    def __init__(self, graph: FullGraph, live: LiveGraph, shapes: Shapes, origin: Origin, name: str) -> None:
        self.graph, self.live, self.shapes, self.name = graph, live, shapes, name
        self.is_ours = "archc.version" in graph.metadata
        self.origin = origin
        self.dangling = find_dangling_reads(graph)
        self.numbers = {name: -1 - at for at, name in enumerate(live.inputs)} | dict(live.producers)
        self.paths = find_paths(live.nodes, live.producers, self.is_ours)

    @property
    def paths_by_name(self) -> dict[str, str]:
        """The path of each node that is drawn, by its name in the file; of nodes with one name, that of the first."""
        named = zip((node.name for node in self.live.nodes), self.paths, strict=True)
        return dict(reversed([(name, path) for name, path in named if name]))

    def draw(self, only: str | None = None) -> Drawing:
        """The drawing of all, or of the part at the path `only`."""
        counted: set[str] = set()
        vertices = [
            self.make_vertex(node, path, counted) for node, path in zip(self.live.nodes, self.paths, strict=True)
        ]
        inputs = [
            DrawnInput(clean(shorten_name(each)), display_shape(self.shapes.find(each))) for each in self.live.inputs
        ]
        outputs = [NamedEnd(clean(shorten_name(each)), self.numbers[each]) for each in self.live.outputs]
        if not self.is_ours:
            outputs = deepest_last(outputs, vertices)
        drawing = draw_vertices(self.name, self.summary, inputs, vertices, outputs, files=self.origin.texts, only=only)
        return drawing._replace(warnings=self.warnings)

    def explain(self, drawing: Drawing, sha256: str | None) -> Drawing:
        """The drawing of it with details. What the spec tells of a step is left out where its shape is another than the file's, or its
        graph is not the one of this hash.
        """
        nodes = dict(zip(self.paths, self.live.nodes, strict=True))
        own = {
            each.path: node_facts(nodes[each.path], self.shapes, self.live.constants, each.path, self.is_ours)
            for each in drawing.nodes
        }
        sizes = {each.path: each.shape for each in drawing.nodes}
        steps = self.origin.explain(sha256)
        return with_details(drawing, [each for each in steps if sizes.get(each.path) == each.facts.output.sizes], own)

    @property
    def summary(self) -> str:
        """What made the file, and what is not known of it."""
        opset = self.graph.opsets.get("", self.graph.opsets.get("ai.onnx"))
        parts = [clean(self.graph.producer), f"opset {opset}" if opset else ""]
        results = [node.outputs[0] for node in self.live.nodes if node.outputs and node.outputs[0]]
        parts += [OPEN] if has_open_sizes(self.shapes.without_batch, results) else []
        return "; ".join([", ".join(filter(None, parts)), *(warning.message for warning in self.warnings)])

    @property
    def warnings(self) -> tuple[DrawingWarning, ...]:
        """The values that the file reads and does not make."""
        told = [str(each) for each in self.dangling[:TOLD_VALUES]]
        more = len(self.dangling) - len(told)
        told += [f"{more:,} more values are made by nothing"] if more else []
        return tuple(DrawingWarning("onnx-dangling", text) for text in told)

    def make_vertex(self, node: FullNode, path: str, counted: set[str]) -> Vertex:
        """The vertex of a node. `counted` are the parameters that those before it have."""
        operator = find_operator(node, self.live.constants)
        result = node.outputs[0] if node.outputs else ""
        inputs = [self.shapes.find(name) for name in node.inputs]
        use = OperatorUse(node, inputs, self.shapes.find(result), [name in self.live.constants for name in node.inputs])
        sources = tuple(dict.fromkeys(self.numbers[name] for name in reads(node) if name in self.numbers))
        shown = display_shape(use.output)
        places, calls = self.origin.find(path)
        return Vertex(path, node.kind, operator.family, clean(operator.title(use)), sources, shown, self.signature(use, operator),
                      operator.is_companion, self.costs(use, operator, result, counted), places, calls, not self.is_ours)  # fmt: skip

    def signature(self, use: OperatorUse, operator: Operator) -> Any:
        """What a node does, but for the sizes that flow through it."""
        node = use.node
        return (
            node.domain,
            node.kind,
            len(node.inputs),
            operator.makes(use),
            tuple(sorted(node.attributes.items())),
            node.graphs,
        )

    def costs(self, use: OperatorUse, operator: Operator, result: str, counted: set[str]) -> Costs:
        """What a node costs for one image; a parameter that several nodes share counts at the first, and is `counted` then."""
        params = 0
        for at in operator.params:
            name = use.node.inputs[at] if at < len(use.node.inputs) else ""
            shape = use.constant_shape(at)
            # a single number is a setting, such as 1/6 in a hard swish
            if name not in counted and shape and (size := count(shape)) and size > 1:
                counted.add(name)
                params += size
        elements = count(use.output) or 0
        activations = elements if operator.family in COUNTED else 0
        return Costs(params, operator.macs(use) or 0, activations, elements * self.shapes.element_bytes(result))


def deepest_last(outputs: Sequence[NamedEnd], vertices: Sequence[Vertex]) -> list[NamedEnd]:
    """The outputs with that one last which the most nodes in a row lead to: there the trunk ends."""
    depths: list[int] = []
    for vertex in vertices:
        depths.append(1 + max((depths[at] for at in vertex.inputs if at >= 0), default=0))
    deepest = max(outputs, key=lambda output: depths[output.value] if output.value >= 0 else -1)
    return [*(output for output in outputs if output is not deepest), deepest]
