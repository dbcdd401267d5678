"""Tasks on several cores: each in one of a few processes, which are kept, because Python and torch take longer to start than most builds.

A process that dies, as one does where memory ends, fails the task that it was at, and another takes its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..runtime.cores import count_cores
from ..runtime.processes import receive_signals, start_process

# for a process to end after a signal: it removes what it has not finished
GRACE_S = 12.0


class Died(NamedTuple):
    """What stands for the answer of a process that ended instead. A negative `exit_code` is the signal that ended it."""

    exit_code: int


def run_each(function: Callable[[Any], Any], tasks: Sequence[Any], jobs: int) -> Iterator[tuple[int, Any]]:
    """(index, answer) of each task as they finish; `function` is of a module, and what it takes and gives can be pickled.

    Where the caller stops early, or is interrupted, the processes end, and what they were at is given up.
    """
    from multiprocessing.connection import wait

    threads = max(1, count_cores() // jobs)
    waiting = list(enumerate(tasks))[::-1]
    workers: list[PoolProcess] = []
    try:
        workers += [PoolProcess(function, threads) for _ in range(min(jobs, len(tasks)))]
        busy: dict[Any, PoolProcess] = {worker.answers: worker for worker in workers if worker.take(waiting)}
        while busy:
            for answers in wait(list(busy)):
                worker = busy.pop(answers)
                index, answer = worker.finish()
                if isinstance(answer, Died):
                    workers.remove(worker)
                    if waiting:
                        worker = PoolProcess(function, threads)
                        workers.append(worker)
                if waiting and worker.take(waiting):
                    busy[worker.answers] = worker
                yield index, answer
    finally:
        end_all(workers)


class PoolProcess:
    """A process that calls `function` for one task after the other, with `threads` threads for arithmetic."""

    def __init__(self, function: Callable[[Any], Any], threads: int) -> None:
        from multiprocessing import get_context

        context = get_context("spawn")
        self.index = 0
        # a pipe that goes both ways would be a pair of sockets
        theirs, self.tasks = context.Pipe(duplex=False)
        self.answers, back = context.Pipe(duplex=False)
        self.process = context.Process(target=serve, args=(theirs, back, function, threads), daemon=True)
        start_process(self.process)
        theirs.close()
        back.close()

    def take(self, waiting: list[tuple[int, Any]]) -> bool:
        """Gives the process the last of the tasks that wait; whether there was one. Where it has died, `finish` will tell."""
        if not waiting:
            return False
        self.index, task = waiting.pop()
        try:
            self.tasks.send(task)
        except BrokenPipeError:
            pass
        return True

    def finish(self) -> tuple[int, Any]:
        """The index of its task, and the answer; waits for it."""
        try:
            return self.index, self.answers.recv()
        except (EOFError, OSError):
            self.process.join()
            return self.index, Died(self.process.exitcode or 0)


def end_all(workers: Sequence[PoolProcess]) -> None:
    """Ends the processes: those without a task by closing their pipes, the others by a signal, which they answer within a second."""
    for worker in workers:
        worker.tasks.close()
        worker.answers.close()
        worker.process.terminate()
    for worker in workers:
        worker.process.join(GRACE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def serve(tasks: Any, answers: Any, function: Callable[[Any], Any], threads: int) -> None:
    """What a process does. It ends when its pipe does, and says nothing: what is to be said is in the answers."""
    from ..interruption import catch_signals, end_if_interrupted, limit_long_calls

    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1) if os.environ.get("ARCHC_DEBUG") else (0, 1, 2):
        os.dup2(null, stream)
    catch_signals()
    limit_long_calls()
    try:
        receive_signals()
        while True:
            answers.send(function(tasks.recv()))
    except (EOFError, BrokenPipeError):
        pass
    finally:
        end_if_interrupted()


def available_memory() -> int | None:
    """The bytes of memory that can be had without swapping; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next((1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable:")), None)
    except (OSError, ValueError):
        return None
