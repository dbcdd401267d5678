"""Paths for the nodes of a model: where in its net each stands, told by the names that its exporter left.

- in an archc file a name is a path already; `conv1/Pad` stands beside `conv1`, for which it was made
- another name with slashes is a path: `/layer1/layer1.0/conv1/Conv` of torch, `model/block1/conv/Conv2D` of TensorFlow
- torch's newer exporter keeps a node's modules in a note, and its names say nothing
- any other node is where its weights are: `layer1.0.conv1.weight`. One without weights is behind what it reads.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from ..compiler.diagnostics import clean
from ..runtime.full_graph import FullNode, shorten_name
from .operators import find_operator

# names of a node's tensors, behind the node's own path
TENSORS = re.compile(r"(?:.*[./])?(?:weight|bias|kernel|gamma|beta|scale|running_mean|running_var|moving_mean|moving_variance|B|W|b|w)"
                     r"(?:[:_](?:\d+|quantized|ReadVariableOp(?::0)?))*")  # fmt: skip
NOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")
# made up by exporters: `Conv_12`, `node_relu_3`, `n42`
NUMBERED = re.compile(r"(?:node_|n)?[A-Za-z0-9]*_?\d*")
# what belongs to the step before it
FAMILIES_BEHIND = ("activation", "norm", "merge", "other")


def find_paths(nodes: Sequence[FullNode], producers: Mapping[str, int], is_ours: bool) -> list[str]:
    """A path for each node, all of them different. `producers` has the number of the node that makes a value."""
    found = [own_path(node, is_ours) for node in nodes]
    readers: dict[int, list[int]] = {}
    for at, node in enumerate(nodes):
        for value in node.inputs:
            if value in producers:
                readers.setdefault(producers[value], []).append(at)
    for at, node in enumerate(nodes):
        if not found[at]:
            found[at] = join(scope_of(at, node, found, producers, readers), leaf_of(node))
    return make_unique(found if is_ours else shorten_scopes(found))


def own_path(node: FullNode, is_ours: bool) -> str:
    """The path that a node's own names tell; empty where they tell none."""
    name = shorten_name(node.name)
    if is_ours:
        return name
    if "/" in name:
        return split_scopes(name.split("/"))
    if node.scopes:
        return noted_path(node)
    if "." in name and not NUMBERED.fullmatch(name):
        return name
    return owner_of_weights(node)


def noted_path(node: FullNode) -> str:
    """The path in torch's note: the modules from the outermost in, then the function. Where batch norm was folded into a convolution, the
    note is of the norm, and the weight's name tells more.
    """
    parts = [part for part in NOTED.findall(node.scopes) if part]
    owner = owner_of_weights(node)
    modules = split_scopes(parts[:-1])
    if owner and owner != modules:
        modules = owner
    return join(modules, shorten_name(parts[-1] if parts else leaf_of(node)))


def split_scopes(parts: Sequence[str]) -> str:
    """Scopes from the outermost in, as a path; one that says its outer scope again (`layer1`, `layer1.0`) does so once."""
    found: list[str] = []
    outer = ""
    for part in filter(None, parts):
        name = part.removeprefix(f"{outer}.") if outer else part
        found.append(name)
        outer = part
    return shorten_name(".".join(found))


def owner_of_weights(node: FullNode) -> str:
    """The path of the first input with the name of a weight; empty where there is none."""
    for name in node.inputs[1:]:
        if TENSORS.fullmatch(name) and len(name) > 1:
            owner = re.split(r"[./](?=[^./]*$)", name)[0]
            if owner != name:
                return shorten_name(owner.strip("/.").replace("/", "."))
    return ""


def scope_of(
    at: int, node: FullNode, found: Sequence[str], producers: Mapping[str, int], readers: Mapping[int, Sequence[int]]
) -> str:
    """Where a node without a path of its own stands: in the scope of what it reads last, if it goes with that; else in the one that
    this and its first reader share.
    """
    before = max((producers[v] for v in node.inputs if producers.get(v, at) < at), default=None)
    if before is None:
        return ""
    scope = found[before].rpartition(".")[0]
    if find_operator(node).family in FAMILIES_BEHIND:
        return scope
    behind = next((found[reader] for reader in readers.get(at, ()) if found[reader]), "")
    shared = []
    for a, b in zip(scope.split("."), behind.split(".")[:-1], strict=False):
        if a != b:
            break
        shared.append(a)
    return ".".join(shared)


def leaf_of(node: FullNode) -> str:
    """A node's own name, without dots; its operator where it has none."""
    return (shorten_name(node.name) or node.kind or "node").replace(".", "_")


def join(scope: str, leaf: str) -> str:
    return f"{scope}.{leaf}" if scope else leaf


def shorten_scopes(paths: Sequence[str]) -> list[str]:
    """The paths, where a scope that holds one node only stands for it: `fc.Gemm` is `fc`."""
    held = Counter(prefix for path in paths for prefix in (path, path.rpartition(".")[0]))
    scopes = {path.rpartition(".")[0] for path in paths}
    deeper = {scope.rpartition(".")[0] for scope in scopes}
    return [
        scope if (scope := path.rpartition(".")[0]) and held[scope] == 1 and scope not in deeper else path
        for path in paths
    ]


def make_unique(paths: Sequence[str]) -> list[str]:
    """The paths in characters that print, with a number behind one that was there before."""
    seen: set[str] = set()
    count: Counter[str] = Counter()
    found = []
    for path in map(clean, paths):
        unique = path
        while unique in seen:
            count[path] += 1
            unique = f"{path}_{count[path] + 1}"
        seen.add(unique)
        found.append(unique)
    return found
