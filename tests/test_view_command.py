"""`archc view`: what it writes where, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import archc

from . import foreign_models
from .program import Run, program

NET = """archspec: 1
name: my net
summary: a net & its <tag>
input: {image: [3, 8, 8]}
blocks:
  Block: {steps: [{residual: {body: [{conv: {out: 8, kernel: 3, padding: 1}}, batch_norm]}}, relu]}
graph:
  - {name: stem, conv: 8}
  - {name: stage, repeat: {i: 3}, Block: }
  - global_avg_pool
  - {name: fc, linear: 10}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in a folder with a net."""
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(NET, "utf-8")
    return program(capsys)


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("a.svg", "<svg "),
        ("a.SVG", "<svg "),
        ("a.dot", 'digraph "my net" {'),
        ("a.mmd", "flowchart TD\n"),
        ("a.json", '{"name":"my net",'),
    ],
)
def test_the_suffix_says_the_format(run: Run, name: str, begins: str) -> None:
    ran = run("view", "net.yaml", "-o", name)
    assert (ran.code, ran.out, ran.err) == (0, f"wrote {name}\n", "")
    text = Path(name).read_text("utf-8")
    assert text.startswith(begins) and text.endswith("\n")
    again = run("view", "net.yaml", "-o", "b", "--to", name.lower().rpartition(".")[2])
    assert (again.code, Path("b").read_text("utf-8")) == (0, text)


def test_standard_output_holds_the_picture_alone(run: Run) -> None:
    assert run("view", "net.yaml", "-o", "a.svg").code == 0
    done = subprocess.run(
        [sys.executable, "-m", "archc", "view", "net.yaml", "-o", "-", "--to", "svg"], capture_output=True, check=True
    )
    assert done.stdout == Path("a.svg").read_bytes() and not done.stderr


def test_without_a_path_the_net_gives_the_name(run: Run) -> None:
    assert run("view", "net.yaml").out == "wrote my net.html\n"
    assert run("view", "net.yaml", "--to", "svg").out == "wrote my net.svg\n"
    assert run("view", "net.yaml", "--to", "mmd").out == "wrote my net.mmd\n"
    assert ElementTree.parse("my net.svg").getroot()[0].text == "my net: a net & its <tag>"
    ran = run("view", "net.yaml", "--format", "json", "-o", "b.svg")
    assert json.loads(ran.out) == {
        "name": "my net",
        "file": "b.svg",
        "format": "svg",
        "bytes": Path("b.svg").stat().st_size,
    }


def test_options_change_the_picture(run: Run) -> None:
    pictures = set()
    for more in ([], ["--depth", "0"], ["--heat", "params"], ["--theme", "dark"], ["--style", "volumes"], ["--only", "stage.0"],
                 ["--set", "classes=4"]):  # fmt: skip
        if more[:1] == ["--set"]:
            Path("net.yaml").write_text(
                NET.replace("blocks:", "params: {classes: 10}\nblocks:").replace("linear: 10", "linear: $classes"),
                "utf-8",
            )
        assert run("view", "net.yaml", "-o", "a.svg", *more).code == 0
        pictures.add(Path("a.svg").read_text("utf-8"))
    assert len(pictures) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "net"], "does not say which format"),
        (["-o", "-"], "does not say which format"),
        (["-o", "net.gif"], "end it in .html, .svg, .dot, .mmd"),
        (["-o", "net.svg", "--to", "dot"], "asks for another"),
        (["-o", "net.mmd", "--theme", "dark"], "an mmd file has no theme"),
        (["-o", "net.json", "--depth", "1"], "a json file has no depth"),
        (["-o", "net.svg", "--style", "volumes", "--heat", "macs"], "`volumes` has no heat"),
        (["--only", "stage.7"], "no step `stage.7`"),
        (["--only", "stages"], "did you mean `stage`?"),
        (["--only", "\x1b[31m"], "no step `\\x1b[31m`"),
        (["-o", "net.svg/"], "names a folder"),
        (["-o", "none/net.svg"], "there is no folder"),
        (["--depth", "-1"], "--depth"),
    ],
)
def test_what_is_refused(run: Run, arguments: list[str], message: str) -> None:
    before = set(Path().iterdir())
    ran = run("view", "net.yaml", *arguments)
    assert ran.code == 2 and message in ran.err and not ran.out
    assert set(Path().iterdir()) == before


def test_a_wrong_spec_leaves_the_old_picture(run: Run) -> None:
    Path("net.svg").write_text("old", "utf-8")
    Path("net.yaml").write_text(NET.replace("conv: 8", "covn: 8"), "utf-8")
    assert run("view", "net.yaml", "-o", "net.svg").code == 1
    assert Path("net.svg").read_text("utf-8") == "old"


def test_a_flowchart_that_is_too_large_is_told(run: Run) -> None:
    steps = "".join(f"  - {{name: m{i}, concat: [[relu], [tanh], [sigmoid]]}}\n  - {{conv: 3}}\n" for i in range(75))
    Path("wide.yaml").write_text(f"archspec: 1\nname: wide\ninput: {{image: [3, 8, 8]}}\ngraph:\n{steps}", "utf-8")
    ran = run("view", "wide.yaml", "-o", "wide.mmd")
    assert ran.code == 0 and "warning[large-picture]: the flowchart has 526 edges" in ran.err.replace("\n", " ")
    assert not run("view", "wide.yaml", "-o", "wide.dot").err


def test_it_is_written_without_heavy_libraries(run: Run) -> None:
    code = ("import sys; from archc.cli import main; assert main(['view', 'net.yaml', '-o', 'x.svg', '--heat', 'macs']) == 0; "
            "print([m for m in ('torch', 'onnx', 'onnxruntime', 'numpy', 'jinja2', 'matplotlib') if m in sys.modules])")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "wrote x.svg\n[]\n"


@pytest.mark.parametrize("name", ["a.svg", "a.html", "a.json", "a.mmd", "a.dot"])
def test_python_writes_the_same_files(run: Run, name: str) -> None:
    """Of a spec, a net and a model, those of the command to the byte."""
    net = archc.load("net.yaml", params={})
    net.export_onnx("built.onnx", proof="none")
    for source, word in (("net.yaml", "net.yaml"), (net, "net.yaml"), (Path("built.onnx"), "built.onnx")):
        archc.view(source, f"python_{name}", only="stage")
        assert run("view", word, "-o", name, "--only", "stage").code == 0
        assert Path(f"python_{name}").read_bytes() == Path(name).read_bytes()


def test_python_refuses_in_words_and_warns(run: Run) -> None:
    for options, words in (({"path": "a.gif"}, "which format"), ({"scale": 2.0}, "no pixels"), ({"heat": "love"}, "love"), ({"only": "stages"}, "stages"),
                           ({"source": "gone.yaml"}, "gone"), ({"source": archc.load("net.yaml"), "params": {"a": 1}}, "params are those of a spec")):  # fmt: skip
        with pytest.raises(archc.Failure, match=words):
            archc.view(**{"source": "net.yaml", "path": "a.svg", **options})
    foreign_models.save(foreign_models.make([foreign_models.node("Add", ["x", "gone"], ["y"])]), Path("foreign.onnx"))
    with pytest.warns(UserWarning, match="`Add` reads `gone`"):
        archc.view("foreign.onnx", "foreign.svg")
    assert not Path("a.svg").exists() and Path("foreign.svg").exists()


def test_python_has_the_picture(run: Run) -> None:
    net = archc.load("net.yaml")
    picture = net.picture(heat="macs", depth=1)
    assert run("view", "net.yaml", "-o", "a.svg", "--heat", "macs", "--depth", "1").code == 0
    assert picture == Path("a.svg").read_text("utf-8")
    assert picture._repr_svg_() == picture and "SVG" in repr(picture) and len(repr(picture)) < 80
    for wrong in ({"theme": "blue"}, {"heat": "love"}, {"style": "cubes"}, {"depth": -1}, {"depth": "1"}):
        with pytest.raises(archc.Failure) as refused:
            net.picture(**wrong)  # type: ignore[arg-type]
        assert refused.value.code == "bad-option" and next(iter(wrong)) in str(refused.value)
