"""The commands of pip that messages tell: for the environment that runs this, and right wherever archc was installed from.

An extra is told as the packages that it asks for, since `archc-onnx` is on no index: its own name would ask for the checkout or the wheel,
which need not be there any more.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

OURS = "archc-onnx"
# each of its releases takes one release of torch: unless that is said, pip may bring another torch, with gigabytes of CUDA
BOUND_TO_TORCH = ("torchvision",)
LINE = re.compile(r"([\w.-]+)(\[[^]]*\])?\s*([^;]*)")
EXTRA = re.compile(r"extra == ['\"]([\w-]+)['\"]")


class Requirement(NamedTuple):
    """A package that archc asks for: the distribution's `name`, its own `extras` in brackets, a range of `versions`, and archc's `extra` that asks
    for it, empty where all of archc does."""

    name: str
    extras: str
    versions: str
    extra: str

    def __str__(self) -> str:
        return f"{self.name}{self.extras}{self.versions}"


def pip() -> str:
    """What calls the pip of this environment: `pip` where a shell finds that one, else by this Python's path."""
    found = shutil.which("pip")
    here = Path(sys.executable).parent
    return "pip" if found and Path(found).parent == here else f"{shlex.quote(sys.executable)} -m pip"


def install_command(*requirements: str, over: bool = False) -> str:
    """The command that installs packages; with `over` anew, without what they ask for."""
    wanted = list(requirements)
    torch = installed_version("torch") if any(each.startswith(BOUND_TO_TORCH) for each in requirements) else None
    if torch and not over:
        wanted.insert(0, f"torch=={torch.partition('+')[0]}")
    how = "install --force-reinstall --no-deps" if over else "install"
    return f"{pip()} {how} {' '.join(map(quote, wanted))}"


def replace_command(removed: Sequence[str], requirement: str) -> str:
    """The commands that remove packages, and install another in their place."""
    return f"{pip()} uninstall -y {' '.join(removed)} && {install_command(requirement)}"


def extra_command(extra: str) -> str:
    """The command that installs what an extra of archc asks for; without archc's own metadata, where that is told."""
    found = dict.fromkeys(str(each) for each in requirements_of_archc() if each.extra == extra)
    return install_command(*found) if found else f"install archc with its extra `{extra}`: docs/howto/install.md"


def quote(requirement: str) -> str:
    """A requirement as a word of a shell's command; always in quotation marks where it has a range."""
    return f"'{requirement}'" if re.search(r"[^\w.-]", requirement) else requirement


def requirements_of_archc() -> Iterator[Requirement]:
    """What archc's own metadata ask for, on any machine; nothing where they cannot be read."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        stated = requires(OURS) or []
    except (PackageNotFoundError, UnicodeDecodeError):
        return
    for line in stated:
        if found := LINE.match(line):
            # ranges as people write them, the lower end first
            versions = ",".join(sorted(found[3].strip().split(","), reverse=True))
            extra = EXTRA.search(line)
            yield Requirement(found[1], found[2] or "", versions, extra[1] if extra else "")


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution; None where it is not installed, empty where its notes cannot be read."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution) or ""
    except PackageNotFoundError:
        return None
    except (UnicodeDecodeError, KeyError):
        return ""
