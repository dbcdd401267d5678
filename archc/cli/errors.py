"""What ended a command: a message on standard error for people, and one document on standard output where a program asked.

`--format json`, sarif and github are promises to a reader that parses: it gets one valid document however the command ends, a wrong
command line and a bug of ours too. Nothing of it is imported while all goes well.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from typing import Any, NamedTuple

from ..compiler.diagnostics import Diagnostic, Failure, SpecError, nearest
from .render import BUG_HELP, describe_bug, format_bug, format_diagnostics, format_failure


class Ending(NamedTuple):
    """Why a command ended without its answer: what a person reads, the one reason, and all diagnostics if a spec is wrong."""

    text: str
    reason: Failure
    diagnostics: tuple[Diagnostic, ...] = ()


def report_error(error: BaseException, form: str = "text") -> int:
    """Says what ended a command, in text on standard error and in `form` on standard output; returns the exit code.

    With ARCHC_DEBUG set it raises the error again, for its traceback, unless that would tell nothing.
    """
    if os.environ.get("ARCHC_DEBUG") and not (isinstance(error, KeyboardInterrupt) or is_usage_error(error)):
        raise error
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    ending = explain_ending(error)
    print_error(ending.text)
    if form != "text":
        try:
            print_document(ending, form)
            sys.stdout.flush()
        except OSError:
            pass  # standard output is closed, or its disk is full
    return ending.reason.exit_code


def explain_ending(error: BaseException) -> Ending:
    """What there is to say of an error. One that nobody here raised on purpose is a bug of ours."""
    if isinstance(error, KeyboardInterrupt):
        return Ending("interrupted", Failure("interrupted", "interrupted", exit_code=130))
    if isinstance(error, SpecError):
        first = next((d for d in error.diagnostics if d.severity == "error"), error.diagnostics[0])
        text = format_diagnostics(error.diagnostics, sys.stderr)
        return Ending(text, Failure(first.code, first.message, first.help, error.exit_code), error.diagnostics)
    reason = known_failure(error)
    if reason is not None:
        return Ending(format_failure(reason, sys.stderr), reason)
    return Ending(format_bug(error, sys.stderr), Failure("internal", describe_bug(error), BUG_HELP, 70))


def known_failure(error: BaseException) -> Failure | None:
    """The error as a Failure: one of ours, the runtime's, a wrong command line, or one of the machine. None for a bug."""
    if isinstance(error, Failure):
        return error
    if is_usage_error(error):
        return usage_failure(error)
    if is_runtime_fault(error):
        return Failure.of(error)
    if isinstance(error, ImportError):
        return import_failure(error)
    if isinstance(error, MemoryError):
        return Failure("out-of-memory", "there is not enough memory for this", exit_code=3)
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno == errno.ENOENT and not error.filename and not has_current_folder():
            return Failure(
                "os-error", "the current folder is gone: it was removed or moved", "cd to a folder that is there", 3
            )
        about = f"`{error.filename}`: " if error.filename else ""
        return Failure("os-error", f"{about}{error.strerror or error}", exit_code=3)
    return None


def has_current_folder() -> bool:
    """Whether the folder in which this process stands is still there."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def import_failure(error: ImportError) -> Failure | None:
    """The Failure for a package that does not import; None where the module is one of archc's own."""
    from ..runtime.packages import package_fault

    module = (error.name or "").split(".")[0]
    if module == __name__.split(".")[0]:
        return None
    if not module:  # numpy's own, which tells a long story
        return Failure("package-missing", f"a package does not import: {' '.join(str(error).split())[:200]}",
                       "archc doctor says which, and what to do", 3)  # fmt: skip
    return Failure.of(package_fault(module, error))


def is_usage_error(error: BaseException) -> bool:
    """Whether click raised it for a wrong command line. Where click is not installed, it raised none."""
    click = sys.modules.get("click")
    return click is not None and isinstance(error, click.ClickException)


def usage_failure(error: Any) -> Failure:
    """The Failure for a wrong command line, from click's exception."""
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "archc"
    near = nearest_choice(error)
    hint = f"did you mean `{near}`?" if near else f"see `{where} --help`"
    return Failure("usage", f"{message[:1].lower()}{message[1:]}", hint, error.exit_code)


def nearest_choice(error: Any) -> str | None:
    """Of an option that takes one of several words, the one that is like what was given; None for any other mistake."""
    choices = getattr(getattr(getattr(error, "param", None), "type", None), "choices", None)
    given = re.match(r"'(.{1,80}?)' is not one of ", str(getattr(error, "message", "")))
    return nearest(given[1], [str(each) for each in choices]) if choices and given else None


def is_runtime_fault(error: BaseException) -> bool:
    """Whether it is a RuntimeFault, without importing the runtime: if it was never imported, it raised none."""
    faults = sys.modules.get("archc.runtime.faults")
    return faults is not None and isinstance(error, faults.RuntimeFault)


def print_document(ending: Ending, form: str) -> None:
    """Prints the one document that a program gets: in json {"ok", "error", "diagnostics"}, else the format's own form."""
    from .answer import print_answer, print_json
    from .formats import diagnostic_json, github_annotations, sarif_log

    reason = ending.reason
    found = ending.diagnostics or (Diagnostic(reason.code, None, reason.message, help=reason.help),)
    if form == "github":
        print_answer("\n".join(github_annotations(found)))
    elif form == "sarif":
        print_json(sarif_log(found, failed_with=reason.exit_code))
    else:
        facts = {name: getattr(reason, name) for name in ("code", "message", "help", "exit_code")}
        print_json({"ok": False, "error": facts, "diagnostics": [diagnostic_json(d) for d in ending.diagnostics]})


def print_error(text: str) -> None:
    """Prints one message on standard error."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        pass  # standard error is closed
