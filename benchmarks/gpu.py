"""Nets on a GPU: archc's file in onnxruntime, with several options of its CUDA provider, compared with torch on the same card.

    python benchmarks/gpu.py [--nets NAME ...] [--batches N ...] [--runs N] [--seconds S] [--json FILE]

Each contender's input is on the card before it is timed, and its answer stays there (onnxruntime by IO binding), so the bus is not
measured. Contenders of one net and batch run in turn, one run each, and the figure is the median; the clock is read when the card
has finished. After `--seconds` no further net begins. Weights are seeded: they are the same for all contenders, and their values do
not change how long a net takes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from archc.build.build import build, resolve_weights
from archc.build.options import BuildOptions
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.driver import check
from archc.runtime.devices import CUDA_OPTIONS, PROVIDERS, device_trouble

NETS = ("googlenet", "resnet50", "densenet121", "inception_v3", "resnet152", "vgg16", "squeezenet1_0")
TF32 = CUDA_OPTIONS | {"use_tf32": "1"}
OPTIONS = {
    "archc fp32": CUDA_OPTIONS,
    "archc tf32": TF32,
    "archc tf32 nhwc": TF32 | {"prefer_nhwc": "1"},
    "archc tf32 exhaustive": TF32 | {"cudnn_conv_algo_search": "EXHAUSTIVE"},
    "archc tf32 graph": TF32 | {"enable_cuda_graph": "1"},
}
WARM = 5
Run = Callable[[], Any]


def main() -> int:
    """Times the nets, prints a row for each contender, and writes the rows to `--json` after each."""
    options = parse_arguments()
    if any(device_trouble("cuda")):
        raise SystemExit(": ".join(device_trouble("cuda")))
    ends, rows = time.monotonic() + options.seconds, []
    for name in options.nets:
        if time.monotonic() > ends:
            print(f"no time was left for {name}")
            continue
        for row in measure_net(name, options.batches, options.runs):
            rows.append(row)
            print(
                f"{row['net']:14} batch {row['batch']:3}  {row['contender']:24} {row['latency_ms']:9.3f} ms", flush=True
            )
        if options.json:
            options.json.write_text(
                json.dumps({"machine": describe_machine(), "runs": options.runs, "rows": rows}, indent=1) + "\n"
            )
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times nets on a GPU.")
    parser.add_argument("--nets", nargs="*", default=NETS)
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 32])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no further net after so long")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def measure_net(name: str, batches: list[int], runs: int) -> Iterator[dict[str, Any]]:
    """A row for each contender and batch with its median latency."""
    checked = check(name)
    assert checked.graph is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        build(checked, output=path, proof="none")
        net = to_torch(checked.graph, resolve_weights(checked.graph, BuildOptions()).source).eval().cuda()
        for batch in batches:
            images = torch.randn(batch, *checked.graph.inputs[0].type.sizes, device="cuda")
            contenders = dict(open_contenders(path, images)) | torch_contenders(net, images)
            for label, times in time_in_turn(contenders, runs).items():
                yield {"net": name, "batch": batch, "contender": label, "latency_ms": statistics.median(times) * 1e3}


def open_contenders(path: Path, images: torch.Tensor) -> Iterator[tuple[str, Run]]:
    """onnxruntime's contenders by name; options that it refuses for this net are printed and left out."""
    for label, options in OPTIONS.items():
        try:
            run = bind_run(path, images, options)
            run()
        except Exception as error:  # onnxruntime's own exceptions share no root but this
            print(f"{label}: {' '.join(str(error).split())[:200]}")
        else:
            yield label, run


def bind_run(path: Path, images: torch.Tensor, options: dict[str, str]) -> Run:
    """A run of the file by onnxruntime; its input and its answer are bound to tensors on the card."""
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), session_options, providers=[(PROVIDERS["cuda"], options)])
    binding = session.io_binding()
    answer = torch.empty((len(images), *session.get_outputs()[-1].shape[1:]), device="cuda")
    for bind, name, tensor in (
        (binding.bind_input, session.get_inputs()[0].name, images),
        (binding.bind_output, session.get_outputs()[-1].name, answer),
    ):
        bind(name, "cuda", 0, np.float32, tuple(tensor.shape), tensor.data_ptr())
    return lambda: session.run_with_iobinding(binding)


def torch_contenders(net: torch.nn.Module, images: torch.Tensor) -> dict[str, Run]:
    """torch's contenders by name: float32, TF32, TF32 with channels last, and half precision with channels last."""

    def contender(tf32: bool, half: bool, x: torch.Tensor) -> Run:
        def run() -> Any:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
            with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=half):
                return net(x)

        return run

    last = images.to(memory_format=torch.channels_last)
    return {
        "torch fp32": contender(False, False, images),
        "torch tf32": contender(True, False, images),
        "torch tf32 channels_last": contender(True, False, last),
        "torch amp channels_last": contender(True, True, last),
    }


def time_in_turn(contenders: dict[str, Run], runs: int) -> dict[str, list[float]]:
    """The seconds of each run by contender; they take turns, so that a slow minute of the machine slows all of them."""
    times: dict[str, list[float]] = {label: [] for label in contenders}
    for turn in range(WARM + runs):
        for label, run in contenders.items():
            torch.cuda.synchronize()
            began = time.perf_counter()
            run()
            torch.cuda.synchronize()
            if turn >= WARM:
                times[label].append(time.perf_counter() - began)
    return times


def describe_machine() -> dict[str, str]:
    return {"device": torch.cuda.get_device_name(), "onnxruntime": onnxruntime.__version__, "torch": torch.__version__}


if __name__ == "__main__":
    sys.exit(main())
