"""Runs many command lines in one process: `python -m tests.batch CASES.json ANSWERS.jsonl`.

A case is {"folder", "arguments"}. It runs in its folder; an answer {"folder", "code", "text", "touched", "peak_mb"} is written when it has ended,
so a process that dies or hangs has left the answers up to there. `chdir` begins a case in a trace of system calls. `touched` is what
Python's audit hooks saw: files, processes, sockets and code, also where there is no strace.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

# events by what they do; a path or a name is their first argument
WRITES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime",
          "os.setxattr", "os.mkfifo", "os.mknod", "shutil.move", "shutil.rmtree", "shutil.copyfile", "tempfile.mkdtemp", "sqlite3.connect")  # fmt: skip
PROCESSES = (
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "pty.spawn",
)
CODE = ("pickle.find_class", "cpython.run_file", "cpython.run_command")
# whose last arguments, one for each path, are the open folders that the paths begin in; -1 for none
IN_FOLDERS = ("os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.rename", "os.link")
TWO_PATHS = ("os.rename", "os.link", "os.symlink", "shutil.move", "shutil.copyfile")

touched: list[tuple[str, str]] = []


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook: notes what an event did. It calls nothing that raises an event of these."""
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        note("write" if writes else "read", arguments[0])
    elif event in WRITES:
        count = 1 + (event in TWO_PATHS)
        folders = arguments[-count:] if event in IN_FOLDERS else (-1,) * count
        for path, folder in zip(arguments[:count], folders, strict=True):
            if isinstance(path, (str, bytes, os.PathLike)):
                begin = f"/proc/self/fd/{folder}" if isinstance(folder, int) and folder >= 0 else ""
                note("write", os.path.join(begin, os.fsdecode(path)))
    elif event in PROCESSES:
        touched.append(("process", f"{event} {arguments!s:.2000}"))
    elif event in CODE:
        touched.append(("code", f"{event} {arguments!s:.2000}"))
    elif event.startswith("socket.") and event != "socket.gethostname":
        touched.append(("socket", f"{event} {arguments!s:.2000}"))


def note(kind: str, path: Any) -> None:
    """Notes a path, absolute and without links, as it is now."""
    touched.append((kind, os.path.realpath(os.fsdecode(path))))


def peak_memory_mb() -> int:
    """The most memory that this process has had; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)


def main(cases: str, answers: str) -> None:
    """Runs the cases of one file, and writes their answers into another."""
    given = json.loads(Path(cases).read_text("utf-8"))
    from archc.cli import main as archc

    sys.addaudithook(watch)
    with open(answers, "w", encoding="utf-8") as file:
        for case in given:
            os.chdir(case["folder"])
            touched.clear()
            text = io.StringIO()
            with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
                code = archc([os.fsdecode(os.fsencode(word)) for word in case["arguments"]])
            answer = {
                "folder": case["folder"],
                "code": code,
                "text": text.getvalue(),
                "touched": touched,
                "peak_mb": peak_memory_mb(),
            }
            file.write(json.dumps(answer) + "\n")
            file.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
