"""The corpus (tests/data/corpus), answered in process by `archc check`: verdict, place and words of each case.

Each case is a faithful document that is wrong in one place. `index.json` says what a good tool answers; cases held to be
wrong, or not yet answered, stand in KNOWN with the reason. One of them that begins to pass fails, and leaves KNOWN. The cases of other
commands are answered in tests/test_promises.py.
"""

from __future__ import annotations

import re

import pytest

from archc.cli import main

from .corpus import CASES, find_faults, place

CHECKED = [case for case in CASES if case["command"][0] == "check"]
KNOWN: dict[str, str] = {
    "expr-lambda": "points at the colon behind `lambda`, a few columns on",
    "expr-float-inf": "points at the operator that overflows, a few columns on",
    "expr-bool-math": "points at the operator, a few columns on",
    "expr-keyword-arg": "points at the `=` itself, a few columns on",
}
# taken without a word, which the corpus allows; all others that are not plainly good get an error or a warning
SILENT = {
    "compose-extends-deep", "compose-import-wide", "shape-bias-before-bn", "aux-empty-steps", "aux-last",
}  # fmt: skip
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u200b\u202a-\u202e\u2066-\u2069]")


def listed(case):
    """The case as pytest runs it, with the mark of what is known to fail."""
    known = KNOWN.get(case["id"])
    marks = [pytest.mark.xfail(reason=known, strict=True, raises=AssertionError)] if known else []
    return pytest.param(case, id=case["id"], marks=marks)


def test_the_lists_of_cases_are_of_the_corpus():
    assert set(KNOWN) | SILENT <= {case["id"] for case in CHECKED}


@pytest.mark.parametrize("case", [listed(case) for case in CHECKED])
def test_case(case, tmp_path, capsys, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    arguments = place(case, tmp_path / "in", tmp_path / "out")
    monkeypatch.chdir(tmp_path / "in")
    monkeypatch.setenv("NO_COLOR", "1")
    code = main(arguments)
    out = capsys.readouterr()
    text = out.out + "\n" + out.err
    assert not CONTROL.search(text)
    assert "Traceback" not in text
    assert not find_faults(case, code, text)
    if case["verdict"] != "accept":
        assert (code == 0 and "warning" not in text) == (case["id"] in SILENT), text[:400]
