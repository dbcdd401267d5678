"""The whole zoo in onnxruntime on a device: whether it answers as torch does, and which nodes the device does not take.

    python benchmarks/zoo_on_device.py [--device cuda|cpu] [--nets NAME ...] [--jobs N] [--json FILE]

Each member is built from seeded weights without the build's own proof, then run on two random images. The reference is the torch
module of the training graph in eval mode, in float32 on the CPU; TF32 is off on CUDA. A net agrees where max |difference| is at most
1e-3 of max |reference|. Nodes that do not run on the device are counted by operator, from onnxruntime's own profile. `--jobs` is how
many nets run at once; the figures are written after each, so that a run that is stopped loses nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from archc.build.build import build, resolve_weights
from archc.build.options import BuildOptions
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.driver import check
from archc.compiler.sources import zoo
from archc.runtime.devices import CUDA_OPTIONS, PROVIDERS, device_trouble

TOLERANCE = 1e-3  # of max |reference|


def main() -> int:
    """Compares the nets, prints a row for each, and writes the rows to `--json`. Gives 1 if one does not agree."""
    options = parse_arguments()
    if options.device != "cpu" and any(device_trouble(options.device)):
        raise SystemExit(": ".join(device_trouble(options.device)))
    names = [name for name in options.nets or zoo() if check(name).graph is not None]  # a family is no net
    rows: dict[str, Any] = {}
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        for done in as_completed([pool.submit(compare_with_torch, name, options.device) for name in names]):
            name, row = done.result()
            rows[name] = row
            print(f"{name:44} {row['max_rel']:.1e}  elsewhere: {row['elsewhere'] or 'nothing'}", flush=True)
            if options.json:
                report = {"machine": describe_machine(options.device), "nets": dict(sorted(rows.items()))}
                options.json.write_text(json.dumps(report, indent=1) + "\n")
    wrong = [name for name, row in rows.items() if not row["agrees"]]
    print(f"{len(rows) - len(wrong)} of {len(names)} agree with torch to {TOLERANCE:g} of max |reference|", *wrong)
    return int(bool(wrong) or len(rows) < len(names))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs the whole zoo on a device and holds it against torch.")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--nets", nargs="*", help="only these")
    parser.add_argument("--jobs", type=int, default=1, help="nets at once")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    return parser.parse_args()


def compare_with_torch(name: str, device: str) -> tuple[str, dict[str, Any]]:
    """A net's name and its row: the difference from torch, and the nodes that did not run on the device."""
    device_trouble(device)  # loads CUDA's libraries into this process
    checked = check(name)
    graph = checked.graph
    assert graph is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        build(checked, output=path, proof="none")
        images = np.random.default_rng(0).standard_normal((2, *graph.inputs[0].type.sizes), dtype=np.float32)
        answer, events = run_with_profile(path, images, device, Path(folder))
    net = to_torch(graph, resolve_weights(graph, BuildOptions()).source).eval()
    with torch.no_grad():
        reference = net(torch.from_numpy(images)).numpy()
    gap, size = float(np.abs(answer - reference).max()), float(np.abs(reference).max())
    ran = {event["name"]: event["args"] for event in events if event.get("args", {}).get("provider")}
    elsewhere = Counter(args["op_name"] for args in ran.values() if args["provider"] != PROVIDERS[device])
    return name, {
        "max_rel": gap / size,
        "agrees": gap <= TOLERANCE * size,
        "nodes": len(ran),
        "elsewhere": dict(elsewhere),
    }


def run_with_profile(path: Path, images: Any, device: str, folder: Path) -> tuple[Any, list[dict[str, Any]]]:
    """The model's answer, and the events of onnxruntime's profile. Nodes that the device does not take run on the CPU."""
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = 3
    session_options.enable_profiling = True
    session_options.profile_file_prefix = str(folder / "run")
    providers: list[Any] = (
        [PROVIDERS["cpu"]] if device == "cpu" else [(PROVIDERS[device], CUDA_OPTIONS), PROVIDERS["cpu"]]
    )
    session = onnxruntime.InferenceSession(str(path), session_options, providers=providers)
    answer = session.run(None, {session.get_inputs()[0].name: images})[-1]
    return answer, json.loads(Path(session.end_profiling()).read_text())


def describe_machine(device: str) -> dict[str, str]:
    name = torch.cuda.get_device_name() if device == "cuda" and torch.cuda.is_available() else platform.machine()
    return {
        "device": name,
        "onnxruntime": onnxruntime.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main())
