"""The torch module of an op, written down without torch: as the call that makes it.

The op's own lowering is given a recorder in place of torch.nn, so what is shown is what is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


def module_call(op: Op, x: Sequence[TensorType]) -> str:
    """The call that makes an op's torch module: `nn.Conv2d(3, 64, kernel_size=(7, 7), …)`; empty where it has none."""
    try:
        return str(op.torch(ModuleRecorder(), *x))
    except NotImplementedError:
        return ""
