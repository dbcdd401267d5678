"""What holds for every test: workers that share the machine run a thread each."""

from __future__ import annotations

import os

# Two workers of two threads each wait for one another on two cores: deep nets ran three times slower.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
