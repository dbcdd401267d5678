"""The pages of operations: each has one, with every field and code, and what it shows of its example is what a build makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest
import torch

import archc
from archc.catalog import public_ops
from archc.compiler.backends.onnx.opsets import OPSET
from archc.compiler.ops import OPS
from archc.compiler.ops.op import FAMILIES, Op
from docsite.op_examples import example_spec, make_example
from docsite.op_rules import read_rules
from docsite.ops import KINDS, OpUse, index_text, op_text
from docsite.placement import PLACED, RUN, OpPlacement, describe_placement, read_results

UNUSED = OpUse({}, {})
each_op = pytest.mark.parametrize("op", public_ops(), ids=lambda op: op.name)


def test_each_operation_has_a_page_and_a_row() -> None:
    assert set(KINDS) == set(FAMILIES)
    index = index_text()
    for op in public_ops():
        assert f"[`{op.name}`]({op.name}.md) | {read_rules(op).summary}" in index
        assert op_text(op, UNUSED).startswith(f"# {op.name}\n\n{read_rules(op).summary[:20]}")
    assert "path_draw" not in index


@each_op
def test_a_page_has_every_field_word_and_code(op: type[Op]) -> None:
    text = op_text(op, UNUSED)
    rows = {row[1]: row[0] for row in re.findall(r"^(\| `(\w+)` \| .*)$", text, re.M)}
    for name, field in op.fields.items():
        default = "required" if field.required else field.kind.spell(field.default)
        assert field.doc in text and field.kind.wants in text
        assert f"| {default} |" in text or f"| `{default}` |" in text
        assert all(f"`{word}`" in rows[name] for word in field.also_called)
    assert all(f"`{word}`" in rows[op.name] for word in op.also_called)
    for code in read_rules(op).rejects:
        assert f"[{code}](../../diagnostics/{code}.md)" in text
    assert read_rules(op).shapes in text and read_rules(op).source in text


@each_op
def test_a_default_is_spelled_as_a_spec_may_write_it(op: type[Op]) -> None:
    from yaml import safe_load

    for field in op.fields.values():
        if not field.required and field.default is not None:
            assert field.kind.check(safe_load(field.kind.spell(field.default))) == field.default


@each_op
def test_an_example_builds_as_its_page_says(op: type[Op], tmp_path: Path) -> None:
    """It is checked, becomes the module and the nodes that the page shows, and onnxruntime answers as torch does."""
    example = make_example(op)
    spec = tmp_path / "example.yaml"
    spec.write_text(example_spec(op), "utf-8")
    net = archc.load(spec)
    assert net.diagnostics == ()
    module = net.to_torch().get_submodule(example.path)
    own = not type(module).__module__.startswith("torch.")
    assert example.facts.module.startswith(f"{'' if own else 'nn.'}{type(module).__name__}(")
    assert isinstance(module, torch.nn.Module)

    built = tmp_path / "example.onnx"
    net.export_onnx(built, fold=False)
    model = onnx.load(built)
    assert model.opset_import[0].version == OPSET
    nodes = [
        node.op_type
        for node in model.graph.node
        if node.name == example.path or node.name.startswith(example.path + "/")
    ]
    assert nodes == [each.op_type for each in example.facts.onnx]
    assert not nodes or next(types for first, last, types in example.forms if first <= OPSET <= last) == tuple(nodes)


def test_cuda_is_told_as_it_was_measured() -> None:
    op, here = OPS["conv"], "reference/ops/conv.md"
    example = make_example(op)
    told = describe_placement(op, example, {"conv": OpPlacement(("a", "b"), (), ("a",))}, here)
    version = read_results(PLACED)["versions"]["onnxruntime-gpu"]
    assert told.startswith("2 nets of the zoo have it") and f"onnxruntime-gpu {version}" in told
    assert "all of their nodes are on CUDA" in told and read_results(RUN)["machine"]["gpu"] in told
    assert "some nodes of b are elsewhere" in describe_placement(
        op, example, {"conv": OpPlacement(("a", "b"), ("b",))}, here
    )
    assert "none has it in its built file" in describe_placement(op, example, {}, here)
    dropout = OPS["dropout"]
    assert "nothing to place" in describe_placement(dropout, make_example(dropout), {}, here)
