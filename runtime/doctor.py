"""What this machine can run: versions, providers, libraries that do not load, and wheels that overwrite each other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from .providers import PROVIDERS, driver_trouble, missing_libraries

PACKAGES = ("archc-onnx", "numpy", "pillow", "onnx", "torch", "onnxruntime", "onnxruntime-gpu")


class Finding(NamedTuple):
    """One fact about the machine. `ok` is None where it is neither good nor bad; `advice` says what to do."""

    name: str
    value: str
    ok: bool | None = None
    advice: str = ""


def installed_version(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def examine_machine() -> list[Finding]:
    """All findings, in the order in which `archc doctor` prints them."""
    return [*package_findings(), *provider_findings(), *cuda_findings()]


def package_findings() -> Iterator[Finding]:
    """The versions of Python and of the packages, and whether two wheels of onnxruntime are in each other's way."""
    yield Finding("python", sys.version.split()[0])
    for package in PACKAGES:
        yield Finding(package, installed_version(package) or "not installed")
    if installed_version("onnxruntime") and installed_version("onnxruntime-gpu"):
        yield Finding("onnxruntime wheels", "onnxruntime and onnxruntime-gpu are both installed and overwrite each other", False,
                      "pip uninstall onnxruntime onnxruntime-gpu, then install one of them")  # fmt: skip


def provider_findings() -> Iterator[Finding]:
    """The providers that this onnxruntime has, or why it does not load."""
    try:
        import onnxruntime
    except Exception as error:
        yield Finding("providers", f"onnxruntime does not load: {str(error)[:200]}", False, "install it again")
        return
    found = onnxruntime.get_available_providers()
    known = [name for name, provider in PROVIDERS.items() if provider in found]
    yield Finding("providers", ", ".join(known), True)


def cuda_findings() -> Iterator[Finding]:
    """Whether CUDA can be used: the driver first, then the libraries that onnxruntime loads."""
    try:
        why, fix = driver_trouble()
        missing = [] if why else missing_libraries()
    except ImportError:
        return  # provider_findings has said that onnxruntime does not load
    if why:  # a machine without a GPU is fine
        yield Finding("cuda", why, None, fix)
        return
    if missing:
        yield Finding(
            "cuda",
            f"these libraries do not load: {', '.join(missing)}",
            False,
            "pip install 'onnxruntime-gpu[cuda,cudnn]'",
        )
    else:
        yield Finding("cuda", "the driver and its libraries load", True)
