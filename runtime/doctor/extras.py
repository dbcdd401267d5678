"""Findings about extras that are installed by half: pip keeps no note of them, so it is read off what is there."""

from __future__ import annotations

from collections.abc import Iterator

from ..pip import OURS, extra_command, installed_version
from .finding import Finding
from .requirements import extras_of, fits, members_of

# of its packages many an environment has some by chance
DEVELOPMENT = {"test"}


def extra_findings() -> Iterator[Finding]:
    """An extra some of whose packages are here, and some are not or in another version."""
    for extra in extras_of(OURS):
        if extra in DEVELOPMENT:
            continue
        found = {each.name: (each, installed_version(each.name)) for each in members_of(OURS, extra)}
        missing = [name for name, (_, version) in found.items() if version is None]
        other = [f"{name} {version} is not within {each.specifier}" for name, (each, version) in found.items()
                 if version is not None and not fits(each, version)]  # fmt: skip
        if other or 0 < len(missing) < len(found):
            what = [*other, *([f"not installed: {', '.join(missing)}"] if missing else [])]
            yield Finding(f"extra {extra}", f"half installed; {'; '.join(what)}", False, extra_command(extra), "gpu" if extra == "cuda" else "cpu")  # fmt: skip
