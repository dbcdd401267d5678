"""Findings about the devices that are not NVIDIA's by onnxruntime's own wheel: the processor, and the plugins.

A plugin is loaded in a process of its own, as one that is broken may end it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from ..devices import DEVICES, Device, Trouble
from ..devices.plugins import is_installed
from ..packages import install_line
from .finding import Finding
from .packages import PATIENCE_S

LOOK = (
    "import json, sys; from archc.runtime.devices import device_trouble; print(json.dumps(device_trouble(sys.argv[1])))"
)


def device_findings(broken: bool) -> Iterator[Finding]:
    """Each device with whether it can be used, or why not and what to do; nothing where onnxruntime is `broken` or not here."""
    if broken:
        return
    yield Finding("cpu", "works: f32", True)
    for device in DEVICES:
        if device.package:
            yield describe_plugin(device)


def describe_plugin(device: Device) -> Finding:
    """Whether a plugin works here. One that is not installed is not missed, and its trouble is known without loading anything."""
    installed = is_installed(device.package)
    cause, fix = load_plugin(device.name) if installed else device.find_trouble()
    if not cause:
        tried = "" if device.is_tried else "; not tried by archc"
        return Finding(device.name, f"works: {device.runs_on}{tried}", True, area="plugin")
    if not installed:
        advice = f"only --device {device.name} needs it: {fix}" if fix == install_line(device.package) else ""
        return Finding(device.name, cause, None, advice, "plugin")
    return Finding(device.name, cause, False, fix, "plugin")


def load_plugin(name: str) -> Trouble:
    """What is wrong with a plugin, found in a process of its own."""
    try:
        done = subprocess.run([sys.executable, "-P", "-B", "-c", LOOK, name], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=PATIENCE_S, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        return Trouble(f"its plugin takes over {PATIENCE_S:.0f} seconds to load", "run on the device cpu")
    try:
        return Trouble(*json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        return Trouble(f"its plugin ends the process that loads it: {lines[-1][:200]}", "run on the device cpu")
