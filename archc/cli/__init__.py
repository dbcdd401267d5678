"""The command line: its entry, and the one place where what went wrong becomes a message and an exit code.

Commands live in modules of their own and are imported when used, so that `archc --help` answers at once. Exit codes: 0
fine, 1 the spec, model or data is wrong, 2 usage, 3 the environment cannot, 70 a bug of ours, 130 interrupted.
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
        code = execute([*(sys.argv[1:] if arguments is None else arguments)])  # `list` is a command here
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
        return report(error)


def execute(arguments: list[str]) -> int:
    """Runs one command and returns its exit code. Click's own errors are told here; any other exception passes."""
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
        from .render import usage

        print_error(usage(error))
        return error.exit_code


def report(error: BaseException) -> int:
    """Prints what stopped the command on standard error, and returns its exit code."""
    from ..compiler.diagnostics import Failure, SpecError
    from .render import bug, diagnostics, failure

    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, SpecError):
        print_error(diagnostics(error.diagnostics, sys.stderr))
        return 1
    if isinstance(error, Failure) or is_runtime_fault(error):
        print_error(failure(error, sys.stderr))
        return int(error.exit_code)  # type: ignore[attr-defined]
    stop = as_environment_failure(error)
    if stop is not None:
        print_error(failure(stop, sys.stderr))
        return stop.exit_code
    print_error(bug(error, sys.stderr))
    return 70


def is_runtime_fault(error: BaseException) -> bool:
    """Whether the runtime raised it on purpose. If the runtime was never imported, it did not."""
    faults = sys.modules.get("archc.runtime.faults")
    return faults is not None and isinstance(error, faults.RuntimeFault)


def as_environment_failure(error: BaseException) -> Failure | None:
    """The Failure to report where the machine is at fault (no memory, no space, no permission), else None."""
    from ..compiler.diagnostics import Failure

    if isinstance(error, MemoryError):
        return Failure("out-of-memory", "there is not enough memory for this", exit_code=3)
    if isinstance(error, OSError) and error.errno is not None:
        about = f"`{error.filename}`: " if error.filename else ""
        return Failure("os-error", f"{about}{error.strerror or error}", exit_code=3)
    return None


def print_error(text: str) -> None:
    """One message on standard error."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody listens


def prepare_streams() -> None:
    """Streams that can say everything: a closed one is the null device, and what an encoding lacks is escaped."""
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
    """The reader has gone; keeps the interpreter's last flush from failing aloud."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
