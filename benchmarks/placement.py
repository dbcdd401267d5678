"""Which nodes onnxruntime gives to CUDA and which to the CPU, for the whole zoo or for every op, without a GPU.

    python benchmarks/placement.py [--ops | --nets NAME ...] [--json benchmarks/results/placement.json]

onnxruntime places nodes before it first uses the GPU's memory. So its real partitioner can run here over a stub of the driver that
only says that there is a GPU, and its log says which node went where. Then the session fails, because nothing can be computed: for
answers and times see zoo_on_device.py. Needs Linux on x86-64, a C compiler, and CUDA's libraries: `pip install -e ".[cuda,test]"`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime
from machine import write_results

from archc.build.build import build
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.driver import check, run_passes
from archc.compiler.passes import PassOptions
from archc.compiler.sources import zoo
from archc.compiler.weights.seeded import SeededSource
from archc.runtime.devices import CUDA_OPTIONS, PROVIDERS
from archc.runtime.devices.nvidia import missing_libraries

# The functions of the driver and of CUDA's runtime that are called before nodes are placed.
DRIVER = r"""
#include <string.h>
int cuTensorMapEncodeTiled() { return 1; }
int cudaSetDevice(int device) { return 0; }
int cudaDeviceSynchronize() { return 0; }
int cudaMemGetInfo(size_t *free, size_t *total) { *free = *total = (size_t)80 << 30; return 0; }
int cudaGetDeviceProperties(void *properties, int device) { memset(properties, 0, 1000); return 0; }
"""
SESSION = """
import json, sys, onnxruntime
onnxruntime.preload_dlls()
how = onnxruntime.SessionOptions()
how.log_severity_level = 0
options = json.loads(sys.argv[2])
onnxruntime.InferenceSession(sys.argv[1], how, list(options), list(options.values()), enable_fallback=0)
"""
PART = re.compile(r"(?:All nodes|Node\(s\)) placed on \[(\w+)\]\. Number of nodes: (\d+)")
NODE = re.compile(r"VerifyEachNodeIsAssignedToAnEp\]   (\w+) \(")


def main() -> int:
    """Places the nodes of each net or op, prints a row for each, and writes the rows to `--json`."""
    parser = argparse.ArgumentParser(description="Tells which nodes onnxruntime gives to CUDA; needs no GPU.")
    parser.add_argument("--ops", action="store_true", help="every row of the tests' op table, not the zoo")
    parser.add_argument("--nets", nargs="*", help="only these")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    if missing := missing_libraries():
        raise SystemExit(f"CUDA's libraries do not load: {', '.join(missing)}. pip install -e '.[cuda,test]'")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        driver, path = compile_driver(Path(folder)), Path(folder) / "net.onnx"
        for name in write_ops(path) if options.ops else write_nets(path, options.nets):
            row = {"net": name} | place_nodes(path, driver)
            rows.append(row)
            print(f"{name:60} {row['nodes']:5} nodes, on the CPU: {row['elsewhere'] or 'none'}", flush=True)
    wholly = sum(not row["elsewhere"] for row in rows)
    print(f"{wholly} of {len(rows)} wholly on CUDA, onnxruntime {onnxruntime.__version__}")
    if options.json:
        write_results(options.json, rows, ("onnxruntime-gpu", "onnxruntime"))
    return 0


def compile_driver(folder: Path) -> Path:
    """Compiles the stub of the driver; loaded first, its functions replace the driver's and those of CUDA's runtime."""
    library = folder / "libcuda.so.1"
    compiler = ["cc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-x", "c", "-", "-o", str(library)]
    subprocess.run(compiler, input=DRIVER, text=True, check=True)
    return library


def write_nets(path: Path, names: list[str] | None) -> Iterator[str]:
    """Builds each net to `path`, and gives its name while its file is there."""
    for name in names or zoo():
        checked = check(name)
        if checked.graph is not None:  # a family is no net
            build(checked, output=path, proof="none")
            yield name


def write_ops(path: Path) -> Iterator[str]:
    """Exports each row of the tests' op table to `path`, and gives its name while its file is there."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.test_ops import CASES, graph_of

    for case in CASES:
        graph = run_passes(graph_of(case), PassOptions(fold=False))
        export_onnx(graph, SeededSource(graph.params()), path)
        yield str(case)


def place_nodes(path: Path, driver: Path) -> dict[str, Any]:
    """How many nodes there are after onnxruntime's optimisation, and how many of them are on the CPU, by operator."""
    options = {PROVIDERS["cuda"]: CUDA_OPTIONS, PROVIDERS["cpu"]: {}}
    run = subprocess.run(
        [sys.executable, "-c", SESSION, str(path), json.dumps(options)],
        capture_output=True,
        text=True,
        env=os.environ | {"LD_PRELOAD": str(driver)},
    )
    log = run.stdout + run.stderr
    parts = list(PART.finditer(log))
    if not parts:
        raise SystemExit(f"onnxruntime did not place the nodes:\n{log[-2000:]}")
    elsewhere: Counter[str] = Counter()
    for part, following in zip(parts, [*(p.start() for p in parts[1:]), len(log)], strict=True):
        if part[1] != PROVIDERS["cuda"]:
            # where all nodes are in one place, onnxruntime does not list them
            elsewhere.update(NODE.findall(log[part.end() : following]) or {"all": int(part[2])})
    return {
        "nodes": sum(int(part[2]) for part in parts),
        "elsewhere": ", ".join(f"{count} {op}" for op, count in elsewhere.items()),
    }


if __name__ == "__main__":
    sys.exit(main())
