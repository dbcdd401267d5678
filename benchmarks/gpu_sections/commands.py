"""archc's own commands on the device, as a user runs them; their answers are kept whole beside the results, in `commands/`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .case import Case
from .device import open_device
from .plan import Task
from .rows import Row, failed, measured, planned


def measure(task: Task) -> Iterator[Row]:
    """A row for each command."""
    device = open_device(task.device)
    path = str(Case(task.settings["net"], 1, "fp32", device, task.models).build())
    batch, seconds = ("1", "0.05") if task.rehearsal else ("1,8", "1")
    commands = {
        "doctor": ["doctor"],
        "bench": ["bench", path, "--device", device.name, "--batch", batch, "--seconds", seconds, "--against", "torch"],
        # archc profile has no --device: on a GPU onnxruntime sees the launches of kernels, and not the kernels
        "profile": ["profile", path, "--runs", "2"],
    }
    yield from map(planned, commands)
    for name, words in commands.items():
        yield run_command(name, words, task)


def run_command(name: str, words: Sequence[str], task: Task) -> Row:
    """Runs one command, keeps its JSON, and says how it went."""
    line = [sys.executable, "-m", "archc", *words, "--format", "json"]
    facts: dict[str, Any] = {
        "command": " ".join(["archc", *(Path(each).name if "/" in each else each for each in words)])
    }
    began = time.monotonic()
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=max(1.0, task.ends - began))
    except subprocess.TimeoutExpired:
        return planned(name, **facts)
    facts |= {"exit_code": done.returncode, "seconds": round(time.monotonic() - began, 1)}
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return failed(name, f"it gave no JSON: {done.stderr[-300:]}", **facts)
    folder = task.results / "commands"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(answer, indent=1) + "\n", "utf-8")
    # the doctor's code is 3 where something of the surroundings is wrong, which is its answer
    if done.returncode and name != "doctor":
        return failed(name, json.dumps(answer.get("error", answer)), **facts)
    return measured(name, **facts, kept=f"commands/{name}.json")
