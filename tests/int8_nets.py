"""A small net in 8 bits, and what it is calibrated with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image

from archc.build.precision.bias_correction import correct_biases, measure_channel_means, weighted_inputs
from archc.build.precision.int8 import QUANTIZED, nodes_in_float32, plan_rounding, quantize
from archc.build.precision.ranges import find_ranges
from archc.compiler.backends.onnx.write import export_onnx, lower_graph
from archc.compiler.driver import check, run_passes
from archc.compiler.passes import PassOptions
from archc.compiler.weights.rewrite import RewrittenSource
from archc.compiler.weights.seeded import SeededSource
from archc.runtime import Session

NET = """archspec: 1
name: net
input: {image: [3, 12, 12]}
preprocess: {mean: [0.4], std: [0.3]}
labels: [a, b, c, d, e]
graph:
  - {name: conv1, conv: {out: 8, kernel: 3, padding: 1}}
  - {name: relu1, relu}
  - {name: lrn, local_response_norm: {size: 3}}
  - {name: pool1, max_pool: 2}
  - name: block
    steps:
      - {name: conv1_scale, conv: {out: 8, kernel: 3, padding: 1, groups: 8}}
      - {name: v1, relu}
  - {name: join, add: [[{name: left, conv: {out: 4, kernel: 1}}], [{name: right, conv: {out: 4, kernel: 1}}]]}
  - {name: up, upsample: 2}
  - {name: pad, pad: {height: [1, 1], width: [0, 0]}}
  - {name: last, conv: {out: 1, kernel: 3}}
  - flatten
  - {name: fc, linear: 5}
  - softmax
"""
SMALL = """archspec: 1
name: small
input: {image: [3, 12, 12]}
graph: [{conv: {out: 8, kernel: 3}}, relu, global_avg_pool, {linear: 5}]
"""


def photos(folder: Path, count: int, seed: int = 0) -> Path:
    """A folder of `count` small pictures, whose colours run from dark to light."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for at in range(count):
        x = np.linspace(0, random.uniform(40, 255), 20)[:, None, None] + random.uniform(0, 30, (1, 20, 3))
        Image.fromarray(x.repeat(1, 1).clip(0, 255).astype(np.uint8)).save(folder / f"{at:03}.png")
    return folder


class Quantized:
    """The net of a text, quantised on `feeds` in a folder: both files, their models as onnx reads them, and both sessions."""

    def __init__(
        self,
        folder: Path,
        text: str,
        feeds: list[Any],
        method: Any = "minmax",
        keep: tuple[str, ...] = (),
        corrected: bool = True,
    ) -> None:
        spec = folder / "net.yaml"
        spec.write_text(text, "utf-8")
        checked = check(str(spec))
        graph = run_passes(checked.graph, PassOptions())
        weights = RewrittenSource(SeededSource(checked.graph.params()), graph)
        self.plain, self.path = folder / "plain.onnx", folder / "int8.onnx"
        export_onnx(graph, weights, self.plain)
        model = lower_graph(graph, weights, 20, None, {"archc.version": "1"})
        excluded = nodes_in_float32(model, keep)
        proto, ranges = find_ranges(self.plain, feeds, method, QUANTIZED)
        plan = plan_rounding(proto, ranges, excluded, model)
        if corrected:
            means = measure_channel_means(self.plain, weighted_inputs(model, excluded), feeds)
            model, plan = correct_biases(model, plan, means)
        self.model = quantize(model, plan)
        with self.path.open("wb") as file:
            self.model.write(file)
        self.before, self.nodes = onnx.load(str(self.plain)), {node.name: node for node in self.model.nodes}

    def run(self, image: Any) -> tuple[Any, Any]:
        """The last output of the plain file and of the quantised one."""
        found = [Session(path, device="cpu").run({"image": image}) for path in (self.plain, self.path)]
        return tuple(next(reversed(each.values())) for each in found)


def images(count: int, seed: int = 0, size: int = 12) -> Any:
    return np.random.default_rng(seed).uniform(-1.5, 2, (count, 3, size, size)).astype(np.float32)


def feeds(count: int = 12) -> list[Any]:
    return [{"image": row[None]} for row in images(count)]
