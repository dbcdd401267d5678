"""Views of a shared storage in a .pth: each is what torch reads, and costs the bytes that it reaches."""

from __future__ import annotations

import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archc.compiler.diagnostics import Failure
from archc.compiler.ir.dtypes import F32
from archc.compiler.weights.formats import open_checkpoint, pth_zip
from archc.compiler.weights.formats.pickled import Storage, StoredTensor
from archc.compiler.weights.formats.pth import StoredTensors
from archc.compiler.weights.source import WeightSource

from .wild import State, old

CONTAINERS: dict[str, Callable[[State, Any], None]] = {"zip": torch.save, "before 1.6": old}
VIEWS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "whole": lambda t: t,
    "offset": lambda t: t.flatten()[7:19],
    "last": lambda t: t.flatten()[-1:],
    "permuted": lambda t: t.permute(2, 0, 1),
    "stepped": lambda t: t[:, ::2, 1::3],
    "column": lambda t: t[:, :, 4],
    "expanded row": lambda t: t[1, 2].expand(6, 5),
    "one number, expanded": lambda t: t[1, 2, 3].expand(30, 40),
    "0-dim": lambda t: t[2, 3, 4],
    "empty": lambda t: t[:0],
    "empty, at the end": lambda t: t[3:],
    "empty, of its own": lambda t: torch.empty(0, 3, dtype=t.dtype),
}


def open_only(path: Path) -> WeightSource:
    """The tensors of a file with one state dict."""
    (found,) = open_checkpoint(path).state_dicts
    return found.source


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_views_are_what_torch_reads(dtype, container, tmp_path):
    storage = torch.arange(60).to(dtype).reshape(3, 4, 5)
    CONTAINERS[container]({name: view(storage) for name, view in VIEWS.items()}, tmp_path / "f.pth")
    source = open_only(tmp_path / "f.pth")
    for name, tensor in torch.load(tmp_path / "f.pth").items():
        found, wanted = source.get(name), tensor if dtype == torch.int64 else tensor.float()
        assert isinstance(found, np.ndarray) and found.shape == source.shape(name)
        np.testing.assert_array_equal(found, wanted.numpy(), strict=True)


def rows(storage: torch.Tensor) -> State:
    return {str(i): row for i, row in enumerate(storage)}


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_view_reads_what_it_reaches(container, tmp_path, monkeypatch):
    """Two hundred views of one storage read it once for its checksum (the form before 1.6 has none), and once as views."""
    storage = torch.ones(200, 1000)
    CONTAINERS[container](rows(storage), tmp_path / "f.pth")
    read, handed = [0], [0]

    def counted(data: memoryview, before: int) -> int:
        read[0] += len(data)
        return zlib.crc32(data, before)

    monkeypatch.setattr(pth_zip, "crc32", counted)
    source: Any = open_only(tmp_path / "f.pth")
    take = source.container.read

    def taken(*where: Any) -> Any:
        data = take(*where)
        handed[0] += len(data)
        return data

    monkeypatch.setattr(source.container, "read", taken)
    opening = read[0]
    for name in source.names():
        assert source.get(name).shape == (1000,)
    assert read[0] - opening == (storage.nbytes if container == "zip" else 0)
    assert handed[0] == storage.nbytes


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_small_view_of_a_large_storage_takes_little_memory(container, tmp_path):
    storage = torch.ones(4000, 4000, dtype=torch.float16)
    CONTAINERS[container]({"row": storage[7], "column": storage[:, 7]}, tmp_path / "f.pth")
    tracemalloc.start()
    source = open_only(tmp_path / "f.pth")
    kept = [source.get(name) for name in source.names()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(array.shape == (4000,) for array in kept)
    assert peak < storage.nbytes / 8


class Described:
    """A container of one storage of 40 bytes, whose pickle says what a test says."""

    def __init__(self, *view: Any) -> None:
        self.content, self.unknown = {"a": StoredTensor(Storage(F32, "0"), *view)}, ()

    def size(self, storage: str) -> int:
        return 40

    def read(self, storage: str, begin: int, end: int) -> memoryview:
        assert (begin, end) == (0, 40), "it was read outside of its storage"
        return memoryview(bytes(40))


UNSOUND = {
    "one behind the end": (1, (10,), (1,)),
    "its last row behind the end": (0, (3, 2), (5, 1)),
    "before the beginning": (-1, (2,), (1,)),
    "backwards": (9, (10,), (-1,)),
    "a negative size": (0, (-2, -5), (5, 1)),
    "more elements than any machine holds": (0, (2**39, 2**39), (0, 0)),
}


@pytest.mark.parametrize("view", UNSOUND.values(), ids=UNSOUND)
def test_a_view_outside_its_storage_is_refused(view):
    sound, unsound = Described(0, (10,), (1,)), Described(*view)
    assert StoredTensors(Path("f.pth"), sound, sound.content).get("a").shape == (10,)
    with pytest.raises(Failure) as caught:
        StoredTensors(Path("f.pth"), unsound, unsound.content).get("a")
    assert caught.value.code == "checkpoint-damaged"


def rewrite(path: Path, change: Callable[[bytearray, int], None]) -> None:
    """Changes a file's bytes, given where the numbers of its storage begin."""
    data = bytearray(path.read_bytes())
    change(data, data.find(np.arange(200_000, dtype="<f4").tobytes()))
    path.write_bytes(data)


def flip_a_far_number(data: bytearray, begin: int) -> None:
    data[begin + 700_000] ^= 1


def rename_in_the_local_header(data: bytearray, begin: int) -> None:
    data[data.rfind(b"/data/0", 0, begin) + 6] = ord("9")


def lengthen_the_local_name(data: bytearray, begin: int) -> None:
    data[data.rfind(b"PK\x03\x04", 0, begin) + 26] += 1


def break_the_local_name(data: bytearray, begin: int) -> None:
    data[data.rfind(b"PK\x03\x04", 0, begin) + 30] = 0xFF


def compress(data: bytearray, begin: int) -> None:
    data[data.find(b"PK\x01\x02", data.rfind(b"/data/0") - 80) + 10] = zipfile.ZIP_DEFLATED


@pytest.mark.parametrize(
    "damage",
    [flip_a_far_number, rename_in_the_local_header, lengthen_the_local_name, break_the_local_name, compress],
    ids=lambda f: f.__name__,
)
def test_a_damaged_record_is_refused_by_every_view(damage, tmp_path):
    """Also by one that does not reach the damage, and again after the first refusal."""
    storage = torch.arange(200_000, dtype=torch.float32).reshape(200, 1000)
    torch.save(rows(storage), tmp_path / "f.pth")
    rewrite(tmp_path / "f.pth", damage)
    source = open_only(tmp_path / "f.pth")
    for name in ("0", "1", "0"):
        with pytest.raises(Failure) as caught:
            source.get(name)
        assert caught.value.code == ("checkpoint-refused" if damage is compress else "checkpoint-damaged")
