"""Which files beside a model are read: none outside its folder, none with a second name, and each weight its own bytes."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper
from PIL import Image

from archc.runtime import Session, trust
from archc.runtime.artifact import open_artifact
from archc.runtime.inference import Engine

from .foreign_models import constant, make, node, port, save
from .program import program
from .session_calls import fault

PICTURE = np.ones((1, 3, 8, 8), np.float32)


def outside(tensor: TensorProto, place: str, **more: str) -> TensorProto:
    """The tensor with its bytes in the file `place`."""
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": place, "offset": "0", "length": str(size), **more}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


VALUES = np.ones((3, 8, 8), np.float32)


def in_weight(place: str) -> ModelProto:
    return make([node("Add", ["x", "w"], ["y"])], weights=[outside(constant("w", VALUES, np.float32), place)])


def in_constant(place: str) -> ModelProto:
    value = outside(constant("w", VALUES, np.float32), place)
    return make([node("Constant", [], ["w"], value=value), node("Add", ["x", "w"], ["y"])])


def in_subgraph(place: str) -> ModelProto:
    def branch(name: str) -> onnx.GraphProto:
        value = outside(constant("w", VALUES, np.float32), place)
        return helper.make_graph([node("Add", ["x", "w"], [name])], name, [], [port(name)], [value])

    return make(
        [node("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b"))],
        weights=[constant("c", True, np.bool_)],
    )


def in_function(place: str) -> ModelProto:
    value = outside(constant("w", VALUES, np.float32), place)
    inner = [node("Constant", [], ["w"], value=value), node("Add", ["a", "w"], ["b"])]
    own = helper.make_opsetid("own", 1)
    return make([node("f", ["x"], ["y"], domain="own")], imports=[own],
                functions=[helper.make_function("own", "f", ["a"], ["b"], inner, [helper.make_opsetid("", 20), own])])  # fmt: skip


def in_sparse(place: str) -> ModelProto:
    sparse = helper.make_sparse_tensor(
        constant("w", VALUES.ravel(), np.float32), constant("i", np.arange(192)), [3, 8, 8]
    )
    outside(sparse.values, place)
    return make([node("Add", ["x", "w"], ["y"])], sparse=[sparse])


HOLDERS = [in_weight, in_constant, in_subgraph, in_function, in_sparse]


@pytest.fixture
def folders(tmp_path, monkeypatch) -> Path:
    """models/ is where the model is; other/ is beside it."""
    (tmp_path / "models" / "inner").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    for place in ("models/w.data", "models/inner/w.data", "other/w.data"):
        (tmp_path / place).write_bytes(VALUES.tobytes())
    monkeypatch.chdir(tmp_path / "models")
    os.symlink("../other/w.data", "led.data")
    os.symlink("../other", "led")
    os.symlink("w.data", "own.data")
    os.link("../other/w.data", "hard.data")
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe.data")
    return tmp_path


PLACES = {"../other/w.data": "outside", "inner/../w.data": "outside", "/dev/zero": "outside", "led.data": "outside", "led/w.data": "outside",
          "hard.data": "hard link", "none.data": "not there", "inner": "outside", "pipe.data": "outside", "*/_ORT_MEM_ADDR_/*": "not there",
          "a\0b": "not there", "x" * 5000: "not there"}  # fmt: skip


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[:20])
def test_no_model_reads_what_is_not_beside_it(folders, holder, place):
    place = place if place != "/absolute" else str(folders / "models/w.data")
    found = fault(Session, save(holder(place), Path("a.onnx")), device="cpu")
    assert found.code == "model-refused" and PLACES[place] in found.message
    absolute = str(folders / "models" / "w.data")
    assert "outside" in fault(Session, save(holder(absolute), Path("a.onnx")), device="cpu").message


@pytest.mark.parametrize("place", ["w.data", "inner/w.data", "./w.data", "own.data"])
def test_weights_beside_a_model_are_read(folders, place):
    path = save(in_weight(place), Path("a.onnx"))
    session = Session(path, device="cpu")
    assert session.run(PICTURE)["y"].max() == 2 and isinstance(session.session, Engine)


def test_a_cache_of_downloads_links_both_files_to_one_folder(folders):
    os.makedirs("../cache/blobs")
    os.makedirs("../cache/snapshot")
    save(in_weight("w.data"), Path("../cache/blobs/123"))
    shutil.copy("w.data", "../cache/blobs/456")
    os.symlink("../blobs/123", "../cache/snapshot/a.onnx")
    os.symlink("../blobs/456", "../cache/snapshot/w.data")
    found = open_artifact("../cache/snapshot/a.onnx")
    assert trust.measure_files(found) == found.file_identity.size_bytes + VALUES.nbytes and not trust.find_doubt(found)


@pytest.mark.parametrize(
    "more", [{"length": "4"}, {"offset": "4"}, {"offset": "-4"}, {"length": "x"}, {"offset": str(2**70)}]
)
def test_weights_that_are_cut_off_are_not_read_here(folders, more):
    weights = [outside(constant("w", VALUES, np.float32), "w.data", **more)]
    assert trust.find_doubt(
        open_artifact(save(make([node("Add", ["x", "w"], ["y"])], weights=weights), Path("a.onnx")))
    )


@pytest.mark.parametrize(
    ("second", "said"), [("w.data", "share"), ("./w.data", "share"), ("own.data", "share"), ("inner/w.data", "")]
)
def test_two_weights_do_not_share_their_bytes(folders, second, said):
    """Each becomes a copy in memory."""
    weights = [outside(constant(name, VALUES, np.float32), at) for name, at in (("w", "w.data"), ("v", second))]
    nodes = [node("Add", ["x", "w"], ["a"]), node("Add", ["a", "v"], ["y"])]
    doubt = trust.find_doubt(open_artifact(save(make(nodes, weights=weights), Path("a.onnx"))))
    assert said in doubt and bool(doubt) == bool(said)


@pytest.mark.skipif(sys.platform != "linux", reason="no holes in files elsewhere")
def test_holes_of_a_file_are_no_weights(folders):
    Path("w.data").unlink()
    Path("w.data").touch()
    os.truncate("w.data", 2**40)
    found = open_artifact(save(in_weight("w.data"), Path("a.onnx")))
    assert "holes" in trust.find_doubt(found) and trust.measure_files(found) == found.file_identity.size_bytes
    with open("w.data", "r+b") as file:
        file.write(VALUES.tobytes())
    assert not trust.find_doubt(found) and trust.measure_files(found) < 2**20


def test_trust_reads_what_onnxruntime_reads(folders, capsys):
    save(in_weight("hard.data"), Path("a.onnx"))
    assert Session("a.onnx", device="cpu", trust=True).run(PICTURE)["y"].max() == 2
    Image.new("RGB", (8, 8)).save("a.png")
    ran = program(capsys)("run", "a.onnx", "a.png", "--device", "cpu")
    assert ran.code == 1 and "error[model-refused]" in ran.err and "--trust" in ran.err
    assert program(capsys)("run", "a.onnx", "a.png", "--device", "cpu", "--trust").code == 0
