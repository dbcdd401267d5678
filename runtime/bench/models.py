"""A model file as a contender."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ..faults import UntrainedWarning
from ..session import Session


class ModelRunner:
    """A session that is run on arrays."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ports, self.fixed_batch = session.inputs, session.fixed_batch
        self.where, self.reason = session.device, session.reason
        self.gpu_unusable = session.choice.gpu_unusable

    def run(self, arrays: Mapping[str, Any]) -> Any:
        """Runs once, and gives all outputs."""
        return self.session.run(arrays)


def open_runner(
    path: str, device: str, options: Mapping[str, str], threads: int | None, trust: bool, cache: bool
) -> ModelRunner:
    """A model file, as Session opens it. Raises RuntimeFault."""
    with warnings.catch_warnings(action="ignore", category=UntrainedWarning):
        return ModelRunner(Session(path, device=device, threads=threads, options=options, trust=trust, cache=cache))
