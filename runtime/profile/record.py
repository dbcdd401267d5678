"""What onnxruntime measures of its own kernels in a few runs, and which values each kernel makes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ..outline import read_outline
from ..wire import WireReader

KERNEL = "_kernel_time"
# onnxruntime names a kernel in its blocked layout by the value that it makes, and that value anew
BLOCKED = "_nchwc"
# kernels that multiply a weight: the weight's place among the inputs
CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "QLinearConv": 3, "ConvInteger": 1}
PRODUCTS = {
    "Gemm": 1,
    "FusedGemm": 1,
    "MatMul": 1,
    "FusedMatMul": 1,
    "QGemm": 3,
    "QLinearMatMul": 3,
    "MatMulInteger": 1,
}


class KernelTime(NamedTuple):
    """A kernel of the optimised graph. `seconds` is the median of its runs.

    `values` are what it makes, as the file calls it; none where only onnxruntime knows it, as a change of layout. `macs` are its
    multiply-accumulates, 0 for a kernel that is no convolution and no product, and where they are not known; `bytes` is what it reads and writes.
    """

    name: str
    op: str
    provider: str
    seconds: float
    values: tuple[str, ...]
    macs: int
    bytes: int


class Recording(NamedTuple):
    """The kernels in the order in which they ran, and the median of a whole run in seconds."""

    kernels: tuple[KernelTime, ...]
    run_seconds: float


def record(path: Path, options: Any, providers: Sequence[Any], names: Sequence[str], arrays: Mapping[str, Any], runs: int,
           warm_up: int) -> Recording:  # fmt: skip
    """Runs a model `warm_up` and then `runs` times under onnxruntime's profiler. Raises what onnxruntime raises.

    `options` are its SessionOptions, to which the profiler is added. The optimised graph and the trace lie in the temporary folder
    meanwhile; the graph has its weights beside it, as one of over 2 GB could not be written else.
    """
    from ..inference import create_ort_session, run_session

    with TemporaryDirectory(prefix="archc-") as folder:
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "run")
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights")
        session = create_ort_session(path, options, providers)
        for _ in range(warm_up + runs):
            run_session(session, names, arrays)
        trace = Path(session.end_profiling())
        return read_recording(
            json.loads(trace.read_text("utf-8")), made_values(Path(folder) / "optimised.onnx"), warm_up
        )


def made_values(optimised: Path) -> dict[str, tuple[str, ...]]:
    """The values that each node of an optimised graph makes, as the file calls them, by the node's name."""
    with optimised.open("rb") as file:
        outline, _ = read_outline(WireReader(file, optimised.stat().st_size))
    return {
        node.name: (node.name.removesuffix(BLOCKED),) if node.name.endswith(BLOCKED) else node.outputs
        for node in outline.nodes
    }


def read_recording(events: Iterable[Mapping[str, Any]], values: Mapping[str, tuple[str, ...]], warm_up: int) -> Recording:  # fmt: skip
    """What a trace says, without its first runs. `values` are those that each kernel makes."""
    events = sorted(events, key=lambda event: int(event.get("ts", 0)))
    whole = [event for event in events if event.get("name") == "model_run"][warm_up:]
    begin = whole[0]["ts"]
    times: dict[str, list[float]] = {}
    kept: dict[str, Mapping[str, Any]] = {}
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(KERNEL) and event["ts"] >= begin:
            key = f"{name} {event['args'].get('node_index')}"
            times.setdefault(key, []).append(event["dur"] * 1e-6)
            kept[key] = event
    kernels = [read_kernel(kept[key], median(found), values) for key, found in times.items()]
    return Recording(tuple(kernels), median(event["dur"] for event in whole) * 1e-6)


def read_kernel(event: Mapping[str, Any], seconds: float, values: Mapping[str, tuple[str, ...]]) -> KernelTime:
    """A kernel from one of its events."""
    facts, name = event["args"], str(event["name"]).removesuffix(KERNEL)
    op = str(facts.get("op_name", ""))
    moved = sum(int(facts.get(key, 0)) for key in ("activation_size", "parameter_size", "output_size"))
    return KernelTime(
        name, op, str(facts.get("provider", "")), seconds, values.get(name, ()), count_macs(op, facts), moved
    )


def count_macs(op: str, facts: Mapping[str, Any]) -> int:
    """The multiply-accumulates of a kernel, from the shapes of its inputs and outputs."""
    inputs, outputs = (
        [next(iter(each.values())) for each in facts.get(key, ()) if each]
        for key in ("input_type_shape", "output_type_shape")
    )
    at = CONVOLUTIONS.get(op, PRODUCTS.get(op))
    if at is None or len(inputs) <= at or not outputs:
        return 0
    result, weight = outputs[0], inputs[at]
    if op in CONVOLUTIONS:
        # (N, C, H, W) of a weight (C, C / groups, kh, kw). One that onnxruntime has packed for itself is not told, and another input is in its place
        if len(weight) != len(result):
            return 0
        return int(prod(result) * prod(weight[1:]))
    # what is summed over is what is in one factor and not in the result
    rows = prod(result) // max(result[-1], 1)
    return int(prod(result) * (prod(inputs[0]) // max(rows, 1)))
