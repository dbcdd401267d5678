"""What the processor can do, as the system says it: a graph that onnxruntime optimised for one may not run on another."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from platform import machine

# what Linux calls a processor's kind and its features, by architecture
LINUX_KEYS = (
    "vendor_id",
    "cpu family",
    "model",
    "flags",
    "Features",
    "features",
    "CPU implementer",
    "CPU part",
    "isa",
    "cpu",
)
FEATURE_KEYS = ("flags", "Features", "features", "isa", "cpu")
WINDOWS_FEATURES = 64


@cache
def describe_processor() -> str:
    """The processor's kind and its features in one line; empty where the system does not say."""
    found = {"linux": linux_processor, "darwin": darwin_processor, "win32": windows_processor}.get(sys.platform)
    try:
        told = found() if found else ""
    except (OSError, AttributeError):
        told = ""
    return f"{machine()} {told}" if told else ""


def linux_processor() -> str:
    """From the first processor in /proc/cpuinfo; empty where it has no features there."""
    facts: dict[str, str] = {}
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            if not value and facts:
                break
            if key.strip() in LINUX_KEYS:
                facts[key.strip()] = value.strip()
    return "; ".join(f"{key}: {value}" for key, value in facts.items()) if facts.keys() & {*FEATURE_KEYS} else ""


def darwin_processor() -> str:
    """The name of the processor, by which its features are known."""
    size = ctypes.c_size_t(256)
    text = ctypes.create_string_buffer(size.value)
    failed = ctypes.CDLL(None).sysctlbyname(b"machdep.cpu.brand_string", text, ctypes.byref(size), None, 0)
    return "" if failed else text.value.decode("ascii", "replace")


def windows_processor() -> str:
    """Its family, model and stepping, and a digit for each feature that the system knows."""
    asks = ctypes.WinDLL("kernel32").IsProcessorFeaturePresent  # type: ignore[attr-defined,unused-ignore]
    features = "".join("1" if asks(number) else "0" for number in range(WINDOWS_FEATURES))
    return f"{os.environ.get('PROCESSOR_IDENTIFIER', '')} {features}"
