"""The nets that this repository trains on Fashion-MNIST: docs/zoo/fashion.md's commands, on the committed weights and pictures."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

ROOT = Path(__file__).parent.parent
HOME = ROOT / "examples" / "fashion"
PAGE = (ROOT / "docs/zoo/fashion.md").read_text("utf-8")
NETS = ("resnet20_fashion", "inception_fashion")
# of the twenty pictures; each net is right about nineteen in twenty of ten thousand
RIGHT = 17


@pytest.mark.parametrize("net", NETS)
def test_weights_are_half_floats_under_a_megabyte(net: str) -> None:
    path = HOME / f"{net}.safetensors"
    assert path.stat().st_size < 1_000_000
    with safe_open(path, "np") as file:
        kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert kinds <= {"F16", "I64"}


def test_the_pictures_have_their_licence() -> None:
    with open(HOME / "pictures" / "pictures.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 20 and len({label for _, label in rows}) == 10
    assert {name for name, _ in rows} == {path.name for path in (HOME / "pictures").glob("*.png")}
    assert "Zalando" in (HOME / "pictures" / "LICENSE").read_text("utf-8")


def test_the_demo_says_what_the_page_says() -> None:
    share = re.search(
        r"of all 10,000 test pictures it tells ([\d.]+) %", (ROOT / "examples/demo.py").read_text("utf-8")
    )
    assert share and f"| float32, from the half floats in examples/fashion | {share[1]} % |" in PAGE


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS)
def test_the_page_s_commands(net: str, tmp_path: Path) -> None:
    """Built, run, and counted as the page says; in float32, half floats and 8 bits."""
    block = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)[0].replace(NETS[0], net)
    commands = [shlex.split(line.replace("build/", f"{tmp_path.as_posix()}/")) for line in block.splitlines()]
    assert [command[1] for command in commands] == ["build", "run", "eval", "build", "build", "eval"]
    answers = []
    for command in commands:
        done = subprocess.run([sys.executable, "-m", *command, "--format", "json"], cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr[-3000:]}"
        answers.append(json.loads(done.stdout))
    assert len(answers[1]["results"]) == 20
    for found in (answers[2], answers[5]):
        assert found["top1"] >= RIGHT / 20, found
