"""What an op becomes, written down without torch and onnx: its module as the call that makes it, its ONNX nodes as a list.

The op's own lowerings are given a recorder in place of torch.nn and of the writer, so what is shown is what is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..diagnostics import Reject
from ..ir.dtypes import DType
from ..ir.graph import Value
from ..ir.types import TensorType
from .op import Op

# the modules of compiler/backends/torch/layers.py, which torch lacks; a test holds them together
OWN_LAYERS = frozenset(
    ("Add", "Affine", "ChannelNorm", "Concat", "DropPath", "Join", "Mean", "Multiply", "Pad", "PaddedAvgPool2d", "PaddedConv2d",
     "PaddedMaxPool2d", "PathDraw", "Rbf", "Scale", "Select", "Slice")
)  # fmt: skip


class ModuleRecorder:
    """Stands for `nn` in `Op.torch`: a constructor's call becomes its source, `nn.Linear(512, 10, bias=True)`.

    A module of archc's own has no `nn.` before it; `used` has the names of those, in the order in which they were asked for.
    """

    def __init__(self) -> None:
        self.used: dict[str, None] = {}

    def __getattr__(self, name: str) -> Any:
        """A constructor: called, it gives the source of its call."""
        if name in OWN_LAYERS:
            self.used[name] = None
        constructor = name if name in OWN_LAYERS else f"nn.{name}"

        def record(*args: Any, **kwargs: Any) -> str:
            arguments = [repr(a) for a in args] + [f"{k}={v!r}" for k, v in kwargs.items()]
            return f"{constructor}({', '.join(arguments)})"

        return record


class OnnxNode(NamedTuple):
    """An ONNX node that an op becomes.

    `name` is what stands behind the step's path in the file, empty for the node that gives the result. `inputs` are `x`, or `x0`,
    `x1`, …, where several tensors arrive, then names of the op's own tensors, constants and nodes.
    """

    name: str
    op_type: str
    inputs: tuple[str, ...]
    attributes: tuple[tuple[str, Any], ...]


class OnnxRecorder:
    """Stands for the writer in `Op.onnx` (op.OnnxBuilder). `reader_ops` are the ops that read the result."""

    def __init__(self, opset: int, reader_ops: Sequence[Op] = ()) -> None:
        self.opset, self.reader_ops = opset, tuple(reader_ops)
        self.nodes: list[OnnxNode] = []
        self.asked_readers = False

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Writes a node down, and returns the name of its output, which is as the writer's behind the path."""
        name, count = f"/{op_type}", 1
        while any(each.name == name for each in self.nodes):
            count += 1
            name = f"/{op_type}_{count}"
        self.nodes.append(OnnxNode(name, op_type, inputs, tuple(attributes.items())))
        return name

    def param(self, name: str) -> str:
        return f".{name}"

    def ints(self, hint: str, values: tuple[int, ...]) -> str:
        return f"/{hint}"

    def floats(
        self, hint: str, values: tuple[float, ...], shape: tuple[int, ...] = (), dtype: DType | None = None
    ) -> str:
        return f"/{hint}"

    def readers(self) -> tuple[Op, ...]:
        self.asked_readers = True
        return self.reader_ops

    def lower(self, op: Op, x: Sequence[TensorType]) -> tuple[OnnxNode, ...]:
        """The nodes of an op on inputs of these types; none where it has no form in ONNX."""
        names = ["x"] if len(x) == 1 else [f"x{i}" for i in range(len(x))]
        try:
            result = op.onnx(self, *(Value(name, kind) for name, kind in zip(names, x, strict=True)))
        except (NotImplementedError, Reject):
            return ()
        if result in names:  # the op does nothing here, but the value has a name of its own
            result = self.node("Identity", result)
        return tuple(each._replace(name="") if each.name == result else each for each in self.nodes)


def module_call(op: Op, x: Sequence[TensorType]) -> str:
    """The call that makes an op's torch module: `nn.Conv2d(3, 64, kernel_size=(7, 7), …)`; empty where it has none."""
    try:
        return str(op.torch(ModuleRecorder(), *x))
    except NotImplementedError:
        return ""
