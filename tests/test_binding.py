"""Bound runs answer as plain ones do, whatever came before. A GPU's memory is not here: the host's is bound in its place."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto

from archc.runtime.binding import BoundRuns, binds
from archc.runtime.devices import PROVIDERS, DeviceChoice
from archc.runtime.inference import create_cpu_session, create_device_session

from .foreign_models import constant, make, node, port, save

CPU = DeviceChoice("cpu", (PROVIDERS["cpu"],), "asked for")
SHAPES = [(2, 3, 8, 8), (2, 3, 8, 8), (5, 3, 8, 8), (1, 3, 8, 8), (2, 3, 8, 8), (0, 3, 8, 8), (2, 3, 8, 8)]


def sessions(folder: Path) -> tuple[BoundRuns, object]:
    """Bound runs of a model with two outputs, and its plain session."""
    model = make([node("Exp", ["x"], ["y"]), node("ReduceSum", ["y", "axes"], ["z"], keepdims=0)],
                 outputs=[port("y"), port("z", shape=["N"])], weights=[constant("axes", [1, 2, 3])])  # fmt: skip
    session = create_cpu_session(save(model, folder / "a.onnx"))
    return BoundRuns(session, CPU), session


def test_each_run_answers_for_its_own_arrays(tmp_path: Path) -> None:
    bound, plain = sessions(tmp_path)
    random = np.random.default_rng(0)
    for at, shape in enumerate(SHAPES):
        images = random.standard_normal(shape, np.float32)
        names = ["z", "y"] if at % 2 else ["y"]
        found = bound.run(names, {"x": images})
        for one, other in zip(found, plain.run(names, {"x": images}), strict=True):  # type: ignore[attr-defined]
            assert one.shape == other.shape
            np.testing.assert_array_equal(one, other)


def test_arrays_that_do_not_lie_in_one_piece(tmp_path: Path) -> None:
    bound, plain = sessions(tmp_path)
    images = np.random.default_rng(0).standard_normal((8, 8, 3, 4), np.float32).transpose(3, 2, 0, 1)
    for _ in range(2):
        np.testing.assert_array_equal(bound.run(["y"], {"x": images})[0], plain.run(["y"], {"x": images})[0])  # type: ignore[attr-defined]


def test_the_inputs_place_is_kept_for_one_shape(tmp_path: Path) -> None:
    bound, _ = sessions(tmp_path)
    images = np.zeros((2, 3, 8, 8), np.float32)
    bound.run(["y"], {"x": images})
    place = bound.values["x"].data_ptr()
    bound.run(["y"], {"x": images + 1})
    assert bound.values["x"].data_ptr() == place


def test_a_run_that_fails_leaves_nothing_bound(tmp_path: Path) -> None:
    bound, plain = sessions(tmp_path)
    images = np.ones((2, 3, 8, 8), np.float32)
    bound.run(["y"], {"x": images})
    with pytest.raises(Exception, match="invalid dimensions"):
        bound.run(["y"], {"x": np.ones((2, 4, 8, 8), np.float32)})
    assert bound.bound is None and not bound.values
    np.testing.assert_array_equal(bound.run(["z"], {"x": images})[0], plain.run(["z"], {"x": images})[0])  # type: ignore[attr-defined]


def test_threads_wait_for_each_other(tmp_path: Path) -> None:
    bound, _ = sessions(tmp_path)
    wrong: list[int] = []

    def work(number: int) -> None:
        images = np.full((2, 3, 8, 8), number / 10, np.float32)
        for _ in range(50):
            if not np.allclose(bound.run(["y"], {"x": images})[0], np.exp(images)):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


def test_what_is_bound(tmp_path: Path) -> None:
    cuda = DeviceChoice("cuda", (), "asked for")
    _, plain = sessions(tmp_path)
    assert binds(plain, cuda) and not binds(plain, CPU)
    for kind in ("tensor(string)", "seq(tensor(float))"):
        odd = SimpleNamespace(get_inputs=list, get_outputs=lambda kind=kind: [SimpleNamespace(type=kind)])
        assert not binds(odd, cuda)


def test_on_the_cpu_runs_are_plain(tmp_path: Path) -> None:
    path = save(
        make([node("Cast", ["x"], ["y"], to=TensorProto.INT8)], outputs=[port("y", TensorProto.INT8)]),
        tmp_path / "a.onnx",
    )
    session, choice = create_device_session(path, "cpu", 1)
    assert not binds(session, choice)
