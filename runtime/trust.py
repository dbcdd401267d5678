"""Which models are opened in this process: those that hold nothing but what archc writes, in sizes that fit together.

onnxruntime trusts its models: a small file can take all memory, run for ever, or end the process. So every other model runs in a
process of its own (remote.py), and no model reads a file outside its folder.
"""

from __future__ import annotations

import os
import stat
import struct
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from .artifact import Artifact
from .faults import RuntimeFault
from .forms import FORMS, SIZES, Known, NodeUse, Unfit
from .inference import Engine
from .outline import Outline, OutlineNode, Tensor, find_external
from .wire import WireReader

if TYPE_CHECKING:
    from .remote import RemoteEngine, WorkerLimits

OPSETS = range(13, 27)
MAX_RANK = 8
# of all values of one image together, and multiply-accumulates; so many, and so many more for each number of the inputs
MAX_ELEMENTS, MAX_ELEMENTS_EACH = 2**28, 2**12
MAX_WORK, MAX_WORK_EACH = 2**40, 2**22
TRUST = "copy it there, or open it with --trust, in Python trust=True, if you know where the model comes from"


def open_engine(
    artifact: Artifact, device: str, threads: int | None, trust: bool, limits: WorkerLimits | None
) -> Engine | RemoteEngine:
    """The model in onnxruntime: in this process if it is as archc writes it, or if `trust` says so; else in one of its own.

    Raises RuntimeFault where it does not load, within the `limits` if it is not trusted, and where `device` cannot be used.
    """
    engine: Engine | RemoteEngine
    try:
        size = 0 if trust else measure_files(artifact)
        doubt = "" if trust else find_doubt(artifact)
        if doubt:
            from .remote import RemoteEngine, WorkerLimits  # late: an archc model needs none of what it imports

            engine = RemoteEngine(artifact.path, device, threads, doubt, size, limits or WorkerLimits())
        else:
            engine = Engine(artifact.path, device, threads)
    except MemoryError:
        raise RuntimeFault(
            "out-of-memory", f"there is not enough memory to open `{artifact.path}`", exit_code=3
        ) from None
    artifact.check_unchanged()
    return engine


def find_doubt(artifact: Artifact) -> str:
    """Why a model is not opened in this process; empty where it is as archc writes it."""
    graph = artifact.graph
    return graph.surprise or doubt_opsets(graph) or doubt_weights(graph, artifact.path.parent) or doubt_nodes(graph)


def doubt_opsets(graph: Outline) -> str:
    """Whether its opsets are other than the one of those that archc writes."""
    return "" if [*graph.opsets] == [""] and graph.opsets[""] in OPSETS else f"opsets {graph.opsets}"


def doubt_weights(graph: Outline, folder: Path) -> str:
    """Which weight has not the bytes that its shape asks for."""
    lengths: dict[str, int] = {}
    for name, tensor in graph.weights.items():
        place = tensor.external.get("location", "")
        if place and place not in lengths:
            lengths[place] = (folder / place).stat().st_size
        if not has_its_bytes(tensor, lengths.get(place, 0)):
            return f"the weight {name!r}"
    return ""


def has_its_bytes(tensor: Tensor, file_bytes: int) -> bool:
    """Whether a weight is of a type that archc writes, and has as many bytes as its shape asks for, in a file of `file_bytes`."""
    if tensor.dtype not in SIZES or len(tensor.shape) > MAX_RANK or min(tensor.shape, default=0) < 0:
        return False
    size = SIZES[tensor.dtype] * prod(tensor.shape)
    if not tensor.external:
        return tensor.size_bytes == size
    try:
        offset, length = (int(tensor.external[key]) for key in ("offset", "length"))
    except (KeyError, ValueError):
        return False
    return tensor.size_bytes == 0 and offset >= 0 and length == size and offset + length <= file_bytes


def doubt_nodes(graph: Outline) -> str:
    """Which node has no form of archc's, does not fit, or makes the values too large or the work too long."""
    if not graph.outputs:
        return "no outputs"
    known = Known(graph)
    given = sum(prod(known.shapes[name]) for name in graph.inputs)
    if given > MAX_ELEMENTS or any(min(known.shapes[name], default=1) < 1 for name in graph.inputs):
        return "the sizes of the inputs"
    elements, work = MAX_ELEMENTS + MAX_ELEMENTS_EACH * given, MAX_WORK + MAX_WORK_EACH * given
    for node in graph.nodes:
        try:
            size, cost = place(node, known)
        except (Unfit, KeyError, ValueError, IndexError, TypeError, OverflowError, struct.error):
            return f"the node {node.name!r} ({node.kind})"
        elements, work = elements - size, work - cost
        if min(elements, work) < 0:
            return f"the size of what the node {node.name!r} ({node.kind}) makes"
    return "" if all(name in known.shapes for name in graph.outputs) else "an output that nothing makes"


def place(node: OutlineNode, known: Known) -> tuple[int, int]:
    """Adds a node's result to what is known; gives its elements, and how many multiply-accumulates it takes at most.

    Raises Unfit, or what a lookup raises, where the node has no form of archc's.
    """
    form = FORMS[node.kind]
    use = NodeUse(node, tuple(known.shapes[name] for name in node.inputs if name), known)
    (output,) = node.outputs
    types = {name: type(value) for name, value in node.attributes.items()}
    if len(node.inputs) not in form.inputs or any(form.attributes.get(name) != kind for name, kind in types.items()):
        raise Unfit
    shape = form.result(use)
    if len(shape) > MAX_RANK or min(shape, default=1) < 1:
        raise Unfit
    known.shapes[output] = shape
    size = prod(shape)
    return size, size * form.window(use)


def measure_files(artifact: Artifact) -> int:
    """The bytes of a model and of the files beside it that it names.

    Raises RuntimeFault `model-refused` where one of these is not in the model's folder, or may be a file of another place.
    """
    size = artifact.file_version.size_bytes
    return size + sum(measure_beside(artifact.path, place) for place in sorted(find_data(artifact)))


def find_data(artifact: Artifact) -> set[str]:
    """The files beside a model that it names, as it names them. Raises RuntimeFault `not-a-model` where it cannot be read whole."""
    size = artifact.file_version.size_bytes
    places = {place for tensor in artifact.graph.weights.values() if (place := tensor.external.get("location"))}
    if artifact.graph.surprise:  # then the outline has not seen all of it
        try:
            with artifact.path.open("rb") as file:
                places = find_external(WireReader(file, size), size)
        except (ValueError, OSError) as error:
            raise RuntimeFault("not-a-model", f"`{artifact.path}` is no ONNX model, or is cut off: {error}") from None
    return places


def measure_beside(model: Path, place: str) -> int:
    """The bytes of a file in a model's folder. A link counts as where it leads: a cache of downloads links both files to one folder."""
    path = model.parent / place
    told = f"the weights `{place}` of `{model}`"
    try:
        real = path.resolve(strict=True)
        status = os.stat(real)
    except (OSError, ValueError, RuntimeError):
        raise RuntimeFault("model-refused", f"{told} are not there", "keep the two files together") from None
    folders = {model.parent.resolve(), model.resolve().parent}
    inside = not os.path.isabs(place) and ".." not in Path(place).parts and folders & {*real.parents}
    if not inside or not stat.S_ISREG(status.st_mode):
        raise RuntimeFault("model-refused", f"{told} lie outside its folder", TRUST)
    if status.st_nlink > 1:
        raise RuntimeFault(
            "model-refused", f"{told} have a second name (a hard link), so they may lie outside its folder", TRUST
        )
    return status.st_size
