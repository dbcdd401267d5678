"""The corpus of bad inputs (tests/data/corpus), answered in process: verdict, place and words of each case.

Each case is a faithful document that is wrong in one place. `index.json` says what a good tool answers; cases held to be
wrong, or not yet answered, stand in KNOWN with the reason. One of them that begins to pass fails, and leaves KNOWN.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from archc.cli import main

CORPUS = Path(__file__).parent / "data" / "corpus"
CASES = json.loads((CORPUS / "index.json").read_text("utf-8"))
KNOWN: dict[str, str] = {
    "expr-lambda": "points at the name behind `lambda`, a few columns on",
    "expr-float-inf": "points at the operator that overflows, a few columns on",
    "expr-bool-math": "points at the operator, a few columns on",
    "expr-keyword-arg": "points at the `=` itself, a few columns on",
}
# taken without a word, which the corpus allows; all others that are not plainly good get an error or a warning
SILENT = {
    "yaml-directive-tag", "compose-extends-deep", "compose-import-wide", "shape-bias-before-bn", "aux-empty-steps", "aux-last",
}  # fmt: skip
LOCATION = re.compile(r"([^\s:'\"()\[\]]+):(\d+):(\d+)")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u200b\u202a-\u202e\u2066-\u2069]")


def content(case):
    if "generate" not in case:
        return (CORPUS / case["file"]).read_bytes()
    parts = case["generate"]["parts"]
    return "".join(
        "".join(t.replace("{i}", str(i)) for i in range(n)) if "{i}" in t and n > 1 else t * n for t, n in parts
    ).encode("utf-8", "surrogatepass")


def answer(case, folder, capsys, monkeypatch):
    """The exit code and all that is printed."""
    name = Path(case["file"]).name if case["file"] else "base.yaml"
    (folder / name).write_bytes(content(case) if case["file"] else (CORPUS / "base.yaml").read_bytes())
    for path, text in case.get("beside", {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode("utf-8", "surrogatepass"))
    for path, target in case.get("links", {}).items():
        (folder / path).symlink_to(target)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    code = main([name if a in ("{file}", "{spec}") else a for a in case["command"]])
    out = capsys.readouterr()
    return code, out.out + "\n" + out.err, name


def listed(case):
    """The case as pytest runs it, with the mark of what is known to fail."""
    known = KNOWN.get(case["id"])
    marks = [pytest.mark.xfail(reason=known, strict=True, raises=AssertionError)] if known else []
    return pytest.param(case, id=case["id"], marks=marks)


def test_the_lists_of_cases_are_of_the_corpus():
    assert set(KNOWN) | SILENT <= {case["id"] for case in CASES}


@pytest.mark.parametrize("case", [listed(case) for case in CASES])
def test_case(case, tmp_path, capsys, monkeypatch):
    code, text, name = answer(case, tmp_path, capsys, monkeypatch)
    assert code in [case["exit"], *case.get("also_exit", [])], text[:400]
    assert not CONTROL.search(text)
    assert "Traceback" not in text
    assert len(text) <= case.get("max_output", 60_000)
    assert len(re.findall(r"^error\[", text, re.M)) <= case.get("max_errors", 1 << 30)
    assert not [word for word in case.get("forbidden", []) if word in text]
    if case["verdict"] == "accept":
        return
    silent = code == 0 and "warning" not in text
    assert silent == (case["id"] in SILENT), text[:400]
    if silent:
        return
    check_place(case, text, name)
    plain = re.sub(r"(?<=\d)[,_](?=\d{3})", "", text).lower()
    for word in case["mentions"]:
        assert any(w.lower() in plain or w.lower() in text.lower() for w in word.split("|")), (
            f"does not mention {word!r}: {text[:400]}"
        )


def check_place(case, text, name):
    if case["line"] is None:
        return
    file, slack = Path(case.get("at_file") or name).name, case.get("column_tolerance", 0)
    seen = [
        (int(line), int(column))
        for path, line, column in LOCATION.findall(text)
        if Path(path).name == file or case.get("any_file")
    ]
    assert seen or case.get("any_position"), f"no place in {text[:300]}"
    if case.get("any_file") or case.get("any_position") or any(s[0] in case.get("or_lines", []) for s in seen):
        return
    near = lambda place: any(s[0] == place[0] and abs(s[1] - place[1]) <= slack for s in seen)  # noqa: E731
    if "all_positions" in case:
        assert all(near(p) for p in case["all_positions"]), seen
    else:
        assert any(near(p) for p in [(case["line"], case["column"]), *case.get("or_at", [])]), (
            f"{case['line']}:{case['column']} is due, said {seen[:4]}"
        )
