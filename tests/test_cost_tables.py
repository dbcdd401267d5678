"""The tables of `archc cost`: rows of blocks with equal rounds in one, bars, forms for other programs, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.compiler.diagnostics import Failure
from archc.text import bars
from archc.text.bars import draw_bar
from archc.text.interchange import csv_table, markdown_table
from archc.text.layout import text_width
from archc.text.tables import format_count

from .program import Run, program
from .test_cli import loaded

HEAD = "archspec: 1\nname: net\ninput: {image: [3, 16, 16]}\n"
BLOCKS = """blocks:
  Unit:
    params: {out: 8}
    steps: [{name: conv, conv: {out: $out, kernel: 3, padding: 1}}, {name: bn, batch_norm: {}}, relu]
"""
TINY = (
    HEAD
    + BLOCKS
    + """graph:
  - {name: stem, conv: 8}
  - {name: stage, steps: [{repeat: {i: 4}, name: u$i, Unit: {}}]}
  - {name: aux, aux: 0.3, steps: [global_avg_pool, {name: fc, linear: 5}]}
  - global_avg_pool
  - {name: fc, linear: 10}
"""
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("net.yaml").write_text(TINY, "utf-8")
    Path("other.yaml").write_text(TINY.replace("name: net", "name: other").replace("i: 4", "i: 2"), "utf-8")
    return program(capsys)


def rows_of(folder: Path, graph: str, depth: int = 1) -> list[tuple[str, str, int]]:
    """The path, the op and the number of rounds of each block."""
    (folder / "x.yaml").write_text(HEAD + BLOCKS + f"graph:\n{graph}", "utf-8")
    return [(row.path, row.op, row.times) for row in archc.load(folder / "x.yaml").cost().by("block", depth)]


@pytest.mark.parametrize("graph, depth, expected", [
    # equal rounds under a name of their own are one row; the first of a stage that differs is none of them
    ("  - {name: stem, conv: 8}\n  - {name: s, steps: [{repeat: {i: 3}, name: u$i, Unit: {}}]}\n", 1, [("stem", "conv", 1), ("s", "Unit", 3)]),
    ("  - {name: stem, conv: 8}\n  - {name: s, steps: [{repeat: {i: 3}, name: u$i, Unit: {}}]}\n", 2, [("stem", "conv", 1), ("s.u0", "Unit", 3)]),
    ("  - {name: s, steps: [{repeat: {i: 3}, name: u$i, Unit: {}}]}\n", 1, [("s", "3 × Unit", 1)]),
    ("  - {name: s, steps: [{repeat: {i: 3}, name: u$i, Unit: {}}]}\n", 2, [("s.u0", "Unit", 1), ("s.u1", "Unit", 2)]),
    # rounds of several steps, step by step
    ("  - {name: stem, conv: 8}\n  - {repeat: {i: 4}, steps: [{name: c$i, conv: 8}, {name: r$i, relu: }]}\n", 1,
     [("stem", "conv", 1), ("c0", "conv", 4), ("r0", "relu", 4)]),
    # a round that costs more splits them; equal ones that no repeat made are not joined
    ("  - {name: stem, conv: 8}\n  - {repeat: {i k: [[0, 1], [1, 1], [2, 3], [3, 3], [4, 1]]}, name: c$i, conv: {out: 8, kernel: $k, padding: $(k // 2)}}\n", 1,
     [("stem", "conv", 1), ("c0", "conv", 2), ("c2", "conv", 2), ("c4", "conv", 1)]),
    ("  - {name: a, conv: 3}\n  - {name: b, conv: 3}\n", 1, [("a", "conv", 1), ("b", "conv", 1)]),
    # rounds in rounds
    ("  - {name: stem, conv: 8}\n  - {repeat: {s: 2}, steps: [{repeat: {i: 3}, name: c$s$i, conv: 8}, {name: b$s, batch_norm: {}}]}\n", 1,
     [("stem", "conv", 1), ("c00", "conv", 6), ("b0", "batch_norm", 2)]),
    ("  - {name: stem, conv: 8}\n  - {repeat: {s w: [[0, 8], [1, 8], [2, 4]]}, steps: [{repeat: {i: 2}, name: c$s$i, conv: $w}]}\n", 1,
     [("stem", "conv", 1), ("c00", "conv", 4), ("c20", "conv", 1), ("c21", "conv", 1)]),
    # another shape is not equal, though it costs the same
    ("  - {repeat: {i: 3}, name: p$i, max_pool: 2}\n", 1, [("p0", "max_pool", 1), ("p1", "max_pool", 1), ("p2", "max_pool", 1)]),
])  # fmt: skip
def test_equal_rounds_are_one_row(tmp_path: Path, graph: str, depth: int, expected: list[Any]) -> None:
    assert rows_of(tmp_path, graph, depth) == expected


# a block with a head in its end, a merge by its name, rounds in rounds, and a block that is one step
NESTED = (
    HEAD
    + """blocks:
  Watched:
    steps:
      - {name: conv, conv: 8}
      - {name: head, aux: 0.3, steps: [global_avg_pool, {linear: 5}]}
  One: {steps: [relu]}
graph:
  - {name: w, Watched: {}}
  - name: split
    concat:
      left: {conv: 4}
      right: {conv: 4}
  - {name: z, One: {}}
  - name: deep
    repeat: {i: 3}
    steps:
      - repeat: {j: 2}
        residual: {body: [{conv: 8}, relu]}
"""
)


def test_a_block_tells_what_it_gives_on_and_stands_where_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(NESTED, "utf-8")
    lines = {text.strip(): number for number, text in enumerate(NESTED.splitlines(), 1)}
    costs = archc.load(tmp_path / "x.yaml").cost()
    rows = {x.path: (x.op, x.times, len(x.output), x.source.partition(":")[2]) for x in costs.by("block")}
    assert rows == {
        "w": ("Watched", 1, 3, str(lines["- {name: w, Watched: {}}"])),
        "split": ("3 steps", 1, 3, str(lines["concat:"])),
        "z": ("relu", 1, 3, str(lines["- {name: z, One: {}}"])),
        "deep": ("6 steps", 3, 3, str(lines["repeat: {i: 3}"])),
    }
    # a row of a head alone has the head's output
    outputs = {x.path: x.output for x in costs.by("block", 2)}
    assert (outputs["w.conv"][0], outputs["w.head"]) == (8, (5,))


def test_resnet152_reads_as_table_1_of_its_paper() -> None:
    table = archc.load("resnet152").cost().by("block")
    stages = [(x.path, x.op, x.output[1:]) for x in table if x.path.startswith("layer")]
    assert stages == [
        ("layer1", "3 × Bottleneck", (56, 56)), ("layer2", "8 × Bottleneck", (28, 28)),
        ("layer3", "36 × Bottleneck", (14, 14)), ("layer4", "3 × Bottleneck", (7, 7)),
    ]  # fmt: skip
    folded = {x.path: x.times for x in archc.load("resnet152").cost().by("block", 2) if x.times > 1}
    assert folded == {"layer1.1": 2, "layer2.1": 7, "layer3.1": 35, "layer4.1": 2}


def test_what_joins_branches_stands_behind_them() -> None:
    rows = [(x.path, x.op, x.times) for x in archc.load("alexnet_ensemble").cost().by("block")]
    assert rows[0] == ("member0", "AlexNet", 7) and len(rows) == 2


def test_a_table_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.yaml").write_text(TINY, "utf-8")
    monkeypatch.setenv("COLUMNS", "120")
    costs = archc.load(tmp_path / "net.yaml").cost()
    table = costs.by("block")
    assert [x.path for x in table] == ["stem", "stage", "aux", "3", "fc"] and table[1].times == len(table) - 1
    assert sum(x.params for x in table) == costs.params.total and table[1:3] == table.rows[1:3]
    lines = str(table).splitlines()
    assert lines[0].split()[:4] == ["block", "op", "output", "parameters"]
    assert [line.split()[0] for line in lines[-2:]] == ["total", "without"]
    assert "stage ×4" in str(table) and "5 rows by block" in repr(table)
    html = table._repr_html_()
    assert html.count("<tr>") == 1 + len(table) + 2 and "stage ×4" in html
    for wrong in ({"by": "blocks"}, {"by": "block", "depth": 0}):
        with pytest.raises(Failure, match="no table by"):
            costs.by(**wrong)


# -- bars ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part, columns, eighths, expected", [
    (0, 4, True, ""), (1, 4, True, "████"), (0.5, 4, True, "██"), (1 / 32, 4, True, "▏"), (7 / 32, 4, True, "▉"), (9 / 32, 4, True, "█▏"),
    (0.001, 4, True, ""), (0.99, 4, True, "████"), (0.6, 5, False, "###"), (1, 5, False, "#####"), (0.01, 5, False, ""),
])  # fmt: skip
def test_bars(part: float, columns: int, eighths: bool, expected: str) -> None:
    assert draw_bar(part, columns, eighths) == expected


def test_bars_are_ascii_where_the_encoding_has_no_eighths(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        "████" in run("cost", "net.yaml", "--by", "layer").out and "#" not in run("cost", "net.yaml", "--by", "op").out
    )
    monkeypatch.setattr(bars.sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert not bars.can_show_eighths()
    assert "####" in str(archc.load("net.yaml").cost().by("layer"))


def test_an_op_of_several_steps_has_no_one_place(run: Run) -> None:
    rows = {
        row["op"]: row
        for row in csv.DictReader(io.StringIO(run("cost", "net.yaml", "--by", "op", "--format", "csv").out))
    }
    several = [row for row in rows.values() if int(row["steps"]) > 1]
    assert several and all((row["source"], row["output"], row["times"]) == ("", "", "1") for row in several)
    assert all(row["source"] and row["output"] for row in rows.values() if row["steps"] == "1")


ALL = ["--sizes", "--paths", "--training", "--memory"]


@pytest.mark.parametrize("columns", [40, 80])
def test_nets_that_are_too_wide_for_a_table_stand_below_each_other(
    run: Run, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was asked for is left out; there is a table where it has room."""
    wide = run("cost", "net.yaml", "net.yaml", *ALL).out.splitlines()
    monkeypatch.setenv("COLUMNS", str(columns))
    told = run("cost", "net.yaml", "net.yaml", *ALL).out
    assert max(map(text_width, told.splitlines())) <= columns and len(wide) == 3
    for name in (
        "peak activations",
        "peak of a run",
        "in place",
        "training, sgd-momentum",
        "sizes that fit",
        "mean depth",
    ):
        assert name in wide[0] and told.count(f"  {name} ") == 2


def test_the_default_imports_nothing_for_options(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, "utf-8")
    modules = loaded(f"from archc.cli import main\nassert main(['cost', {str(tmp_path / 'tiny.yaml')!r}]) == 0")
    assert not modules & {
        "archc.text.cost_details",
        "archc.compiler.analysis.training_memory",
        "archc.text.cost_tables",
    }


# -- forms for other programs --------------------------------------------------------------------------------------------

MORE = [[], ["--at", "32", "--at", "48x40"], ["--memory", "--training", "--sizes", "--paths"], ["--on", "h200", "--on", "flops=1T,bandwidth=1G"],
        ["--by", "layer"], ["--by", "block", "--depth", "2"], ["--by", "op"], ["--by", "layer", "--fields"], ["--by", "block", "--on", "t4", "--precision", "fp16"],
        ["--weights-only", "--batch", "7", "--by", "layer"]]  # fmt: skip


@pytest.mark.parametrize("more", MORE, ids=" ".join)
def test_csv_has_the_numbers_of_json(run: Run, more: list[str]) -> None:
    documents = json.loads(run("cost", "net.yaml", "other.yaml", *more, "--format", "json").out)
    text = run("cost", "net.yaml", "other.yaml", *more, "--format", "csv").out
    head, *lines = csv.reader(io.StringIO(text), strict=True)
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    assert len(set(head)) == len(head)
    by = more[more.index("--by") + 1] + "s" if "--by" in more else ""
    expected = [line for each in documents for line in csv_lines(each, by)]
    assert len(rows) == len(expected)
    for row, facts in zip(rows, expected, strict=True):
        assert {name: row[name] for name in facts} == {name: cell(value) for name, value in facts.items()}


def csv_lines(document: dict[str, Any], by: str) -> list[dict[str, Any]]:
    """The rows of a net's document as a csv is to have them."""
    first = {"name": document["name"]}
    rows = document[by] if by else [without_tables(document)]
    lines = [first | {k: v for k, v in row.items() if not isinstance(v, dict)} for row in rows]
    if "rooflines" not in document:
        return lines
    names = ("flops", "bytes", "intensity", "bound", "least_us")
    return [
        line | {"card": roof["card"]} | {name: time[name] for name in names}
        for roof in document["rooflines"]
        for line, time in zip(lines, roof[by] if by else [roof], strict=True)
    ]


def without_tables(document: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a whole net."""
    kept = {k: v for k, v in document.items() if isinstance(v, (int, str)) and k != "name"}
    for name, part in document.items():
        if name == "memory":
            kept |= part
        elif name in ("training", "paths"):
            kept |= {f"{name}_{key}": value for key, value in part.items()}
    return kept | {"params": document["params"]["total"]}


def cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "x".join(map(str, value))
    return "" if value is None else str(value)


@pytest.mark.parametrize("by", ["layer", "block", "op"])
def test_markdown_has_the_numbers_of_json(run: Run, by: str) -> None:
    document = json.loads(run("cost", "net.yaml", "--by", by, "--format", "json").out)
    lines = run("cost", "net.yaml", "--by", by, "--format", "markdown").out.splitlines()
    head, rule, *rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert all(len(row) == len(head) for row in rows)
    for name in ("parameters", "MACs", "activations"):
        at = head.index(name)
        key = "params" if name == "parameters" else name.lower()
        assert rule[at] == "--:"
        found = [int(row[at].replace(",", "")) for row in rows[:-2]]
        assert found == [row[key] for row in document[f"{by}s"]] and int(rows[-2][at].replace(",", "")) == sum(found)
    assert [rows[-2][0], rows[-1][0]] == ["total", "without the heads"]
    assert int(rows[-1][head.index("parameters")].replace(",", "")) == document["params"]["without_aux"]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@x",
        'a"b',
        "a,b",
        "a\nb",
        "a\r\tb",
        "a|b",
        "\\|",
        "<b>",
        "`x`",
        "_x_ a_b",
        "[a](b)",
        "\x1b[31m\u202e",
    ],
)
def test_hostile_texts(text: str) -> None:
    """No formula for a spreadsheet, no line end, no second cell; what is shown is the text itself, escaped as archc escapes."""
    printed = csv_table(["a"], [[text, 1]])
    ((_,), (found, one)) = csv.reader(io.StringIO(printed), strict=True)
    assert one == "1" and found[0] not in "=+-@" and found.isprintable()
    line = markdown_table(["a", "b"], [[text, "1"]], "<>").splitlines()[2:]
    assert len(line) == 1 and line[0].isprintable() and len(re.findall(r"(?<!\\)(?:\\\\)*\|", line[0])) == 3
    assert not re.search(r"(?<!\\)[<>`\[]", line[0].replace("<!-- -->", ""))
    assert not re.search(r"[@#](?!<!-- -->)", line[0])


def test_a_net_without_steps(run: Run) -> None:
    Path("net.yaml").write_text(HEAD + "graph: []\n", "utf-8")
    for form in ("text", "json", "csv", "markdown"):
        for more in ([], ["--by", "layer"], ["--by", "block"], ["--by", "op"]):
            ran = run(
                "cost",
                "net.yaml",
                *more,
                "--on",
                "h200",
                "--memory",
                "--training",
                "--sizes",
                "--paths",
                "--format",
                form,
            )
            assert ran.code == 0 and ran.out


# -- options ---------------------------------------------------------------------------------------------------------------

REFUSED = [
    (["--share"], "--by"), (["--depth", "2"], "--by block"), (["--by", "op", "--depth", "2"], "--by block"), (["--fields"], "--by layer"),
    (["--by", "layer", "--fields", "--share"], "leave out"), (["--by", "layer", "--share", "--format", "csv"], "--format csv"),
    (["--optimizer", "adam"], "--training"), (["--training", "--precision", "fp16"], "float32"), (["--training", "--optimizer", "adamw"], "adam"),
    (["--at", "0"], "no size"), (["--at", "3x"], "no size"), (["--at", "3x4x5"], "no size"), (["--at", "-1x2"], "no size"), (["--at", "9999999"], "no size"),
    (["--on", "h20"], "did you mean `h200`? known are"), (["--on", "a100"], "a100-40gb or a100-80gb"), (["--on", ""], "no card"), (["--on", "v100-16gb", "--precision", "int8"], "in int8"),
    (["--on", "flops=1T"], "bandwidth"), (["--on", "flops=0,bandwidth=1"], "over 0"), (["--on", "flops=nan,bandwidth=1"], "over 0"), (["--on", "flops=1e400,bandwidth=1"], "over 0"),
    (["--on", "flops=1,flops=2,bandwidth=1"], "each once"), (["--on", "flops=1,bandwidth=1,colour=2"], "not one of"), (["--on", "=,="], "not one of"),
]  # fmt: skip


@pytest.mark.parametrize("more, told", REFUSED, ids=[" ".join(more) for more, _ in REFUSED])
def test_what_does_not_go_is_refused_in_one_message(run: Run, more: list[str], told: str) -> None:
    ran = run("cost", "net.yaml", *more)
    assert ran.code == 2 and not ran.out and told in ran.err and ran.err.count("error[") == 1


def test_sizes_that_do_not_fit_are_refused(run: Run) -> None:
    Path("flat.yaml").write_text(HEAD + "graph: [{conv: 4}, flatten, {name: fc, linear: 10}]\n", "utf-8")
    ran = run("cost", "flat.yaml", "--at", "16", "--at", "17")
    assert ran.code == 2 and not ran.out and "error[input-size]" in ran.err and "17×17" in ran.err and "`fc`" in ran.err
    assert "`archc cost SPEC --sizes` tells which sizes fit" in " ".join(ran.err.split())
    told = json.loads(run("cost", "flat.yaml", "--at", "16", "--format", "json").out)
    assert told == json.loads(run("cost", "flat.yaml", "--format", "json").out)


def test_precisions_scale_bytes_alone(run: Run) -> None:
    told = {
        each: json.loads(run("cost", "net.yaml", "--memory", "--precision", each, "--format", "json").out)
        for each in ("fp32", "fp16", "int8")
    }
    for name, size in (("fp32", 4), ("fp16", 2), ("int8", 1)):
        document = told[name]
        assert document["macs"] == told["fp32"]["macs"]
        assert 4 * document["peak_activation_bytes"] == size * told["fp32"]["peak_activation_bytes"]
        assert 4 * document["memory"]["peak_bytes"] == size * told["fp32"]["memory"]["peak_bytes"]
        for row in document["layers"]:
            assert (row["param_bytes"], row["activation_bytes"]) == (size * row["params"], size * row["activations"])


def test_counts_are_rounded_to_three_digits() -> None:
    assert [format_count(x) for x in (0, 999, 9_408, 118_013_952, 1_497_000_000)] == [
        "0",
        "999",
        "9.41 k",
        "118 M",
        "1.50 G",
    ]
