"""Installs of less than all packages: the wheel of this tree in an environment that has only some of them.

What needs a package says so, with the line that installs it and exit code 3; all else works.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import archc

ROOT = Path(__file__).parent.parent
TINY = """archspec: 1
name: tiny
params: {classes: 10}
input: {image: [3, 8, 8]}
graph: [conv: 4, batch_norm, relu, global_avg_pool, {name: fc, linear: $classes}]
"""
FRONT = [
    "pyyaml",
    "jsonschema",
    "attrs",
    "referencing",
    "rpds-py",
    "jsonschema-specifications",
    "typing-extensions",
    "click",
]
RUNTIME = ["numpy", "pillow", "onnxruntime-gpu", "onnxruntime", "flatbuffers", "protobuf", "packaging"]
WITHOUT_TORCH = [*FRONT, *RUNTIME, "onnx", "ml-dtypes", "safetensors"]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="packages are links")]


class Installed:
    """A fresh environment with archc's wheel, and some packages of this one as links."""

    def __init__(self, folder: Path, wheel: Path, packages: Iterable[str]) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
        self.python = folder / "env" / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
        (self.site,) = (folder / "env").glob("lib/python*/site-packages")
        for name in packages:
            self.link(name)
        (folder / "tiny.yaml").write_text(TINY, "utf-8")
        Image.new("RGB", (8, 8)).save(folder / "a.png")

    def link(self, name: str) -> None:
        """Links what a distribution of this environment holds, if it is here."""
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            return
        for top in {file.parts[0] for file in found.files or () if not file.parts[0].startswith("..")}:
            source = Path(str(found.locate_file(top)))
            if source.exists() and not (self.site / top).exists() and top != "__pycache__":
                (self.site / top).symlink_to(source)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs Python there."""
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "ARCHC_DEBUG")}
        return subprocess.run([str(self.python), *words], cwd=self.folder, capture_output=True, text=True, check=False,
                              env=environment)  # fmt: skip

    def archc(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs its archc, by the script that pip has made."""
        done = self.run(str(self.folder / "env" / "bin" / "archc"), *words)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def check_works(self, lines: Sequence[str]) -> None:
        """Each line is a command that ends well."""
        for line in lines:
            done = self.archc(*line.split())
            assert done.returncode == 0, f"{line}: {done.stderr}"

    def check_missing(self, line: str, package: str, *words: str) -> None:
        """The command says which package it needs, how to get it, and why, in `words`; it writes nothing."""
        before = {path.name for path in self.folder.iterdir()}
        done = self.archc(*line.split(), "--format", "json")
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"], error["exit_code"]) == (3, "package-missing", 3), done.stderr
        assert f"`{package}`" in error["message"] and "pip install" in error["help"], error
        for word in words:
            assert word in error["message"] + error["help"], error
        assert {path.name for path in self.folder.iterdir()} == before


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built from a copy, as setuptools writes into the tree that it builds."""
    copy = tmp_path_factory.mktemp("wheel") / "tree"
    folders = {path.split("/")[0] for path in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-dir"].values()}  # fmt: skip
    for name in folders:
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(copy.parent),
        str(copy),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = copy.parent.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of the net, as torch writes them."""
    import torch
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("checkpoints")
    (folder / "tiny.yaml").write_text(TINY, "utf-8")
    weights = archc.load(folder / "tiny.yaml").to_torch(seed=1).state_dict()
    torch.save(weights, folder / "tiny.pth")
    save_file({name: np.asarray(tensor) for name, tensor in weights.items()}, folder / "tiny.safetensors")
    return folder


def test_without_torch(tmp_path: Path, wheel: Path, checkpoints: Path) -> None:
    there = Installed(tmp_path, wheel, WITHOUT_TORCH)
    for name in ("tiny.pth", "tiny.safetensors"):
        shutil.copy(checkpoints / name, tmp_path)
    assert there.run("-c", "import torch").returncode == 1
    there.check_works([
        "--help", "--version", "check googlenet", "check tiny.yaml", "cost tiny.yaml --by layer", "show tiny.yaml", "list", "explain usage",
        "init mine", "check mine.yaml", "ops", "ops conv", "schema", "doctor",
        "build tiny.yaml --proof none -o a.onnx", "build tiny.yaml --no-verify --export onnx -o b.onnx --weights tiny.pth",
        "build tiny.yaml --proof none -o c.onnx --weights tiny.safetensors", "build tiny.yaml --proof none -o d.onnx --precision fp32",
        "run b.onnx a.png --top 1", "run b.onnx a.png -o a.npz",
    ])  # fmt: skip
    there.check_missing("build tiny.yaml -o e.onnx", "torch", "is not installed", "torch>=", "--proof none")
    there.check_missing("build tiny.yaml --export torch", "torch", "is not installed", "an export to torch")
    there.check_missing("build tiny.yaml --export onnx --export torch --proof none", "torch")
    script = "import archc; n = archc.load('tiny.yaml')\ntry: n.{}\nexcept archc.Failure as f: print(f.code, f.exit_code, f.message, f.help)"
    for call in ("to_torch()", "export_onnx('e.onnx')"):
        done = there.run("-c", script.format(call))
        assert done.stdout.startswith("package-missing 3 ") and "`torch`" in done.stdout, done.stderr
    # one that is there and broken
    (there.site / "torch").mkdir()
    (there.site / "torch" / "__init__.py").write_text(
        "raise OSError('libtorch_cpu.so: cannot open shared object file')"
    )
    there.check_works(["check tiny.yaml", "build tiny.yaml --proof none -o a.onnx", "run a.onnx a.png"])
    there.check_missing("build tiny.yaml -o e.onnx", "torch", "does not import", "libtorch_cpu.so", "--force-reinstall")
    there.check_missing("build tiny.yaml --export torch", "torch", "libtorch_cpu.so")
    # the half that an interrupted removal leaves
    shutil.rmtree(there.site / "torch")
    (there.site / "torch" / "lib").mkdir(parents=True)
    there.check_missing("build tiny.yaml -o e.onnx", "torch", "half installed")


def test_without_onnx_onnxruntime_and_numpy(tmp_path: Path, wheel: Path) -> None:
    there = Installed(tmp_path, wheel, FRONT)
    there.check_works(["check googlenet", "check tiny.yaml", "cost tiny.yaml", "show tiny.yaml", "list", "explain usage", "init mine",
                       "ops", "schema", "view tiny.yaml -o tiny.html", "view tiny.yaml -o tiny.svg"])  # fmt: skip
    assert (tmp_path / "tiny.html").read_text("utf-8").count("</script>") == 2, "the page's own files are in the wheel"
    there.check_missing("build tiny.yaml --proof none -o e.onnx", "numpy", "is not installed", "numpy>=")
    there.link("numpy")
    there.check_works(["build tiny.yaml --proof none -o a.onnx"])
    there.check_missing("run a.onnx a.png", "onnxruntime", "is not installed")
    for name in ("onnxruntime-gpu", "onnxruntime", "flatbuffers", "protobuf", "packaging"):
        there.link(name)
    there.check_missing("run a.onnx a.png", "PIL", "is not installed", "pillow")


def test_the_runtime_alone(tmp_path: Path, wheel: Path) -> None:
    """What docs/reference/runtime.md says that a server needs."""
    there = Installed(tmp_path, wheel, RUNTIME)
    archc.load(tmp_path / "tiny.yaml").export_onnx(tmp_path / "tiny.onnx", proof="none")
    done = there.run(
        "-W",
        "ignore",
        "-c",
        "from archc.runtime import Session; print(Session('tiny.onnx').classify(['a.png'])[0].top[0].index)",
    )
    assert done.stdout.strip().isdigit(), done.stderr
    there.check_missing("run tiny.onnx a.png", "click", "is not installed", "click>=")
    there.link("click")
    there.check_works(["run tiny.onnx a.png --top 1", "run tiny.onnx a.png -o a.npz"])
    there.check_missing("check googlenet", "yaml", "is not installed", "pyyaml>=")
    doctor = there.archc("doctor")
    # what compiles is not here, and nothing is wrong with that
    assert doctor.returncode == 0 and "needed only for checks and builds" in doctor.stdout, doctor.stdout
