"""What a figure depends on: the processor, what it can do, how many cores, and Python."""

from __future__ import annotations

import os
import platform
from pathlib import Path

FEATURES = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "sha_ni",
)  # as Linux calls them


def describe_machine() -> dict[str, object]:
    """The facts as JSON. Off Linux the processor's name and features are not known."""
    facts: dict[str, str] = {}
    if (path := Path("/proc/cpuinfo")).exists():
        for line in path.read_text().splitlines():
            key, _, value = line.partition(":")
            facts.setdefault(key.strip(), value.strip())
    flags = facts.get("flags", "").split()
    return {
        "cpu": facts.get("model name", platform.machine()),
        "features": [each for each in FEATURES if each in flags],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
