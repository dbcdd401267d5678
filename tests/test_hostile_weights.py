"""Checkpoints that are made to cost: refused soon, by what is counted and never by a clock, with the claim that is wrong."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from pathlib import Path

import pytest

from archc.compiler.diagnostics import Failure
from archc.compiler.weights.formats import open_checkpoint, pickles
from archc.compiler.weights.formats.pth_zip import MAX_DIRECTORY
from archc.compiler.weights.formats.safetensors import MAX_PARTS

N = pickles.MAX_STEPS
P = b"\x80\x02"
PICKLES = {
    "nothings": b"N" * (N + 9) + b".", "marks": b"(" * (N + 9) + b".", "pushed and popped": b"N0" * N + b"N.", "copies of the top": b"N" + b"2" * N + b".",
    "mappings": b"}" * (N + 9) + b".", "remembered": b"]" + b"\x94" * N + b".", "tuples in tuples": b"N" + b"\x85" * N + b".",
    "one text again and again": b"X\x04\x00\x00\x00aaaaq\x00" + b"h\x00" * N + b".",
    "a mapping copied": b"ccollections\nOrderedDict\nq\x00}q\x01(" + b"".join(b"K%cN" % i for i in range(200)) + b"u0" + b"h\x00h\x01\x85R0" * 20_000 + b"N.",
    "names": b"}(" + b"".join(b"X\x08\x00\x00\x00%08dN" % i for i in range(N // 2)) + b"u.",
}  # fmt: skip


def write_pth(path: Path, pickle: bytes, **records: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("archive/data.pkl", P + pickle)
        for key, data in records.items():
            file.writestr(f"archive/data/{key.strip('_')}", data)
    return path


def tensor(claim: int, size: int) -> bytes:
    """A state dict of one tensor: its storage claims so many numbers, and the tensor has `size`."""
    number = lambda n: b"\x8a\x08" + struct.pack("<q", n)  # noqa: E731
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + number(claim) + b"tQ"
    )
    view = b"K\x00(" + number(size) + b"t(K\x01t\x89ccollections\nOrderedDict\n)R"
    return b"}X\x0b\x00\x00\x00conv.weightctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + b"tRs."


LONG = b"\x8b" + struct.pack("<i", 4000) + b"\x7f" * 4000  # Python writes no number of so many digits


@pytest.mark.parametrize("place", ["K\x04", "K\0", "K\x05", "K\x01", "X\1\0\0\x000"])
def test_a_number_of_very_many_digits(tmp_path: Path, place: str) -> None:
    """As the size of a storage, and a tensor's offset, size and stride, and a storage's key."""
    sound = b"}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\x04tQ" \
        b"K\0(K\x05t(K\x01t\x89NtRs."  # fmt: skip
    assert sound.count(place.encode()) == 1
    pickle = sound.replace(place.encode(), LONG)
    assert refusal(write_pth(tmp_path / "a.pth", pickle, _0=bytes(20))).code == "checkpoint-damaged"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pth")
    assert "a device or a pipe" in refusal(tmp_path / "a.pth").message


def refusal(path: Path) -> Failure:
    with pytest.raises(Failure) as error:
        open_checkpoint(path)
    return error.value


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_of_too_many_steps(tmp_path: Path, name: str) -> None:
    found = refusal(write_pth(tmp_path / "a.pth", PICKLES[name]))
    assert found.code == "checkpoint-refused" and f"{N:,} steps" in found.message


def test_large_arrays_in_a_pickle_are_no_steps(tmp_path: Path) -> None:
    """numpy's arrays lie inline: bytes say nothing of the work."""
    data = bytes(4_000_000)
    inline = (
        b"}(" + b"".join(b"X\x02\x00\x00\x00%02dB" % i + struct.pack("<I", len(data)) + data for i in range(5)) + b"u."
    )
    assert "bytes" in open_checkpoint(write_pth(tmp_path / "a.pth", inline)).holds


@pytest.mark.parametrize(("claim", "size"), [(10**12, 10**12), (10**12, 4), (5, 4)])
def test_a_storage_that_claims_more_than_the_file_holds(tmp_path: Path, claim: int, size: int) -> None:
    path = write_pth(tmp_path / "a.pth", tensor(claim, size), _0=bytes(16))
    found = refusal(path)
    assert found.code == "checkpoint-damaged"
    assert (
        "storage `0`" in found.message
        and f"{claim:,} numbers" in found.message
        and f"{path.stat().st_size:,}" in found.message
    )


def test_a_tensor_beyond_its_storage(tmp_path: Path) -> None:
    source = open_checkpoint(write_pth(tmp_path / "a.pth", tensor(4, 10**11), _0=bytes(16))).state_dicts[0].source
    with pytest.raises(Failure) as error:
        source.get("conv.weight")
    assert "100,000,000,000" in error.value.message and "storage `0`, which holds 4" in error.value.message


@pytest.mark.parametrize("large", [False, True])
def test_a_zip_of_very_many_records(tmp_path: Path, large: bool) -> None:
    """The directory is measured before it is read, in both forms of its end."""
    path = write_pth(tmp_path / "a.pth", b"}.")
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\5\6")
    if large:
        data[end:end] = b"PK\6\6" + bytes(36) + struct.pack("<QQ", MAX_DIRECTORY + 1, 0) + b"PK\6\7" + bytes(16)
    else:
        struct.pack_into("<I", data, end + 12, MAX_DIRECTORY + 1)
    path.write_bytes(data)
    found = refusal(path)
    assert found.code == "checkpoint-refused" and f"{MAX_DIRECTORY + 1:,} bytes" in found.message


def header(text: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text + data


SAFETENSORS = {
    "a claim": (header(json.dumps({"conv.weight": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}).encode()), "`conv.weight` claims bytes up to 4,000,000,000,000"),
    "numbers": (header(b'{"a":[' + b"1," * MAX_PARTS + b"1]}"), "parts"), "mappings": (header(b'{"a":[' + b"{}," * MAX_PARTS + b"{}]}"), "parts"),
    "a long header": (header(b'{"a":"' + b"x" * 2**25 + b'"}'), "33,554,432 bytes"), "a deep one": (header(b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}"), "no JSON"),
    "a long shape": (header(json.dumps({"a": {"dtype": "F32", "shape": [2**40] * 5000, "data_offsets": [0, 0]}}).encode()), "`a` has no sound"),
    "a long number": (header(json.dumps({"a": {"dtype": "F32", "shape": [9**4000], "data_offsets": [0, 0]}}).encode()), "`a` has no sound"),
    "a name twice": (header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":1}', bytes(4)), "`a` stands twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAFETENSORS)
def test_a_hostile_header(tmp_path: Path, name: str) -> None:
    data, said = SAFETENSORS[name]
    (tmp_path / "a.safetensors").write_bytes(data)
    assert said in refusal(tmp_path / "a.safetensors").message
