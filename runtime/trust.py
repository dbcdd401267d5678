"""Which models are opened in this process: those that hold nothing but what archc writes, in sizes that fit together.

onnxruntime trusts its models: a small file can take all memory, run for ever, or end the process. So every other model runs in a
process of its own (remote.py), and no model reads a file outside its folder.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from .artifact import Artifact
from .devices import refuse_precision
from .devices.device import NOTHING
from .faults import RuntimeFault
from .forms import FLOATS, FORMS, SIZES, UINT8, Known, NodeUse, Sizes, Unfit, require, result_dtype
from .inference import Create, Engine, create_ort_session
from .limits import WorkerLimits
from .outline import Outline, OutlineNode, Tensor, find_external
from .refusals import advise_new_file, with_advice
from .wire import WireReader

if TYPE_CHECKING:
    from .remote import RemoteEngine

OPSETS = range(13, 27)
MAX_RANK = 8
# of all values of one image together, and multiply-accumulates; so many, and so many more for each number of the inputs
MAX_ELEMENTS, MAX_ELEMENTS_EACH = 2**28, 2**12
MAX_WORK, MAX_WORK_EACH = 2**40, 2**22
# onnxruntime takes seconds to open some 10,000 nodes: archc's largest nets have some thousand
MAX_NODES, MAX_NODE_INPUTS = 100_000, 500_000
# a batch that no size of a graph is by chance: a prime, and more images than anyone has
MANY = 2**31 - 1
# the pieces between the holes of a file that are counted
MAX_PIECES = 2**16
TRUST = "copy it there, or open it with --trust, in Python trust=True, if you know where the model comes from"


def open_engine(
    artifact: Artifact,
    device: str,
    threads: int | None,
    trust: bool,
    limits: WorkerLimits | None,
    asked: Mapping[str, str] = NOTHING,
    create: Create = create_ort_session,
) -> Engine | RemoteEngine:
    """The model in onnxruntime: in this process if it is as archc writes it, or if `trust` says so; else in one of its own.

    `create` makes a session in this process on the CPU. Raises RuntimeFault where it does not load, within the `limits` if it is
    not trusted, and where `device`, with its options as `asked`, cannot be used.
    """
    refuse_precision(device, artifact.precision or "fp32")
    try:
        size = 0 if trust else measure_files(artifact)
        doubt = "" if trust else find_doubt(artifact)
        engine = create_engine(artifact, device, threads, doubt, size, limits or WorkerLimits(), asked, create)
    except MemoryError:
        raise RuntimeFault(
            "out-of-memory", f"there is not enough memory to open `{artifact.path}`", exit_code=3
        ) from None
    artifact.check_unchanged()
    return engine


def create_engine(
    artifact: Artifact,
    device: str,
    threads: int | None,
    doubt: str,
    size_bytes: int,
    limits: WorkerLimits,
    asked: Mapping[str, str],
    create: Create,
) -> Engine | RemoteEngine:
    """The model in onnxruntime, in a process of its own if there is a `doubt`. Raises RuntimeFault, with advice by who made the file."""
    try:
        if not doubt:
            return Engine(artifact.path, device, threads, asked, create)
        # late: an archc model needs none of what it imports
        from .remote import RemoteEngine

        return RemoteEngine(artifact.path, device, threads, doubt, size_bytes, limits, asked)
    except RuntimeFault as fault:
        if fault.code != "model-refused":
            raise
        raise with_advice(fault, artifact, doubt) from None


def find_doubt(artifact: Artifact) -> str:
    """Why a model is not opened in this process; empty where it is as archc writes it."""
    graph = artifact.graph
    return (
        graph.surprise
        or doubt_opsets(graph)
        or doubt_weights(graph, artifact.path.parent)
        or doubt_ports(graph)
        or doubt_nodes(graph)
    )


def doubt_opsets(graph: Outline) -> str:
    """Whether its opsets are other than the one of those that archc writes."""
    return "" if [*graph.opsets] == [""] and graph.opsets[""] in OPSETS else f"opsets {graph.opsets}"


def doubt_weights(graph: Outline, folder: Path) -> str:
    """Which weight has not the bytes that its shape asks for, or not for itself alone."""
    statuses: dict[str, os.stat_result] = {}
    # by file, as two locations may name one
    ranges: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for name, tensor in graph.weights.items():
        location = tensor.external.get("location", "")
        if location and location not in statuses:
            statuses[location] = (folder / location).stat()
        if not has_its_bytes(tensor, statuses[location].st_size if location else 0):
            return f"the weight {name!r}"
        if location:
            start = int(tensor.external["offset"])
            file = statuses[location].st_dev, statuses[location].st_ino
            ranges[file].append((start, start + int(tensor.external["length"])))
    for location, status in statuses.items():
        used = sorted(ranges[status.st_dev, status.st_ino])
        if any(second[0] < first[1] for first, second in pairwise(used)):
            return f"weights that share bytes of {location!r}"
        if sum(end - start for start, end in used) > count_written(folder / location):
            return f"weights in the holes of {location!r}"
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


def doubt_ports(graph: Outline) -> str:
    """Whether there is no output, a port is neither of floats nor of pixels, or the inputs are too large or have open dimensions other than the batch."""
    if not graph.outputs:
        return "no outputs"
    if graph.port_types - {*FLOATS, UINT8}:
        return "the element types of the inputs and outputs"
    shapes = graph.inputs.values()
    opened = {(at, d) for shape in shapes for at, d in enumerate(shape) if not isinstance(d, int)}
    fixed = [[d for d in shape if isinstance(d, int)] for shape in shapes]
    fits = all(min(sizes, default=1) > 0 for sizes in fixed) and sum(map(prod, fixed)) <= MAX_ELEMENTS
    batch_only = len(opened) <= 1 and all(at == 0 and name for at, name in opened)
    return "" if fits and batch_only else "the sizes of the inputs"


def doubt_nodes(graph: Outline) -> str:
    """Which node has no form of archc's, does not fit, or makes the values too large or the work too long."""
    if len(graph.nodes) > MAX_NODES or sum(len(node.inputs) for node in graph.nodes) > MAX_NODE_INPUTS:
        return f"{len(graph.nodes):,} nodes"
    known, many = Known(graph, 1), Known(graph, MANY)
    given = sum(prod(known.shapes[name]) for name in graph.inputs)
    elements, work = MAX_ELEMENTS + MAX_ELEMENTS_EACH * given, MAX_WORK + MAX_WORK_EACH * given
    for node in graph.nodes:
        try:
            size, cost = infer_node(node, known)
            infer_node(node, many)
            require(has_batch_first(known.shapes[node.outputs[0]], many.shapes[node.outputs[0]]))
        except (Unfit, KeyError, ValueError, IndexError, TypeError, OverflowError, struct.error):
            return f"the node {node.name!r} ({node.kind})"
        elements, work = elements - size, work - cost
        if min(elements, work) < 0:
            return f"the size of what the node {node.name!r} ({node.kind}) makes"
    return "" if all(name in known.shapes for name in graph.outputs) else "an output that nothing makes"


def has_batch_first(one: Sizes, many: Sizes) -> bool:
    """Whether a value's sizes for 1 and for MANY images differ by the first dimension alone, which is then the batch: or not at all.

    Else it might grow by a power of the batch.
    """
    return one == many or (one[:1] == (1,) and many == (MANY, *one[1:]))


def infer_node(node: OutlineNode, known: Known) -> tuple[int, int]:
    """Adds a node's result to what is known; gives its elements, and how many multiply-accumulates it takes at most.

    Raises Unfit, or what a lookup raises, where the node has no form of archc's.
    """
    form = FORMS[node.kind]
    use = NodeUse(node, tuple(known.shapes[name] for name in node.inputs if name), known)
    (output,) = node.outputs
    types = {name: type(value) for name, value in node.attributes.items()}
    if len(node.inputs) not in form.inputs or any(form.attributes.get(name) != kind for name, kind in types.items()):
        raise Unfit
    known.dtypes[output] = result_dtype(use, form)
    shape = form.result(use)
    if len(shape) > MAX_RANK or min(shape, default=1) < 1:
        raise Unfit
    known.shapes[output] = shape
    size = prod(shape)
    return size, size * form.window(use)


def measure_files(artifact: Artifact) -> int:
    """The bytes of a model and of the files beside it that it names, without the holes in these.

    Raises RuntimeFault `model-refused` where one of these is not in the model's folder, or may be a file of another place.
    """
    written = count_written(artifact.path)
    return written + sum(measure_beside(artifact.path, location) for location in sorted(find_data(artifact)))


def find_data(artifact: Artifact) -> set[str]:
    """The files beside a model that it names, as it names them. Raises RuntimeFault `not-a-model` where it cannot be read whole."""
    size = artifact.file_identity.size_bytes
    locations = {
        location for tensor in artifact.graph.weights.values() if (location := tensor.external.get("location"))
    }
    # then the outline has not seen all of it
    if artifact.graph.surprise:
        try:
            with artifact.path.open("rb") as file:
                locations = find_external(WireReader(file, size), size)
        except (ValueError, OSError) as error:
            raise RuntimeFault("not-a-model", f"`{artifact.path}` is no ONNX model, or is cut off: {error}",
                               advise_new_file(artifact)) from None  # fmt: skip
    return locations


def measure_beside(model: Path, location: str) -> int:
    """The bytes of a file in a model's folder. A link counts as where it leads: a cache of downloads links both files to one folder."""
    path = model.parent / location
    told = f"the weights `{location}` of `{model}`"
    try:
        real = path.resolve(strict=True)
        status = os.stat(real)
    except (OSError, ValueError, RuntimeError):
        raise RuntimeFault(
            "model-refused", f"{told} are not there", "they belong beside it: get both files from where the model came"
        ) from None
    folders = {model.parent.resolve(), model.resolve().parent}
    inside = not os.path.isabs(location) and ".." not in Path(location).parts and folders & {*real.parents}
    if not inside or not stat.S_ISREG(status.st_mode):
        raise RuntimeFault("model-refused", f"{told} lie outside its folder", TRUST)
    if status.st_nlink > 1:
        raise RuntimeFault(
            "model-refused", f"{told} have a second name (a hard link), so they may lie outside its folder", TRUST
        )
    return count_written(real)


def count_written(path: Path) -> int:
    """The bytes of a file without its holes, where the system says where these are: a file of one hole is large and takes no disk."""
    size = path.stat().st_size
    if sys.platform != "linux":
        return size
    written = end = 0
    try:
        with path.open("rb", buffering=0) as file:
            for _ in range(MAX_PIECES):
                start = file.seek(end, os.SEEK_DATA)
                end = file.seek(start, os.SEEK_HOLE)
                written += end - start
    except OSError as error:
        # past the last piece; any other says that this file system does not tell
        return written if error.errno == errno.ENXIO else size
    return written
