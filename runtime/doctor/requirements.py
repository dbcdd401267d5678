"""What archc's own metadata ask for: ranges of versions, and the packages of its extras.

`packaging` reads such lines; onnxruntime brings it. Where it is not here nothing is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires
from typing import Any

from ..pip import OURS


def read_requirements(distribution: str) -> list[Any]:
    """The requirements of an installed distribution, as packaging's Requirement; none where it is not installed."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        return []
    found = []
    try:
        for line in requires(distribution) or []:
            found.append(Requirement(line))
    except (PackageNotFoundError, InvalidRequirement, UnicodeDecodeError):
        return []
    return found


def applies(requirement: Any, extra: str = "") -> bool:
    """Whether a requirement is for this machine, under an extra or under none."""
    return requirement.marker is None or bool(requirement.marker.evaluate({"extra": extra}))


def is_out_of_range(distribution: str, version: str) -> bool:
    """Whether archc asks of a distribution a range of versions in which `version` is not."""
    asked = [each for each in read_requirements(OURS) if each.name.lower() == distribution and applies(each)]
    return any(not fits(each, version) for each in asked)


def fits(requirement: Any, version: str) -> bool:
    """Whether a version, or one before a release, is within a requirement's range."""
    try:
        return bool(requirement.specifier.contains(version, prereleases=True))
    except ValueError:  # no version
        return False


def extras_of(distribution: str) -> list[str]:
    """The extras that a distribution has."""
    try:
        return metadata(distribution).get_all("Provides-Extra") or []
    except (PackageNotFoundError, UnicodeDecodeError):
        return []


def members_of(distribution: str, extra: str, within: frozenset[tuple[str, str]] = frozenset()) -> Iterator[Any]:
    """The requirements that an extra adds, and those of the extras that it asks for in turn."""
    if (distribution, extra) in within:
        return
    for requirement in read_requirements(distribution):
        if applies(requirement, extra) and not applies(requirement):
            if not requirement.extras:
                yield requirement
            for inner in sorted(requirement.extras):
                yield from members_of(requirement.name, inner, within | {(distribution, extra)})
