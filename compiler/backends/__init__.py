"""What a graph becomes. Each backend is a module with a function `write`, and a row in BACKENDS; nothing else names one.

The rows are read by `archc build --export`, by the build and by the checks of its options, so importing them is light:
a backend's module, and torch or onnx with it, is imported when it writes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..diagnostics import Failure

if TYPE_CHECKING:
    from ..content_names import OutputFile
    from ..ir.graph import Graph, Phase
    from ..weights.source import WeightSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What a backend needs to write one model.

    `graph` is the training graph or the built one, as the backend's row says, and `weights` has its tensors by name. `title`
    says in a line what the net is, `source` which spec it comes from. `prove` is called with the finished file before it
    takes its place, and raises where the file is wrong. Before that `revise` may write another model over the first file, and gives
    the files that there are then. `batch` None leaves the batch open; with `opset` None the backend
    chooses. The tensors `stored_half` are half floats in the file, whatever the graph computes with.
    """

    graph: Graph
    weights: WeightSource
    path: Path
    title: str
    source: str
    metadata: Mapping[str, str]
    opset: int | None = None
    batch: int | None = None
    stored_half: Collection[str] = ()
    revise: Callable[[Path, list[OutputFile]], list[OutputFile]] = lambda path, files: files
    prove: Callable[[Path], None] = lambda path: None


Write = Callable[[Export], "list[OutputFile]"]


def keep_path(path: Path) -> Path:
    """The path as it is: for files that may have any name."""
    return path


def python_module_path(path: Path) -> Path:
    """`path` as a Python module that can be imported: it ends in .py, and dots and dashes in its stem become underscores.

    Raises Failure `net-name` for the name of a module that it imports itself, or of Python's own: scripts beside it would get it instead.
    """
    path = path.with_suffix(".py")
    stem = path.stem if path.stem.isidentifier() else path.stem.replace("-", "_").replace(".", "_")
    if stem in sys.stdlib_module_names or stem in ("torch", "numpy", "safetensors"):
        raise Failure("net-name", f"`{stem}.py` would be imported in place of the module `{stem}` by every script beside it",
                      "choose another name for the file", 2)  # fmt: skip
    return path.with_name(stem + ".py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One row: what `--export` calls it, what it writes, and what it cannot do.

    `writes` names its files in a sentence. `graph` says which graph it takes: `training` (both phases are in it) or `built`
    (what the passes made for one phase); `phases` are those that it can be built for. `provable` says whether its file can be run and compared with torch.
    `unsupported` are the build options that it cannot honour, each with the reason. `output_path` turns the path that the
    user asks for into the path that is written. `data_names` is the module that reads which data files a model names; empty
    where a model is always one file. `packages` are those that it imports to write them, beside numpy.
    """

    name: str
    writes: str
    suffix: str
    module: str
    graph: Literal["training", "built"]
    phases: tuple[Phase, ...] = ("train", "inference")
    provable: bool = False
    unsupported: Mapping[str, str] = field(default_factory=dict)
    output_path: Callable[[Path], Path] = keep_path
    data_names: str = ""
    packages: tuple[str, ...] = ()

    def write(self, export: Export) -> list[OutputFile]:
        """Writes the model, proves it, and gives its files in their places: the model first, then its data.

        The module's `write` puts them all into the folder of the path that it is given; they appear in one commit.
        Raises Failure where the backend has no form of an op, where the proof fails, and where the disk is full.
        """
        from ..destinations import find_destination
        from ..files import atomic_write

        write: Write = import_module(self.module, __name__).write
        with atomic_write(export.path, self.named_data) as path:
            files = export.revise(path, write(replace(export, path=path)))
            export.prove(path)
        place = find_destination(export.path).path
        return [
            files[0]._replace(path=export.path),
            *(each._replace(path=place.with_name(each.path.name)) for each in files[1:]),
        ]

    def require_opset(self, graph: Graph, opset: int | None) -> None:
        """Raises Failure `opset-unsupported` where the backend has opsets and cannot write `graph` in this one; None is its own choice."""
        if opset is not None and "opset" not in self.unsupported:
            import_module(self.module, __name__).require_opset(graph, opset)

    def has_data(self, graph: Graph) -> bool:
        """Whether the model of `graph` is two files: one with the net, one with its data."""
        return bool(self.data_names) and bool(import_module(self.module, __name__).has_data(graph))

    def replaced_data(self, path: Path) -> list[str]:
        """The data files, by name, that go when the model at `path` is replaced."""
        from ..files import removable_data

        return removable_data(path, self.named_data)

    def named_data(self, path: Path) -> Mapping[str, bool]:
        """The data files that a model names, and of each whether archc wrote it for this model; none where `path` is no model.

        Raises OSError where the file cannot be read.
        """
        if not self.data_names:
            return {}
        named: Mapping[str, bool] = import_module(self.data_names, __name__).named_data(path)
        return named


BACKENDS: dict[str, Backend] = {
    row.name: row
    for row in (
        Backend(
            name="onnx",
            writes="an ONNX file",
            suffix=".onnx",
            module=".onnx.write",
            data_names=".onnx.data_names",
            graph="built",
            phases=("inference",),
            provable=True,
        ),
        Backend(
            name="torch",
            writes="a Python file of PyTorch's modules, and its weights",
            suffix=".py",
            module=".torch.source",
            graph="training",
            unsupported={
                "opset": "it has no opset",
                "batch": "it takes any number of images",
                **dict.fromkeys(("precision", "io"), "its numbers are float32, and torch's own `.half()` changes them"),
                "input_type": "its net takes what the spec says, and what feeds it normalises",
                "max_error": "it loses nothing",
            },
            output_path=python_module_path,
            data_names=".torch.data_names",
            packages=("torch",),
        ),
    )
}
