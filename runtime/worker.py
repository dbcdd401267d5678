"""The process that opens and runs a model from elsewhere: remote.py starts it with `python -c`, which calls `main`.

It reads frames from its standard input and answers each on its standard output. Nothing that a model, onnxruntime or a driver
prints gets there. It holds one model, keeps to its limit of memory, and ends with the process that started it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from .devices import choose_device
from .faults import RuntimeFault
from .frames import BrokenFrame, FrameTooLarge, read_frame, write_frame
from .inference import Engine

# bytes that the system counts for each thread, where it does not say
STACK = 8 * 2**20


def main() -> None:
    """Answers frames until there is none. The last argument is the file that closes when the parent ends."""
    # the terminal sends it to both; the parent decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(int(sys.argv[1]))
    requests, replies = claim_streams()
    worker = Worker()
    try:
        while (frame := read_frame(requests, sys.maxsize)) is not None:
            worker.answer(*frame, replies)
    except (BrokenFrame, OSError):
        # the parent has gone
        pass
    # what onnxruntime does at its end is of no use to anyone
    os._exit(0)


def claim_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for frames alone; whoever else reads or writes these, and standard error, has the null device."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1) if os.environ.get("ARCHC_DEBUG") else (0, 1, 2):
        os.dup2(null, stream)
    return requests, replies


def end_with_parent(lifeline: int) -> None:
    """Has the system end this process when the parent's end of `lifeline` closes, whatever it is doing then.

    SIGIO's default is to end a process. (PR_SET_PDEATHSIG would do so when the thread ends that opened the model.)
    """
    try:
        import fcntl
    except ImportError:
        # on Windows the end of standard input is seen between two frames
        return
    if hasattr(os, "O_ASYNC"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
        try:
            closed_already = os.read(lifeline, 1) == b""
        except BlockingIOError:
            closed_already = False
        if closed_already:
            os._exit(0)


class Worker:
    """One model, opened by the first frame."""

    def __init__(self) -> None:
        self.engine: Engine
        self.own_bytes: int | None = None

    def answer(self, head: Mapping[str, Any], values: list[Any], replies: BinaryIO) -> None:
        """Does what a frame asks for, and writes what came of it: a head with `fault`, `error` or `too_large` where it went wrong."""
        try:
            found, given = self.do(head, values)
            write_frame(replies, found, given)
        except RuntimeFault as fault:
            write_frame(replies, {"fault": [fault.code, fault.message, fault.help, fault.exit_code]})
        except MemoryError:
            write_frame(replies, {"fault": None})
        except FrameTooLarge as error:
            write_frame(replies, {"too_large": str(error)})
        except OSError:
            raise
        # onnxruntime's own exceptions share no root but this
        except Exception as error:
            write_frame(replies, {"error": str(error)[:10_000]})

    def do(self, head: Mapping[str, Any], values: list[Any]) -> tuple[dict[str, Any], list[Any]]:
        """The head and the values of the answer."""
        self.limit_memory(head["memory"], head)
        if head["do"] == "open":
            self.engine = Engine(Path(head["path"]), head["device"], head["threads"], head["options"])
            ports = [[[each.name, each.type, each.shape] for each in which]
                     for which in (self.engine.get_inputs(), self.engine.get_outputs())]  # fmt: skip
            choice = self.engine.choice
            return {"inputs": ports[0], "outputs": ports[1], "providers": self.engine.get_providers(),
                    "device": choice.device, "reason": choice.reason, "gpu_unusable": choice.gpu_unusable,
                    "precision": choice.precision, "settings": dict(choice.settings), "nodes": self.engine.nodes}, []  # fmt: skip
        arrays = dict(zip(head["inputs"], values, strict=True))
        if head["do"] == "record":
            found = self.engine.record(head["outputs"], arrays, head["runs"], head["warm_up"])
            return {"kernels": [[*each] for each in found.kernels], "run_seconds": found.run_seconds}, []
        return {}, self.engine.run(head["outputs"], arrays)

    def limit_memory(self, size: int, head: Mapping[str, Any]) -> None:
        """Lets the process have `size` bytes of memory more than it has before the model, where the system can hold it to that.

        Not on a GPU: its driver maps far more than it uses. There the parent watches.
        """
        if not sys.platform.startswith("linux"):
            return
        import resource

        if self.own_bytes is None:
            # what it takes is not the model's
            import onnxruntime  # noqa: F401

            if choose_device(head["device"], head["options"]).device != "cpu":
                return
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
            threads = (head["threads"] or os.cpu_count() or 1) + 2
            self.own_bytes = data_bytes() + threads * (stack if 0 < stack < 2**30 else STACK)
        # a hard limit that is there stays: only the administrator could raise it again
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        wanted = min(self.own_bytes + size, sys.maxsize)
        resource.setrlimit(
            resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


def data_bytes() -> int:
    """The bytes of memory of this process that count against RLIMIT_DATA."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
