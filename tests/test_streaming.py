"""Weights go from their file into the model's a block at a time: with the same bytes, hashed on their way, in bounded memory."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from archc.compiler.backends.torch.write_safetensors import write_safetensors
from archc.compiler.hashed_file import BLOCK, HashedFile
from archc.compiler.ir.dtypes import F32, I64
from archc.compiler.ir.operation import Param
from archc.compiler.memory_map import BLOCK as KEPT
from archc.compiler.memory_map import blocks, map_file
from archc.compiler.weights.formats import open_checkpoint


@pytest.mark.parametrize("sizes", [[], [0], [5], [BLOCK], [BLOCK - 1, 1, 1], [3, 9 * BLOCK + 7, 3], [100] * 50])
def test_a_hashed_file_holds_what_was_written_and_knows_its_digest(tmp_path: Path, sizes: list[int]) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 256, size, np.uint8) for size in sizes]
    with HashedFile(tmp_path / "f") as file:
        for part in parts:
            file.write(part)
        assert file.tell() == sum(sizes)
    content = b"".join(part.tobytes() for part in parts)
    assert (tmp_path / "f").read_bytes() == content
    assert file.written == (tmp_path / "f", hashlib.sha256(content).hexdigest(), len(content))


def test_a_hashed_file_copies_what_it_is_given(tmp_path: Path) -> None:
    numbers = np.zeros(3 * BLOCK, np.uint8)
    with HashedFile(tmp_path / "f") as file:
        file.write(numbers)
        numbers[:] = 1
    assert file.written.sha256 == hashlib.sha256(bytes(3 * BLOCK)).hexdigest()


def test_without_a_thread_a_file_is_hashed_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with HashedFile(tmp_path / "f") as file:
        file.write(bytes(3 * BLOCK + 1))
    assert file.written.sha256 == hashlib.sha256(bytes(3 * BLOCK + 1)).hexdigest()


def write_and_fail(file: HashedFile, size: int) -> None:
    file.write(bytes(size))
    raise KeyError


@pytest.mark.parametrize("size", [10, 20 * BLOCK])
def test_an_error_ends_a_hashed_file_and_its_thread(tmp_path: Path, size: int) -> None:
    file = HashedFile(tmp_path / "f")
    with pytest.raises(KeyError), file:
        write_and_fail(file, size)
    assert file.file.closed and not (file.thread and file.thread.is_alive())
    assert not hasattr(file, "written")


def test_a_full_disk_ends_a_hashed_file(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    for size in (10, 20 * BLOCK):
        file = HashedFile(full)
        with pytest.raises(OSError, match="No space"), file:
            file.write(bytes(size))
        assert file.file.closed and not (file.thread and file.thread.is_alive())


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (3, KEPT // 4 + 5)])
def test_blocks_hold_all_numbers_in_order(shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    for each in (array, array.T):
        found = [np.asarray(block) for block in blocks(each)]
        assert all(block.nbytes <= KEPT for block in found)
        assert np.array_equal(np.concatenate([*found, np.empty(0, np.float32)]), each.reshape(-1))


def resident() -> int:
    """The bytes of mapped files, libraries among them, that are in this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssFile:"))


@pytest.mark.parametrize("form", ["safetensors", "pth", "legacy"])
def test_a_checkpoint_that_was_read_is_not_in_memory(tmp_path: Path, form: str) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("Linux says what is in memory")
    large = np.arange(8 * KEPT // 4, dtype=np.float32)
    tensors = {"large": large, **{f"small{i}": large[: KEPT // 8] + np.float32(i) for i in range(16)}}
    path = tmp_path / "net"
    if form == "safetensors":
        save_file(tensors, path)
    else:
        import torch

        own = {name: torch.from_numpy(each) for name, each in tensors.items()}
        torch.save(own, path, _use_new_zipfile_serialization=form == "pth")
    before = resident()
    source = open_checkpoint(path).state_dicts[0].source
    first = source.get("small0")
    most = 0.0
    for name in tensors:
        total = 0.0
        for block in blocks(source.get(name)):
            total += float(np.sum(block, dtype=np.float64))
            most = max(most, resident() - before)
        assert total == float(tensors[name].sum(dtype=np.float64))
    assert 0 < most <= 5 * KEPT
    assert np.array_equal(first, tensors["small0"]), "a view is whole after its pages were given back"


def test_a_map_gives_back_what_was_used(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(range(256)) * (KEPT // 64))
    mapped = map_file(tmp_path / "f")
    views = [mapped.view(at, at + KEPT) for at in range(0, 4 * KEPT, KEPT)]
    assert all(bytes(view) == bytes(range(256)) * (KEPT // 256) for view in views)
    assert bytes(mapped.view(len(mapped) - 2, len(mapped) + 5)) == b"\xfe\xff"


def test_a_damaged_record_of_several_blocks_is_found(tmp_path: Path) -> None:
    import torch

    from archc.compiler.diagnostics import Failure

    torch.save({"w": torch.zeros(3 * KEPT // 4)}, tmp_path / "net.pth")
    with zipfile.ZipFile(tmp_path / "net.pth") as file:
        record = next(each for each in file.infolist() if each.filename.endswith("/data/0"))
    data = bytearray((tmp_path / "net.pth").read_bytes())
    data[record.header_offset + 2 * KEPT] ^= 1
    (tmp_path / "net.pth").write_bytes(data)
    with pytest.raises(Failure, match="cut off or damaged"):
        open_checkpoint(tmp_path / "net.pth").state_dicts[0].source.get("w")


def test_our_safetensors_are_the_librarys(tmp_path: Path) -> None:
    tensors = {"b.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T, "é": np.zeros((0, 3), np.float32),
               "b.count": np.array(7, np.int64), "a": np.array(1.5, np.float32)}  # fmt: skip

    class Source:
        def get(self, name: str) -> object:
            return tensors[name]

    params = {name: Param(each.shape, dtype=I64 if each.dtype == np.int64 else F32) for name, each in tensors.items()}
    with HashedFile(tmp_path / "f") as file:
        write_safetensors(file, params, Source())
    assert (tmp_path / "f").read_bytes() == save(
        {k: np.ascontiguousarray(v) if v.shape else v for k, v in tensors.items()}
    )
