"""Findings about what is around: variables that change what archc and the libraries do, and folders that cannot be written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from ..cache.report import measure_cache
from ..faults import RuntimeFault
from .finding import Finding

VARIABLES = ("ARCHC_CACHE", "ARCHC_CACHE_SIZE", "ARCHC_DEBUG", "CUDA_VISIBLE_DEVICES", "CUDA_PATH", "CUDA_HOME", "LD_LIBRARY_PATH",
             "LD_PRELOAD", "OMP_NUM_THREADS", "PYTHONPATH", "PYTHONHOME", "TMPDIR")  # fmt: skip
LITTLE_BYTES = 2**30


def surrounding_findings() -> Iterator[Finding]:
    """The variables that are set, and what is wrong with the folders that are written to."""
    for name in VARIABLES:
        if name in os.environ:
            yield describe_variable(name, os.environ[name])
    yield describe_folder("current folder", os.curdir, "cd to a folder that you may write to, or give -o a path in one")
    yield describe_folder(
        "temporary folder", os.environ.get("TMPDIR") or "/tmp", "export TMPDIR=… with a folder that you may write to"
    )
    yield describe_cache()


def describe_variable(name: str, value: str) -> Finding:
    """A variable with its value, and what it hides or where it leads nowhere."""
    shown = value[:200] if value else "set, and empty"
    if name == "CUDA_VISIBLE_DEVICES" and value.strip() in ("", "-1", "none", "NoDevFiles"):
        return Finding(name, f"{shown}: it hides every GPU", None, f"unset {name}", "gpu")
    is_path = name == "LD_LIBRARY_PATH"
    gone = [each for each in value.split(":") if each and not os.path.isdir(each)] if is_path else []
    if gone:
        return Finding(
            name,
            f"{shown}: {', '.join(gone)[:200]} is no folder",
            None,
            f"export {name}=… with folders that are there",
            "gpu",
        )
    return Finding(name, shown, True if is_path else None)


def describe_cache() -> Finding:
    """How full the cache of optimised graphs is, or why it is not used; without it every start is as slow as the first."""
    try:
        folder, total, bound = measure_cache()
    except RuntimeFault as fault:
        return Finding("cache", fault.message, None, fault.help)
    if not bound:
        return Finding("cache", "turned off")
    return Finding("cache", f"{folder}, {total / 2**30:,.1f} of {bound / 2**30:,.1f} GiB", True)


def describe_folder(name: str, path: str, advice: str) -> Finding:
    """Whether a folder can be written to, and how much room is in it. Nothing is written to find out."""
    try:
        os.path.abspath(path)
    except FileNotFoundError:
        return Finding(name, "gone: it was removed or moved", False, "cd to a folder that is there")
    if os.name != "posix" and not os.path.isdir(path):
        return Finding(name, "not looked at")
    if not os.path.isdir(path) or not os.access(path, os.W_OK | os.X_OK):
        return Finding(name, f"{os.path.abspath(path)} cannot be written to", False, advice)
    free = shutil.disk_usage(path).free
    room = f"{os.path.abspath(path)}, {free / 2**30:,.1f} GiB free"
    return Finding(name, room, None, "a model of 2 GB does not fit; free some space, or write elsewhere with -o") if free < LITTLE_BYTES else Finding(name, room, True)  # fmt: skip
