"""Kernels told by the nodes of the file: which steps a kernel works out, and where in the spec they stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ..outline import Outline, OutlineNode
from .record import KernelTime

# how onnxruntime names what it makes of a node or a value: in float32 on processors without half floats, with channels last, in blocks
DERIVED = re.compile(r"(?:InsertedPrecisionFreeCast_|InsertedCast_)*(?P<name>.*?)(?:_token_[0-9]+|_nchwc)*", re.DOTALL)


class StepTime(NamedTuple):
    """The time of one or more kernels, and the step of the file that it is told by.

    `step` is the YAML path in a file of archc's, else the node's name; empty for what only onnxruntime does. `covers` are all of the nodes
    that the kernel works out, the step among them, in the order of the file: a convolution and the relu that was fused into it.
    `place` is `file:line`, empty where the file says none.
    """

    step: str
    covers: tuple[str, ...]
    op: str
    place: str
    seconds: float
    macs: int
    bytes: int


def attribute_kernels(kernels: Sequence[KernelTime], outline: Outline) -> list[StepTime]:
    """The kernels by the nodes of the file, in their order.

    A value that no kernel makes has vanished into what reads it: a kernel covers the node that makes its value, and those before it
    whose values have vanished.
    """
    named = {node.name: node.outputs for node in reversed(outline.nodes) if node.name}
    kernels = [kernel._replace(values=known_values(kernel, outline, named)) for kernel in kernels]
    made = {value for kernel in kernels for value in kernel.values}
    taken: dict[str, OutlineNode] = {}
    return [attribute_kernel(kernel, outline, made, taken) for kernel in kernels]


def known_values(kernel: KernelTime, outline: Outline, named: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The values that a kernel makes and the file knows. Where those are in a layout or a type of onnxruntime's own, its name or theirs
    tell the node, as they are made of the file's. `named` are the values that each node of the file makes, by its name.
    """
    known = tuple(value for value in kernel.values if value in outline.producers or value in outline.outputs)
    if known:
        return known
    if kernel.name in named:
        return named[kernel.name]
    for made in (*kernel.values, kernel.name):
        found = DERIVED.fullmatch(made)
        name = found["name"] if found else made
        if name in outline.producers:
            return (name,)
        if name in named:
            return named[name]
    return ()


def attribute_kernel(kernel: KernelTime, outline: Outline, made: set[str], taken: dict[str, OutlineNode]) -> StepTime:  # fmt: skip
    """One kernel by the nodes of the file. `made` are the values that all kernels make, `taken` those that are told by a step already."""
    nodes = covered_nodes(kernel, outline, made, taken)
    # a change of layout makes anew what another kernel has worked out, and is told by the same step
    known = [taken[value] for value in kernel.values if value in taken]
    # the step that the kernel is named after: the convolution, not the relu behind it
    named = [node for node in nodes if node.kind in kernel.op]
    step = next(iter([*named, *nodes, *known]), None)
    if step is None:
        return StepTime("", (), kernel.op, "", kernel.seconds, kernel.macs, kernel.bytes)
    taken.update({node.outputs[0]: step for node in nodes})
    covers = tuple(node.name for node in nodes or [step])
    return StepTime(step_of(step, outline), covers, kernel.op, step.place, kernel.seconds, kernel.macs, kernel.bytes)


def step_of(node: OutlineNode, outline: Outline) -> str:
    """The step that a node is for. What archc adds for a step is called `step/…` (fc/Flatten, 6/QuantizeLinear), and for an input
    `input/…`; other exporters, who tell no place in a spec, call nodes so, too.
    """
    owner = node.name.partition("/")[0]
    return owner if node.place or owner in outline.inputs else node.name


def covered_nodes(
    kernel: KernelTime, outline: Outline, made: Collection[str], taken: Collection[str]
) -> list[OutlineNode]:
    """The nodes of the file that a kernel works out, in the order of the file."""
    found: dict[str, OutlineNode] = {}
    left = [value for value in kernel.values if value not in taken]
    while left:
        value = left.pop()
        node = outline.producers.get(value)
        if node is None or value in taken or value in found:
            continue
        found[value] = node
        left += [each for each in node.inputs if each not in made and not outline.is_constant(each)]
    order = {node.outputs[0]: at for at, node in enumerate(outline.nodes) if node.outputs}
    return sorted(found.values(), key=lambda node: order.get(node.outputs[0], 0))


def group_steps(steps: Iterable[StepTime], by: str, depth: int = 1) -> list[StepTime]:
    """Steps added up, the longest first: `by` the `step`, the `block` (the first `depth` words of its path) or the `op`."""
    groups: dict[str, list[StepTime]] = {}
    for each in steps:
        key = {"step": each.step, "block": ".".join(each.step.split(".", depth)[:depth]), "op": each.op}[by]
        groups.setdefault(key if by == "op" else key or f" {each.op}", []).append(each)
    found = [add_steps(key.strip() if by == "op" else key, group, by) for key, group in groups.items()]
    return sorted(found, key=lambda each: -each.seconds)


def add_steps(key: str, group: Sequence[StepTime], by: str) -> StepTime:
    """Steps of one group as one."""
    longest = max(group, key=lambda each: each.seconds)
    ops = dict.fromkeys(each.op for each in group)
    covers = tuple(dict.fromkeys(name for each in group for name in each.covers))
    op = longest.op if len(ops) == 1 else ", ".join(ops)
    step = "" if key.startswith(" ") or by == "op" else key
    seconds, macs, moved = (sum(column) for column in zip(*(each[4:] for each in group), strict=True))
    return StepTime(step, covers, op, "" if by == "op" else longest.place, seconds, macs, moved)
