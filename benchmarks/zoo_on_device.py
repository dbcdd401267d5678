"""The whole zoo in onnxruntime on a device: whether it answers as torch does, and which nodes the device does not take.

    python benchmarks/zoo_on_device.py [--device NAME] [--device-option NAME=VALUE ...] [--nets NAME ...] [--jobs N] [--json FILE]

Each member is built from seeded weights without the build's own proof, then run on two random images. The reference is the torch
module of the training graph in eval mode, in float32 on the CPU; the device computes in f32 unless told. A net agrees where
max |difference| is at most 1e-3 of max |reference|. Nodes that do not run on the device are counted by operator, as onnxruntime says
where it placed them. `--jobs` is how many nets run at once; the figures are written after each, so that a run that is stopped loses
nothing. `--any-processor` runs openvino on a processor that is not Intel's (tests/openvino.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import machine
import numpy as np
import torch

from archc.build.build import build, resolve_weights
from archc.build.options import BuildOptions
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.driver import check
from archc.compiler.sources import zoo
from archc.runtime.devices import CPU_NODES, PROVIDERS, device_trouble, find_device
from archc.runtime.devices.placement import locate_nodes
from archc.runtime.inference import create_device_session

TOLERANCE = 1e-3  # of max |reference|


def main() -> int:
    """Compares the nets, prints a row for each, and writes the rows to `--json`."""
    options = parse_arguments()
    prepare_process(options.any_processor)
    if any(device_trouble(options.device)):
        raise SystemExit(": ".join(device_trouble(options.device)))
    names = list_nets(options.nets)
    rows: list[dict[str, Any]] = []
    for row in compare_nets(names, options.device, options.settings, options.jobs, options.any_processor):
        rows.append(row)
        if "error" in row:
            print(f"{row['net']:44} {row['error']}", flush=True)
        else:
            print(f"{row['net']:44} {row['max_rel']:.1e}  elsewhere: {row['elsewhere'] or 'nothing'}", flush=True)
        if options.json:
            write_report(options.json, options.device, sorted(rows, key=lambda row: row["net"]))
    wrong = [row["net"] for row in rows if not row.get("agrees")]
    print(f"{len(rows) - len(wrong)} of {len(names)} agree with torch to {TOLERANCE:g} of max |reference|", *wrong)
    # that a net does not agree is a result
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs the whole zoo on a device and holds it against torch.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--device-option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--any-processor", action="store_true", help="tell OpenVINO's plugin that the processor is Intel's"
    )
    parser.add_argument("--nets", nargs="*", help="only these")
    parser.add_argument("--jobs", type=int, default=1, help="nets at once")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    options.settings = dict(each.split("=", 1) for each in options.device_option)
    return options


def list_nets(wanted: Sequence[str]) -> list[str]:
    """The names among `wanted`, or of the whole zoo, that are nets: a family is none."""
    return [name for name in wanted or zoo() if check(name).graph is not None]


def compare_nets(names: Sequence[str], device: str, settings: dict[str, str], jobs: int,
                 any_processor: bool = False) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The row of each net as it is known, `jobs` at once, each in a process of its own; one that raised has its `error`."""
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), prepare_process, (any_processor,))
    try:
        waiting = {pool.submit(compare_with_torch, name, device, settings): name for name in names}
        for done in as_completed(waiting):
            error = done.exception()
            yield (
                done.result() if error is None else {"net": waiting[done], "error": f"{type(error).__name__}: {error}"}
            )
    finally:
        # a reader that has enough does not wait for nets that have not begun
        pool.shutdown(cancel_futures=True)


def prepare_process(any_processor: bool) -> None:
    """What is to be done before the device is looked for, in each process."""
    if any_processor:
        sys.path.insert(0, str(Path(__file__).parent.parent))
        from tests.openvino import call_processor_intel

        call_processor_intel()


def compare_with_torch(name: str, device: str, settings: dict[str, str]) -> dict[str, Any]:
    """A net's row: the difference from torch, and the nodes that do not run on the device."""
    checked = check(name)
    graph = checked.graph
    assert graph is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        build(checked, output=path, proof="none")
        images = np.random.default_rng(0).standard_normal((2, *graph.inputs[0].type.sizes), dtype=np.float32)
        allowed = {} if device == "cpu" else {CPU_NODES.name: "allow"}
        session, choice = create_device_session(path, device, None, {**allowed, **settings})
        nodes = {} if device == "cpu" else locate_nodes(session)
        answer = session.run(None, {session.get_inputs()[0].name: images})[-1]
    net = to_torch(graph, resolve_weights(graph, BuildOptions()).source).eval()
    with torch.no_grad():
        reference = net(torch.from_numpy(images)).numpy()
    gap, size = float(np.abs(answer - reference).max()), float(np.abs(reference).max())
    elsewhere = Counter(op for _, op in nodes.get(PROVIDERS["cpu"], ()))
    return {
        "net": name,
        "max_rel": gap / size,
        "agrees": gap <= TOLERANCE * size,
        "precision": choice.precision,
        "nodes": sum(map(len, nodes.values())),
        "elsewhere": ", ".join(f"{count} {op}" for op, count in elsewhere.items()),
    }


def write_report(path: Path, device: str, rows: list[dict[str, Any]]) -> None:
    """Writes the rows with what they depend on."""
    gpu = {"gpu": torch.cuda.get_device_name()} if device in ("cuda", "tensorrt") and torch.cuda.is_available() else {}
    packages = ("onnxruntime", "onnxruntime-gpu", "torch", find_device(device).package)
    machine.write_results(path, rows, filter(None, packages), device=device, **gpu)


if __name__ == "__main__":
    sys.exit(main())
