"""`archc show --params`: what `--set` may change, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .program import Run, program

FAMILY = """archspec: 1
name: family
params:
  classes: 10
  block: step
  width: {type: int, default: 8, min: 4, doc: channels of the first layer}
  twice: $(2 * width)
  norm: true
input: {image: [3, 8, 8]}
blocks: {Plain: {steps: [relu]}, Tanh: {steps: [tanh]}}
graph: [{conv: $twice}, {when: $norm, batch_norm: }, {use: $block}, global_avg_pool, {linear: $classes}]
"""
MEMBER = """archspec: 1
name: member
extends: family.yaml
params: {block: Plain, classes: 3}
"""
OF_FAMILY = """\
parameter  type  value         allowed                       written at     about
classes    int   10                                          family.yaml:4
block      step  (open)        the blocks are `Plain`, `Tanh`  family.yaml:5
width      int   8             at least 4                    family.yaml:6  channels of the first layer
twice      any   $(2 * width)                                family.yaml:7
norm       bool  true          true or false                 family.yaml:8
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs archc in a folder with a family and a member."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("family.yaml").write_text(FAMILY, "utf-8")
    Path("member.yaml").write_text(MEMBER, "utf-8")
    return program(capsys)


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_family_lists_what_is_open(run: Run) -> None:
    assert cells(run("show", "family.yaml", "--params").out) == cells(OF_FAMILY)


def test_a_member_and_a_setting_say_where_the_value_is_from(run: Run) -> None:
    rows = {row[0]: row for row in cells(run("show", "member.yaml", "--params", "--set", "width=16").out)}
    assert rows["classes"] == ["classes", "int", "3", "member.yaml:4"]
    assert rows["width"][:3] == ["width", "int", "16"] and "--set" in rows["width"]
    listed = json.loads(run("show", "member.yaml", "--params", "--set", "width=16", "--format", "json").out)["params"]
    assert [each["source"] for each in listed[1:3]] == ["member.yaml:4", "--set"]
    assert rows["norm"][-1] == "family.yaml:8"


def test_programs_get_the_values(run: Run) -> None:
    listed = json.loads(run("show", "member.yaml", "--params", "--format", "json").out)
    assert listed["name"] == "member" and [each["name"] for each in listed["params"]] == [
        "classes",
        "block",
        "width",
        "twice",
        "norm",
    ]
    assert listed["params"][2] == {"name": "width", "type": "int", "value": 8, "allowed": "at least 4",
                                   "doc": "channels of the first layer", "source": "family.yaml:6"}  # fmt: skip
    assert json.loads(run("show", "member.yaml", "--format", "json").out)["params"] == listed["params"]
    (block,) = [
        each
        for each in json.loads(run("show", "family.yaml", "--params", "--format", "json").out)["params"]
        if each["name"] == "block"
    ]
    assert block["value"] is None


def test_what_has_none_and_what_is_wrong(run: Run) -> None:
    assert run("show", "inception_naive", "--params").out == "inception_naive has no parameters\n"
    Path("wrong.yaml").write_text(MEMBER.replace("classes: 3", "klasses: 3"), "utf-8")
    ran = run("show", "wrong.yaml", "--params")
    assert ran.code == 1 and not ran.out and "unknown-param" in ran.err
    for other in (["--tree"], ["--depth", "1"], ["--after", "fold-batch-norm"], ["--phase", "train"]):
        ran = run("show", "member.yaml", "--params", *other)
        assert ran.code == 2 and "--params lists parameters" in ran.err


def test_a_text_is_quoted_where_it_could_not_be_seen(run: Run) -> None:
    text = FAMILY.replace("  norm: true\n", "  norm: true\n  empty: ''\n  spaced: ' a '\n  plain: it's\n")
    Path("family.yaml").write_text(text, "utf-8")
    lines = run("show", "family.yaml", "--params").out.splitlines()
    values = {
        line.split()[0]: line[line.index("string") + 6 :].split("family")[0].strip()
        for line in lines
        if "string" in line
    }
    assert values == {"empty": "''", "spaced": "' a '", "plain": "it's"}
