"""The commands of pip that messages tell: right for who installed a checkout and for who installed a wheel, and for the environment that runs."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

from archc.runtime import packages, pip

ROOT = Path(__file__).parent.parent
EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


@pytest.fixture
def active(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is active: a shell finds its pip."""
    monkeypatch.setattr(shutil, "which", lambda name: str(Path(sys.executable).parent / name))


def test_the_pip_is_that_of_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for found in (None, "/usr/bin/pip"):
        monkeypatch.setattr(shutil, "which", lambda name, found=found: found)
        assert pip.install_command("numpy") == f"{shlex.quote(sys.executable)} -m pip install numpy"


@pytest.mark.usefixtures("active")
@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_told_by_its_packages(extra: str) -> None:
    """On no index is archc-onnx, and neither a checkout nor a wheel need be where it was installed from."""
    if extra not in metadata("archc-onnx").get_all("Provides-Extra", []):
        pytest.skip("archc was installed here before it had this extra")
    command, verb, *words = shlex.split(pip.extra_command(extra))
    wanted = dict.fromkeys(each.partition(";")[0].strip() for each in EXTRAS[extra])
    bound = [word for word in words if word.startswith("torch==")]
    # not all of them where archc was installed before the extra had them
    assert (command, verb) == ("pip", "install") and {*words} - {*bound} <= {*wanted} and len(words) > len(bound)
    assert bool(bound) == (extra == "train")


@pytest.mark.usefixtures("active")
def test_a_missing_package_is_told_with_its_extra() -> None:
    lines = {
        "resvg_py": "install archc's extra `png`: pip install 'resvg-py>=0.5,<0.6'",
        "pyarrow": "install archc's extra `parquet`: pip install 'pyarrow>=15,<27'",
        "matplotlib": "install archc's extra `charts`: pip install 'matplotlib>=3.8,<4'",
        "onnxruntime_ep_openvino": "install archc's extra `openvino`: pip install 'onnxruntime-ep-openvino>=1.8,<2'",
        "yaml": "pip install 'pyyaml>=6.0.1,<7'",
        "torch": "pip install 'torch>=2.4,<3'",
        "onnxruntime-ep-webgpu": "pip install onnxruntime-ep-webgpu",
    }
    assert {module: packages.install_line(module) for module in lines} == lines
    assert packages.install_line("torch", over=True) == "pip install --force-reinstall --no-deps 'torch>=2.4,<3'"
    assert packages.install_line("lightning_fabric").startswith("install archc's extra `train`: pip install 'torch==")


@pytest.mark.usefixtures("active")
def test_without_an_installation_the_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.requires", requires)
    assert pip.extra_command("png") == "install archc with its extra `png`: docs/howto/install.md"
    assert packages.install_line("resvg_py") == "pip install resvg-py"


def test_no_other_module_writes_a_command_of_pip() -> None:
    own = ROOT / "runtime" / "pip.py"
    files = [path for room in ("archc", "compiler", "runtime", "training") for path in (ROOT / room).rglob("*.py")]
    told = [path for path in files if path.resolve() != own and re.search(r"pip install|pip uninstall", path.read_text("utf-8"))]  # fmt: skip
    assert files and not told
