"""Ctrl-C and SIGTERM while a net is trained: the first one ends the run after its step, with a checkpoint; a second one ends it at once."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# torchrun hands on a signal that its processes have got from the terminal already: what comes so soon is the same one
SAME_S = 5.0


class StopRequest:
    """Inside the `with` block, whether somebody asked the run to end. With several processes all of them end after the same step.

    Signals are caught in the main thread only; elsewhere, as in a notebook's thread, nobody can ask.
    """

    def __init__(self, world_size: int = 1) -> None:
        self.world_size, self.asked, self.asked_at = world_size, False, 0.0
        self.decided = False
        self.before: dict[int, Any] = {}
        self._pending: tuple[Any, Any] | None = None
        self._group: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self.before[number] = signal.signal(number, self.ask)
        if self.world_size > 1:
            from torch import distributed

            # on the CPU, so that no step waits for a GPU to know
            self._group = distributed.new_group(backend="gloo")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()

    def restore(self) -> None:
        """Gives the signals back to whoever had them before."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def ask(self, number: int, frame: FrameType | None) -> None:
        """What a signal does."""
        if self.asked and (self.world_size == 1 or time.monotonic() - self.asked_at > SAME_S):
            handler = self.before.get(number)
            self.restore()
            if callable(handler):
                handler(number, frame)
            raise KeyboardInterrupt
        if not self.asked:
            self.asked, self.asked_at = True, time.monotonic()

    def agreed(self) -> bool:
        """Whether all processes end now; each of them calls this once a step. Several hear of it one step later."""
        if self._group is None:
            self.decided = self.asked
            return self.decided
        import torch
        from torch import distributed

        if self._pending is not None:
            work, flag = self._pending
            work.wait()
            self.decided = bool(flag.item())
        flag = torch.tensor([int(self.asked)])
        self._pending = distributed.all_reduce(flag, distributed.ReduceOp.MAX, group=self._group, async_op=True), flag
        return self.decided
