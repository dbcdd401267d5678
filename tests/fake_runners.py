"""Runners of a benchmark that run nothing.

They stand apart from the tests: a contender's process imports the module that its runner is of, and none of these needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archc.runtime.ports import Port


@dataclass
class OnCpu:
    """A runner on the CPU that says why."""

    reason: str
    gpu_unusable: bool
    fixed_batch: None = None
    where: str = "cpu"

    def __post_init__(self) -> None:
        self.ports = {"x": Port("x", "float32", (None, 2))}

    def run(self, arrays: Any) -> None: ...


class OnCuda:
    """A runner that says that it is on CUDA."""

    fixed_batch, where, reason, gpu_unusable = None, "cuda", "asked for", False

    def __init__(self) -> None:
        self.ports = {"x": Port("x", "float32", (None, 2))}

    def run(self, arrays: Any) -> None: ...
