"""The frames in which archc and the process of a model from elsewhere talk: values come back as they were, and nothing else is believed."""

from __future__ import annotations

import io

import numpy as np
import pytest

from archc.runtime.frames import LENGTHS, BrokenFrame, FrameTooLarge, read_frame, write_frame

VALUES = [
    np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 4), np.int8), np.float64(3), np.array(5, np.uint64), np.array([True]),
    np.array([["a", "\u202e"]], object), None, "text", 7, 0.5, [np.ones(2), [None, "x"]], {1: 0.25, "b": np.ones(1)}, np.arange(8)[::2],
    np.array([1 + 2j]), float("nan"),
]  # fmt: skip


def frame_of(*values) -> bytes:
    file = io.BytesIO()
    write_frame(file, {"head": 1}, values)
    return file.getvalue()


def test_values_come_back_as_they_were():
    head, found = read_frame(io.BytesIO(frame_of(*VALUES)), 2**20)
    assert head == {"head": 1} and str(found) == str([v.item() if isinstance(v, np.generic) else v for v in VALUES])
    assert read_frame(io.BytesIO(b""), 2**20) is None
    with pytest.raises(TypeError):
        frame_of(object())


@pytest.mark.parametrize("text", [
    b"", b"{", b"[]", b"{}", b'{"values": 1}', b'{"values": [{}]}', b'{"values": [{"array": "O", "shape": [1]}]}',
    b'{"values": [{"array": "<f4", "shape": [-1]}]}', b'{"values": [{"array": "<f4", "shape": [1e9]}]}', b'{"values": [{"array": "<f4", "shape": [99]}]}',
    b'{"values": [{"array": "<f4,<f4", "shape": [1]}]}', b'{"values": [{"array": "V9", "shape": []}]}', b'{"values": [{"plain": [1]}]}',
    b'{"values": [{"map": [[{"list": []}, {"plain": 1}]]}]}', b'{"values": [' + b'{"list": [' * 99 + b"]}" * 99 + b"]}",
    b"[" * 100_000, b'{"values": [{"texts": ["a"], "shape": [7]}]}',
])  # fmt: skip
def test_what_is_no_frame(text):
    with pytest.raises(BrokenFrame):
        read_frame(io.BytesIO(LENGTHS.pack(len(text), 4) + text + b"\0" * 4), 2**20)


def test_every_cut_and_every_changed_byte_of_a_frame_is_told_or_a_frame():
    whole = frame_of(*VALUES)
    rng = np.random.default_rng(0)
    for at in range(1, len(whole), 3):
        changed = bytearray(whole)
        changed[at] = int(rng.integers(256))
        with pytest.raises(BrokenFrame):
            read_frame(io.BytesIO(whole[:at]), 2**20)
        try:
            read_frame(io.BytesIO(bytes(changed)), 2**20)
        except BrokenFrame:
            pass


def test_no_number_of_a_frame_is_believed():
    for head, size in ((2**60, 0), (0, 2**60), (2**27, 2**27)):
        with pytest.raises(FrameTooLarge):
            read_frame(io.BytesIO(LENGTHS.pack(head, size)), 2**20)
