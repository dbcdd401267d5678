"""A file that is written once and never read again for its digest: its bytes are hashed on their way, in a thread."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Any, Self

from .content_names import OutputFile

BLOCK = 2**20  # bytes that are gathered before they are written and hashed; they stay in the CPU's cache meanwhile
WRITEBACK = 8 * 2**20  # bytes that are written before the disk begins with them
WAITING = 4  # blocks that may wait for the thread, which bounds the memory


class HashedFile:
    """A new file at `path`, or one that is written over. A context manager; after its block, `written` is the file with its digest.

    The thread begins with the second block, so a small file has none. OpenSSL lets other threads run while it hashes.
    """

    written: OutputFile

    def __init__(self, path: Path) -> None:
        """Opens the file. Raises OSError where that fails."""
        self.path, self.size, self.advised = path, 0, 0
        self.file = path.open("wb")
        self.gathered = bytearray()
        self.digest = hashlib.sha256()
        self.waiting: Queue[bytearray | None] = Queue(WAITING)
        self.thread: Thread | None = None

    def __enter__(self) -> Self:
        return self

    def tell(self) -> int:
        """How many bytes have been written."""
        return self.size

    def write(self, data: Any) -> None:
        """Adds bytes, or the memory of a contiguous array. They are copied, so that a map behind them may change or go at once.

        Raises OSError where the disk is full.
        """
        view = memoryview(data).cast("B")
        for begin in range(0, len(view), BLOCK):
            self.gathered += view[begin : begin + BLOCK]
            if len(self.gathered) >= BLOCK:
                self.hand_on()
        self.size += len(view)

    def hand_on(self) -> None:
        """Writes what is gathered, and gives it to the thread; where the system has no thread for us, it is hashed here."""
        block, self.gathered = self.gathered, bytearray()
        if self.thread is None:
            thread = Thread(target=self.hash_waiting, daemon=True)
            with suppress(RuntimeError):
                thread.start()
                self.thread = thread
        if self.thread is None:
            self.digest.update(block)
        else:
            self.waiting.put(block)
        self.file.write(block)
        self.begin_writeback()

    def begin_writeback(self) -> None:
        """Has the system bring what is written to the disk from now on, so that who forces it there waits for the rest alone.

        The advice is that it need not be kept; Linux then begins to write, without waiting, and keeps what is not on the disk yet.
        """
        begin, end = self.advised, self.file.tell()
        if end - begin >= WRITEBACK and hasattr(os, "posix_fadvise"):
            with suppress(OSError):
                os.posix_fadvise(self.file.fileno(), begin, end - begin, os.POSIX_FADV_DONTNEED)
            self.advised = end

    def hash_waiting(self) -> None:
        """Hashes the blocks in their order until there are no more. What the thread does."""
        while (block := self.waiting.get()) is not None:
            self.digest.update(block)
            self.waiting.task_done()

    def sha256_so_far(self) -> str:
        """The digest of the bytes so far, which it waits for, as a text of hexadecimal digits."""
        block, self.gathered = self.gathered, bytearray()
        self.file.write(block)
        if self.thread is None:
            self.digest.update(block)
        else:
            self.waiting.put(block)
            self.waiting.join()
        return self.digest.hexdigest()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:  # fmt: skip
        """Writes the rest and waits for the digest; after an error it only closes the file."""
        try:
            with self.file:
                if error is None:
                    self.file.write(self.gathered)
        finally:
            if self.thread is not None:
                self.waiting.put(None)
                self.thread.join()
        if error is None:
            self.digest.update(self.gathered)
            self.written = OutputFile(self.path, self.digest.hexdigest(), self.size)
