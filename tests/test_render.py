"""Diagnostics as people and programs see them: the form, the caret, what may never reach a terminal."""

from __future__ import annotations

import io
import json
import re

import pytest

from archc.cli.formats import diagnostic_json, github_annotations, sarif_log
from archc.cli.render import format_diagnostics, format_failure
from archc.compiler.diagnostics import Diagnostic, Failure, Note, Source, Span, clean
from archc.text.excerpts import Paint
from archc.text.layout import cut_middle, fold_line, text_width

RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u200b\u202a-\u202e\u2066-\u2069]")
SPEC = Source("nets/tiny.yaml", "archspec: 1\ngraph:\n  - conv: {out: 64, groups: 3}\n")


def mistake(source: Source, line: int, column: int, end: int, **more: object) -> Diagnostic:
    return Diagnostic("groups-mismatch", Span(source, line, column, line, end), "3 channels do not divide", **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_form_of_the_house() -> None:
    note = Note("expanded from here", Span(SPEC, 2, 1, 2, 6))
    assert format_diagnostics([mistake(SPEC, 3, 20, 26, label="here", notes=(note,), help="choose 1")]) == "\n".join(
        [
            "error[groups-mismatch]: 3 channels do not divide",
            " --> nets/tiny.yaml:3:20",
            "  |",
            "3 |   - conv: {out: 64, groups: 3}",
            "  |                    ^^^^^^ here",
            "  = note: expanded from here (nets/tiny.yaml:2:1)",
            "  = help: choose 1",
        ]
    )


def test_without_a_place() -> None:
    assert (
        format_diagnostics([Diagnostic("empty", None, "the spec is empty", severity="warning")])
        == "warning[empty]: the spec is empty"
    )


@pytest.mark.parametrize("evil", ["\x1b[31m", "\u202e", "\u200b", "\x07", "\x9b", "\ud800", "\x85", "\x00"])
def test_nothing_invisible_reaches_the_terminal(evil: str) -> None:
    source = Source(f"a{evil}b.yaml", f"x: {evil}y")
    found = Diagnostic("c", Span(source, 1, 4, 1, 6), f"m{evil}", f"l{evil}", (Note(f"n{evil}"),), f"h{evil}")
    texts = [
        format_diagnostics([found]),
        *github_annotations([found]),
        json.dumps(sarif_log([found])),
        json.dumps(diagnostic_json(found)),
    ]
    texts.append(format_failure(Failure("c", evil, evil)))
    for text in texts:
        assert not RAW.search(text)
        assert evil not in text


def test_the_caret_stands_under_escapes_and_wide_letters() -> None:
    text = "\t漢字: \u202ebad"
    found = format_diagnostics([mistake(Source("s", text), 1, 7, 10)])
    shown, caret = (line[4:] for line in found.split("\n")[3:5])
    assert shown == "\\t漢字: \\u202ebad"
    assert len(caret) - len(caret.lstrip()) == text_width(clean(text[:6]))


@pytest.mark.parametrize("column", [1, 40, 5_000, 99_990])
@pytest.mark.parametrize("width", [40, 80])
def test_long_lines_are_cut_around_the_caret(column: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    line = "".join(f"{i % 10}" for i in range(column - 1)) + "WRONG" + "." * (100_000 - column)
    found = format_diagnostics([mistake(Source("s", line), 1, column, column + 5)]).split("\n")
    assert all(len(each) <= width for each in found[2:])
    at = next(i for i, each in enumerate(found) if "^" in each)
    start = found[at].index("^")
    assert found[at - 1][start : start + 5] == "WRONG"
    assert found[at].count("^") == 5


def test_a_caret_longer_than_the_line_is_cut() -> None:
    found = format_diagnostics([mistake(Source("s", "x" * 1_000), 1, 1, 1_001)]).split("\n")
    assert all(len(each) <= 80 for each in found)


@pytest.mark.parametrize("room", [1, 5, 12, 40])
def test_lines_fit_and_keep_their_words(room: int) -> None:
    text = "  two words, 漢字, a-very-long-word-of-thirty-four-letters; end"
    folded = fold_line(text, room, "  ")
    assert all(text_width(line) <= max(room, 3) for line in folded)
    assert " ".join(" ".join(fold_line(text, room, "  ", cut=False)).split()) == " ".join(text.split())
    assert cut_middle("0123456789", 5) == "01…89" and cut_middle("0123456789", 10) == "0123456789"


def test_twenty_errors_and_how_many_more() -> None:
    text = format_diagnostics([Diagnostic(f"c{i}", None, "m") for i in range(100)])
    assert text.count("error[") == 20
    assert text.endswith("and 80 more errors")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_sentences_are_folded_at_words_and_no_word_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    path = "/a/very/long/path/to/a/folder/somewhere/net.yaml"
    note, help = "the 64 channels come from " + path, "write this and that, or something else\nsecond line of the help"
    found = format_diagnostics(
        [Diagnostic("c", None, f"`{path}` is not what it should be, at all", notes=(Note(note),), help=help)], terminal
    )
    assert found.split("\n") == [
        "error[c]:",
        f"  `{path}`",
        "  is not what it should be, at all",
        "  = note: the 64 channels come from",
        f"          {path}",
        "  = help: write this and that, or",
        "          something else",
        "          second line of the help",
    ]
    assert format_diagnostics([Diagnostic("c", None, "long " * 100)]).count("\n") == 0, "a pipe has no width"


def test_colour_only_on_a_terminal_and_never_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    found = mistake(SPEC, 3, 20, 26)
    assert "\x1b[" in format_diagnostics([found], Terminal())
    assert "\x1b[" not in format_diagnostics([found], io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Paint(Terminal()).on


def test_sarif_and_github_name_the_place() -> None:
    found = [mistake(SPEC, 3, 20, 26, help="50%, or: none")]
    result = sarif_log(found)["runs"][0]["results"][0]
    assert result["ruleId"] == "groups-mismatch"
    assert result["locations"][0]["physicalLocation"]["region"]["startColumn"] == 20
    (line,) = github_annotations(found)
    assert line.startswith("::error file=nets/tiny.yaml,line=3,col=20,title=archc groups-mismatch::")
    assert line.endswith("%0Ahelp: 50%25, or: none")
