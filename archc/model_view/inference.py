"""Shapes by onnx's own inference, in a process of its own.

onnx is C++ that believes what it reads: a small file can keep it busy for ever, or end its process. So it gets a model without its
weights in another process, with a limit on time and memory. What it does not tell in time is not known, and the picture does without.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..runtime.weightless import without_weights

Sizes = tuple[int | str | None, ...]

# a larger model without its weights is a table of constants
MAX_BYTES = 2**26
MAX_SECONDS = 20.0
MAX_MEMORY = 2**31
MADE_UP = "unk__"
# as the process of a model from elsewhere is started (runtime/remote.py): -m would put the current folder before all others
START = (
    "import sys, json; sys.path[:] = json.loads(sys.argv.pop(1)); from archc.model_view.inference import main; main()"
)


def infer_shapes(path: Path) -> dict[str, Sizes]:
    """The shapes of a model's values by name, as far as onnx knows them; none where it is not installed, or fails."""
    try:
        model = without_weights(path, MAX_BYTES)
    except ValueError:
        return {}
    if model is None:
        return {}
    command = [sys.executable, "-c", START, json.dumps(sys.path)]
    try:
        done = subprocess.run(command, input=model, capture_output=True, timeout=MAX_SECONDS, check=False)
        return {name: tuple(shape) for name, shape in json.loads(done.stdout).items()} if done.returncode == 0 else {}
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return {}


def main() -> None:
    """The other process: a model on standard input, its shapes as JSON on standard output."""
    limit_memory()
    import onnx

    model = onnx.load_from_string(sys.stdin.buffer.read())
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    values = (*inferred.graph.value_info, *inferred.graph.output)
    shapes = {each.name: read_shape(each.type.tensor_type.shape) for each in values if has_shape(each)}
    sys.stdout.write(json.dumps(shapes))


def has_shape(value: Any) -> bool:
    """Whether the number of a value's dimensions is known."""
    return bool(value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape"))


def read_shape(shape: Any) -> list[int | str | None]:
    """A shape: a dimension is a number, a name, or None where it is open, for which inference has names of its own."""
    names = [None if d.dim_param.startswith(MADE_UP) else d.dim_param or None for d in shape.dim]
    return [d.dim_value if d.HasField("dim_value") else name for d, name in zip(shape.dim, names, strict=True)]


def limit_memory() -> None:
    """Lets this process have MAX_MEMORY, where the system can hold it to that."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    most = MAX_MEMORY if hard == resource.RLIM_INFINITY else min(MAX_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
