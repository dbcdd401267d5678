"""torchvision's transforms, beside a torch of any build.

torchvision's compiled part fits one build of torch only. Without it the import stops at two operators for which its Python code registers; declared, it
goes through, and no transform of pictures calls them.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from typing import Any

from ...runtime.faults import RuntimeFault
from ...runtime.packages import install_line

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def import_transforms() -> Any:
    """torchvision.transforms.v2. Raises RuntimeFault `package-missing` where torchvision is not there, or does not import."""
    try:
        try:
            return importlib.import_module("torchvision.transforms.v2")
        except RuntimeError:
            declare_operators()
            return importlib.import_module("torchvision.transforms.v2")
    except (ImportError, RuntimeError) as error:
        why = " ".join(str(error).split())[:200]
        raise RuntimeFault("package-missing", f"this augmentation needs torchvision, which does not import: {why}",
                           f"{install_line('torchvision')}; or leave the step out", 3) from None  # fmt: skip


@cache
def make_transform(name: str, **values: Any) -> Any:
    """One of torchvision's transforms; they keep nothing from picture to picture."""
    return getattr(import_transforms(), name)(**values)


def declare_operators() -> None:
    """Declares the operators that torchvision's compiled part would bring, and forgets the half of torchvision that came."""
    import torch

    # kept for as long as the process lives: with it the operators go
    declared.append(torch.library.Library("torchvision", "FRAGMENT"))  # type: ignore[no-untyped-call]
    for operator in OPERATORS:
        if not hasattr(torch.ops.torchvision, operator.partition("(")[0]):
            declared[-1].define(operator)
    for half in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[half]


declared: list[Any] = []
