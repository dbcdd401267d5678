"""Packages that work needs and that may not be here: one that is missing, or does not import, is named with the line that installs it."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any

from .faults import RuntimeFault

OURS = "archc-onnx"
# what the package index calls a module, where it is another name
DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml", "resvg_py": "resvg-py"}
# where archc takes the wheel of onnxruntime that has CUDA in it, which is never beside the plain one (pyproject.toml has the same)
WITH_CUDA = {("linux", "x86_64"), ("win32", "AMD64")}


def import_package(module: str, purpose: str = "", otherwise: str = "") -> Any:
    """The module of a package. `purpose` says what needs it, `otherwise` what can be done without.

    Raises RuntimeFault `package-missing` (environment) where it is not installed, is only half there, or does not import.
    """
    try:
        found = import_module(module)
    # a broken package raises what it likes: OSError for a library, RuntimeError, AttributeError, …
    except Exception as error:
        raise package_fault(module, error, purpose, otherwise) from error
    # folders without an __init__.py import, too
    if getattr(found, "__file__", None) is None:
        raise package_fault(module, None, purpose, otherwise)
    return found


def package_fault(module: str, error: Exception | None, purpose: str = "", otherwise: str = "") -> RuntimeFault:
    """What to say where `module` does not import: because of `error`, or with None because only a part of it is there.

    Raises KeyboardInterrupt where that is what the error came from.
    """
    raise_interrupt(error)
    package = lacking = module.split(".")[0]
    if isinstance(error, ModuleNotFoundError) and error.name:
        lacking = error.name.split(".")[0]
    if lacking != package:
        why = f"does not import, because `{lacking}` is not installed"
    elif isinstance(error, ModuleNotFoundError) and error.name == package:
        why = "is not installed"
    elif error is None or isinstance(error, ModuleNotFoundError):
        why = "is only half installed"
    else:
        why = f"does not import: {' '.join(str(error).split())[:200] or type(error).__name__}"
    message = f"{purpose} needs `{package}`, which {why}" if purpose else f"`{package}` {why}"
    help = install_line(lacking, over=lacking == package and why != "is not installed")
    return RuntimeFault("package-missing", message, f"{help}; or {otherwise}" if otherwise else help, 3)


def raise_interrupt(error: BaseException | None) -> None:
    """Raises KeyboardInterrupt where the error came from one: an import in C makes an ImportError of it."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        error = error.__cause__ or error.__context__


def install_line(package: str, over: bool = False) -> str:
    """The command that installs the package of a module, in a version that archc takes; `over` one that is there."""
    how = "pip install --force-reinstall --no-deps" if over else "pip install"
    return f"{how} '{requirement_of(distribution_of(package))}'"


def distribution_of(package: str) -> str:
    """What the package index calls the package of a module."""
    if package == "onnxruntime":
        from platform import machine

        return "onnxruntime-gpu" if (sys.platform, machine()) in WITH_CUDA else package
    return DISTRIBUTIONS.get(package, package)


def requirement_of(distribution: str) -> str:
    """A distribution with the range of versions that archc takes, as `torch>=2.4,<3`; its name alone where archc states none."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        stated = requires(OURS) or []
    except (PackageNotFoundError, UnicodeDecodeError):
        stated = []
    for line in stated:
        found = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*([^;]*)", line)
        if found and found[1].lower() == distribution and "extra ==" not in line:
            # written as people do, the lower end first
            return distribution + ",".join(sorted(found[2].strip().split(","), reverse=True))
    return distribution


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution; None where it is not installed, empty where its notes cannot be read."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution) or ""
    except PackageNotFoundError:
        return None
    except (UnicodeDecodeError, KeyError):
        return ""
