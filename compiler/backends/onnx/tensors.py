"""The tensors of an ONNX file as a source of weights, those in a data file beside it, too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...ir.dtypes import DTYPES, DType

BY_NUMBER = {dtype.onnx: dtype for dtype in DTYPES.values()}


class FileTensors:
    """The initializers of a model, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file cannot be read, and google.protobuf's DecodeError where it is no model."""
        import onnx

        self.folder = str(path.parent)
        model = onnx.load(str(path), load_external_data=False)
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}

    def names(self) -> Iterable[str]:
        return self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.tensors[name].dims)

    def dtype(self, name: str) -> DType:
        return BY_NUMBER[self.tensors[name].data_type]

    def get(self, name: str) -> Any:
        from onnx.numpy_helper import to_array

        array = to_array(self.tensors[name], self.folder)
        return array.astype("float32", copy=False) if self.dtype(name).kind == "float" else array
