"""Graph → a Python file that stands alone, and its weights as .safetensors beside it.

The same `Op.torch` that builds modules is given a recorder instead of torch.nn, and what it records is printed: the
exported source cannot differ from the module that archc runs. Modules that torch lacks are copied in with their source.
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...files import atomic_write
from ...ir.graph import Graph, Node
from ...ops.op import op_of
from ...weights.source import WeightSource
from .. import Export
from . import layers
from .module import argument_names, class_name, inference_view, is_word

TAKEN = ("Scope", "Tensor", "Path", "F")  # what the exported file calls its own


class Recorder:
    """Stands for `nn` in `Op.torch`: a constructor's call becomes its source."""

    def __init__(self) -> None:
        self.used: dict[str, type] = {}

    def __getattr__(self, name: str) -> Any:
        own = getattr(layers, name, None)
        if own is not None:
            self.used[name] = own
        called = name if own is not None else f"nn.{name}"

        def record(*args: Any, **kwargs: Any) -> str:
            said = [repr(a) for a in args] + [f"{k}={v!r}" for k, v in kwargs.items()]
            return f"{called}({', '.join(said)})"

        return record


HEADER = '''"""{title}

Written by archc from {source}; it needs torch and safetensors, and nothing of archc.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Scope(nn.Module):
    """A scope of the spec: modules by name, `scope["0"]` or `scope.conv`."""

    def __init__(self, modules, itself=None):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.itself = itself

    def __getitem__(self, name):
        return self._modules[name]

    def forward(self, *inputs):
        return self.itself(*inputs)
'''

FOOTER = '''

def load(weights=Path(__file__).with_suffix(".safetensors")):
    """The net with its weights, in eval mode."""
    from safetensors.torch import load_file

    net = {name}()
    net.load_state_dict(load_file(weights))
    return net.eval()


if __name__ == "__main__":
    with torch.no_grad():
        result = load()({inputs})
    for name, value in (result if isinstance(result, dict) else {{"{output}": result}}).items():
        print(name, tuple(value.shape))
'''


def torch_source(training: Graph, title: str, source: str) -> str:
    """The stand-alone module's text."""
    recorder = Recorder()
    calls = {node.path: op_of(node).torch(recorder, *node.input_types) for node in training.nodes}
    name = class_name(training.name)
    if keyword.iskeyword(name) or name in recorder.used or name in TAKEN:
        name += "Net"
    own = "".join(f"\n\n{class_source(cls).rstrip()}\n" for cls in recorder.used.values())
    lines = [f"\n\nclass {name}(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += tree_source(nested(calls))
    arguments = ", ".join(argument_names(training).values())
    lines += ["", f"    def forward(self, {arguments}):"]
    view = inference_view(training)
    if [n.path for n in view.nodes] != [n.path for n in training.nodes] or training.heads:
        lines += ["        if self.training:", *body(training, 12)]
    lines += body(view, 8)
    sizes = ", ".join(f"torch.zeros{(1, *v.type.sizes)}" for v in training.inputs)
    footer = FOOTER.format(name=name, inputs=sizes, output=training.outputs[0].name)
    header = HEADER.format(title=one_line(title or training.name), source=one_line(source))
    return header + own + "\n".join(lines) + "\n" + footer


@lru_cache
def class_source(cls: type) -> str:
    """The class as it is written; Python reads the whole file each time it is asked."""
    return inspect.getsource(cls)


Tree = dict[str, Any]


def nested(calls: Mapping[str, str]) -> Tree:
    """Constructor calls by path as a tree of scopes; a named merge keeps its own call under ''."""
    root: Tree = {}
    for path, call in calls.items():
        scope = root
        for part in path.split("."):
            scope = scope.setdefault(part, {})
        scope[""] = call
    return root


def tree_source(tree: Tree) -> list[str]:
    lines: list[str] = []
    for name, inner in tree.items():
        made = literal(inner, 8)
        lines.append(f"        self.{name} = {made}" if is_word(name) else f"        self.add_module({name!r}, {made})")
    return lines


def literal(inner: Tree, indent: int) -> str:
    if set(inner) == {""}:
        return str(inner[""])
    pad = " " * (indent + 4)
    parts = [f"{pad}{name!r}: {literal(child, indent + 4)},\n" for name, child in inner.items() if name]
    itself = f", {inner['']}" if "" in inner else ""
    return "Scope({\n" + "".join(parts) + " " * indent + "}" + itself + ")"


def access(path: str) -> str:
    """How forward reaches the module at a path."""
    said = "self"
    for depth, part in enumerate(path.split(".")):
        if is_word(part):
            said += f".{part}"
        else:
            said += f"[{part!r}]" if depth else f"._modules[{part!r}]"
    return said


def one_line(text: str) -> str:
    """A text of the spec on one line, such that it cannot end the comment or the docstring that holds it."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown.replace("\\", "/").replace('"', "'")


def body(graph: Graph, indent: int) -> list[str]:
    """A line a node; a value is dropped by rebinding once nothing reads it, so memory is as in any hand-written forward."""
    pad, names, lines = " " * indent, argument_names(graph), []
    last = last_reads(graph)
    free: list[str] = []
    for i, node in enumerate(graph.nodes):
        inputs = ", ".join(names[v.name] for v in node.inputs)
        free += [
            names[v.name] for v in dict.fromkeys(node.inputs) if last.get(v.name) == i and names[v.name].startswith("x")
        ]
        names[node.output.name] = free.pop() if free else f"x{i}"
        lines.append(f"{pad}{names[node.output.name]} = {access(node.path)}({inputs}){where(node)}")
    results = {o.name: names[o.value.name] for o in graph.outputs} | {h.path: names[h.value.name] for h in graph.heads}
    given = (
        next(iter(results.values()))
        if len(results) == 1
        else "{" + ", ".join(f"{k!r}: {v}" for k, v in results.items()) + "}"
    )
    return [*lines, f"{pad}return {given}"]


def last_reads(graph: Graph) -> dict[str, int]:
    """The index of the last node that reads each value; results are read at the end."""
    last = {v.name: i for i, node in enumerate(graph.nodes) for v in node.inputs}
    return last | {v.name: len(graph.nodes) for v in graph.results()}


def where(node: Node) -> str:
    return f"  # {one_line(node.span.short)}" if node.span else ""


def write(export: Export) -> list[Path]:
    """Writes a stand-alone module as `export` asks; see export_torch."""
    return export_torch(export.graph, export.weights, export.path, export.title, export.source)


def export_torch(training: Graph, weights: WeightSource, path: Path, title: str, source: str) -> list[Path]:
    """Writes `path` (.py) and its .safetensors; both appear whole or not at all."""
    from safetensors.numpy import save_file

    beside = path.with_suffix(".safetensors")
    tensors = {name: weights.get(name).copy() for name in training.params()}
    text = torch_source(training, title, source)
    with atomic_write(path) as partial:
        partial.write_text(text, "utf-8")
        with atomic_write(beside) as inner:
            save_file(tensors, inner)
    return [path, beside]
