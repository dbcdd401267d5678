"""Findings about packages: which are here, in which version, whether they import, and wheels that overwrite each other."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from typing import NamedTuple

from ..devices import PROVIDERS
from ..packages import ONNXRUNTIME_WHEELS, distribution_of, install_line, requirement_of
from ..pip import OURS, install_command, installed_version, replace_command
from .finding import Finding
from .requirements import is_out_of_range

PATIENCE_S = 120.0


class Package(NamedTuple):
    """A module, a name in it that a whole one has, and what needs it, where archc does without for the rest."""

    module: str
    name: str
    needed_for: str = ""


PACKAGES = (
    Package("numpy", "ndarray"),
    Package("PIL", "Image"),
    Package("yaml", "SafeLoader", "checks and builds"),
    Package("jsonschema", "Draft202012Validator", "checks and builds"),
    Package("click", "Command"),
    Package("onnx", "checker", "the proof of a build"),
    Package("torch", "Tensor", "the proof of a build, --export torch and to_torch()"),
    Package("onnxruntime", "InferenceSession"),
)
IMPORT = "import importlib, sys; getattr(importlib.import_module(sys.argv[1]), sys.argv[2])"
IMPORT_BELOW = "import importlib, sys; importlib.import_module(sys.argv[1] + '.' + sys.argv[2])"
# whose name is a module below it
BELOW = {"PIL"}


def import_packages() -> Mapping[str, str]:
    """Why each package that is here does not import, by its module; empty texts for those that do."""
    return import_each([each for each in PACKAGES if installed_wheels(each.module) or is_findable(each.module)])


def package_findings(troubles: Mapping[str, str]) -> Iterator[Finding]:
    """The versions of Python and of the packages, and what is wrong with each; `troubles` are those of `import_packages`."""
    yield Finding("python", sys.version.split()[0], True)
    ours = installed_version(OURS)
    yield Finding(OURS, ours or "works, without the notes of an installation", True)
    for package in PACKAGES:
        wheels = installed_wheels(package.module)
        for wheel in wheels:
            yield describe_package(wheel, installed_version(wheel) or "", troubles[package.module])
        if not wheels and package.module in troubles:
            yield describe_package(distribution_of(package.module), "", troubles[package.module])
        elif not wheels:
            yield describe_missing(package)


def is_findable(module: str) -> bool:
    """Whether Python finds a module, without importing it."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def installed_wheels(module: str) -> list[str]:
    """The distributions here that may hold a module; several for onnxruntime, whose wheels have names of their own."""
    names = [*ONNXRUNTIME_WHEELS] if module == "onnxruntime" else [distribution_of(module)]
    found = [name for name in names if installed_version(name) is not None]
    return found or [name for name in distributions_of(module) if installed_version(name)]


def distributions_of(module: str) -> list[str]:
    """The distributions that say that they hold a module, by their lists of files."""
    try:
        return sorted(set(packages_distributions().get(module, ())))
    except UnicodeDecodeError:  # the notes of some other package
        return []


def describe_package(wheel: str, version: str, trouble: str) -> Finding:
    """A wheel that is here: its version, empty where nothing says it, and what is wrong with it."""
    again = install_command(requirement_of(wheel), over=True)
    if trouble:
        return Finding(wheel, f"{version or 'a part of it'}, and does not import: {trouble}", False, again)
    if not version:
        return Finding(
            wheel, "imports; its version cannot be told, without the notes of an installation or with broken ones", True
        )
    if is_out_of_range(wheel, version):
        span = requirement_of(wheel).removeprefix(wheel)
        return Finding(wheel, f"{version}, which is not within {span}", False, install_command(requirement_of(wheel)))
    return Finding(wheel, version, True)


def describe_missing(package: Package) -> Finding:
    """A package that is not here, which is wrong only where all of archc needs it."""
    name, line = distribution_of(package.module), install_line(package.module)
    if package.needed_for:
        return Finding(name, "not installed", None, f"needed only for {package.needed_for}: {line}")
    return Finding(name, "not installed", False, line)


def import_each(packages: list[Package]) -> Mapping[str, str]:
    """Why each package does not import, by its module: in processes of their own that run side by side; empty texts for those that do."""
    running: dict[str, subprocess.Popen[str]] = {}
    try:
        for package in packages:
            code = IMPORT_BELOW if package.module in BELOW else IMPORT
            running[package.module] = subprocess.Popen(
                [sys.executable, "-P", "-B", "-c", code, package.module, package.name],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
            )  # fmt: skip
        return {module: describe_end(process) for module, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
            process.communicate()


def describe_end(process: subprocess.Popen[str]) -> str:
    """Why a process that imports a package failed; empty where it did not."""
    try:
        _, told = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        return f"its import takes over {PATIENCE_S:.0f} seconds"
    if not process.returncode:
        return ""
    if process.returncode < 0:
        return f"its import ends the process ({signal.Signals(-process.returncode).name})"
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"its import ends with {process.returncode}"


def wheel_findings() -> Iterator[Finding]:
    """Wheels of onnxruntime that hold the same files, so that the last one installed has overwritten the others."""
    found = sorted({*installed_wheels("onnxruntime"), *distributions_of("onnxruntime")})
    if len(found) > 1:
        names = " and ".join(found)
        remove = replace_command(found, requirement_of(distribution_of("onnxruntime")))
        yield Finding("onnxruntime wheels", f"{names} are both installed and overwrite each other", False, remove)


def provider_findings(broken: bool) -> Iterator[Finding]:
    """The providers that this onnxruntime has; nothing where it is `broken` or not here, which its own finding says."""
    if broken:
        return
    try:
        import onnxruntime
    except ImportError:
        return
    found = onnxruntime.get_available_providers()
    known = [name for name, provider in PROVIDERS.items() if provider in found]
    yield Finding("providers", ", ".join(known), True)
