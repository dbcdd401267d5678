"""The command line: its entry, and the one place where an error becomes a message and an exit code.

Each command is a module of its own and is imported when it is used, so that `archc --help` answers at once. Exit codes: 0 fine,
1 the spec, the model or the data is wrong, 2 wrong usage, 3 the environment cannot do it, 70 a bug of ours, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..compiler.diagnostics import Failure


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code; raises nothing unless ARCHC_DEBUG is set."""
    prepare_streams()
    try:
        code = run_command([*(sys.argv[1:] if arguments is None else arguments)])  # `list` is a command here
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        leave_pipe()
        return 0
    except KeyboardInterrupt:
        print_error("interrupted")
        return 130
    except BaseException as error:
        if os.environ.get("ARCHC_DEBUG"):
            raise
        return report_error(error)


def run_command(arguments: list[str]) -> int:
    """Runs one command and returns its exit code. Click's own errors are printed here; any other exception passes."""
    import gc

    # imports and a spec's tree make many objects and hardly any garbage: fewer collections, a tenth less time
    gc.set_threshold(50_000, 20, 100)
    import click

    from .commands import cli

    if "_ARCHC_COMPLETE" in os.environ:
        cli.main(arguments, prog_name="archc")  # a shell asks for completions
    try:
        with cli.make_context("archc", arguments) as context:
            return cli.invoke(context) or 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        from .render import format_usage_error

        print_error(format_usage_error(error))
        return error.exit_code


def report_error(error: BaseException) -> int:
    """Prints the error that stopped the command on standard error, and returns the exit code for it."""
    from ..compiler.diagnostics import Failure, SpecError
    from .render import format_bug, format_diagnostics, format_failure

    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, SpecError):
        print_error(format_diagnostics(error.diagnostics, sys.stderr))
        return 1
    if isinstance(error, Failure) or is_runtime_fault(error):
        print_error(format_failure(error, sys.stderr))
        return int(error.exit_code)  # type: ignore[attr-defined]
    stop = environment_failure(error)
    if stop is not None:
        print_error(format_failure(stop, sys.stderr))
        return stop.exit_code
    print_error(format_bug(error, sys.stderr))
    return 70


def is_runtime_fault(error: BaseException) -> bool:
    """Whether it is a RuntimeFault, without importing the runtime: if it was never imported, it raised none."""
    faults = sys.modules.get("archc.runtime.faults")
    return faults is not None and isinstance(error, faults.RuntimeFault)


def environment_failure(error: BaseException) -> Failure | None:
    """The Failure for an error of the machine (no memory, no space, no permission); None for any other."""
    from ..compiler.diagnostics import Failure

    if isinstance(error, MemoryError):
        return Failure("out-of-memory", "there is not enough memory for this", exit_code=3)
    if isinstance(error, OSError) and error.errno is not None:
        about = f"`{error.filename}`: " if error.filename else ""
        return Failure("os-error", f"{about}{error.strerror or error}", exit_code=3)
    return None


def print_error(text: str) -> None:
    """Prints one message on standard error."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        pass  # standard error is closed


def prepare_streams() -> None:
    """Makes the standard streams usable: a closed one becomes the null device, and characters that its encoding lacks are escaped."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def leave_pipe() -> None:
    """Sends the rest of the output to the null device: the reader has gone, and the interpreter's last flush would fail."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
