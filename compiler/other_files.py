"""What is no spec: a built model, weights, a picture. Told by its first bytes, or by its suffix in any case."""

from __future__ import annotations

from pathlib import PurePath

from .diagnostics import Failure, clean

MODEL_SUFFIX = ".onnx"
# the tag of ir_version, which no YAML begins with
MODEL_FIRST_BYTE = b"\x08"
MODEL, WEIGHTS, PICTURE = "a built model", "weights", "a picture"
SUFFIXES = {MODEL_SUFFIX: MODEL} | dict.fromkeys((".pth", ".pt", ".safetensors", ".npz"), WEIGHTS) | dict.fromkeys((".png", ".jpg", ".jpeg"), PICTURE)  # fmt: skip
# where first bytes stand, and these; YAML has none of them
FIRST_BYTES = (
    (0, MODEL_FIRST_BYTE, MODEL),
    (0, b"PK\x03\x04", WEIGHTS),
    (0, b"\x80\x02", WEIGHTS),
    (7, b'\0{"', WEIGHTS),
    (0, b"\x89PNG", PICTURE),
    (0, b"\xff\xd8\xff", PICTURE),
)
HELPS = {
    MODEL: "`archc view` and `archc profile` take models; this reads the spec that a model is built from",
    WEIGHTS: "they go into a build: `archc build SPEC --weights FILE`",
    PICTURE: "`archc run MODEL IMAGE` shows a model a picture",
}


def has_model_suffix(name: str) -> bool:
    """Whether a file is called as models are."""
    return PurePath(name).suffix.lower() == MODEL_SUFFIX


def find_kind(name: str, data: bytes) -> str | None:
    """What a file of this name is that begins with `data`; None where it may be a spec."""
    told = next((kind for at, first, kind in FIRST_BYTES if data[at : at + len(first)] == first), None)
    return told or SUFFIXES.get(PurePath(name).suffix.lower())


def refuse_other_file(name: str, data: bytes, first: str = "") -> None:
    """Raises Failure `not-a-spec` for a file that is clearly something else. `first` is what to do before the rest of the help."""
    kind = find_kind(name, data)
    if kind is not None:
        verb = "are" if kind == WEIGHTS else "is"
        raise Failure(
            "not-a-spec",
            f"`{clean(name)}` {verb} {kind}, and no spec",
            "; ".join(filter(None, (first, HELPS[kind]))),
        )
