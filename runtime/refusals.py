"""What is told of a file that does not load as a model: what is wrong in plain words, and what to do, by who made the file.

A model of archc's is built again. Of any other only its maker's tool, or whoever gave it, can make a better one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from .faults import RuntimeFault
from .formats import SIGNATURES

if TYPE_CHECKING:
    from .artifact import Artifact

CHECKPOINT = (
    "weights go into a build (`archc build SPEC --weights FILE`); a whole net is exported by the tool that made it"
)
EXPORT = "export it as ONNX with the tool that made it, or convert it (tf2onnx does)"
# files that are taken for models: where their first bytes stand, these, what such a file is, and what to do
OTHER_FILES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PK\x03\x04", "a zip archive, as torch.save writes", CHECKPOINT),
    (0, b"\x80\x02", "a pickle, as torch.save writes", CHECKPOINT),
    (8, b'{"', "a safetensors file", CHECKPOINT),
    (0, b"\x89HDF", "an HDF5 file, as Keras writes", EXPORT),
    (4, b"TFL3", "a TensorFlow Lite model", EXPORT),
    (4, b"ORTM", "a model in onnxruntime's own format (.ort)", "give the ONNX file that it was made of"),
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS to a file that is not here",
        "`git lfs pull` fetches the file",
    ),
    (0, b"<!", "a web page", "download the file itself, not the page that shows it"),
    (0, b"<h", "a web page", "download the file itself, not the page that shows it"),
)
SOURCE_PLACES = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : |^Load model from .{,4096}? failed:|/onnxruntime_src/\S+ [^()]*\([^()]*\)(?: const)? "
                           r"|\S+ was false\. |\[OpenVINO-EP\] \S+:\d+ - |Exception from src/\S+:\d+: ")  # fmt: skip
NEWER_OPSET = re.compile(r"Opset (\d+) is under development.*support for domain (\S+) is till opset (\d+)", re.DOTALL)
NEWER_FORMAT = re.compile(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)")
# of a doubt: the names of weights and nodes may be long
MAX_DOUBT = 120
UNKNOWN_OPERATOR = re.compile(r"No Op registered for|is not a registered function/op|No opset import for domain")


def shorten(message: str) -> str:
    """A message of onnxruntime's on one line, without its number and the places in its source."""
    line = " ".join(message.split())
    # one stands behind another
    for _ in range(2):
        line = SOURCE_PLACES.sub("", line)
    return line[:300]


def explain_load(error: str, version: str) -> tuple[str, str]:
    """What onnxruntime's `error` says of a model that it does not load, and what this `version` of it would load, if it says so."""
    here = f"this onnxruntime ({version})"
    if newer := NEWER_OPSET.search(error):
        opset, domain, last = newer.groups()
        return f"its opset {opset} of {domain} is newer than {here}", f"{here} reads opset {last} of {domain} and lower"
    if newer := NEWER_FORMAT.search(error):
        return f"its IR version {newer[1]} is newer than {here}", f"{here} reads IR version {newer[2]} and lower"
    if UNKNOWN_OPERATOR.search(error):
        return shorten(error), f"{here} has no such operator in that opset: the model must do without it"
    return shorten(error), ""


def advise_new_file(artifact: Artifact) -> str:
    """How to come by a better file than one that does not load, by who made it as the file says."""
    if artifact.version is not None or artifact.producer.split()[:1] == ["archc"]:
        return "archc built it: build it again from its spec (`archc build SPEC`, with --opset for an older runtime)"
    made = f" with what made it (`{artifact.producer}`, as the file says)" if artifact.producer else ""
    return f"archc did not build it: get it again from where it came, or export it again{made}"


def with_advice(fault: RuntimeFault, artifact: Artifact, doubt: str = "") -> RuntimeFault:
    """A fault of loading a model, whose help says also how to come by a better file, and what is strange in this one, if there is a `doubt`."""
    strange = f"the first thing in it that archc does not write is {doubt[:MAX_DOUBT]}" if doubt else ""
    help = "; ".join(filter(None, (fault.help, strange, advise_new_file(artifact))))
    return RuntimeFault(fault.code, fault.message, help, fault.exit_code)


def describe_other_file(path: Path, why: str) -> RuntimeFault:
    """The fault for a file that is no model; `why` says what is in the reader's way. An image is a likely mistake, because `archc run`
    takes both, and so are the files that other tools call models.
    """
    with path.open("rb") as file:
        start = file.read(32)
    if not start:
        return RuntimeFault("not-a-model", f"`{path}` is empty; a model was expected")
    if start.startswith(SIGNATURES):
        return RuntimeFault("not-a-model", f"`{path}` is an image; the model comes first", "archc run MODEL IMAGE...")
    for at, first, what, help in OTHER_FILES:
        if start[at:].lower().startswith(first.lower()):
            return RuntimeFault("not-a-model", f"`{path}` is no ONNX model, but {what}", help)
    return RuntimeFault("not-a-model", f"`{path}` is no ONNX model, or is cut off: {why}",
                        "get it again from where it came, or build it again if archc made it")  # fmt: skip
