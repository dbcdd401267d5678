"""What a graph becomes. Each backend is a module with a function `write`, and a row in BACKENDS; nothing else names one.

The rows are read by `archc build --export`, by the build and by the checks of its options, so importing them is light:
a backend's module, and torch or onnx with it, is imported when it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..ir.graph import Graph
    from ..weights.source import WeightSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What a backend is given to write one model.

    `graph` is the one that its row asks for, and `weights` has that graph's tensors by name. `title` and `source` say in a
    line what the net is and which spec it comes from. `prove` is called with the finished file before it takes its place;
    it raises where the file is wrong. `batch` None leaves the batch open, `opset` None is the backend's own choice.
    """

    graph: Graph
    weights: WeightSource
    path: Path
    title: str
    source: str
    metadata: Mapping[str, str]
    opset: int | None = None
    batch: int | None = None
    prove: Callable[[Path], None] = lambda path: None


Write = Callable[[Export], list[Path]]


def same_path(path: Path) -> Path:
    return path


def importable_path(path: Path) -> Path:
    """`path` as the name of a Python module: it ends in .py, and a stem with dots or dashes gets underscores."""
    path = path.with_suffix(".py")
    stem = path.stem if path.stem.isidentifier() else path.stem.replace("-", "_").replace(".", "_")
    return path.with_name(stem + ".py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One row: what `--export` calls it, what it writes, and what it cannot do.

    `graph` says which graph it takes: `training` (both phases are in it) or `built` (what the passes made for the phase that
    was asked for). `proved` says whether its file can be run against torch. `lacks` are the build options that it cannot
    honour, each with the reason. `placed` turns the path that was asked for into the path that is written; `beside` are the
    suffixes of what always comes with it.
    """

    name: str
    writes: str
    suffix: str
    module: str
    graph: Literal["training", "built"]
    proved: bool = False
    lacks: Mapping[str, str] = field(default_factory=dict)
    placed: Callable[[Path], Path] = same_path
    beside: tuple[str, ...] = ()

    def write(self, export: Export) -> list[Path]:
        """Writes the model and returns its files: first the model, then what stands beside it with the weights.

        Files appear whole or not at all. Raises Failure for what the backend cannot say, and where the disk is full.
        """
        write: Write = import_module(self.module, __name__).write
        return write(export)

    def files(self, path: Path) -> tuple[Path, ...]:
        """The model at `path` and what always comes with it."""
        return (path, *(path.with_suffix(suffix) for suffix in self.beside))


BACKENDS: dict[str, Backend] = {
    row.name: row
    for row in (
        Backend(name="onnx", writes="an ONNX file", suffix=".onnx", module=".onnx.write", graph="built", proved=True),
        Backend(
            name="torch",
            writes="a Python file of PyTorch's modules, and its weights",
            suffix=".py",
            module=".torch.source",
            graph="training",
            lacks={"opset": "it has no opset", "batch": "it takes any number of images"},
            placed=importable_path,
            beside=(".safetensors",),
        ),
    )
}
