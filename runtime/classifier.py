"""Whether a model is a classifier, and by which output: read off what the model says, never off its numbers.

An output tells classes if it is a vector of two or more numbers an image, and there are as many labels, or the model's metadata
name it. A model from elsewhere has no such metadata; there the graph must end in a softmax, or in a layer with weights. A vector of
features (what is left of a net without its last layer) is neither, whatever its length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from .artifact import Artifact
from .endless import refuse_endless
from .faults import RuntimeFault
from .ports import IMAGE_DTYPES, Port, list_ports

KEEP = "-o FILE.npz, or Session.predict, gives its outputs as they are"
MAP = "-o map.png writes the number of the best class at each position of a picture"


class Verdict(NamedTuple):
    """The `output` that tells classes; None where the model is no classifier. `why` says why not, and `advice` what to do."""

    output: str | None
    why: str = ""
    advice: str = ""


def find_classifier(artifact: Artifact, outputs: Mapping[str, Port], labels: Sequence[str]) -> Verdict:
    """The output that tells classes: `logits` before others, then the last. `labels` are the names of the classes, if there are any."""
    vectors = [name for name, port in outputs.items() if is_vector(port)]
    labelled = [name for name in vectors if labels and outputs[name].shape[1] == len(labels)]
    found = labelled or [name for name in vectors if tells_classes(artifact, name)]
    if found:
        return Verdict("logits" if "logits" in found else found[-1])
    keep = "; ".join([*advise_map(outputs), KEEP])
    vector = outputs["logits" if "logits" in vectors else vectors[-1]] if vectors else None
    if vector is None:
        return Verdict(None, f"no output is a vector of one number a class; it gives {list_ports(outputs)}", keep)
    return Verdict(None, f"nothing says that the {vector.shape[1]} numbers of `{vector.name}` are scores of classes",
                   f"{keep}; --labels FILE, or labels= in Python, says that it is one, and names its classes")  # fmt: skip


def is_vector(port: Port) -> bool:
    """Whether it gives two or more numbers an image: (N, classes), or the same with sizes of 1 behind."""
    if port.dtype not in IMAGE_DTYPES or len(port.shape) < 2 or any(d != 1 for d in port.shape[2:]):
        return False
    classes = port.shape[1]
    return not isinstance(classes, int) or classes > 1


def is_map(port: Port) -> bool:
    """Whether it may give classes at more than one position: (N, C, H, W), floats of several channels, or whole numbers of one."""
    if len(port.shape) != 4 or all(side == 1 for side in port.shape[2:]):
        return False
    return port.shape[1] != 1 if port.dtype in IMAGE_DTYPES else "int" in port.dtype


def advise_map(outputs: Mapping[str, Port]) -> Iterator[str]:
    """How `archc run` writes the classes of a map; nothing where no output is one."""
    maps = [name for name, port in outputs.items() if is_map(port)]
    if maps:
        yield MAP if len(maps) == 1 else f"{MAP}, of the output that --outputs NAME, or outputs=[NAME] in Python, picks"


def tells_classes(artifact: Artifact, output: str) -> bool:
    """Whether the model says that `output`, a vector, is scores of classes."""
    return output in artifact.scores if artifact.scores is not None else artifact.ends_in_scores(output)


def read_labels(path: str | PathLike[str]) -> tuple[str, ...]:
    """The labels in a text file, one a line. Raises RuntimeFault (usage) where it cannot be read, or has none."""
    try:
        refuse_endless(path)
        text = Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise RuntimeFault(
            "not-utf8", f"the labels `{path}`: it is no text in UTF-8", "save it as UTF-8, a label a line", exit_code=2
        ) from None
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        code = "file-missing" if isinstance(error, FileNotFoundError) else "file-unreadable"
        why = getattr(error, "strerror", None) or str(error)
        raise RuntimeFault(code, f"the labels `{path}`: {why.lower()}", exit_code=2) from None
    labels = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not labels:
        raise RuntimeFault("empty", f"the labels `{path}`: the file is empty", "write a label a line", exit_code=2)
    return labels
