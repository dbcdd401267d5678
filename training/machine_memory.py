"""How much memory is left for a run: of the machine, of the control groups (containers) that this process is in, or of a GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

# cgroup v1 writes "no limit" as the largest number of pages
UNLIMITED = 1 << 60


def available_bytes(device: str, root: Path = Path("/")) -> int | None:
    """The bytes that can still be had on `device` ("cpu", "cuda:0"); None where the system does not tell."""
    if device.startswith("cuda"):
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        # what torch's allocator holds and nobody uses
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    found = [*free_in_machine(root), *free_in_groups(root)]
    return min(found) if found and device == "cpu" else None


def free_in_machine(root: Path) -> Iterator[int]:
    """MemAvailable of /proc/meminfo: what can be had without swapping."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", read_text(root / "proc/meminfo"), re.M)
    if found:
        yield 1024 * int(found[1])


def free_in_groups(root: Path) -> Iterator[int]:
    """What each limited control group of this process leaves; pages of files that can be given back count as free."""
    for line in read_text(root / "proc/self/cgroup").splitlines():
        _, kinds, path = (*line.split(":", 2), "", "")[:3]
        if not kinds:
            yield from free_in(root / "sys/fs/cgroup", path, ("memory.max", "memory.current", "inactive_file"))
        elif "memory" in kinds.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from free_in(root / "sys/fs/cgroup/memory", path, names)


def free_in(mount: Path, path: str, names: tuple[str, str, str]) -> Iterator[int]:
    """What a group and those that it is in leave. In a container its own group is the mount, and the path leads nowhere."""
    inside = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(inside) + 1):
        group = mount.joinpath(*inside[:depth])
        limit, used = (read_text(group / name).strip() for name in names[:2])
        if limit.isdigit() and used.isdigit() and int(limit) < UNLIMITED:
            cached = re.search(rf"^{names[2]} (\d+)$", read_text(group / "memory.stat"), re.M)
            yield max(int(limit) - int(used) + (int(cached[1]) if cached else 0), 0)


def read_text(path: Path) -> str:
    """A file of the system; empty where it cannot be read."""
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
