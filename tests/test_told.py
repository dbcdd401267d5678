"""What cannot work is told at check and at its place: paths that are no files, steps that are not there, numbers that no photo can have."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from archc.compiler.diagnostics import Diagnostic
from archc.compiler.driver import check
from archc.compiler.frontend import preprocessing
from archc.runtime import preprocess as runtime
from archc.runtime.faults import RuntimeFault

HEAD = "archspec: 1\nname: t\ninput: {image: [3, 8, 8]}\n"


def found_in(folder: Path, text: str) -> list[Diagnostic]:
    (folder / "t.yaml").write_text(text, "utf-8")
    return list(check(str(folder / "t.yaml")).diagnostics)


ODD_PATHS = {
    "a" * 256: "file-unreadable", "a" * 5000: "file-unreadable", "/".join(["a" * 200] * 30): "file-unreadable", "a/" * 3000 + "a": "file-unreadable",
    "fifo": "file-missing", "folder": "file-missing", "circle": "file-unreadable", "zero": "path-outside", r"a\0b": "path-outside",
    "none.yaml": "file-missing", ".": "file-missing", "t.yaml/x": "file-missing",
}  # fmt: skip


@pytest.mark.parametrize("path", ODD_PATHS, ids=lambda path: path[:20])
@pytest.mark.parametrize("line", ["extends: ", "import: ", "labels: ", "import-as: "])
def test_a_path_that_is_no_file_is_told_at_its_place(tmp_path: Path, line: str, path: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "zero").symlink_to("/dev/zero")
    quoted = f'"{path}"'
    written = {"import: ": f"import: [{quoted}]", "import-as: ": f"import: {{Net: {quoted}}}"}.get(line, line + quoted)
    told = [d for d in found_in(tmp_path, f"{HEAD}{written}\ngraph: [relu]\n") if d.span and d.span.line == 4]
    assert [d.code for d in told] == [ODD_PATHS[path]]
    assert len(told[0].message) < 300


@pytest.mark.parametrize(
    ("step", "name", "said"),
    [
        ("{name: a, repeat: {i: 0}, relu: }", "a", "its `repeat` has no rounds"),
        ("{name: a$i, repeat: {i: 0}, relu: }", "a0", "its `repeat` has no rounds"),
        ("{name: a, repeat: {i: 0}, steps: [{name: b, relu: }]}", "a.0.b", "in a `repeat` that has no rounds"),
        ("{repeat: {i: 0}, steps: [{name: b, relu: }]}", "b", "in a `repeat` that has no rounds"),
        ("{repeat: {i: 0}, steps: [{steps: [{name: b, relu: }]}]}", "b", "in a `repeat` that has no rounds"),
        ("{repeat: {i: 0}, concat: {u: relu, v: relu}}", "u", "in a `repeat` that has no rounds"),
        ("{name: a, when: false, relu: }", "a", "by its `when`"),
        ("{name: a, when: false, steps: [{name: b, relu: }]}", "a.b", "by a `when` around it"),
        ("{when: false, steps: [{name: b, relu: }]}", "b", "by a `when` around it"),
        ("{concat: [{name: a, repeat: {i: 0}, relu: }, relu]}", "a", "its `repeat` has no rounds"),
    ],
)
def test_from_a_step_that_is_not_there(tmp_path: Path, step: str, name: str, said: str) -> None:
    told = found_in(tmp_path, f"{HEAD}graph:\n  - {step}\n  - {{from: {name}, tanh: }}\n")
    assert [d.code for d in told] == ["from-removed"] and said in told[0].message
    assert told[0].notes[0].span and told[0].notes[0].span.line == 5


def test_a_step_of_another_round_is_found(tmp_path: Path) -> None:
    """What one copy lacks another may have: then there is nothing to tell."""
    steps = "  - {name: a, relu: }\n  - {repeat: {i: 2}, steps: [{name: b$i, when: $(i > 0), relu: }]}\n  - {from: b1, relu: }\n"
    assert found_in(tmp_path, f"{HEAD}graph:\n{steps}") == []


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("%YAML 1.2\n---\n", []), ("---\n", []), ("%YAML 1.1\n---\n", ["yaml-version"]), ("# a\n%YAML 1.1\n---\n", ["yaml-version"]),
        ("%YAML 1.3\n---\n", ["yaml-version"]), ("%YAML 2.0\n---\n", ["yaml-version"]),
    ],
)  # fmt: skip
def test_a_version_of_yaml(tmp_path: Path, text: str, codes: list[str]) -> None:
    told = found_in(tmp_path, f"{text}{HEAD}graph: [relu]\n")
    assert [d.code for d in told] == codes
    assert all(d.span and d.span.source.line(d.span.line).startswith("%YAML") for d in told)
    assert all((d.severity == "warning") == ("1.1" in text) for d in told)


NUMBERS = (
    0,
    -1,
    1,
    3,
    8,
    9,
    16384,
    16385,
    2**31 - 1,
    1e-31,
    1e-30,
    0.5,
    1e37,
    1e38,
    1e300,
    10**50,
    True,
    "a",
    ".inf",
    "-.inf",
    ".nan",
)
VALUES: list[tuple[str, Any]] = [
    *[(key, value) for key in ("resize", "crop", "scale") for value in NUMBERS],
    *[("crop", [a, b]) for a in (8, 9, 0) for b in (8, 9, "a")], ("crop", [8]), ("crop", []), ("crop", [8, 8, 8]), ("crop", "[]"),
    *[(key, [value]) for key in ("mean", "std") for value in NUMBERS],
    *[(key, [1] * count) for key in ("mean", "std") for count in (0, 1, 2, 3, 4)], ("mean", 1), ("std", 1),
    *[("interpolation", word) for word in ("nearest", "bilinear", "bicubic", "lanczos", "box", 1)], *[("color", word) for word in ("rgb", "bgr", "grey", "gray", 0)],
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), VALUES)
def test_check_and_runtime_agree_on_preprocessing(tmp_path: Path, key: str, value: Any) -> None:
    """What the check accepts, the runtime takes from the built model; the same numbers stand in both."""
    shown = json.dumps(value).replace('"', "")
    (tmp_path / "t.yaml").write_text(f"{HEAD}preprocess: {{{key}: {shown}}}\ngraph: [relu]\n")
    found = check(str(tmp_path / "t.yaml"))
    if found.failed:
        return
    given = json.loads(json.dumps(found.header.preprocess.to_dict())) if found.header.preprocess else {}
    assert runtime.Preprocess.parse(given, (3, 8, 8)).stated


@pytest.mark.parametrize(
    ("key", "value"),
    [("resize", 16385), ("crop", 9), ("mean", [1e38]), ("std", [1e-31]), ("scale", 1e38), ("std", [1, 1])],
)
def test_the_runtime_refuses_what_the_check_does(tmp_path: Path, key: str, value: Any) -> None:
    told = found_in(tmp_path, f"{HEAD}preprocess: {{{key}: {json.dumps(value)}}}\ngraph: [relu]\n")
    assert [d.span.line for d in told if d.span and d.severity == "error"] == [4]
    with pytest.raises(RuntimeFault):
        runtime.Preprocess.parse({key: value}, (3, 8, 8))
    assert preprocessing.MAX_SIDE == runtime.MAX_SIDE


@pytest.mark.parametrize("between", [0, 15, 16, 17, 40])
def test_a_file_that_two_others_import_is_one(tmp_path: Path, between: int) -> None:
    """However many files were read between its two readings, and by whatever path it is named."""
    head = "archspec: 1\nname: b\n"
    (tmp_path / "sub").mkdir()
    (tmp_path / "c.yaml").write_text(head + "blocks: {C: {steps: [relu]}}\n")
    (tmp_path / "link.yaml").symlink_to("c.yaml")
    (tmp_path / "l.yaml").write_text(head + "import: [c.yaml]\nblocks: {L: {steps: [C]}}\n")
    (tmp_path / "sub" / "r.yaml").write_text(head + "import: [../sub/../link.yaml]\nblocks: {R: {steps: [C]}}\n")
    for i in range(between):
        (tmp_path / f"f{i}.yaml").write_text(f"{head}blocks: {{F{i}: {{steps: [relu]}}}}\n")
    files = ["l.yaml", *(f"f{i}.yaml" for i in range(between)), "sub/r.yaml"]
    (tmp_path / "t.yaml").write_text(f"{HEAD}import: [{', '.join(files)}]\ngraph: [L, R]\n")
    found = check(str(tmp_path / "t.yaml"))
    assert [d.code for d in found.diagnostics] == []
    assert len({source.label for source in found.sources}) == len(found.sources) == between + 4, (
        "each file is read once"
    )


def test_two_files_of_equal_text_are_two(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("archspec: 1\nname: b\nblocks: {C: {steps: [relu]}}\n")
    assert [d.code for d in found_in(tmp_path, f"{HEAD}import: [a.yaml, b.yaml]\ngraph: [C]\n")] == ["block-twice"]
