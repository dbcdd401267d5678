"""What a process touched beside its memory: files read and written, processes and sockets, from a trace of its system calls.

strace tells it of Python and of every library in the process; where there is no strace, the audit hooks of tests/batch.py tell it of
Python alone. Only calls that succeed count, but for sockets: a connection that nobody answers was tried.
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import archc


class Touch(NamedTuple):
    """One thing that was touched. `kind` is read, write, process, socket or code; `what` is a path, without links, or a call."""

    kind: str
    what: str


Touches = dict[str, list[Touch]]  # by the folder that the process was in

STRACE = shutil.which("strace") if sys.platform == "linux" else None
WRITING = ("unlink", "rename", "mkdir", "rmdir", "link", "symlink", "chmod", "fchmodat", "truncate", "mknod", "creat")
STARTING = ("execve", "execveat", "fork", "vfork", "clone", "clone3")
CALLS = ["openat", "open", "openat2", "chdir", "socket", "connect", "bind", *STARTING, *WRITING]
CALLS += [f"{call}at" for call in ("unlink", "rename", "mkdir", "link", "symlink", "mknod")] + ["renameat2"]

INSTALLATION = tuple(
    {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, *filter(None, sys.path), Path(archc.__file__).parent.parent)}
)  # fmt: skip
# what Python, the C library, numpy, torch and onnxruntime read of the system when they start
SYSTEM = re.compile(
    r"/(usr/(local/)?)?lib(32|64)?/.*|/etc/ld\.so\.(cache|preload)|/usr/share/(locale|zoneinfo)/.*|/etc/(locale\.alias|localtime|os-release|ssl/openssl\.cnf)"
    r"|/proc/(self|\d+)/(maps|environ|status|stat|statm|cmdline|cgroup|mountinfo|task/.*|fd/?.*)|/proc/(cpuinfo|meminfo|stat|filesystems)"
    r"|/proc/sys/(vm/overcommit_memory|kernel/.*)|/proc/driver/nvidia/.*|/sys/(devices|bus/pci|fs/cgroup|kernel/mm|class)(/.*)?"
    r"|/dev/(null|urandom|random|nvidia.*)"
)
WRITABLE = ("/dev/null",)


def tracing(trace: Path) -> list[str]:
    """The words before a command that trace it and what it starts into a file; none where there is no strace."""
    return (
        [STRACE, "-f", "--seccomp-bpf", "-y", "-s", "4096", "-e", f"trace={','.join(CALLS)}", "-o", str(trace)]
        if STRACE
        else []
    )


def read_trace(trace: Path, folder: str = "") -> Touches:
    """What a trace tells, by the folder that the process was in; `folder` is the first one."""
    found: Touches = {}
    for name, arguments, result in calls(trace):
        if name == "chdir" and result.startswith("0"):
            folder = decode(re.search(r'"((?:[^"\\]|\\.)*)"', arguments)[1])  # type: ignore[index]
        found.setdefault(folder, []).extend(touches(name, arguments, result, folder))
    return found


def calls(trace: Path) -> Iterator[tuple[str, str, str]]:
    """(name, arguments, result) of each call; one that another thread interrupts stands in two lines."""
    begun: dict[str, str] = {}
    for line in trace.read_text("utf-8", "replace").splitlines():
        process, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[process] = text.removesuffix("<unfinished ...>").rstrip()
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", text):
            text = begun.pop(process, "") + resumed[1]
        if call := re.match(r"(\w+)\((.*)\)\s+= (.*)", text):
            yield call[1], call[2], call[3]


def touches(name: str, arguments: str, result: str, folder: str) -> Iterator[Touch]:
    """What one call touched."""
    if name in ("socket", "connect", "bind"):
        yield Touch("socket", f"{name}({arguments})")
    elif result.startswith("-1"):
        return
    elif name in STARTING:
        if "CLONE_THREAD" not in arguments:
            yield Touch("process", f"{name}({arguments})")
    elif name.startswith(WRITING):
        for place, path in re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', arguments):
            yield Touch("write", os.path.realpath(os.path.join(decode(place) or folder, decode(path))))
    elif opened := re.match(r"\d+<(.*)>", result):
        writes = re.search("O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", arguments)
        yield Touch("write" if writes else "read", decode(opened[1]).removesuffix(" (deleted)"))


def decode(text: str) -> str:
    """A path as strace writes it, with escapes for what is not ASCII."""
    return os.fsdecode(codecs.escape_decode(text.encode())[0])  # type: ignore[attr-defined]


def trespasses(
    found: Iterable[Touch], readable: Iterable[str], writable: Iterable[str], processes: str = "(?!)"
) -> list[Touch]:
    """What was touched and may not be. `readable` are files and folders beside the installation and the system's own,
    `writable` those that may be written to, `processes` a pattern of what may be started."""
    writable = [*map(os.path.realpath, writable)]
    readable = [*map(os.path.realpath, readable), *writable]
    wrong = []
    for touch in found:
        if touch.kind == "write":
            fine = touch.what in WRITABLE or is_inside(touch.what, writable)
        elif touch.kind == "read":
            fine = is_inside(touch.what, (*readable, *INSTALLATION)) or bool(SYSTEM.fullmatch(touch.what))
        else:
            fine = touch.kind == "process" and bool(re.search(processes, touch.what))
        if not fine:
            wrong.append(touch)
    return wrong


def is_inside(path: str, places: Iterable[str]) -> bool:
    """Whether a path is one of the places, or below one; what is no file (a pipe, a socket) is inside of all."""
    return not path.startswith("/") or any(path == place or path.startswith(f"{place}/") for place in places)
