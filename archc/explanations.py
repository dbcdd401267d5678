"""The explanation of a net's nodes as a plain build makes them: its passes, and the opset that it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .compiler.analysis.explanation import Explanations
    from .compiler.ir.graph import Graph


def explain_graph(graph: Graph) -> Explanations:
    """Every node of a training graph from all sides. Imports neither torch, onnx nor numpy."""
    from .compiler.analysis.explanation import explain_all
    from .compiler.backends.onnx.opsets import OPSET
    from .compiler.driver import pass_stages

    return explain_all(graph, pass_stages(graph), OPSET)
