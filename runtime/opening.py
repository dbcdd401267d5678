"""A model from its path: its metadata, and the model in onnxruntime, in whichever process that is, and from the cache where it can be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .artifact import Artifact, open_artifact
from .cache.entry import wait_for_tick
from .cache.folder import read_bound
from .cache.start import CacheUse, ColdStart, StaleEntry, find_warm_start
from .devices.device import NOTHING
from .inference import Engine
from .limits import WorkerLimits
from .trust import open_engine

if TYPE_CHECKING:
    from .remote import RemoteEngine


class OpenedModel(NamedTuple):
    """A model's metadata, the model in onnxruntime, and what the cache was to it."""

    artifact: Artifact
    engine: Engine | RemoteEngine
    cache: CacheUse


def open_model(
    path: Path,
    device: str,
    threads: int | None,
    trust: bool,
    limits: WorkerLimits | None,
    cache: bool,
    asked: Mapping[str, str] = NOTHING,
) -> OpenedModel:
    """Opens a model on a device. Raises RuntimeFault as `open_artifact` and `open_engine` do, and where the cache's bound is no size."""
    if not cache or read_bound() == 0:
        artifact = open_artifact(path)
        engine = open_engine(artifact, device, threads, trust, limits, asked)
        return OpenedModel(artifact, engine, CacheUse("none", "it is turned off"))
    if warm := find_warm_start(path, trust):
        try:
            # that it may run in this process was found when the entry was written, of the same bytes
            engine = open_engine(warm.artifact, device, threads, True, limits, asked, warm.create)
            return OpenedModel(warm.artifact, engine, warm.use)
        except StaleEntry:
            # the model itself is opened
            pass
    try:
        wait_for_tick(path)
    except (OSError, ValueError):
        # told below
        pass
    artifact = open_artifact(path)
    cold = ColdStart(artifact, trust)
    engine = open_engine(artifact, device, threads, trust, limits, asked, cold.create)
    return OpenedModel(artifact, engine, cold.use)
