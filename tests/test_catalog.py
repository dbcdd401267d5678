"""`archc list`: what it says of the bundled nets, and that docs/zoo/index.md is what it writes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from archc.catalog import Model, models
from archc.cli import main
from archc.compiler.sources import zoo
from archc.text.layout import text_width
from archc.text.tables import format_count

ROOT = Path(__file__).parent.parent
NETS = {each.name: each for each in models()}


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["list", *arguments]) == 0
    return capsys.readouterr().out


def test_families_head_their_members_and_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    lines = listed(capsys).splitlines()
    at = lines.index("resnet")
    assert [line.split()[0] for line in lines[at + 1 : at + 4]] == ["resnet18", "resnet34", "resnet50"]
    assert not [line for line in lines if line.startswith("  resnet ")], "the family is no member of itself"
    assert {"resnet", "vgg"} & set(zoo()) and not {"resnet", "vgg"} & set(NETS)
    assert re.search(r"^  resnet50 +25\.6 M +4\.09 G +50  He 2015$", "\n".join(lines), re.M)


def test_json_has_every_fact(capsys: pytest.CaptureFixture[str]) -> None:
    found = {each["name"]: each for each in json.loads(listed(capsys, "--format", "json"))}
    assert list(found) == list(NETS)
    assert found["googlenet"] == {
        "name": "googlenet",
        "family": "googlenet",
        "summary": "GoogLeNet (Inception v1) with batch normalisation and two auxiliary heads",
        "source": "Szegedy et al. 2014, arXiv:1409.4842, table 1",
        "lineage": "torchvision",
        "year": 2014,
        "paper": "arXiv:1409.4842",
        "params": 13004888,
        "params_without_aux": 6624904,
        "macs": 1498376192,
        "depth": 22,
        "input": [3, 224, 224],
        "output": [1000],
    }


def test_what_is_not_said_is_inherited() -> None:
    net = NETS["resnet50"]
    assert (net.lineage, net.input) == ("torchvision", [3, 224, 224])
    assert (net.year, net.paper, net.author) == (2015, "arXiv:1512.03385", "He")


@pytest.mark.parametrize(
    "source, year, paper, author",
    [
        ("Szegedy et al. 2014, arXiv:1409.4842, table 1", 2014, "arXiv:1409.4842", "Szegedy"),
        ("LeCun, Bottou 1998, Gradient-Based Learning, figure 2 and table 1", 1998, "Gradient-Based Learning", "LeCun"),
        ("Lin, Chen, Yan 2013, arXiv:1312.4400, section 3; geometry of the authors' file", 2013, "arXiv:1312.4400", "Lin"),
        ("Krizhevsky 2014, arXiv:1404.5997, as TensorFlow-Slim's alexnet_v2", 2014, "arXiv:1404.5997", "Krizhevsky"),
        ("CS231n 2017 lecture 9, slide 48", 2017, "lecture 9", "CS231n"),
        ("my own", None, "", "my own"),
        ("", None, "", ""),
    ],
)  # fmt: skip
def test_a_source_is_taken_apart(source: str, year: int | None, paper: str, author: str, tmp_path: Path) -> None:
    from archc.catalog import compose_bundled, summarize_model

    path = tmp_path / "net.yaml"
    path.write_text(f"archspec: 1\nname: net\nsource: {json.dumps(source)}\ngraph: [relu]\n", "utf-8")
    found = summarize_model(path, compose_bundled(path, tmp_path))
    assert (found.year, found.paper, found.author, found.params) == (year, paper, author, None)


def test_words_choose(capsys: pytest.CaptureFixture[str]) -> None:
    assert {m["name"] for m in json.loads(listed(capsys, "VGG16", "bn", "--format", "json"))} == {"vgg16_bn"}
    family = [m["family"] for m in json.loads(listed(capsys, "googlenet", "--format", "json"))]
    assert set(family) == {"googlenet"}


@pytest.mark.parametrize("words, near", [(["resent50"], "resnet50"), (["vgg", "zzz"], "archc list")])
def test_nothing_found_says_so(words: list[str], near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", *words]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert f"`{words[-1]}`" in err and near in err


@pytest.mark.parametrize(
    "count, said",
    [(None, ""), (0, "0"), (999, "999"), (1000, "1.00 k"), (61706, "61.7 k"), (99960, "100 k"), (999_499, "999 k"),
     (999_500, "1.00 M"), (25557032, "25.6 M"), (4089184256, "4.09 G"), (138357544, "138 M"), (10**15, "1000 T")],
)  # fmt: skip
def test_counts_have_three_digits(count: int | None, said: str) -> None:
    assert format_count(count) == said


def test_fits_a_terminal_of_80_columns() -> None:
    """Run in a real one: colours come with it, and the width of the window."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")} | {"TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-m", "archc", "list"], stdout=theirs, env=env, cwd=ROOT) as program:
        os.close(theirs)
        told = b""
        try:
            while part := os.read(ours, 65536):
                told += part
        except OSError:  # the other end is closed
            pass
    assert program.returncode == 0
    assert b"\x1b[1mresnet\x1b[0m" in told
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in told.decode().splitlines()]
    assert len(lines) > len(NETS)
    assert max(map(text_width, lines)) <= 80


def test_expands_nothing() -> None:
    code = "from archc.cli import main; main(['list']); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not {"jsonschema", "torch", "numpy", "onnx"} & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_every_net_states_its_facts(net: Model) -> None:
    """They are proved by `archc check`; here only that they are there to be listed."""
    assert net.summary and net.source and net.lineage
    assert net.output and net.input
    assert net.params and net.macs and net.depth
    assert net.year and net.paper


def test_the_page_is_what_the_command_writes(capsys: pytest.CaptureFixture[str]) -> None:
    written = (ROOT / "docs" / "zoo/index.md").read_text("utf-8")
    assert written == listed(capsys, "--format", "markdown"), "archc list --format markdown > docs/zoo/index.md"
