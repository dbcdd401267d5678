"""A model's file: its metadata and the outline of its graph, read without onnx and without its weights.

A model may come from anywhere: a file that is none is refused by a RuntimeFault.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .faults import RuntimeFault, escape_controls
from .outline import PASS_THROUGH, Outline, Shape, read_outline
from .refusals import describe_other_file
from .wire import WireReader

# ONNX's operators that have a weight a class, and those that leave such scores what they are
WEIGHTED = ("Gemm", "MatMul", "Conv", "QLinearMatMul", "QLinearConv", "QGemm", "MatMulInteger", "ConvInteger")
SCORES_STAY = (*PASS_THROUGH, "Dropout", "GlobalAveragePool", "ReduceMean", "DequantizeLinear", "QuantizeLinear", "Add")
CHANGED = "what archc wrote there was changed: build the model again from its spec, or get it again from where it came"
POOLS = ("GlobalAveragePool", "ReduceMean")


class FileIdentity(NamedTuple):
    """Which file it was and when it was last written, so that it is seen where another has taken its place."""

    device: int
    file: int
    size_bytes: int
    written_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileIdentity:
        """From what the system says of a file."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class Artifact:
    """A model file with its metadata and the outline of its graph; a model that archc did not build has no metadata."""

    def __init__(self, path: Path, metadata: Mapping[str, str], graph: Outline, identity: FileIdentity) -> None:
        """`identity` is that of the file that was read."""
        self.path = path
        self.metadata = metadata
        self.graph = graph
        self.file_identity = identity

    def check_unchanged(self) -> None:
        """Raises RuntimeFault `model-refused` where another file has taken the model's place since it was read, or it was written."""
        try:
            found: FileIdentity | None = FileIdentity.of(self.path.stat())
        except OSError:
            found = None
        if found != self.file_identity:
            raise RuntimeFault(
                "model-refused", f"`{self.path}` was changed while it was opened", "open it again when it is whole"
            )

    @property
    def name(self) -> str:
        return self.metadata.get("archc.name", self.path.stem)

    @property
    def version(self) -> str | None:
        """The version of archc that built it; None for a model from elsewhere."""
        return self.metadata.get("archc.version")

    @property
    def producer(self) -> str:
        """What made the file, with its version, as the file says: `pytorch 2.4.0`, in characters that print. Empty where it says nothing."""
        return escape_controls(self.graph.producer)

    @property
    def precision(self) -> str | None:
        """What it computes in, `fp32` or `int8`, as its build says; None for a model from elsewhere."""
        return self.metadata.get("archc.precision", "fp32") if self.version is not None else None

    @property
    def graph_text(self) -> str | None:
        """The text of the graph that it was built from; None where it has none. Older models call it `archc.spec`."""
        return self.metadata.get("archc.graph", self.metadata.get("archc.spec"))

    @property
    def spec_sha256(self) -> str | None:
        return self.metadata.get("archc.spec_sha256")

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(str(label) for label in self.read_json("archc.labels", list) or ())

    @property
    def scores(self) -> tuple[str, ...] | None:
        """The outputs that tell classes, as the compiler found; None for a model from elsewhere, and one of an older archc."""
        names = self.read_json("archc.scores", list)
        return None if names is None else tuple(map(str, names))

    @property
    def preprocess(self) -> dict[str, Any]:
        return dict(self.read_json("archc.preprocess", dict) or {})

    @property
    def trained(self) -> bool:
        """Whether its weights came from a checkpoint; a model that archc did not build counts as trained."""
        return bool((self.read_json("archc.weights", dict) or {"trained": True}).get("trained"))

    @property
    def untrained(self) -> tuple[str, ...]:
        """The steps without trained weights, where other steps have them."""
        steps = (self.read_json("archc.weights", dict) or {}).get("untrained")
        return tuple(str(step) for step in steps) if isinstance(steps, list) else ()

    def describe_untrained(self) -> str:
        """What is untrained, for a message; empty where the model is trained."""
        if self.trained:
            return ""
        how = f"with untrained steps ({', '.join(self.untrained)})" if self.untrained else "without trained weights"
        return f"{self.name} was built {how}; its answers mean nothing"

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shapes of the inputs by name, without weights; a dimension is a number, a name, or None where it is open."""
        return {name: shape for name, shape in self.graph.inputs.items() if name not in self.graph.weights}

    @property
    def outputs(self) -> dict[str, Shape]:
        return self.graph.outputs

    def read_json(self, key: str, kind: type) -> Any:
        """A JSON value of the metadata, of the type `kind`; None where it is absent or null. Raises RuntimeFault for any other."""
        try:
            value = json.loads(self.metadata[key]) if key in self.metadata else None
        except (ValueError, RecursionError):
            raise RuntimeFault("model-damaged", f"{self.path}: the metadata `{key}` is no JSON", CHANGED) from None
        if value is not None and not isinstance(value, kind):
            raise RuntimeFault(
                "model-damaged", f"{self.path}: the metadata `{key}` is no JSON {kind.__name__}", CHANGED
            )
        return value

    def is_distribution(self, output: str) -> bool:
        """Whether the `output` is probabilities already, so that it needs no softmax.

        The metadata says so; for a model from elsewhere a Softmax must have made it.
        """
        if output in (self.read_json("archc.probabilities", list) or ()):
            return True
        for _ in range(16):
            kind, sources = self.graph.computed_from(output)
            if kind not in PASS_THROUGH:
                return kind == "Softmax"
            output = sources[0] if sources else ""
        return False

    def ends_in_scores(self, output: str) -> bool:
        """Whether the graph of a model from elsewhere ends in a softmax, or in a layer with a weight a class.

        Behind that layer nothing may come that makes features of scores; a Relu only where the map is averaged after it, as in
        network in network.
        """
        pooled = False
        for _ in range(16):
            kind, sources = self.graph.computed_from(output)
            if kind in WEIGHTED or kind in ("Softmax", "LogSoftmax"):
                return True
            if not sources or (kind not in SCORES_STAY and not (kind == "Relu" and pooled)):
                return False
            if kind in ("Add", "Relu"):
                return all(self.graph.computed_from(source)[0] in WEIGHTED for source in sources)
            pooled = pooled or kind in POOLS
            output = sources[0]
        return False


def missing_model(path: Path) -> RuntimeFault:
    """The fault of a path where nothing is. A shell that finds no file for a pattern hands the pattern on."""
    if glob.has_magic(str(path)):
        message = f"`{path}` is a pattern, and no model is called so"
        help = "look at the folder and at the ending, and write the model's own name; "
    else:
        message, help = f"there is no model `{path}`", "check the path; "
    return RuntimeFault("no-such-model", message, f"{help}`archc build SPEC` makes a model of a spec", 2)


def open_artifact(path: str | Path) -> Artifact:
    """Reads a model's metadata and the outline of its graph. Raises RuntimeFault for what is no ONNX model."""
    path = Path(path)
    if not path.exists():
        raise missing_model(path)
    if not path.is_file():
        kind = "folder" if path.is_dir() else "device or a pipe"
        raise RuntimeFault("no-such-model", f"`{path}` is a {kind}; a model is a file", exit_code=2)
    if path.suffix in (".yaml", ".yml"):
        raise RuntimeFault(
            "not-a-model", f"`{path}` is a spec; a model is built from it first", f"archc build {path} --export onnx"
        )
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            outline, metadata = read_outline(WireReader(file, status.st_size))
            return Artifact(path, metadata, outline, FileIdentity.of(status))
    except OSError as error:
        raise RuntimeFault("no-such-model", f"`{path}` cannot be read: {error.strerror}", exit_code=2) from None
    except ValueError as error:
        why = "a text in it is no UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise describe_other_file(path, why) from None
