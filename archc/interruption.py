"""Ctrl-C and SIGTERM: the command says `interrupted` and ends with 130, whatever it is at, and leaves nothing unfinished.

The first signal raises KeyboardInterrupt, so that `finally` clauses do their work. Inside an import it would come out as another
error, or be swallowed, so there the process ends at once. So it does at a second signal, and in commands that call large libraries
GRACE_S after the first one: no exception reaches the main thread in a long call. What ends at once removes its temporary files
itself.

Only the command uses this (archc/__main__.py): who imports archc keeps the signals to themselves. It imports only what is built in
or loaded with Python.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` is a file, which would be read while Ctrl-C still is a traceback
import _thread
import os
import sys
import time

from . import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType
    from typing import Any, NoReturn

SIGNALS = (_signal.SIGINT, _signal.SIGTERM)
INTERRUPTED = 130
GRACE_S = 1.0
# for whoever ends the process to remove its temporary files: of a large model, on a busy disk
REMOVAL_S = 10.0
STRUCTURED = ("json", "sarif", "github")
# What a program reads that asked for a format. They are texts, because nothing can be imported any more; a test holds them
# against what the command prints of any other error.
DOCUMENTS = {
    "json": '{"ok": false, "error": {"code": "interrupted", "message": "interrupted", "help": "", "exit_code": 130}, "diagnostics": []}',
    "sarif": '{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [{"tool": {"driver": '
             f'{{"name": "archc", "version": "{__version__}", "rules": [{{"id": "interrupted"}}]}}}}, '
             '"columnKind": "unicodeCodePoints", "results": [{"ruleId": "interrupted", "level": "error", "message": {"text": '
             '"interrupted"}}], "invocations": [{"executionSuccessful": false, "exitCode": 130}]}]}',
    "github": "::error title=archc interrupted::interrupted",
}  # fmt: skip

ending = _thread.allocate_lock()


class State:
    """Whether signals are caught, how many have come, and whether an answer, or a part of it, stands on standard output already."""

    caught = False
    signals = 0
    answered = False


def run_interruptibly(command: Callable[[], int]) -> int:
    """The exit code of `command`; a signal ends the process while it runs. The end of Python that follows is not disturbed."""
    catch_signals()
    try:
        code = command()
    except BaseException:
        end_if_interrupted()
        raise
    end_if_interrupted()
    for number in SIGNALS:
        _signal.signal(number, _signal.SIG_IGN)
    return code


def catch_signals() -> None:
    """Has SIGINT and SIGTERM end this process as the module says. One that the shell had it ignore stays ignored."""
    for number in SIGNALS:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, interrupt)
    sys.unraisablehook = report_unraisable
    State.caught = True


def limit_long_calls() -> None:
    """Has a signal end the process GRACE_S later, though the main thread does not answer. For commands that call large libraries.

    Others have no such calls, and a second thread makes all memory a little slower. Where no signals are caught it does nothing.
    """
    if not State.caught:
        return
    try:
        reader, writer = os.pipe()
        if os.name == "posix":
            os.set_blocking(writer, False)
        # Python's own handler in C writes here at once, whatever the main thread is at
        _signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        _thread.start_new_thread(end_in_time, (reader,))
    except (OSError, RuntimeError, ValueError):
        pass  # no file or thread is to be had: a long call is waited for


def interrupt(_number: int, frame: FrameType | None) -> None:
    """What the main thread does at a signal. Raises KeyboardInterrupt, or ends the process, unless that is under way already."""
    State.signals += 1
    if ending.locked():
        return
    if State.signals > 1 or is_importing(frame):
        end_at_once()
    raise KeyboardInterrupt


def is_importing(frame: FrameType | None) -> bool:
    """Whether the code that `frame` runs was called by an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def end_in_time(reader: int) -> None:
    """Waits, in a thread of its own, for a signal, and ends the process if the main thread has not done so in time."""
    while os.read(reader, 1)[0] not in SIGNALS:
        pass
    time.sleep(GRACE_S)
    end_at_once()


def report_unraisable(unraisable: Any) -> None:
    """As Python does, but for an interrupt: it came in a place that swallows exceptions, and the process ends without it."""
    if not State.signals:
        sys.__unraisablehook__(unraisable)


def end_if_interrupted() -> None:
    """Ends the process if a signal has come, whatever its exception has become since."""
    if State.signals:
        end_at_once()


def end_at_once() -> NoReturn:
    """Says `interrupted`, removes temporary files, and ends the process without Python's own end, which might wait for threads.

    Where another thread does that already, this one waits for it.
    """
    if ending.acquire(timeout=REMOVAL_S):
        try:
            remove_temporaries(sys.argv[1:])
        except BaseException:  # a folder that is gone
            pass
        try:
            write_stream(2, "\ninterrupted\n" if os.isatty(2) else "interrupted\n")
            if State.answered:
                sys.stdout.flush()
            elif document := DOCUMENTS.get(requested_format(sys.argv[1:])):
                write_stream(1, document + "\n")
        except BaseException:  # nothing may come between: a closed stream
            pass
    os._exit(INTERRUPTED)


def write_stream(stream: int, text: str) -> None:
    """Writes a text to a standard stream, past Python's buffers, in which the main thread may be."""
    try:
        os.write(stream, text.encode())
    except OSError:
        pass


def remove_temporaries(arguments: Sequence[str]) -> None:
    """Removes the private folders of this process, which have its number and token in their names, so that no other's are touched.

    They stand beside what is written: where the arguments name it, or here; for what goes to standard output in the folder for
    temporary files. There are none where compiler/files.py was not imported.
    """
    files, tempfile = sys.modules.get("archc.compiler.files"), sys.modules.get("tempfile")
    if files is None or not hasattr(files, "abandon"):
        return  # not imported, or not to its end
    places = {part for word in arguments for part in (word, word.partition("=")[2], word[2:])}
    folders = {os.path.dirname(path) or "." for place in places for path in (place, os.path.realpath(place))}
    folders |= {".", *filter(os.path.isdir, places)}
    if tempfile and tempfile.tempdir:
        folders.add(tempfile.tempdir)
    own = f".{os.getpid()}.{files.TOKEN}"
    for folder in folders:
        try:
            for name in os.listdir(folder):
                if name.endswith(files.SUFFIX) and own in name:
                    files.abandon(os.path.join(folder, name))
        except (OSError, ValueError):
            pass


def requested_format(arguments: Sequence[str]) -> str:
    """The `--format` of a command line, which may be wrong elsewhere; text where it asks for none that programs read."""
    form = "text"
    for at, word in enumerate(arguments):
        if word == "--":
            break
        if word == "--format":
            form = "".join(arguments[at + 1 : at + 2])
        elif word.startswith("--format="):
            form = word.removeprefix("--format=")
    return form if form in STRUCTURED else "text"
