"""Whether the tensors of a checkpoint are those of a net in training: each by its name, shape and type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..optimizers import STEP_COUNT

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


def find_misfit(kept: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> str:
    """In words the first of the tensors of a part (`model`, `ema`) that is missing, unknown or another one; empty where there is none."""
    for name in expected.keys() | kept.keys():
        if name not in kept:
            return f"`{what}{name}` is missing"
        if name not in expected:
            return f"`{what}{name}` is no tensor of it"
        if other := compare(kept[name], expected[name]):
            return f"`{what}{name}` is {other}"
    return ""


def find_odd_state(kept: Mapping[str, Tensor], optimizer: Optimizer, names: frozenset[str]) -> str:
    """In words what of an optimizer's state, by `<i>.<name>`, does not fit its parameters; empty where nothing does not. A parameter that never got
    a gradient has no state."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    found: dict[int, set[str]] = {}
    for name, tensor in kept.items():
        number, _, key = name.partition(".")
        at = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else -1
        if not 0 <= at < len(parameters) or key not in names or number != str(at):
            return f"`optimizer.{name}` is no tensor of it"
        found.setdefault(at, set()).add(key)
        expected = parameters[at]
        other = f"{describe(tensor)}, not a number" if key == STEP_COUNT and tensor.shape else ""
        if other := other or ("" if key == STEP_COUNT else compare(tensor, expected)):
            return f"`optimizer.{name}` is {other}"
    for at, keys in found.items():
        if lacking := sorted(names - keys):
            return f"`optimizer.{at}.{lacking[0]}` is missing"
    return ""


def compare(found: Tensor, expected: Tensor) -> str:
    """What is different, in words; empty where shape and type are the same."""
    same = found.shape == expected.shape and found.dtype == expected.dtype
    return "" if same else f"{describe(found)}, not {describe(expected)}"


def describe(tensor: Tensor) -> str:
    """`float32[64,3,7,7]`."""
    return f"{str(tensor.dtype).removeprefix('torch.')}[{','.join(map(str, tensor.shape))}]"
