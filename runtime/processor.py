"""What the processor is and can do, as the system says it.

How fast a model runs depends on it, and a graph that onnxruntime optimised for one may not run on another.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from platform import machine, processor

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
# what makes the arithmetic of nets and of digests fast, as Linux calls it
X86_FEATURES = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "sha_ni",
)
ARM_FEATURES = ("asimddp", "i8mm", "bf16", "sve", "sha2")


@cache
def describe_processor() -> str:
    """The processor's kind and its features in one line; empty where the system does not say."""
    found = {"linux": linux_processor, "darwin": darwin_processor, "win32": windows_processor}.get(sys.platform)
    try:
        told = found() if found else ""
    except (OSError, AttributeError):
        told = ""
    return f"{machine()} {told}" if told else ""


def name_processor() -> str:
    """What people call it: its model name on Linux, else what the system says."""
    try:
        named = read_cpuinfo().get("model name", "") if sys.platform == "linux" else ""
    except OSError:
        named = ""
    return named or processor() or machine()


def list_fast_features() -> list[str] | None:
    """Which of X86_FEATURES or ARM_FEATURES it has; None where the system does not say, as off Linux."""
    try:
        facts = read_cpuinfo() if sys.platform == "linux" else {}
    except OSError:
        facts = {}
    known = next((facts[key].split() for key in FEATURE_KEYS if key in facts), None)
    return None if known is None else [each for each in (*X86_FEATURES, *ARM_FEATURES) if each in known]


def linux_processor() -> str:
    """Its kind and features; empty where the system says no features."""
    facts = {key: value for key, value in read_cpuinfo().items() if key in LINUX_KEYS}
    return "; ".join(f"{key}: {value}" for key, value in facts.items()) if facts.keys() & {*FEATURE_KEYS} else ""


def read_cpuinfo() -> dict[str, str]:
    """What Linux says of the first processor. Raises OSError where it says nothing."""
    facts: dict[str, str] = {}
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            if not value and facts:
                break
            facts[key.strip()] = value.strip()
    return facts


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
