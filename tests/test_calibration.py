"""The calibration set of an int8 build: which inputs are taken, and what they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archc
from archc.build.precision.calibration import open_calibration
from archc.build.precision.split import MOST, split_inputs
from archc.compiler.driver import check
from archc.runtime import Session
from archc.runtime.sources import Picture

from .int8_nets import NET, images, photos


@pytest.mark.parametrize(
    ("count", "calibrating", "held_out"),
    [(1, 1, 0), (4, 4, 0), (5, 4, 1), (20, 16, 4), (320, 256, 64), (5000, 256, 64)],
)
def test_every_fifth_is_held_out(count: int, calibrating: int, held_out: int) -> None:
    split = split_inputs(count)
    assert (len(split.calibrating), len(split.held_out)) == (calibrating, held_out)
    assert not {*split.calibrating} & {*split.held_out}
    assert max((*split.calibrating, *split.held_out)) >= count - 1 - count // MOST


def calibration(place: Path, text: str = NET, batch: int | None = None) -> Any:
    spec = place.parent / "net_for_calibration.yaml"
    spec.write_text(text, "utf-8")
    found = check(str(spec))
    stated = found.header.preprocess
    return open_calibration(place, found.graph, None if stated is None else stated.to_dict(), batch)


@pytest.mark.filterwarnings("ignore::archc.runtime.UntrainedWarning")
def test_pictures_are_what_run_reads(tmp_path: Path) -> None:
    """The same numbers as `archc run` gives the net."""
    spec = tmp_path / "net.yaml"
    spec.write_text(NET, "utf-8")
    archc.load(str(spec)).export_onnx(tmp_path / "net.onnx", proof="none")
    session = Session(tmp_path / "net.onnx", device="cpu")
    folder = photos(tmp_path / "photos", 6)
    found = [*calibration(folder).calibrating()]
    assert [len(each["image"]) for each in found] == [5]
    first = str(folder / "000.png")
    assert np.array_equal(found[0]["image"][0], session.prepare(Picture(first, first))["image"])


def test_a_fixed_batch_is_filled(tmp_path: Path) -> None:
    """By other pictures; a last batch that lacks some is left out, unless it is the only one."""
    folder = photos(tmp_path / "photos", 10)
    assert [len(each["image"]) for each in calibration(folder, batch=3).calibrating()] == [3, 3]
    (only,) = calibration(folder, batch=12).calibrating()
    assert np.array_equal(only["image"][0], only["image"][8])
    assert not np.array_equal(only["image"][0], only["image"][7])


def test_rows_of_an_npz_are_the_same_compressed_or_not(tmp_path: Path) -> None:
    array = images(700)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "inputs.npz", image=array)
        found = calibration(tmp_path / "inputs.npz")
        rows = np.concatenate([each["image"] for each in found.calibrating()])
        assert np.array_equal(rows, array[list(found.split.calibrating)])
        assert np.array_equal(
            np.concatenate([each["image"] for each in found.held_out]), array[list(found.split.held_out)]
        )
        assert found.notes() == ("of the 700 rows in `inputs.npz`, 320 were taken, evenly spaced",)
