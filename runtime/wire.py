"""Protobuf's wire format, read from a file through a window, so that a model of any size costs little.

A file may come from anywhere: every length is checked against the bytes that are there, and the fields are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

# some seconds
MAX_FIELDS = 4_000_000
MAX_TEXT = 2**20
WINDOW = 2**14
LONGEST_NUMBER = 10

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED_SIZES = {FIXED64: 8, FIXED32: 4}


class Message(NamedTuple):
    """The fields of a message that archc writes: by number and wire type (`number << 3 | wire`), whether it may stand there often.

    `others` says in words what some of those are that it does not write, by number.
    """

    name: str
    fields: Mapping[int, bool]
    others: Mapping[int, str] = MappingProxyType({})

    @classmethod
    def of(
        cls,
        name: str,
        once: Mapping[int, int],
        often: Mapping[int, int] = MappingProxyType({}),
        others: Mapping[int, str] = MappingProxyType({}),
    ) -> Message:
        """From the wire types by the numbers of the fields that stand there once, and of those that may stand there often."""
        return cls(name, {n << 3 | wire: n in often for n, wire in {**once, **often}.items()}, others)

    def describe(self, field: int) -> str:
        """What a field is that archc does not write, or not so, for people."""
        return self.others.get(field, f"a part of the {self.name} that archc does not write (ONNX's field {field})")


class WireReader:
    """Reads protobuf fields of a file, one after the other. It counts them, so that no file takes for ever.

    `at` is where it stands in the file. The window is what was read around there; what is skipped is not read. A number that begins in
    the window's first `safe` bytes ends in it. `surprise` says what the first field is that archc does not write; empty where there
    is none.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.at = self.fields = 0
        self.surprise = ""
        self.window, self.start, self.safe = b"", 0, 0

    def walk(self, end: int, message: Message) -> Iterator[tuple[int, int, int]]:
        """(field, wire type, value) of each field up to `end`. For a field of bytes the value is the length; the content follows.

        Whatever the caller reads of the content, the walk goes on behind it. Raises ValueError where the file is no message.
        """
        known, once = message.fields, set()
        while self.at < end:
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise ValueError("too many fields")
            key = self.varint()
            often = known.get(key)
            if not often:
                if often is None or key in once:
                    self.surprise = self.surprise or message.describe(key >> 3)
                once.add(key)
            wire = key & 7
            if wire == BYTES and key > 7:
                length = self.varint()
                after = self.at + length
                if after > end:
                    raise ValueError("a field reaches past the end")
                yield key >> 3, wire, length
                self.at = after
            elif wire == VARINT:
                yield key >> 3, wire, self.varint()
            elif wire in FIXED_SIZES and key > 7:
                after = self.at + FIXED_SIZES[wire]
                if after > end:
                    raise ValueError("a field reaches past the end")
                yield key >> 3, wire, FIXED_SIZES[wire]
                self.at = after
            else:
                raise ValueError("no field of a model")
        if self.at > end:
            raise ValueError("a number reaches past the end")

    def varint(self) -> int:
        """The next number, seven bits a byte, the lowest first. Raises ValueError where it is cut off, or over 64 bits."""
        here = self.at - self.start
        if not 0 <= here < self.safe:
            self.move_window()
            here = 0
        byte = self.window[here]
        # most are
        if byte < 128:
            self.at += 1
            return byte
        value, shift = byte & 127, 7
        while byte > 127:
            here += 1
            if here == len(self.window) or shift > 63:
                raise ValueError("a number is cut off")
            byte = self.window[here]
            value |= (byte & 127) << shift
            shift += 7
        self.at = self.start + here + 1
        return value

    def move_window(self) -> None:
        """Reads the window anew, from where the reader stands. Raises ValueError at the end of the file."""
        self.file.seek(self.at)
        self.window, self.start = self.file.read(WINDOW), self.at
        if not self.window:
            raise ValueError("the file is cut off")
        self.safe = max(len(self.window) - LONGEST_NUMBER, 1)

    def read(self, length: int) -> bytes:
        """The next `length` bytes. Raises ValueError where the file has become shorter."""
        here = self.at - self.start
        found = self.window[here : here + length] if here >= 0 else b""
        if len(found) < length:
            self.file.seek(self.at)
            found = self.file.read(length)
        if len(found) < length:
            raise ValueError("the file is cut off")
        self.at += length
        return found

    def text(self, length: int, limit: int = MAX_TEXT) -> str:
        """The next `length` bytes as a text. Raises ValueError where they are over `limit`, or not UTF-8."""
        if length > limit:
            raise ValueError("a text is too long")
        return self.read(length).decode()

    def end(self, length: int) -> int:
        """Where a field of `length` bytes ends that begins here."""
        return self.at + length
