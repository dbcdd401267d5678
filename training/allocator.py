"""What the C library does with freed memory. glibc gives what lies free at the end of its heap back to the system, and fetches it again page by page: in
training that is after each step and in each step, an eighth of the time of ResNet-20 (benchmarks/training.py)."""

from __future__ import annotations

import ctypes
import sys

# malloc.h; thresholds in bytes. glibc takes none over 32 MiB for what is mapped by itself, and a set one no longer follows what is freed
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES, MAPPED_BYTES = 2**31 - 1, 2**25


def keep_freed_memory() -> bool:
    """Has freed memory kept for the next step, for as long as this process lives, and gives whether the C library can; other ones than glibc are
    left as they are. Not for a process that does something else, too."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
