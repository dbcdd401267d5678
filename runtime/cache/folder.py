"""Where the cache lies, how large it may grow, and whether it may be trusted: only if nobody else can write to it."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

from ..faults import RuntimeFault

DEFAULT_BOUND = 4 * 2**30
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Unusable(Exception):
    """The cache cannot serve a model now, and why. `help` says what to do where that is for the user to mend."""

    def __init__(self, reason: str, help: str = "") -> None:
        super().__init__(reason)
        self.reason, self.help = reason, help


def find_folder() -> Path:
    """The path of the cache, there or not: ARCHC_CACHE, else `archc` in the user's folder for caches. Raises Unusable where there is none."""
    if chosen := os.environ.get("ARCHC_CACHE"):
        return Path(chosen).absolute()
    try:
        return user_caches() / "archc"
    except RuntimeError:
        raise Unusable("the system names no home folder", "ARCHC_CACHE=FOLDER says where the cache is") from None


def user_caches() -> Path:
    """The folder that the system has for a user's caches. Raises RuntimeError where the user has no home folder."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    stated = os.environ.get("XDG_CACHE_HOME", "")
    # a relative one is to be ignored, says the standard
    return Path(stated) if os.path.isabs(stated) else Path.home() / ".cache"


def read_bound() -> int:
    """How many bytes all entries may have: ARCHC_CACHE_SIZE (`500M`, `4G`; 0 keeps nothing), else 4 GiB. Raises RuntimeFault (usage)."""
    stated = os.environ.get("ARCHC_CACHE_SIZE", "").strip()
    if not stated:
        return DEFAULT_BOUND
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?([KMGT]?)(?:i?B)?", stated, re.ASCII | re.IGNORECASE)
    if not found:
        raise RuntimeFault(
            "usage", f"ARCHC_CACHE_SIZE={stated[:40]}: it is no size", "write 500M or 4G; 0 keeps nothing", 2
        )
    return int(float(found[1]) * UNITS[found[2].upper()])


def open_folder(create: bool = False) -> Path:
    """The cache's folder without links, made with `create`, if it may be trusted.

    Raises Unusable where it is not there, belongs to somebody else, or others may write to it.
    """
    path = Path(os.path.realpath(find_folder()))
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise Unusable(
            "its path is no UTF-8, which onnxruntime cannot open", "ARCHC_CACHE=FOLDER puts it elsewhere"
        ) from None
    try:
        if create and not path.exists():
            make_folder(path)
        check_owner(path, path.lstat())
    except FileNotFoundError:
        raise Unusable(f"`{path}` is not there") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Unusable(f"`{path}` cannot be used: {why}", "ARCHC_CACHE=FOLDER puts it elsewhere") from None
    return path


def make_folder(path: Path) -> None:
    """Makes a folder that is the user's alone, and those above it. Raises Unusable where the lowest that is there is another user's.

    So `sudo archc` leaves nothing of root's in the home of who called it.
    """
    above = next(each for each in path.parents if each.exists())
    if os.name == "posix" and above.stat().st_uid not in (os.geteuid(), 0):
        raise Unusable(f"`{above}` belongs to another user", "ARCHC_CACHE=FOLDER puts the cache elsewhere")
    for each in reversed([path, *path.parents]):
        if each.is_relative_to(above) and each != above:
            each.mkdir(0o700, exist_ok=True)


def check_owner(path: Path, status: os.stat_result) -> None:
    """Raises Unusable where a folder is none, or another user owns it or may write to it. Windows keeps a user's own folders so."""
    if not stat.S_ISDIR(status.st_mode):
        raise Unusable(f"`{path}` is no folder", "ARCHC_CACHE=FOLDER puts the cache elsewhere")
    if os.name != "posix":
        return
    if status.st_uid != os.geteuid():
        raise Unusable(f"`{path}` belongs to another user", "ARCHC_CACHE=FOLDER puts the cache elsewhere")
    if status.st_mode & OTHERS_WRITE:
        raise Unusable(
            f"others may write to `{path}`", f"chmod go-w '{path}', and `archc cache clear` if they may have"
        )
