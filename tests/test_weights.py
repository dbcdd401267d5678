"""Weights: the same seeded numbers everywhere, checkpoints read safely, and what a wrong one is answered."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from archc.compiler.diagnostics import Failure
from archc.compiler.ir.dtypes import I64
from archc.compiler.ops.op import Param
from archc.compiler.weights.formats import open_checkpoint
from archc.compiler.weights.loading import LoadedWeights, NetTensors, load_checkpoints
from archc.compiler.weights.seeded import BLOCK, SeededSource, quantiles

PARAMS = {
    "a.weight": Param((4, 3, 2, 2), ("kaiming_uniform", 0.0)),
    "a.bias": Param((4,)),
    "h.fc.weight": Param((2, 4), ("normal", 0.01)),
}


def test_seeded_numbers_are_pinned():
    """Changing these changes every untrained model that was ever built."""
    seeded = SeededSource({"w": Param((4,), ("uniform", 1.0)), "n": Param((4,), ("normal", 1.0))}, seed=7)
    np.testing.assert_array_equal(seeded.get("w"), SeededSource(seeded.params, 7).get("w"))
    assert [round(float(v), 6) for v in seeded.get("w")] == PINNED["w"]
    assert [round(float(v), 6) for v in seeded.get("n")] == PINNED["n"]


@pytest.mark.parametrize(("init", "digest"), [
    (("kaiming_uniform", 0.0), 2433210595), (("normal", 1.0), 301751692),
    (("truncated_normal", 1.0), 1819015584), (("signs", 0.0), 540536346),
])  # fmt: skip
def test_seeded_numbers_are_pinned_over_block_ends(init, digest):
    """To the bit: the numbers do not depend on how many are worked on together."""
    seeded = SeededSource({"w": Param((3, BLOCK + 1131), init)}, seed=7)
    assert zlib.crc32(seeded.get("w").tobytes()) == digest


PINNED = {"w": [0.448159, 0.827982, 0.369619, 0.645849], "n": [-0.176585, -1.514991, -1.401937, 1.135133]}


SCHEMES = [
    (("kaiming_normal", 0.0), np.sqrt(2 / (64 * 9))), (("kaiming_uniform", 0.0), np.sqrt(6 / (32 * 9)) / np.sqrt(3)),
    (("xavier_normal", 0.0), np.sqrt(2 / (96 * 9))), (("xavier_uniform", 0.0), np.sqrt(2 / (96 * 9))),
    (("torch_default", 0.0), np.sqrt(1 / (32 * 9)) / np.sqrt(3)), (("normal", 0.02), 0.02), (("uniform", 0.3), 0.3 / np.sqrt(3)),
    (("truncated_normal", 1.0), 0.8796), (("zeros", 0.0), 0.0), (("constant", 0.5), 0.0), (("signs", 0.0), 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("init", "deviation"), SCHEMES, ids=[i[0] for i, _ in SCHEMES])
def test_schemes_have_their_deviation(init, deviation):
    values = SeededSource({"w": Param((64, 32, 3, 3), init)}).get("w")
    assert values.dtype == np.float32 and values.shape == (64, 32, 3, 3)
    assert values.std() == pytest.approx(deviation, rel=0.03, abs=1e-7)
    assert abs(values.mean()) <= (0.5 if init[0] == "constant" else 0.03 * deviation + 1e-9)
    if init[0] == "truncated_normal":
        assert np.abs(values).max() <= 2


def test_quantiles_are_symmetric():
    table, _ = quantiles(False)
    np.testing.assert_array_equal(table, -table[::-1])


def loaded(path: Path, params: dict[str, Param] = PARAMS, optional: tuple[str, ...] = ()) -> LoadedWeights:
    """A checkpoint for a whole net with these tensors."""
    return load_checkpoints({"": path}, NetTensors(params, heads=optional), SeededSource(params))


def arrays():
    seeded = SeededSource(PARAMS)
    return {name: seeded.get(name) + np.float32(1) for name in PARAMS}


FORMATS = {
    "safetensors": lambda path, t: save_file(t, path),
    "pth": lambda path, t: torch.save({k: torch.from_numpy(v) for k, v in t.items()}, path),
    "wrapped": lambda path, t: torch.save(
        {"epoch": 3, "state_dict": OrderedDict(("module." + k, torch.from_numpy(v)) for k, v in t.items())}, path
    ),
    "strided": lambda path, t: torch.save(
        {k: torch.from_numpy(v.T.copy()).T if v.ndim == 2 else torch.from_numpy(v) for k, v in t.items()}, path
    ),
    "parameters": lambda path, t: torch.save(
        {"model": {k: torch.nn.Parameter(torch.from_numpy(v)) for k, v in t.items()}}, path
    ),
}


@pytest.mark.parametrize("form", FORMATS)
def test_checkpoints_are_read(form, tmp_path):
    path = tmp_path / "file.bin"
    FORMATS[form](path, arrays())
    weights = loaded(path)
    for name, array in arrays().items():
        np.testing.assert_array_equal(weights.source.get(name), array)
    assert weights.report.loaded == 3 and not weights.report.missing and not weights.report.unused


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_floats_become_float32(kind, tmp_path):
    save_file({k: v.astype(kind) for k, v in arrays().items()}, tmp_path / "f.safetensors")
    found = loaded(tmp_path / "f.safetensors").source.get("a.weight")
    np.testing.assert_allclose(found, arrays()["a.weight"], rtol=1e-3)
    assert found.dtype == np.float32


def test_bfloat16_of_a_pth(tmp_path):
    torch.save({k: torch.from_numpy(v).bfloat16() for k, v in arrays().items()}, tmp_path / "f.pth")
    found = loaded(tmp_path / "f.pth").source.get("a.weight")
    np.testing.assert_allclose(found, arrays()["a.weight"], rtol=1e-2)


def test_a_header_of_any_length_is_safetensors(tmp_path):
    """A header of 0x80 bytes begins like a pickle; found by the benchmark."""
    for extra in range(0, 256, 8):
        save_file({"a" * (1 + extra): np.zeros(2, np.float32)}, tmp_path / "f.bin")
        assert open_checkpoint(tmp_path / "f.bin").state_dicts


def test_heads_may_be_absent_and_extras_are_named(tmp_path):
    tensors = {k: v for k, v in arrays().items() if not k.startswith("h.")} | {"extra": np.zeros(2, np.float32)}
    save_file(tensors, tmp_path / "f.safetensors")
    report = loaded(tmp_path / "f.safetensors", optional=("h",)).report
    assert report.missing == ("h.fc.weight",) and report.unused == ("extra",) and report.loaded == 2


WRONG = [
    (lambda t: t.pop("a.bias"), "weights-missing"),
    (lambda t: t.update({"a.bias": np.zeros(5, np.float32)}), "weights-misshapen"),
    (lambda t: t.update({"a.bias": np.zeros(4, np.int64)}), "weights-dtype"),
    (lambda t: t.update({"a.bias": np.array([1, np.nan, 1, 1], np.float32)}), "weights-not-finite"),
]


@pytest.mark.parametrize(("change", "code"), WRONG, ids=[c for _, c in WRONG])
def test_a_wrong_checkpoint_is_refused(change, code, tmp_path):
    tensors = arrays()
    change(tensors)
    save_file(tensors, tmp_path / "f.safetensors")
    with pytest.raises(Failure) as caught:
        loaded(tmp_path / "f.safetensors")
    assert caught.value.code == code


class Evil:
    def __reduce__(self):
        return (print, ("CODE RAN",))


def zipped(path, data):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)


DAMAGED = {
    "empty": (lambda p: p.write_bytes(b""), "checkpoint-damaged"),
    "cut": (lambda p: (save_file(arrays(), p), p.write_bytes(p.read_bytes()[:-9])), "checkpoint-damaged"),
    "header": (lambda p: p.write_bytes(struct.pack("<Q", 2**40) + b"{}"), "checkpoint-damaged"),
    "json": (lambda p: p.write_bytes(struct.pack("<Q", 2) + b"{]"), "checkpoint-damaged"),
    "overlap": (lambda p: p.write_bytes(made({"a": [0, 8], "b": [4, 12]}, 12)), "checkpoint-damaged"),
    "hole": (lambda p: p.write_bytes(made({"a": [0, 8], "b": [16, 24]}, 24)), "checkpoint-damaged"),
    "zip": (lambda p: p.write_bytes(b"PK\x03\x04 nothing"), "checkpoint-damaged"),
    "bare": (lambda p: p.write_bytes(pickle.dumps({"a": 1})), "checkpoint-refused"),
    "code": (lambda p: zipped(p, pickle.dumps({"a": Evil()}, 2)), "weights-missing"),
    "text": (lambda p: p.write_text("what is this?"), "checkpoint-damaged"),
    "zip version": (lambda p: (zipped(p, b"\x80\x02}."), newer(p)), "checkpoint-damaged"),
    # keys that are tuples: to hash the deep one overflows C's stack, and the doubled one never ends
    "deep key": (lambda p: zipped(p, b"\x80\x02}()" + b"\x85" * 300_000 + b"Nu."), "weights-missing"),
    "doubled key": (
        lambda p: zipped(p, b"\x80\x02}()" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(45)) + b"Nu."),
        "weights-missing",
    ),
}


def newer(path):
    """Its directory asks for a zip reader of version 9.9."""
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02") + 6
    data[at : at + 2] = struct.pack("<H", 99)
    path.write_bytes(data)


def made(offsets, size):
    header = json.dumps({k: {"dtype": "F32", "shape": [2], "data_offsets": o} for k, o in offsets.items()}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


@pytest.mark.parametrize("kind", [np.int32, np.float16, np.float32])
def test_counts_of_another_type_start_anew(kind, tmp_path):
    """Somebody rounded the whole state dict; no answer depends on a count."""
    params = {**PARAMS, "n.num_batches_tracked": Param((), dtype=I64)}
    save_file({**arrays(), "n.num_batches_tracked": np.array(3, kind)}, tmp_path / "f.safetensors")
    found = loaded(tmp_path / "f.safetensors", params).source.get("n.num_batches_tracked")
    assert found == 0 and found.dtype == np.int64


@pytest.mark.parametrize("kind", [torch.int32, torch.complex64, torch.bool])
def test_other_kinds_of_a_pth_are_refused_by_name(kind, tmp_path):
    torch.save({k: torch.from_numpy(v).to(kind if k == "a.bias" else torch.float32) for k, v in arrays().items()},
               tmp_path / "f.pth")  # fmt: skip
    with pytest.raises(Failure, match=r"a\.bias") as caught:
        loaded(tmp_path / "f.pth")
    assert caught.value.code == "weights-dtype"


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_are_refused_and_run_nothing(kind, tmp_path, capsys):
    make, code = DAMAGED[kind]
    make(tmp_path / "file.pth")
    with pytest.raises(Failure) as caught:
        loaded(tmp_path / "file.pth")
    assert caught.value.code == code
    assert "CODE RAN" not in capsys.readouterr().out
