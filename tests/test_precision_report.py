"""The report on a build's precision: what it measures, held against numpy, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archc
from archc.build.precision.measure import GraphFile, Question, measure_precision
from archc.build.precision.report import LayerError, PrecisionReport
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.diagnostics import Failure
from archc.compiler.driver import run_passes
from archc.compiler.ir.graph import Graph
from archc.compiler.weights.rewrite import RewrittenSource
from archc.compiler.weights.seeded import SeededSource
from archc.runtime.inference import create_cpu_session
from archc.text.precision import describe_precision, format_layers, precision_json

NET = """archspec: 1
name: net
input: {image: [3, 8, 8]}
graph:
  - {name: first, conv: {out: 8, kernel: 3}}
  - relu
  - {name: second, conv: {out: 8, kernel: 3}}
  - relu
  - global_avg_pool
  - {name: fc, linear: 10}
"""


class Changed(RewrittenSource):
    """The tensors of a graph, some of them changed by a function."""

    def __init__(self, graph: Graph, changes: dict[str, Callable[[Any], Any]]) -> None:
        super().__init__(SeededSource(graph.params(), 0), graph)
        self.changes = changes

    def get(self, name: str) -> Any:
        return self.changes.get(name, lambda array: array)(super().get(name))


@pytest.fixture
def compare(tmp_path: Path) -> Callable[..., tuple[PrecisionReport, Any, Any]]:
    """Builds the net as it is and with changed tensors, and gives the report and both answers to five images."""

    def measure(**changes: Callable[[Any], Any]) -> tuple[PrecisionReport, Any, Any]:
        (tmp_path / "net.yaml").write_text(NET, "utf-8")
        graph = run_passes(archc.load(tmp_path / "net.yaml").graph)
        exact, other = tmp_path / "exact.onnx", tmp_path / "other.onnx"
        export_onnx(graph, Changed(graph, {}), exact)
        export_onnx(graph, Changed(graph, {f"{step}.weight": change for step, change in changes.items()}), other)
        images = np.random.default_rng(0).standard_normal((5, 3, 8, 8), dtype=np.float32)
        question = Question([{"image": images[:3]}, {"image": images[3:]}], "images", 5, "logits")
        report = measure_precision(GraphFile(exact, graph), other, question, "fp16", 0.01)
        assert sorted(each.name for each in tmp_path.iterdir()) == ["exact.onnx", "net.yaml", "other.onnx"]
        answers = [create_cpu_session(path).run(["logits"], {"image": images})[0] for path in (exact, other)]
        return report, *answers

    return measure


def test_the_error_is_the_relative_l2_of_all_answers(compare: Any) -> None:
    report, exact, other = compare(second=lambda w: w + 0.05)
    expected = np.linalg.norm(other - exact) / np.linalg.norm(exact)
    assert report.relative_l2 == {"logits": pytest.approx(expected, rel=1e-3)} and report.worst > 0.01
    assert report.top1_agreement == (other.argmax(1) == exact.argmax(1)).mean()
    assert report.count == 5


def test_the_layer_that_loses_is_named_with_its_line(compare: Any) -> None:
    report, _, _ = compare(second=lambda w: w * 1.05)
    worst = report.layers[0]
    assert (worst.path, worst.op) == ("second", "conv") and worst.source == "net.yaml:7"
    assert worst.relative_l2 == pytest.approx(worst.added) and 0.03 < worst.added < 0.06
    assert len(report.layers) <= 5 and all(
        a.added >= b.added for a, b in zip(report.layers, report.layers[1:], strict=False)
    )
    with pytest.raises(Failure) as refused:
        report.require("build float32")
    assert (refused.value.code, refused.value.exit_code, refused.value.help) == ("precision-lost", 1, "build float32")
    assert (
        "most is lost in `second` (net.yaml:7)" in refused.value.message and "1 % is allowed" in refused.value.message
    )


def test_equal_files_lose_nothing(compare: Any) -> None:
    report, _, _ = compare()
    assert report.relative_l2 == {"logits": 0.0} and report.layers == () and report.top1_agreement == 1.0
    report.require("")
    assert format_layers(report) == ""


def test_what_is_not_finite_is_told(compare: Any) -> None:
    report, _, _ = compare(first=lambda w: w * 1e38)
    assert report.worst == float("inf") and report.layers[0].path == "first"
    with pytest.raises(Failure, match="not finite"):
        report.require("")
    assert precision_json(report)["worst"] is None and precision_json(report)["layers"][0]["relative_l2"] is None


def test_the_table_reads_in_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = (
        LayerError(
            "inception4e.branch2.1.conv.depthwise.reduce",
            "inception_resnet_v2.yaml:244",
            "local_response_norm",
            0.0123,
            0.01,
        ),
    )
    report = PrecisionReport("fp16", "proof inputs", 4, {"logits": 0.0123}, 0.75, layers, 0.02)
    monkeypatch.setattr("archc.text.tables.output_width", lambda: 80)
    assert max(map(len, format_layers(report).split("\n"))) <= 80
    assert describe_precision(report) == (
        "fp16: 1.2 % from float32 (relative L2, 2 % allowed), top class kept in 75 %, on 4 proof inputs"
    )


@pytest.mark.parametrize(
    ("worst", "enough"),
    [(0.0057, 0.0057), (0.00571, 0.0058), (0.0995, 0.1), (1e-9, 1e-9), (0.999, 1.0), (1.2, None), (float("inf"), None)],
)
def test_how_much_would_be_enough(worst: float, enough: float | None) -> None:
    report = PrecisionReport("int8", "rows", 1, {"logits": worst}, None, (), 0.1)
    assert report.enough == enough
