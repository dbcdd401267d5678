"""`archc show --tree`: every node of a net stands in it once, and its costs add up; what people see of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from archc.compiler.driver import check, run_passes
from archc.compiler.ir.graph import Graph
from archc.compiler.view.draw import draw_graph
from archc.compiler.view.drawing import Costs
from archc.text.excerpts import Paint
from archc.text.layout import text_width
from archc.text.tree import TreeRow, net_rows, tree_text

from .program import Run, program
from .test_explain import NORM, SMALL

pytest.importorskip("pty", reason="a pseudo-terminal is there on Unix alone")

from .terminal import COLOURS, run_in_terminal

TREE = """\
                                            output   params    MACs
small                                                2.46 k   518 k
├─ image  input                             3×32×32
├─ stem  3×3 conv, 8 /2 · BN · ReLU         8×16×16     232  55.3 k
├─ body                                     8×16×16  1.78 k   442 k
│  └─ 0 … 2 ×3                              8×16×16  1.78 k   442 k
│     ├─ with a skip around it              8×16×16     592   147 k
│     │  └─ inner  3×3 conv, 8 · BN · ReLU  8×16×16     592   147 k
│     └─ +                                  8×16×16
├─ pool  3×3 max pool /2                    8×8×8
├─ wide                                     10×8×8      322  20.0 k
│  ├─ 2 branches                                        322  20.0 k
│  │  ├─ left  3×3 conv, 4, dilation 2      4×8×8       292  18.4 k
│  │  └─ right  1×1 conv, 6, 2 groups       6×8×8        30  1.54 k
│  └─ concat                                10×8×8
├─ 7  BN · dropout 0.5 · global avg pool    10×1×1       20
├─ fc  linear, 10                           10          110     100
├─ logits  output                           10
└─ aux  head, weight 0.3, reads body.2      10          330
   ├─ 0  avg pool to 2×2                    8×2×2
   ├─ 1  flatten                            32
   └─ fc  linear, 10                        10          330
"""
ACROSS = """\
archspec: 1
name: across
input: {image: [3, 16, 16]}
graph:
  - {name: a, conv: {out: 8, kernel: 3, padding: 1}}
  - {name: b, conv: {out: 8, kernel: 3, padding: 1}, output: mid}
  - {name: c, conv: {out: 8, kernel: 3, padding: 1}}
  - {name: d, add: [identity, {from: a, conv: 8}]}
  - {name: e, conv: {out: 8, kernel: 3, padding: 1}}
  - {name: f, add: [identity, {from: b, conv: 8}]}
"""
U_NET = """\
archspec: 1
name: u
input: {image: [3, 16, 16]}
blocks:
  Two:
    params: {out: int}
    steps: [{conv: {out: $out, kernel: 3, padding: 1}}, relu]
graph:
  - {name: down, Two: {out: 16}}
  - {name: pool, max_pool: 2}
  - {name: low, Two: {out: 16}}
  - {name: up, upsample: 2}
  - {name: join, concat: [[], [{from: down}]]}
  - name: dense
    repeat: {i: 3}
    concat: {old: identity, new: [{conv: {out: 8, kernel: 3, padding: 1}}, relu]}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("small.yaml").write_text(SMALL, "utf-8")
    Path("norm.yaml").write_text(NORM, "utf-8")
    Path("across.yaml").write_text(ACROSS, "utf-8")
    return program(capsys)


def test_a_tree(run: Run) -> None:
    assert run("show", "small.yaml", "--tree").out == TREE


def test_depth_means_tree_and_ends_it(run: Run) -> None:
    """What runs side by side is no level: its rows are shown as those around it."""
    levels, around = [], [""] * 9
    for line in TREE.splitlines()[2:]:
        indent = line.index("─") // 3
        around[indent] = line
        levels.append(1 + sum("with a skip" not in each and "branches" not in each for each in around[:indent]))
    for depth in (1, 2, 3):
        lines = run("show", "small.yaml", "--depth", str(depth)).out.splitlines()
        whole = [line for line, level in zip(TREE.splitlines()[2:], levels, strict=True) if level <= depth]
        assert [line.split("  ")[0] for line in lines[2:]] == [line.split("  ")[0] for line in whole]
    assert run("show", "small.yaml", "--tree", "--depth", "99").out == TREE


def test_a_skip_is_no_level_and_a_merge_says_what_it_reads(run: Run) -> None:
    """At the first level stand all blocks and steps of the top, those that a skip leads around, too."""
    Path("u.yaml").write_text(U_NET, "utf-8")
    out = run("show", "u.yaml", "--depth", "1").out
    assert re.search(r"─ with a skip around it +16×16×16 ", out) and "concat ← up, down.1" in out
    assert all(f"─ {name}  " in out for name in ("down", "pool", "low", "up"))


def test_rounds_of_several_sizes_are_told(run: Run) -> None:
    """The rows below such a repeat are the first round's, and do not add up to it; those below equal rounds do."""
    Path("u.yaml").write_text(U_NET, "utf-8")
    assert re.search(r"─ 0 … 2 ×3  below the first round +", run("show", "u.yaml", "--tree").out)
    assert "first round" not in run("show", "small.yaml", "--tree").out + run("show", "u.yaml", "--depth", "1").out


def test_what_is_not_series_parallel_says_what_it_reads(run: Run) -> None:
    out = run("show", "across.yaml", "--tree").out
    assert "steps, wired across" in out and "← " in out and "→ mid" in out
    assert [name for name in ("a", "b", "c", "d", "e", "f", "d.1", "f.1") if f"─ {name}  " not in out] == []


def test_what_a_merge_reads_stands_in_its_order(run: Run) -> None:
    """The order is that of the channels. An input reads nothing, also where it is one of what is wired across."""
    head = "archspec: 1\nname: n\ninput: {p: [3, 8, 8], q: [3, 8, 8]}\ngraph:\n"
    skips = "  - {name: a, from: p, relu: }\n  - {name: m, concat: [{conv: 2}, [], [tanh]]}\n"
    across = (
        "  - {name: b, from: q, relu: }\n  - {name: k, concat: [[{from: b}], [{from: m}], [{from: a}], [{from: q}]]}\n"
    )
    Path("n.yaml").write_text(head + skips + across, "utf-8")
    out = run("show", "n.yaml", "--tree").out
    assert "concat ← m.0, a, m.2.0 " in out and "k  concat ← b, m, a, q" in out
    assert re.search(r"─ q  input +3×8×8", out) and not re.search(r"← *(3×8×8|\n)", out)


def test_json_is_the_tree(run: Run) -> None:
    document = json.loads(run("show", "small.yaml", "--tree", "--format", "json").out)
    body = next(row for row in document["tree"] if row["name"] == "body")
    (rounds,) = body["rows"]
    assert (rounds["times"], rounds["params"], rounds["output"]) == (3, 1776, [8, 16, 16])
    assert [row["what"] for row in rounds["rows"]] == ["with a skip around it", "+"]


def test_the_tree_behind_a_pass(run: Run) -> None:
    out = run("show", "small.yaml", "--tree", "--after", "fold-batch-norm").out
    assert "aux" not in out and "dropout" not in out and "3×3 conv, 8 · ReLU" in out


def graph_of(name: str) -> Graph:
    graph = check(name).graph
    assert graph is not None
    return graph


def open_rows(rows: Sequence[TreeRow]) -> Iterator[TreeRow]:
    """All rows, those of a repeat's one round, too."""
    for row in rows:
        yield row
        yield from open_rows(row.rows)


@pytest.mark.parametrize("name", ["googlenet", "resnet50", "densenet121", "fractalnet20_cifar", "inception_v3"])
def test_costs_add_up(name: str) -> None:
    """Each row has what those under it have together, a repeat at least what its one round has; the trunk has what the net has."""
    drawing = draw_graph(graph_of(name))
    rows = net_rows(drawing)
    for row in open_rows(rows):
        if row.rows:
            below = sum((each.costs for each in row.rows), Costs())
            assert below == row.costs if row.times == 1 else below.params <= row.costs.params
    assert sum((row.costs for row in rows if not row.is_side), Costs())[:3] == drawing.totals[:3]
    assert {row.name for row in rows if row.is_side} == {head.path for head in drawing.heads}
    for depth in (1, 2):
        cut = net_rows(drawing, depth)
        assert [(r.name, r.costs, r.shape) for r in cut] == [(r.name, r.costs, r.shape) for r in rows]


@pytest.mark.parametrize("name", ["resnet152", "googlenet", "alexnet_ensemble"])
def test_it_draws_the_inference_graph_too(name: str) -> None:
    text = tree_text(draw_graph(run_passes(graph_of(name))))
    assert "head, weight" not in text and "dropout" not in text and len(text.splitlines()) > 10


@pytest.mark.parametrize("columns", [40, 80])
def test_a_narrow_terminal_has_room(columns: int, run: Run, tmp_path: Path) -> None:
    """Columns are left out and labels cut, and no line is wider."""
    code, lines = run_in_terminal(["show", "small.yaml", "--tree"], tmp_path, columns)
    assert code == 0 and max(map(text_width, lines)) <= columns
    assert all(any(name in line for line in lines) for name in ("stem", "left", "aux", "logits"))


def test_colours_are_for_a_terminal_that_wants_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawing = draw_graph(graph_of("googlenet"))
    plain = tree_text(drawing)
    coloured = tree_text(drawing, None, Terminal())  # type: ignore[arg-type]
    assert "\x1b[" in coloured and COLOURS.sub("", coloured) == plain and "\x1b" not in plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert tree_text(drawing, None, Terminal()) == plain  # type: ignore[arg-type]
    assert not Paint(None).on
