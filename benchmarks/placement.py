"""Which nodes onnxruntime gives to CUDA and which to the CPU, for the whole zoo or for every op, without a GPU.

    python -m benchmarks.placement [--ops | --nets NAME ...] [--json FILE]

onnxruntime places nodes before it first touches the GPU's memory: the real partitioner of onnxruntime-gpu runs here over a driver
that only says that a GPU is there, and its own log tells what went where. Then the session fails, as nothing can be computed: for
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

from archc.build.build import build
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.driver import check, run_passes
from archc.compiler.passes import Settings
from archc.compiler.sources import zoo
from archc.compiler.weights.seeded import Seeded
from archc.runtime.providers import CUDA_OPTIONS, PROVIDERS, missing_libraries

# All that is asked of the driver and of CUDA's runtime up to the placement.
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
    parser = argparse.ArgumentParser(description="Tells which nodes onnxruntime gives to CUDA; needs no GPU.")
    parser.add_argument("--ops", action="store_true", help="every row of the tests' op table, not the zoo")
    parser.add_argument("--nets", nargs="*", help="only these")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    told = parser.parse_args()
    if missing := missing_libraries():
        raise SystemExit(f"CUDA's libraries do not load: {', '.join(missing)}. pip install -e '.[cuda,test]'")
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        driver, path = stub(Path(folder)), Path(folder) / "net.onnx"
        for name in ops(path) if told.ops else nets(path, told.nets):
            rows[name] = placed(path, driver)
            print(f"{name:60} {rows[name]['nodes']:5} nodes, on the CPU: {rows[name]['cpu'] or 'none'}", flush=True)
    whole = sum(not row["cpu"] for row in rows.values())
    print(f"{whole} of {len(rows)} wholly on CUDA, onnxruntime {onnxruntime.__version__}")
    if told.json:
        told.json.write_text(json.dumps({"onnxruntime": onnxruntime.__version__, "placed": rows}, indent=1) + "\n")
    return 0


def stub(folder: Path) -> Path:
    """A library that stands for the driver, and goes before CUDA's runtime."""
    library = folder / "libcuda.so.1"
    compiler = ["cc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-x", "c", "-", "-o", str(library)]
    subprocess.run(compiler, input=DRIVER, text=True, check=True)
    return library


def nets(path: Path, named: list[str] | None) -> Iterator[str]:
    for name in named or zoo():
        checked = check(name)
        if checked.graph is not None:  # a family is no net
            build(checked, output=path, proof="none")
            yield name


def ops(path: Path) -> Iterator[str]:
    from tests.test_ops import CASES, graph_of

    for case in CASES:
        graph = run_passes(graph_of(case), Settings(fold=False))
        export_onnx(graph, Seeded(graph.params()), path)
        yield str(case)


def placed(path: Path, driver: Path) -> dict[str, Any]:
    """How many nodes there are after onnxruntime's own optimisation, and those on the CPU by op."""
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
    return {"nodes": sum(int(part[2]) for part in parts), "cpu": dict(elsewhere)}


if __name__ == "__main__":
    sys.exit(main())
