"""The name of a net is that of its files: a spec from elsewhere chooses no other folder, and nothing that a terminal obeys."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import Run, program

SPEC = (
    'archspec: 1\nname: "{}"\ninput: {{image: [3, 8, 8]}}\ngraph:\n  - global_avg_pool\n  - {{name: fc, linear: 3}}\n'
)
REFUSED = ["../victim", "/tmp/victim", "a/b", "a\\\\b", "C:\\\\x", "..", ".", ".hidden", "-x", "a.", " ", " a", "x\\u0000y", "a\\nb", "\\e[31mred",
           "a\\u202eb", "x" * 101, "é" * 51]  # fmt: skip
TAKEN = ["tiny-v2.1", "my net", "a+b", "0", "_", "résumé", "x" * 100]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    return program(capsys)


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_a_name_that_is_no_files_name_is_refused(name: str, run: Run, tmp_path: Path) -> None:
    victim = tmp_path / "victim.onnx"
    victim.write_bytes(b"precious")
    Path("s.yaml").write_text(SPEC.format(name), "utf-8")
    for words in (["check"], ["cost"], ["build", "--proof", "none"], ["build", "--export", "torch"]):
        ran = run(words[0], "s.yaml", *words[1:])
        told = ran.out + ran.err  # the answer of a check is what it finds
        assert ran.code == 1 and "error[bad-name]" in told and "s.yaml:2:7" in told, ran
        assert "\x1b" not in ran.err + ran.out and "= help: " in told and "a net's name " in told
    assert [path.name for path in Path().iterdir()] == ["s.yaml"] and victim.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("name", "near"),
    [("../victim", "victim"), ("/tmp/victim", "tmp_victim"), ("a.", "a"), ("C:\\\\x", "C_x"), ("..", None)],
)
def test_a_name_near_a_refused_one_is_proposed(name: str, near: str | None, run: Run) -> None:
    Path("s.yaml").write_text(SPEC.format(name), "utf-8")
    assert (f"= help: write `{near}`; " if near else "= help: a net's name ") in run("check", "s.yaml").out


@pytest.mark.parametrize("name", TAKEN, ids=ascii)
def test_other_names_name_the_file(name: str, run: Run) -> None:
    Path("s.yaml").write_text(SPEC.format(name), "utf-8")
    assert run("build", "s.yaml", "--proof", "none").code == 0 and Path(f"{name}.onnx").is_file()


def test_a_python_file_hides_no_module(run: Run) -> None:
    """It would be imported in place of torch by itself, and by whatever lies beside it."""
    Path("s.yaml").write_text(SPEC.format("torch"), "utf-8")
    for words in ([], ["-o", "types.py"], ["-o", "numpy"]):
        ran = run("build", "s.yaml", "--export", "torch", *words)
        assert ran.code == 2 and "error[net-name]" in ran.err and [path.name for path in Path().iterdir()] == ["s.yaml"]
    assert run("build", "s.yaml", "--export", "torch", "-o", "other.py").code == 0


def test_a_proof_and_none_is_a_contradiction(run: Run) -> None:
    Path("s.yaml").write_text(SPEC.format("net"), "utf-8")
    assert run("build", "s.yaml", "--proof", "full", "--no-verify").code == 2
    assert run("build", "s.yaml", "--proof", "none", "--no-verify").code == 0
