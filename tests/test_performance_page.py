"""docs/explanation/performance.md is what benchmarks/results/ makes; what its generator says of results that are missing, missed, or of another machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import choose_benchmarks, run_benchmark
from benchmarks.catalogue import AGREEMENT, BENCHMARKS, Benchmark
from benchmarks.goals import NO, NOT_MEASURED, YES, Goal, judge
from benchmarks.machine import write_results
from benchmarks.page import PAGE, fold_command, name_anchor, render_page
from benchmarks.result import Result, load_results
from benchmarks.summaries import check_agreement, compare_best, find_share_of_limit, summarise_agreement
from benchmarks.tables import CODE, Column, Table, format_table

ROOT = Path(__file__).parent.parent
CPU = {"cpu": "A CPU", "features": ["avx2", "sha_ni"], "cores": 2, "python": "3.11", "load": 1.0}
ROWS = [{"net": "a", "times": 3.0, "error": 0.01}, {"net": "b", "times": 2.0, "error": 0.03}]
LEAST = Goal("three times", "times", {"net": "a"}, least=3, form=".1f")
MADE = Benchmark(
    "made", "Made up", "How long?", "no_such.py --rounds 3", 1,
    (Table((Column("net", "net", CODE), Column("times", "times", ".1f"))),), (LEAST,),
)  # fmt: skip


def keep(folder: Path, name: str = "made.json", rows: list[dict[str, Any]] = ROWS, **facts: Any) -> None:
    """Writes results as a run would have."""
    document = {"command": f"python benchmarks/no_such.py --json benchmarks/results/{name}", "date": "2026-11-27",
                "machine": CPU, "versions": {"torch": "2"}, "rows": rows}  # fmt: skip
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document | facts))


def test_the_committed_page_is_what_the_results_make() -> None:
    assert PAGE.read_text("utf-8") == render_page(BENCHMARKS), "python -m benchmarks.page"
    # a link is not broken
    assert not [line for line in PAGE.read_text("utf-8").splitlines() if len(line) > 80 and " " in line.strip()]


def test_links_to_the_page_lead_somewhere() -> None:
    anchors = {name_anchor(title) for title in re.findall("^## (.*)$", PAGE.read_text("utf-8"), re.M)}
    pages = [path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md")]
    linked = {anchor for page in pages for anchor in re.findall(r"performance\.md#([\w-]+)", page)}
    assert linked and linked <= anchors
    results = re.findall(r"\(\.\./\.\./(benchmarks/results/[^)]*)\)", PAGE.read_text("utf-8"))
    assert len(results) > 10 and all((ROOT / each).exists() for each in results)


def test_each_benchmark_is_a_script_with_results_of_its_own() -> None:
    assert len({each.name for each in BENCHMARKS}) == len({each.title for each in BENCHMARKS}) == len(BENCHMARKS)
    known = {each.name for each in BENCHMARKS}
    for benchmark in BENCHMARKS:
        script = ROOT / "benchmarks" / benchmark.command.split()[0]
        assert benchmark.folder or '"--json"' in script.read_text("utf-8")
    for path in (ROOT / "benchmarks" / "results").iterdir():
        assert path.name.startswith(".") or path.name.split(".")[0] in known, f"no page shows {path.name}"


@pytest.mark.parametrize(
    "goal, machine, holds, told",
    [
        (LEAST, CPU, YES, "3.0"),
        (LEAST._replace(least=3.1), CPU, NO, "3.0"),
        # the worst row counts
        (LEAST._replace(where={}), CPU, NO, "2.0"),
        (Goal("error", "error", most=0.02, form=".0%"), CPU, NO, "3%"),
        (Goal("error", "error", most=0.03, form=".0%"), CPU, YES, "3%"),
        (LEAST._replace(where={"net": "c"}), CPU, NOT_MEASURED, "not in this run"),
        (LEAST._replace(needs=("avx512_vnni",)), CPU, NOT_MEASURED, "this CPU has no VNNI"),
        (LEAST._replace(needs=("avx512_vnni",)), CPU | {"features": ["avx512_vnni"]}, YES, "3.0"),
        (LEAST._replace(lacks=("sha_ni",)), CPU, NOT_MEASURED, "this CPU has SHA"),
        (LEAST._replace(lacks=("sha_ni",)), {}, NOT_MEASURED, "the processor's features were not recorded"),
        (LEAST._replace(card="H200"), CPU | {"gpu": "NVIDIA H100"}, NOT_MEASURED, "it is no H200"),
        (LEAST._replace(card="H200"), CPU | {"gpu": "NVIDIA H200"}, YES, "3.0"),
        (LEAST._replace(choose=lambda rows: rows[1:], where={}), CPU, NO, "2.0"),
    ],
)
def test_goals(tmp_path: Path, goal: Goal, machine: dict[str, Any], holds: str, told: str) -> None:
    keep(tmp_path, machine=machine)
    verdict = judge(goal, load_results("made", tmp_path)[0])
    assert (verdict.holds, verdict.figure or verdict.why) == (holds, told)


def test_a_row_that_failed_misses_its_goal(tmp_path: Path) -> None:
    keep(tmp_path, rows=[{"net": "a", "failed": "too-inexact: 4 %"}])
    verdict = judge(LEAST, load_results("made", tmp_path)[0])
    assert (verdict.holds, verdict.why) == (NO, "too-inexact: 4 %")


def test_a_page_without_results_says_so(tmp_path: Path) -> None:
    page = render_page([MADE], tmp_path)
    assert "**Not measured.** `make bench ONLY=made` measures it." in page
    assert "| [Made up](#made-up) |   – |   – |            1 |" in page
    assert "- three times: **not measured**, the benchmark was not run" in page and "These are not met" not in page


def test_a_page_of_two_machines(tmp_path: Path) -> None:
    """A run on another CPU stands beside the first, under its own command; the topic's worst verdict is told on top."""
    keep(tmp_path)
    keep(tmp_path, "made.other.json", [{"net": "a", "times": 1.0}], machine={"gpu": "A card"}, date="", note="by hand")  # fmt: skip
    keep(tmp_path, "made_up.json", [{"net": "of another benchmark"}])
    page = render_page([MADE], tmp_path)
    assert "```sh\npython benchmarks/no_such.py --json benchmarks/results/made.other.json\n```" in page
    assert "| [Made up](#made-up) |   – |   1 |            – |" in page and "- Made up: three times: 1.0" in page
    flat = " ".join(page.split())
    assert "2026-11-27: 2 cores of A CPU; with avx2, sha_ni; without avx512f," in flat and "load 1.0. Python 3.11, torch 2." in flat  # fmt: skip
    assert "On a day that was not recorded: A card; the processor was not recorded." in flat and "; by hand." in flat  # fmt: skip
    assert (
        "| `a` |   3.0 |\n| `b` |   2.0 |" in page
        and "Goals, by made.other.json:\n\n- three times: **no**, 1.0" in page
    )
    assert "another benchmark" not in page


def test_a_folder_is_one_result(tmp_path: Path) -> None:
    keep(tmp_path, "made/one.json", ROWS[:1])
    keep(tmp_path, "made/two.json", ROWS[1:])
    (tmp_path / "made.json.part").write_text("{")  # a script that is writing
    (result,) = load_results("made", tmp_path)
    assert result.source == "made/" and [(row["section"], row["net"]) for row in result.rows] == [("one", "a"), ("two", "b")]  # fmt: skip
    place = "../../benchmarks/results/made"
    assert f"made/ ([1]({place}/one.json), [2]({place}/two.json))" in " ".join(render_page([MADE], tmp_path).split())


@pytest.mark.parametrize("text", ["{", "[]", '{"machine": {}}'])
def test_a_file_of_another_form_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "made.json").write_text(text)
    with pytest.raises(ValueError, match=r"made\.json is not in the form of benchmarks/machine\.py"):
        load_results("made", tmp_path)


def test_tables_and_commands() -> None:
    table = Table((Column("net", "net", CODE), Column("s", "s", ".1f"), Column("ok", "ok")), title="Times")
    text = format_table(table, [{"net": "a", "s": 12.34, "ok": True}, {"net": "b"}])
    assert (
        text == "Times:\n\n| net |    s | ok   |\n| --- | ---: | ---- |\n| `a` | 12.3 | True |\n| `b` |    – | –    |"
    )
    assert format_table(table, []) == ""
    folded = fold_command("python a.py --ways 'fp16, fp16 io' " + "--nets resnet50 " * 6)
    assert len(folded.splitlines()) == 2 and max(map(len, folded.splitlines())) <= 80
    assert "'fp16, fp16 io'" in folded and folded.splitlines()[0].endswith(" \\")


def test_the_best_of_a_card() -> None:
    case = {"net": "a", "batch": 8, "precision": "fp16", "mode": "kernels alone", "status": "measured"}
    rows = [
        case | {"contender": "archc", "images_per_s": 50.0, "time_over_eager": 1.6, "time_over_eager_beyond_noise": True},
        case | {"contender": "archc nhwc", "images_per_s": 78.0, "time_over_eager": 1.02, "time_over_eager_beyond_noise": False},
        case | {"contender": "torch eager", "images_per_s": 80.0},
        case | {"contender": "torch.compile", "status": "failed", "reason": "no compiler"},
        case | {"contender": "archc", "share_of_unfused": 0.5}, case | {"contender": "archc nhwc", "share_of_unfused": 0.7},
        {"what": "copy", "status": "measured"},
    ]  # fmt: skip
    (found,) = compare_best(rows)
    assert (found["archc"], found["contender"], found["peer"], found["slower"]) == (78.0, "archc nhwc", "torch eager", 1.0)  # fmt: skip
    assert [row["share_of_unfused"] for row in find_share_of_limit(rows)] == [0.7]


def test_a_net_that_gave_no_answer_misses_the_goal() -> None:
    rows = [{"net": "a", "max_rel": 1e-6, "agrees": True, "elsewhere": ""}, {"net": "b", "error": "RuntimeError: no"}]
    assert [row["figure"] for row in summarise_agreement(rows)] == ["2", "1", "1.0e-06", "0"]
    result = Result("made.json", "", "", CPU, {}, "", rows)
    assert {(each.holds, each.why) for each in map(partial(judge, result=result), AGREEMENT)} == {
        (NO, "`b`: RuntimeError: no")
    }
    sections = [{"section": "zoo-1", "status": "measured", **rows[0]}, {"section": "zoo-1", "status": "not reached", "net": "c"},
                {"section": "resnet50-8-fp16", "status": "failed", "net": "resnet50"}]  # fmt: skip
    assert [row["net"] for row in check_agreement(sections)] == ["a"]


# -- running -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code, kept", [("write_results(path, [{'net': 'new'}], [])", "new"),
                                        ("write_results(path, [{'net': 'half'}], []); sys.exit('no luck')", "a"),
                                        ("pass", "a")])  # fmt: skip
def test_a_failed_run_leaves_the_results_that_were_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, kept: str) -> None:  # fmt: skip
    keep(tmp_path)
    script = tmp_path / "script.py"
    script.write_text(f"import sys; from pathlib import Path; sys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n"
                      f"from machine import write_results; path = Path(sys.argv[-1]); {code}\n")  # fmt: skip
    done = run_benchmark(MADE._replace(command=str(script)), "", folder=tmp_path)
    assert done == (kept == "new")
    assert load_results("made", tmp_path)[0].rows[0]["net"] == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.json", "script.py"]


def test_names() -> None:
    assert [each.name for each in choose_benchmarks("start, build")] == ["start", "build"]
    assert choose_benchmarks("") == BENCHMARKS
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--only", "nope"], cwd=ROOT, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith("no benchmark is called nope; there are build, start,")


def test_results_say_where_and_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "argv", ["/here/benchmarks/made.py", "--rounds", "3", "--json", str(tmp_path / "made.json")]
    )
    write_results(tmp_path / "made.json", ROWS, ("pytest", "no-such-package"), gpu="A card")
    (result,) = load_results("made", tmp_path)
    assert result.command == "python benchmarks/made.py --rounds 3 --json benchmarks/results/made.json"
    assert result.date.count("-") == 2 and result.machine["gpu"] == "A card" and result.machine["load"] >= 0
    assert list(result.versions) == ["pytest"] and result.rows == ROWS
