"""What a figure depends on (the processor, what it can do, how many cores, Python), and how figures are kept."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from archc.runtime.processor import list_fast_features, name_processor


def describe_machine() -> dict[str, object]:
    """The facts as JSON. Off Linux its features are not known."""
    return {
        "cpu": name_processor(),
        "features": list_fast_features() or [],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def write_results(path: Path, rows: Sequence[dict[str, Any]], packages: Iterable[str], **machine: object) -> None:
    """Keeps the rows with the command that made them, the day, the machine (and more facts about it), and the versions of packages.

    The command is that of this process, as it is given in the repository's folder for a file in benchmarks/results; a package that is not here is left out.
    The machine's load is that of the last minute, this process's own included: on a quiet machine it is about its number of threads.
    """
    words = [f"benchmarks/results/{path.name}" if Path(word).name == path.name else word for word in sys.argv[1:]]
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])
    document = {
        "command": command,
        "date": date.today().isoformat(),
        "machine": {**machine, **describe_machine(), "load": round(os.getloadavg()[0], 1)},
        "versions": installed(packages),
        "rows": rows,
    }
    # beside it first: whoever is stopped while it writes keeps what was there
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    partial.replace(path)


def installed(packages: Iterable[str]) -> dict[str, str]:
    """The versions of the packages that are here."""
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
