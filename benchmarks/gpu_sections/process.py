"""A section in a process of its own: what kills it leaves the others alone, and the card's memory is free again when it ends."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from .plan import Section, Task
from .rows import NOT_REACHED, Row, failed, unmeasured

# before it is stopped a section has a while to come to an end by itself
LAST_SHARE = 0.1
LAST_BREATH_S = 5


def run_section(section: Section, task: Task, seconds: float) -> Iterator[Row | dict[str, Any]]:
    """The facts about the device (one object without `what`), then the section's rows as they come; it is stopped after `seconds`.

    What was raised, or that the process died or was stopped, is a row called as the section.
    """
    context = multiprocessing.get_context("spawn")
    rows, theirs = context.Pipe(duplex=False)
    stops = time.monotonic() + seconds
    task = task._replace(settings=section.settings, ends=stops - seconds * LAST_SHARE)
    process = context.Process(target=serve, args=(section, task, theirs))
    process.start()
    theirs.close()
    try:
        while rows.poll(max(0.0, stops - time.monotonic())):
            row = rows.recv()
            if row is None:
                return
            yield row
        yield unmeasured(section.name, NOT_REACHED, f"the section was stopped after {seconds:.0f} s")
    except (EOFError, OSError):
        process.join(LAST_BREATH_S)
        yield failed(section.name, f"the section's process ended with {process.exitcode}")
    finally:
        end_process(process)


def end_process(process: Any) -> None:
    """Ends a section's process, and all that it started."""
    process.join(0.2)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        # it has no group of its own yet, or has ended with all that it started
        process.kill()
    process.join()


def serve(section: Section, task: Task, rows: Connection) -> None:
    """The section's process: sends what it knows of the device, its rows, and None at the end."""
    os.setsid()
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        module = importlib.import_module(section.module if "." in section.module else f"{__package__}.{section.module}")
        rows.send({} if section.reads_results else describe_device(task.device))
        for row in module.measure(task):
            rows.send(row)
    except Exception as error:
        rows.send(failed(section.name, error))
    rows.send(None)


def describe_device(name: str) -> dict[str, Any]:
    """What a figure depends on beside the processor."""
    from .device import describe_card

    return describe_card(name)


def end_with_parent() -> None:
    """Waits for the parent's end, and then ends this process with all that it started: nobody would read what they measure."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)
