"""docs/reference/metadata.md: the keys that it lists are those that builds write, no more and no fewer, in the form that it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import archc
from archc.runtime.artifact import open_artifact
from archc.runtime.preprocess import COLORS, INTERPOLATIONS

PAGE = (Path(__file__).parent.parent / "docs/reference/metadata.md").read_text("utf-8")
ROW = re.compile(r"^\| `(archc\.\w+)` \| (JSON|text)[^|`]*: `([^|`]*)` \| ", re.M)
FIELD = re.compile(r"^\| `(\w+)` \| ", re.M)
KEYS = {key: (form, example) for key, form, example in ROW.findall(PAGE)}

NET = """archspec: 1
name: net
input: {image: [3, 12, 12]}
labels: [a, b, c]
preprocess: {resize: 14, crop: 12, color: bgr, interpolation: bicubic, scale: 0.01, mean: [0.1], std: [0.3]}
graph: [conv: {out: 4, kernel: 3}, relu, global_avg_pool, {name: fc, linear: 3}, softmax]
"""
BUILDS: dict[str, dict[str, object]] = {
    "plain": {},
    "stored": {"store": "fp16"},
    "pixels": {"input_type": "uint8"},
    "half": {"precision": "fp16", "max_error": 0.5},
    "int8": {"precision": "int8", "calibrate": "inputs.npz", "max_error": 0.9},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The metadata of a file of each build."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("builds"))
        Path("net.yaml").write_text(NET, "utf-8")
        np.savez("inputs.npz", image=np.random.default_rng(0).normal(size=(16, 3, 12, 12)).astype(np.float32))
        net = archc.load("net.yaml")
        for name, options in BUILDS.items():
            net.export_onnx(f"{name}.onnx", proof="none", **options)  # type: ignore[arg-type]
        return {name: dict(open_artifact(f"{name}.onnx").metadata) for name in BUILDS}


def test_the_keys_are_those_that_builds_write(written: dict[str, dict[str, str]]) -> None:
    assert set().union(*written.values()) == set(KEYS)


def test_the_forms_are_as_they_are_told(written: dict[str, dict[str, str]]) -> None:
    """JSON is read as what the example is; a text is no JSON but by accident."""
    for found in written.values():
        for key, text in found.items():
            form, example = KEYS[key]
            if form == "JSON":
                if "…" not in example:
                    assert type(json.loads(text)) is type(json.loads(example)), key
                json.loads(text)
            else:
                assert text and text[0] not in '[{"', key


def test_the_seal_is_the_last_entry(written: dict[str, dict[str, str]]) -> None:
    for found in written.values():
        assert list(found)[-1] == "archc.sha256"


def test_each_field_of_the_preprocessing_is_told(written: dict[str, dict[str, str]]) -> None:
    fields = FIELD.findall(PAGE.partition("## Preprocessing")[2].partition("\n## ")[0])
    stated = {key for found in written.values() for key in json.loads(found["archc.preprocess"])}
    assert set(fields) == stated
    for words in (COLORS, INTERPOLATIONS):
        assert ", ".join(f"`{word}`" for word in words) in PAGE


def test_a_float_file_leaves_normalising_to_its_reader(written: dict[str, dict[str, str]]) -> None:
    assert "inside" not in json.loads(written["plain"]["archc.preprocess"])
    pixels = json.loads(written["pixels"]["archc.preprocess"])
    assert set(pixels["inside"]) == {"scale", "mean", "std"} and "mean" not in pixels
