"""The command line: its entry. What ends a command becomes a message and an exit code in errors.py, and nowhere else.

Each command is a module of its own and is imported when it is used, so that `archc --help` answers at once. Exit codes: 0 fine,
1 the spec, the model or the data is wrong, 2 wrong usage, 3 the environment cannot do it, 70 a bug of ours, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from ..interruption import end_if_interrupted, requested_format


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code; raises nothing unless ARCHC_DEBUG is set."""
    prepare_streams()
    words = [*(sys.argv[1:] if arguments is None else arguments)]  # `list` is a command here
    try:
        code = run_command(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        leave_pipe()
        return 0
    except BaseException as error:
        end_if_interrupted()  # whatever its exception has become
        from .errors import report_error

        return report_error(error, requested_format(words))


def run_command(arguments: list[str]) -> int:
    """Runs one command and returns its exit code; without a command, prints the help. Whatever goes wrong is an exception."""
    import gc

    # imports and a spec's tree make many objects and hardly any garbage: fewer collections, a tenth less time
    gc.set_threshold(50_000, 20, 100)
    import click

    from .commands import cli

    if "_ARCHC_COMPLETE" in os.environ:
        cli.main(arguments, prog_name="archc")  # a shell asks for completions
    try:
        with cli.make_context("archc", arguments or ["--help"]) as context:
            return cli.invoke(context) or 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None


def prepare_streams() -> None:
    """Makes the standard streams usable: a closed one becomes the null device, and characters that its encoding lacks are escaped."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # its number is taken by a file for reading: what `-o -` writes must not end in the null device, nor in another file
            os.open(os.devnull, os.O_RDONLY)
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def leave_pipe(*streams: TextIO) -> None:
    """Sends the rest of standard output, or of `streams`, to the null device: the reader has gone, and the interpreter's last flush
    would fail."""
    for stream in streams or (sys.stdout,):
        with suppress(OSError, ValueError), open(os.devnull, "w") as null:
            os.dup2(null.fileno(), stream.fileno())
