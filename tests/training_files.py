"""What training scripts put into files: nets of their own, objects that no reader knows, averages; and code that must never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from .wild import State


class Unknown:
    """A class that no reader of the file has."""

    def __init__(self) -> None:
        self.value = {(1, 2): [3], "self": self}


class Record(dict[str, Any]):
    """A mapping of an unknown class."""


class Row(NamedTuple):
    a: int


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a, self.b = 1, torch.ones(2)


class Evil:
    """Would make a file if it were unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("CODE_RAN"),))


class Nested:
    def __reduce__(self) -> Any:
        return (getattr, (Evil(), "name"))


class Small(nn.Module):
    """The small net as a module of the user's own."""

    def __init__(self, tensors: State) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Module()
        self.layer1.norm1 = nn.BatchNorm2d(8)
        self.layer1.conv1 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.aux = nn.Module()
        self.aux.fc = nn.Linear(8, 5)
        self.fc = nn.Linear(8, 5)
        self.register_buffer("scratch", torch.ones(2), persistent=False)
        self.load_state_dict(tensors)

    def forward(self, x: Any) -> Any:
        x = self.layer1.norm1(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(self.layer1.conv1(torch.relu(x)).mean((2, 3)))


def zeros(tensors: State) -> State:
    return {k: v * 0 for k, v in tensors.items()}


def under(prefix: str, tensors: State) -> State:
    return {prefix + k: v for k, v in tensors.items()}


def averaged(tensors: State, *, buffers: bool = True) -> State:
    found: State = AveragedModel(Small(tensors), use_buffers=buffers).state_dict()
    return found


def lacking(tensors: State) -> State:
    return {k: v for k, v in tensors.items() if k != "bn1.bias"}
