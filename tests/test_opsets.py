"""The op table at opsets from the oldest to the newest that archc writes: the same numbers, or a refusal where ONNX lacks the operator."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from archc.compiler.backends.onnx.opsets import IR_OF_OPSET, OPSETS
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.diagnostics import Failure
from archc.compiler.driver import check, run_passes
from archc.compiler.ops import OPS
from archc.compiler.passes import PassOptions
from archc.compiler.weights.seeded import SeededSource
from archc.runtime.inference import create_cpu_session

from .op_cases import CASES, Case
from .sweep import sweep
from .test_ops import Positive, graph_of, spread

SWEPT = {13, 17, 20, 23, 26}
# op, the operator that it needs, and the first opset that has it. Before that the op is refused; nothing else ever is.
REFUSED_BEFORE = {"hard_swish": ("HardSwish", 14), "layer_norm": ("LayerNormalization", 17)}
# an op that has another form where the operator is missing
REPLACED_BEFORE = {"gelu": ("Gelu", 20)}


def opsets(op: str) -> list[int]:
    """Those that every op is swept over, and both sides of the step at which its operator appears."""
    _, since = (REFUSED_BEFORE | REPLACED_BEFORE).get(op, ("", 0))
    return sorted(SWEPT | ({since - 1, since} if since else set()))


def test_the_ir_version_is_the_one_that_came_with_the_opset():
    """By onnx's own table: the oldest runtime that knows the opset reads the file."""
    table: dict[int, int] = {}
    for _, ir, opset, *_ in onnx.helper.VERSION_TABLE:
        table[opset] = min(ir, table.get(opset, ir))
    assert {opset: table[opset] for opset in OPSETS} == IR_OF_OPSET
    for opset, ir in IR_OF_OPSET.items():
        assert onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)]) == ir


@pytest.mark.parametrize("opset", OPSETS)
def test_a_net_at_every_opset_passes_onnxs_checker(opset: int, tmp_path):
    """What is written, the tensors outside of the model too, is in the format since the IR version that the file states."""
    graph = check("lenet5_modern").graph
    assert graph is not None
    for external_over in (2**40, 0):
        export_onnx(run_passes(graph), SeededSource(graph.params()), tmp_path / "net.onnx", opset=opset,
                    external_over=external_over, metadata={"archc.name": "net"})  # fmt: skip
        model = onnx.load(tmp_path / "net.onnx", load_external_data=False)
        assert (model.opset_import[0].version, model.ir_version) == (opset, IR_OF_OPSET[opset])
        assert not any(node.metadata_props for node in model.graph.node), "these came with IR 10"
        onnx.checker.check_model(str(tmp_path / "net.onnx"), full_check=True)


def test_the_sweep_has_both_ends():
    assert {min(SWEPT), max(SWEPT)} == {OPSETS[0], OPSETS[-1]}


@pytest.mark.parametrize(("operator", "since"), (REFUSED_BEFORE | REPLACED_BEFORE).values())
def test_onnx_itself_says_when_an_operator_appears(operator, since):
    assert onnx.defs.has(operator, since) and not onnx.defs.has(operator, since - 1)


def test_ops_state_the_opset_that_their_operator_asks_for():
    assert {op: cls.since_opset for op, cls in OPS.items() if cls.since_opset > OPSETS[0]} == {
        op: since for op, (_, since) in REFUSED_BEFORE.items()
    }


@sweep("case", CASES)
def test_every_opset_gives_the_same_numbers_or_is_refused(case: Case, tmp_path):
    graph = graph_of(case)
    weights = Positive(spread(graph.params()))
    inputs = [np.random.default_rng(i).standard_normal((2, *s), dtype=np.float32) for i, s in enumerate(case.inputs)]
    with torch.no_grad():
        reference = to_torch(graph, weights).eval()(*map(torch.from_numpy, inputs)).numpy()
    built, path = run_passes(graph, PassOptions(fold=False)), tmp_path / "one.onnx"
    _, since = REFUSED_BEFORE.get(case.op, ("", 0))
    for opset in opsets(case.op):
        if opset < since:
            with pytest.raises(Failure, match=f"`{case.op}` .* from opset {since}, not in {opset}") as refused:
                export_onnx(built, weights, path, opset=opset)
            assert (refused.value.code, refused.value.exit_code) == ("opset-unsupported", 2)
            continue
        export_onnx(built, weights, path, opset=opset)
        model = onnx.load(path)
        assert [o.version for o in model.opset_import] == [opset]
        onnx.checker.check_model(model, full_check=True)
        found = create_cpu_session(path).run(None, {f"in{i}": x for i, x in enumerate(inputs)})[0]
        assert found.shape == reference.shape
        assert np.abs(found - reference).max() <= 1e-5 * np.abs(reference).max() + 1e-7, f"opset {opset}"
