"""The specimens, each answered and compared; and the reader that takes them apart."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from .specimen import ANSWERS, FOLDER, Block, Specimen, answer, bless, blocks, specimens

FILES = sorted(FOLDER.glob("*.md"))
ALL = [specimen for file in FILES for specimen in specimens(file)]


def assert_answers(specimen: Specimen, blessing: bool) -> None:
    """Every expected block is what is found; `blessing` writes what differs, and the test passes."""
    differences = []
    for place in specimen.expected:
        _, asked = blocks(specimen.file.read_text("utf-8"))[place]
        found = answer(specimen.given, asked)
        if found != asked.text and blessing:
            bless(specimen.file, place, found)
        elif found != asked.text:
            differences.append(difference(specimen.file, asked, found))
    assert not differences, "\n\n".join(differences) + "\n\n`pytest --bless` takes what was found, if that is right"


def difference(file: Path, asked: Block, found: str) -> str:
    """What is expected and what was found, line by line, with the place of the block."""
    where = f"{file.name}:{asked.start + 1} {' '.join(asked.info)}"
    lines = difflib.unified_diff(asked.text.splitlines(), found.splitlines(), where, "found", lineterm="", n=2)
    return "\n".join(lines)


@pytest.mark.parametrize("specimen", ALL, ids=str)
def test_specimen(specimen: Specimen, pytestconfig: pytest.Config) -> None:
    assert_answers(specimen, pytestconfig.getoption("bless"))


def test_specimens_have_names_of_their_own() -> None:
    names = [str(specimen) for specimen in ALL]
    assert len(names) > 40 and len(set(names)) == len(names)


def test_every_kind_of_answer_is_asked_for() -> None:
    asked = {block.info[0] for file in FILES for _, block in blocks(file.read_text("utf-8"))}
    assert set(ANSWERS) <= asked


NET = """graph net(%x: f32[N,3]) -> (y: f32[N,3]) phase train {
  %r = relu(%x) : f32[N,3]
  return y = %r
}
"""


def written(folder: Path, expected: str) -> Path:
    file = folder / "one.md"
    file.write_text(
        f"# one\n\nIt is so:\n\n```graph\n{NET}```\n\nand this comes out:\n\n```ir\n{expected}```\n\nThe end.\n"
    )
    return file


@pytest.mark.parametrize("expected", ["", NET.replace("relu", "tanh"), NET * 2], ids=["empty", "other", "longer"])
def test_a_difference_fails_and_blessing_mends_it(expected: str, tmp_path: Path) -> None:
    file = written(tmp_path, expected)
    (specimen,) = specimens(file)
    with pytest.raises(AssertionError, match=r"one\.md:15 ir"):
        assert_answers(specimen, blessing=False)
    assert file.read_text() == written(tmp_path, expected).read_text()
    assert_answers(specimen, blessing=True)
    assert file.read_text() == written(tmp_path, NET).read_text()
    assert_answers(specimen, blessing=False)


def test_the_difference_shows_both_lines(tmp_path: Path) -> None:
    (specimen,) = specimens(written(tmp_path, NET.replace("relu", "tanh")))
    with pytest.raises(AssertionError, match=r"(?s)-  %r = tanh.*\+  %r = relu"):
        assert_answers(specimen, blessing=False)


@pytest.mark.parametrize(
    "text, words",
    [
        ("```ir\n```\n", "no input"),
        (f"```graph\n{NET}```\n", "nothing is expected"),
        (f"```graph\n{NET}", "not closed"),
    ],
)
def test_a_file_that_tests_nothing_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text(text)
    with pytest.raises(ValueError, match=words):
        list(specimens(tmp_path / "one.md"))


def test_an_unknown_question_is_refused() -> None:
    with pytest.raises(ValueError, match="asks for `irr`"):
        answer(Block(("graph",), NET, 0, 0), Block(("irr",), "", 0, 0))
