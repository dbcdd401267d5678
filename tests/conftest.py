"""What holds for every test: workers that share the machine run a thread each."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # two workers of two threads each wait for one another: 3 times slower
