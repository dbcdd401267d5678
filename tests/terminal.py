"""archc in a terminal: a process whose standard streams are a pseudo-terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def run_in_terminal(arguments: list[str], folder: Path, columns: int) -> tuple[int, list[str]]:
    """Runs archc in `folder`; gives its exit code and the lines that the terminal shows, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "ARCHC_DEBUG")}
    process = subprocess.Popen([sys.executable, "-m", "archc", *arguments], cwd=folder, env={**env, "TERM": "xterm"},
                               stdin=theirs, stdout=theirs, stderr=theirs)  # fmt: skip
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed: so Linux says that all is read
            part = b""
        if not part:
            break
        text += part
    os.close(ours)
    return process.wait(), COLOURS.sub("", text.decode()).replace("\r\n", "\n").splitlines()
