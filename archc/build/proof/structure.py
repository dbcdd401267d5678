"""What is checked of a file before it runs: that it is ONNX, and that its outputs have the shapes that the graph says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...compiler.diagnostics import InternalError
from ...compiler.ir.graph import Graph


def check_file(path: Path, infer_shapes: bool = True) -> None:
    """onnx's checker on the file as written; with `infer_shapes` also its strict shape inference, of every value of the file.

    Raises InternalError where onnx refuses the file.
    """
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=infer_shapes)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InternalError(f"onnx's checker refuses the file: {str(error)[:400]}") from error


def check_shapes(session: Any, built: Graph, batch: int | None) -> None:
    """Raises InternalError where onnxruntime's output shapes are not ours."""
    from ...compiler.backends.onnx.write import named_outputs

    ours = {name: [batch or "N", *value.type.sizes] for name, value in named_outputs(built)}
    theirs = {o.name: o.shape for o in session.get_outputs()}
    for name, shape in ours.items():
        if theirs.get(name) != shape:
            raise InternalError(f"output {name} is {shape}, onnxruntime says {theirs.get(name)}")
