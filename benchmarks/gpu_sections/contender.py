"""A contender of a net's section: how it is opened, and its two runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # the goals need the names alone
    from .case import Case

KERNELS, FROM_HOST = "kernels alone", "from the host's memory"
MODES = (KERNELS, FROM_HOST)
EAGER = "torch eager"
# what a contender of archc's is named after, where archc's Session has no such option
NOT_OFFERED = ("graph", "fused biases")


class Opened(NamedTuple):
    """What is timed, by mode: on inputs that lie on the device, with the answer left there, and from an array in the host's memory to an
    answer there. `answer` gives the logits of a run as an array. A mode that is not offered is in `without`, with the reason."""

    runs: Mapping[str, Callable[[], Any]]
    answer: Callable[[], Any]
    facts: Mapping[str, Any]
    without: Mapping[str, str] = {}


class Recipe(NamedTuple):
    """A contender before it is opened. `seconds` is a guess of how long that takes; `package` is what it needs beside torch and
    onnxruntime."""

    name: str
    open: Callable[[Case], Opened]
    needs_card: bool = False
    seconds: float = 5.0
    package: str = ""


def is_archc(contender: str) -> bool:
    """Whether a contender is archc's, with options that its Session has: what users get."""
    return contender.startswith("archc") and not contender.endswith(NOT_OFFERED)
