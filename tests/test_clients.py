"""The clients of examples/clients: at most 40 lines each, and they tell the classes that `archc run` tells, with the same probabilities."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

import archc
from archc.runtime import Session

ROOT = Path(__file__).parent.parent
CLIENTS = ROOT / "examples" / "clients"
# what a run of the tests leaves for the next one: 300 MB of onnxruntime-node for all systems
NODE = ROOT / "build" / "clients"
# where Debian's libonnxruntime-dev (from Debian 13 on), nlohmann-json3-dev and libstb-dev put what the C++ client includes
DEBIAN = Path("/usr/include")
HEADERS = ("onnxruntime/onnxruntime_cxx_api.h", "nlohmann/json.hpp", "stb/stb_image.h", "stb/stb_image_resize.h")
# no statement of a program: comments, and what it takes from libraries
APART = re.compile(r"\s*(//|#|import |from |\"\"\"|$)")
SPECS = {
    "photo": ("[3, 24, 20]", "resize: 32, crop: [24, 20], mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3]", "{linear: 7}"),
    "bicubic": ("[3, 24, 24]", "resize: 25, crop: 24, interpolation: bicubic, color: bgr, scale: 1.0, mean: [104.0, 117.0, 123.0], std: [1.0]", "{linear: 7}"),
    "grey": ("[1, 28, 28]", "mean: [0.5], std: [0.5]", "{linear: 7}, softmax"),
    "bordered": ("[3, 24, 24]", "resize: 17, crop: 24", "{linear: 7}"),
}  # fmt: skip


class Answer(NamedTuple):
    """What a client says of a picture: classes with their labels, the most probable first."""

    indices: list[int]
    labels: list[str]
    probabilities: list[float]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small untrained model for each way in which a picture becomes an input."""
    folder = tmp_path_factory.mktemp("models")
    made = {}
    for name, (size, preprocess, end) in SPECS.items():
        spec = folder / f"{name}.yaml"
        spec.write_text(
            f"archspec: 1\nname: {name}\ninput: {{image: {size}}}\nlabels: [cat, dog, bird, fish, frog, fox, an owl]\npreprocess: {{{preprocess}}}\n"
            f"graph: [conv: {{out: 8, kernel: 5, stride: 3}}, relu, flatten, {end}]\n",
            "utf-8",
        )
        made[name] = folder / f"{name}.onnx"
        archc.load(spec).export_onnx(made[name], proof="none")
    made["pixels"] = folder / "pixels.onnx"
    archc.load(folder / "photo.yaml").export_onnx(made["pixels"], input_type="uint8", proof="none")
    return made


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A photo, the same lying on its side with EXIF data that say so, a grey one, and one with transparent parts."""
    folder = tmp_path_factory.mktemp("pictures")
    photo = Image.open(ROOT / "examples/cat.jpg").convert("RGB").resize((150, 101))
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.rotate(90, expand=True).save(folder / "turned.jpg", exif=exif)
    photo.save(folder / "photo.png")
    photo.convert("L").save(folder / "grey.png")
    alpha = Image.fromarray(np.where(np.arange(150) < 60, 0, 255).astype(np.uint8)[None].repeat(101, 0))
    photo.putalpha(alpha)
    photo.save(folder / "clear.png")
    return {path.stem: path for path in sorted(folder.iterdir())}


def reference(model: Path, picture: Path) -> Answer:
    """What `archc run --format json` prints of a picture."""
    run = [sys.executable, "-m", "archc", "run", str(model), str(picture), "--format", "json"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    top = json.loads(done.stdout)["results"][0]["top"]
    return Answer(
        [each["index"] for each in top], [each["label"] for each in top], [each["probability"] for each in top]
    )


def in_process(model: Path, picture: Path) -> Answer:
    """The same by the session that `archc run` opens, without the start of a process."""
    top = Session(model, device="cpu").classify(picture)[0].top
    return Answer([each.index for each in top], [str(each.label) for each in top], [each.probability for each in top])


def ask(command: Sequence[str | Path], model: Path, picture: Path, cwd: Path | None = None) -> Answer:
    """What a client prints."""
    quiet = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [*command, model, picture], cwd=cwd, env=quiet, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    return Answer([int(row[1]) for row in rows], [row[2] for row in rows], [float(row[0]) for row in rows])


def check_alike(found: Answer, wanted: Answer, tolerance: float) -> None:
    assert (found.indices, found.labels) == (wanted.indices, wanted.labels)
    assert np.allclose(found.probabilities, wanted.probabilities, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["classify.py", "classify.mjs", "classify.cpp"])
def test_a_client_is_short(name: str) -> None:
    lines = (CLIENTS / name).read_text("utf-8").splitlines()
    assert len([line for line in lines if not APART.match(line)]) <= 40
    assert name in (ROOT / "docs/reference/metadata.md").read_text("utf-8")


def test_a_session_answers_as_the_command(models: dict[str, Path], pictures: dict[str, Path]) -> None:
    check_alike(in_process(models["photo"], pictures["photo"]), reference(models["photo"], pictures["photo"]), 1e-6)


@pytest.mark.filterwarnings("ignore::archc.runtime.UntrainedWarning")
@pytest.mark.parametrize("model, picture", [
    ("photo", "photo"), ("bicubic", "turned"), ("grey", "clear"), ("bordered", "photo"), ("pixels", "grey"),
])  # fmt: skip
def test_the_python_client(models: dict[str, Path], pictures: dict[str, Path], model: str, picture: str) -> None:
    found = ask([sys.executable, CLIENTS / "classify.py"], models[model], pictures[picture])
    check_alike(found, in_process(models[model], pictures[picture]), 2e-6)


@pytest.fixture(scope="module")
def node() -> Path:
    """A folder with the JavaScript client and its packages, which stays for the next run; skips where they are not to be had."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if not program or not npm:
        pytest.skip("there is no node")
    NODE.mkdir(parents=True, exist_ok=True)
    for name in ("classify.mjs", "package.json"):
        shutil.copy(CLIENTS / name, NODE / name)
    packages = json.loads((NODE / "package.json").read_text("utf-8"))["dependencies"]
    if not all((NODE / "node_modules" / each / "package.json").is_file() for each in packages):
        line = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(line, cwd=NODE, capture_output=True, text=True, check=False, timeout=240)
        except subprocess.TimeoutExpired:
            pytest.skip("npm's registry does not answer")
        if done.returncode:
            pytest.skip(f"npm installs nothing here: {done.stderr[-300:]}")
    return NODE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::archc.runtime.UntrainedWarning")
def test_the_javascript_client(node: Path, models: dict[str, Path], pictures: dict[str, Path]) -> None:
    for model, picture in (
        ("photo", "photo"),
        ("bicubic", "turned"),
        ("grey", "clear"),
        ("bordered", "photo"),
        ("pixels", "grey"),
    ):
        found = ask(["node", "classify.mjs"], models[model], pictures[picture], node)
        check_alike(found, in_process(models[model], pictures[picture]), 2e-5)


def find_headers() -> str:
    """The folders of the headers that the C++ client needs, colons between: those that ONNXRUNTIME_INCLUDE names, else those of Debian's packages."""
    if named := os.environ.get("ONNXRUNTIME_INCLUDE"):
        return named
    there = all((DEBIAN / name).is_file() for name in HEADERS)
    return os.pathsep.join([str(DEBIAN), str(DEBIAN / "onnxruntime")]) if there else ""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::archc.runtime.UntrainedWarning")
def test_the_cpp_client(models: dict[str, Path], pictures: dict[str, Path], tmp_path: Path) -> None:
    """Compiled where its headers are here, with the library that onnxruntime's wheel has."""
    headers = find_headers()
    if not headers or not shutil.which("g++"):
        pytest.skip(
            "no g++, or no headers: apt-get install g++ libonnxruntime-dev nlohmann-json3-dev libstb-dev (Debian 13), or ONNXRUNTIME_INCLUDE"
        )
    import onnxruntime

    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    (tmp_path / "libonnxruntime.so.1").symlink_to(library)
    program = tmp_path / "classify"
    folders = [word for folder in headers.split(os.pathsep) for word in ("-I", folder)]
    subprocess.run(["g++", "-std=c++17", *folders, CLIENTS / "classify.cpp", library, f"-Wl,-rpath,{tmp_path}", "-o", program], check=True)  # fmt: skip
    for model in ("photo", "bicubic"):
        check_alike(
            ask([program], models[model], pictures["photo"]), in_process(models[model], pictures["photo"]), 5e-3
        )
