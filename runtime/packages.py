"""Packages that work needs and that may not be here: one that is missing, or does not import, is named with the line that installs it."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from .faults import RuntimeFault
from .pip import extra_command, install_command, requirements_of_archc

# what the package index calls a module, where it is another name
DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml"}
# where archc takes the wheel of onnxruntime that has CUDA in it, which is never beside the plain one (pyproject.toml has the same)
ONNXRUNTIME_WHEELS = ("onnxruntime", "onnxruntime-gpu")
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
    """What installs the package of a module, in a version that archc takes: a command, behind the name of archc's extra where one has it.

    With `over` it is for one that is there and broken.
    """
    distribution = distribution_of(package)
    extra = extra_with(distribution)
    if extra and not over:
        return f"install archc's extra `{extra}`: {extra_command(extra)}"
    return install_command(requirement_of(distribution), over=over)


def distribution_of(package: str) -> str:
    """What the package index calls the package of a module."""
    if package == "onnxruntime":
        from platform import machine

        return "onnxruntime-gpu" if (sys.platform, machine()) in WITH_CUDA else package
    return DISTRIBUTIONS.get(package, package.replace("_", "-"))


def extra_with(distribution: str) -> str:
    """The extra of archc that asks for a distribution, the smallest where several do; empty where all of archc does, or none."""
    asked = [*requirements_of_archc()]
    of = {each.extra for each in asked if each.name.lower() == distribution}
    return "" if not of or "" in of else min(of, key=lambda extra: sum(each.extra == extra for each in asked))


def requirement_of(distribution: str) -> str:
    """A distribution with the range of versions that archc takes, as `torch>=2.4,<3`; its name alone where archc states none."""
    found = [each for each in requirements_of_archc() if each.name.lower() == distribution]
    stated = next((each for each in found if not each.extra), found[0] if found else None)
    return distribution + (stated.versions if stated else "")
