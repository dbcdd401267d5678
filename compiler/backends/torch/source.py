"""Graph → a Python file that stands alone, and its weights as .safetensors beside it.

The same `Op.torch` that builds modules is given a recorder instead of torch.nn, and what it records is printed: the
exported source cannot differ from the module that archc runs. Modules that torch lacks are copied in with their source.
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...content_names import OutputFile, name_by_content
from ...hashed_file import HashedFile
from ...ir.graph import Graph, Node
from ...ops.lowerings import ModuleRecorder
from ...ops.op import op_of
from ...weights.source import WeightSource
from .. import Export
from . import layers
from .data_names import DATA_SUFFIX, LOAD
from .module import (
    argument_names,
    class_name,
    is_attribute_name,
    module_inputs,
    wants_flattening,
    without_dead,
    without_heads,
)
from .write_safetensors import write_safetensors

RESERVED_NAMES = ("Scope", "Tensor", "Path", "F")  # what the exported file calls its own


HEADER = '''"""{title}

Written by archc from {source}; it needs torch and safetensors, and nothing of archc.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Scope(nn.Module):
    """A scope of the spec: modules by name, `scope["0"]` or `scope.conv`."""

    def __init__(self, modules):
        super().__init__()
        self._modules.update(modules)

    def __getitem__(self, name):
        return self._modules[name]
'''

WITH_STEPS = '''

def with_steps(module, modules):
    """The module with others in it: a merge is the scope of its branches, too."""
    module._modules.update(modules)
    return module
'''

FOOTER = '''

{load}
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


def torch_source(training: Graph, title: str, source: str, weights: str) -> str:
    """The text of a Python module that needs torch alone: the net's class, `load`, and a run on zeros.

    `weights` names the file beside it that `load` reads.
    """
    recorder = ModuleRecorder()
    calls = {node.path: op_of(node).torch(recorder, *node.input_types) for node in training.nodes}
    name = class_name(training.name)
    if keyword.iskeyword(name) or name in recorder.used or name in RESERVED_NAMES:
        name += "Net"
    lines = [f"\n\nclass {name}(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    tree = nest_calls(calls)
    lines += init_lines(tree)
    arguments = ", ".join(argument_names(training).values())
    lines += ["", f"    def forward(self, {arguments}):"]
    inference = without_heads(training)
    if training.heads:
        lines += ["        if self.training:", *forward_lines(without_dead(training), tree, 12)]
    lines += forward_lines(inference, tree, 8)
    own = WITH_STEPS * any("with_steps(" in line for line in lines)
    own += "".join(f"\n\n{class_source(getattr(layers, name)).rstrip()}\n" for name in recorder.used)
    sizes = ", ".join(f"torch.zeros{(1, *v.type.sizes)}" for v in training.inputs)
    load = LOAD.format(name=weights)
    footer = FOOTER.format(load=load, name=name, inputs=sizes, output=training.outputs[0].name)
    header = HEADER.format(title=one_line(title or training.name), source=one_line(source))
    return header + own + "\n".join(lines) + "\n" + footer


@lru_cache
def class_source(cls: type) -> str:
    """The source of a class, remembered: inspect reads and parses the whole file at every call."""
    return inspect.getsource(cls)


CallTree = dict[str, Any]


def nest_calls(calls: Mapping[str, str]) -> CallTree:
    """Constructor calls by path, as a tree of scopes. A scope that is a module too, a named merge, has its call under ''."""
    root: CallTree = {}
    for path, call in calls.items():
        scope = root
        for part in path.split("."):
            scope = scope.setdefault(part, {})
        scope[""] = call
    return root


def init_lines(tree: CallTree) -> list[str]:
    """The lines of `__init__` that make the modules, one for each at the top."""
    lines: list[str] = []
    for name, inner in tree.items():
        expression = scope_expression(inner, 8)
        lines.append(
            f"        self.{name} = {expression}"
            if is_attribute_name(name)
            else f"        self.add_module({name!r}, {expression})"
        )
    return lines


def scope_expression(inner: CallTree, indent: int) -> str:
    """The expression that makes a module, alone or with those in it, or a `Scope`; lines after the first stand at `indent`."""
    if set(inner) == {""}:
        return str(inner[""])
    pad = " " * (indent + 4)
    parts = [f"{pad}{name!r}: {scope_expression(child, indent + 4)},\n" for name, child in inner.items() if name]
    start = f"with_steps({inner['']}, {{\n" if "" in inner else "Scope({\n"
    return start + "".join(parts) + " " * indent + "})"


def module_expression(path: str, tree: CallTree) -> str:
    """The expression by which `forward` reaches the module at a path of the tree: `self.stage1["0"].conv`."""
    expression, scope = "self", tree
    for part in path.split("."):
        if is_attribute_name(part):
            expression += f".{part}"
        else:  # the net and a merge are no `Scope`, which is asked for its steps
            expression += f"._modules[{part!r}]" if scope is tree or "" in scope else f"[{part!r}]"
        scope = scope[part]
    return expression


def one_line(text: str) -> str:
    """A text of the spec on one line, without what could end the comment or the docstring that holds it."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line.replace("\\", "/").replace('"', "'")


def forward_lines(graph: Graph, tree: CallTree, indent: int) -> list[str]:
    """The lines of `forward`: a call for each node of the graph, whose modules are in `tree`, and the return of the results.

    A variable whose value nothing reads any more is assigned anew, so that memory is freed as in a net written by hand.
    """
    pad, names, lines = " " * indent, argument_names(graph), []
    last = last_reads(graph)
    arguments = set(names)
    free: list[str] = []
    for i, node in enumerate(graph.nodes):
        flat = ".flatten(1)" * wants_flattening(node)
        inputs = ", ".join(names[v.name] + flat for v in module_inputs(graph, node))
        read = [v.name for v in dict.fromkeys(node.inputs) if last.get(v.name) == i]
        free += [names[name] for name in read if name not in arguments]
        names[node.output.name] = free.pop() if free else f"x{i}"
        lines.append(
            f"{pad}{names[node.output.name]} = {module_expression(node.path, tree)}({inputs}){origin_comment(node)}"
        )
    results = {o.name: names[o.value.name] for o in graph.outputs} | {h.path: names[h.value.name] for h in graph.heads}
    answer = (
        next(iter(results.values()))
        if len(results) == 1
        else "{" + ", ".join(f"{k!r}: {v}" for k, v in results.items()) + "}"
    )
    return [*lines, f"{pad}return {answer}"]


def last_reads(graph: Graph) -> dict[str, int]:
    """The index of the last node that reads each value; results are read at the end."""
    last = {v.name: i for i, node in enumerate(graph.nodes) for v in node.inputs}
    return last | {v.name: len(graph.nodes) for v in graph.results()}


def origin_comment(node: Node) -> str:
    """The node's place in the spec as a comment; empty where it has none."""
    return f"  # {one_line(node.span.short)}" if node.span else ""


def has_data(graph: Graph) -> bool:
    """The weights are always a second file."""
    return True


def write(export: Export) -> list[OutputFile]:
    """Writes the Python module that `export` asks for; see export_torch."""
    return export_torch(export.graph, export.weights, export.path, export.title, export.source, export.stored_half)


def export_torch(
    training: Graph, weights: WeightSource, path: Path, title: str, source: str, stored_half: Collection[str] = ()
) -> list[OutputFile]:
    """Writes `path` (.py) and beside it its weights, `<stem>-<digest>.safetensors`; gives both files, the module first.

    `title` says in a line what the net is, `source` which spec it comes from. The tensors `stored_half` are half floats in the file, and float32
    in the net that loads it. Raises OSError where the disk is full.
    """
    with HashedFile(path.with_name("data")) as partial:
        write_safetensors(partial, training.params(), weights, stored_half)
    data = name_by_content(partial.written, path.stem, DATA_SUFFIX)
    with HashedFile(path) as module:
        module.write(torch_source(training, title, source, data.path.name).encode())
    return [module.written, data]
