"""A new op is one class: a merge, with fields or without, reaches the language, both backends and the costs by its class facts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NEW = '''
from typing import Any
from archc.compiler.ops.fields import Float
from archc.compiler.ops.merge import Merge
from archc.compiler.ops.op import field, op


@op("total")
class Total(Merge):
    """The sum of its branches.

    Shapes   equal -> the same
    """

    def torch(self, nn: Any, *x: Any) -> Any:
        return nn.Add()

    def onnx(self, g: Any, *x: Any) -> str:
        return g.node("Sum", *(v.name for v in x))


@op("weighted")
class Weighted(Total):
    """The same, with a field; the weight is one here, so that no module of its own is needed.

    Shapes   equal -> the same
    """

    weight: float = field(Float(0, 1), "factor of every branch", 1.0)


import archc
from archc.compiler.driver import check
from archc.compiler.ir.parse import parse
from archc.compiler.ops import OPS

net = archc.load("net.yaml")
made = net.export_onnx("net.onnx")
assert made.parity is not None and made.parity.max_rel < 1e-5
assert [node.op.name for node in net.graph.nodes] == ["conv", "relu", "total", "conv", "weighted"]
assert net.graph.nodes[-1].op.weight == 0.5 and parse(str(net.graph), OPS) == net.graph
assert net.cost().macs == 2 * 3 * 3 * 64
wrong = check("wrong.yaml").diagnostics
assert [d.code for d in wrong] == ["shape-mismatch", "out-of-range"], wrong
assert "`total`" in wrong[0].message
'''
SPEC = """archspec: 1
name: net
input: {image: [3, 8, 8]}
graph:
  - total: {a: [{conv: 3}], b: [relu]}
  - weighted: {weight: 0.5, branches: [[], [{conv: 3}]]}
"""
WRONG = """archspec: 1
name: wrong
input: {image: [3, 8, 8]}
graph:
  - total: [[], [{conv: 4}]]
  - {from: image, weighted: {weight: 2, branches: [[], []]}}
"""


def test_a_merge_is_one_class(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(SPEC, "utf-8")
    (tmp_path / "wrong.yaml").write_text(WRONG, "utf-8")
    done = subprocess.run([sys.executable, "-c", NEW], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
