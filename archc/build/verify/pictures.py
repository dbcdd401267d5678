"""What two models are given when their answers are compared on pictures: each as that model prepares it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...runtime.faults import RuntimeFault, UntrainedWarning
from ...runtime.ports import list_ports
from ...runtime.session import Session
from ...runtime.sources import Picture


def prepare_pictures(model: Path, pictures: Sequence[str], count: int, trust: bool) -> dict[str, Any]:
    """The pictures as arrays of `count` rows by the inputs' names, a row a picture; the first ones come again where there are fewer.

    Raises RuntimeFault for a picture that cannot be read, and where the model takes no pictures or has several inputs.
    """
    import numpy as np

    with warnings.catch_warnings(action="ignore", category=UntrainedWarning):
        session = Session(model, device="cpu", trust=trust)
    if len(session.inputs) > 1:
        raise RuntimeFault("wrong-input", f"{session.name} has {len(session.inputs)} inputs, and a picture is for one: {list_ports(session.inputs)}",
                           "run both models with Session.predict on one list of mappings, each from the inputs' names to their pictures, and compare the arrays")  # fmt: skip
    rows = [session.prepare(Picture(each, each)) for each in pictures]
    return {name: np.take([row[name] for row in rows], range(count), axis=0, mode="wrap") for name in session.inputs}
