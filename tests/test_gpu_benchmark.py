"""benchmarks/gpu.py: what is measured is kept, what is not is said, and one section's failure is its own. No card is needed here."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
STATUSES = {"measured", "needs a card", "left out", "not reached", "failed"}
# sections of a test's own: each is a module that a child imports
BROKEN = {
    "good": "yield measured('a', ms=1.0)",
    "raises": "yield planned('b')\n    yield measured('a', ms=1.0)\n    raise ValueError('two\\nlines')",
    "dies": "yield measured('a', ms=1.0)\n    os._exit(11)",
    "hangs": "yield planned('b')\n    yield measured('a', ms=1.0)\n    time.sleep(600)",
}


@pytest.fixture
def load(monkeypatch):
    """Imports a module of benchmarks/ as the script does."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def run_gpu(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(BENCHMARKS / "gpu.py"), *arguments], capture_output=True, text=True)


def read_rows(path: Path) -> dict[str, dict]:
    found = json.loads(path.read_text("utf-8"))
    assert {"command", "machine", "versions", "rows"} <= found.keys()
    rows = {row["what"]: row for row in found["rows"]}
    assert len(rows) == len(found["rows"])
    for row in rows.values():
        assert row["status"] in STATUSES and (row["status"] == "measured" or row["reason"])
        assert not any(isinstance(value, (dict, list)) for value in row.values())
    return rows


def test_the_budget_says_what_was_not_reached(tmp_path):
    ran = run_gpu("--rehearse", "--budget", "1", "--json-dir", str(tmp_path), "--section", "ceilings,*-fp16,zoo-1")
    assert ran.returncode == 0, ran.stderr
    for name in ("ceilings", "lenet5_modern-1-fp16", "zoo-1"):
        assert f"{name}: not reached" in ran.stdout
        row = read_rows(tmp_path / f"{name}.json")[name]
        assert row["status"] == "not reached" and "--budget" in row["reason"]
    assert ran.stdout.count("goal not measured: ") == 2


def test_a_section_that_does_not_exist_is_refused(tmp_path):
    ran = run_gpu("--rehearse", "--section", "ceilings,nothing", "--json-dir", str(tmp_path / "made"))
    assert ran.returncode == 1 and "there is no section `nothing`" in ran.stderr
    assert not (tmp_path / "made").exists()


def test_a_section_that_fails_does_not_stop_the_others(load, tmp_path, monkeypatch, capsys):
    gpu, plan = load("gpu"), load("gpu_sections.plan")
    monkeypatch.syspath_prepend(str(tmp_path))
    sections = []
    (tmp_path / "trouble").mkdir()
    for name, body in BROKEN.items():
        head = "import os, time\nfrom gpu_sections.rows import measured, planned\n\n\ndef measure(task):\n"
        (tmp_path / "trouble" / f"{name}.py").write_text(f"{head}    {body}\n", "utf-8")
        sections.append(plan.Section(name, "?", 8 if name == "hangs" else 60, f"trouble.{name}", {}))
    monkeypatch.setattr(gpu, "list_sections", lambda rehearsal: [*sections[::-1]])
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--rehearse", "--json-dir", str(tmp_path / "found")])
    assert gpu.main() == 1
    rows = {name: read_rows(tmp_path / "found" / f"{name}.json") for name in BROKEN}
    assert all(each["a"]["ms"] == 1.0 for each in rows.values())
    assert list(rows["good"]) == ["a"]
    assert (
        rows["raises"]["raises"]["reason"] == "ValueError: two lines" and rows["raises"]["b"]["status"] == "not reached"
    )
    assert rows["dies"]["dies"]["status"] == "failed" and "ended with 11" in rows["dies"]["dies"]["reason"]
    assert rows["hangs"]["hangs"]["status"] == "not reached" and "stopped after 8 s" in rows["hangs"]["hangs"]["reason"]
    assert "ValueError: two lines" in capsys.readouterr().out


def test_a_file_from_before_outlives_a_section_that_is_not_reached(load, tmp_path):
    gpu, plan = load("gpu"), load("gpu_sections.plan")
    (section, *_), kept = plan.list_sections(rehearsal=True), tmp_path / "ceilings.json"
    kept.write_text("{}", "utf-8")
    (row,) = gpu.run_sections([section], plan.Task({}, "cpu", True, tmp_path, tmp_path, 0.0, False), 1)
    assert row["status"] == "not reached" and kept.read_text("utf-8") == "{}"


def test_a_contender_that_raises_is_left_out_of_the_next_rounds(load):
    timing, device = load("gpu_sections.timing"), load("gpu_sections.device").open_device("cpu")
    calls = iter(range(20))

    def fail_later():
        if next(calls) > 7:
            raise MemoryError("no more")

    def fail_at_once():
        raise ValueError("never")

    runs = {"good": lambda: time.sleep(1e-4), "late": fail_later, "early": fail_at_once}
    (*_, found) = timing.time_in_turn(runs, device, timing.Effort(0.01, 6, 1e-6), time.monotonic() + 60)
    assert isinstance(found["late"], MemoryError) and isinstance(found["early"], ValueError)
    assert len(found["good"].rounds) >= 6
    figures = timing.figures(found["good"], 4)
    assert figures["images_per_s"] == pytest.approx(4e3 / figures["p50_ms"])


def test_the_limit_is_the_longer_of_arithmetic_and_bytes_of_each_layer(load, tmp_path):
    limit = load("gpu_sections.limit")
    from archc.compiler.driver import check, run_passes

    text = """archspec: 1
name: small
input: {image: [3, 8, 8]}
graph:
  - conv: {out: 4, kernel: 3, bias: false}
  - relu:
  - flatten:
  - linear: {out: 5, bias: false}
"""
    (tmp_path / "small.yaml").write_text(text, "utf-8")
    layers = limit.list_layers(run_passes(check(str(tmp_path / "small.yaml")).graph))
    # (FLOPs, elements, weights, whether it fuses): 6 × 6 places are left of 8 × 8
    assert layers == [
        (2 * 144 * 27, 192 + 144, 108, False),
        (0, 288, 0, True),
        (0, 0, 0, False),
        (2 * 720, 144 + 5, 720, False),
    ]
    # arithmetic counts where bytes are nothing, and bytes where that is nothing
    assert limit.sum_layers(layers, 2, 4, 1.0, 1e12, False) == pytest.approx(2 * (7776 + 1440))
    assert limit.sum_layers(layers, 2, 4, 1e12, 1.0, False) == pytest.approx(4 * (2 * (336 + 288 + 149) + 828))
    assert limit.sum_layers(layers, 2, 4, 1e12, 1.0, True) == pytest.approx(4 * (2 * (336 + 149) + 828))


def case_file(folder: Path, name: str, rows: list[dict], **machine: object) -> None:
    document = {"machine": {"device": "cuda", "gpu": "NVIDIA H200", **machine}, "rows": rows}
    (folder / f"{name}.json").write_text(json.dumps(document), "utf-8")


def archc_row(images_per_s: float, ratio: float, told: bool, mode: str = "kernels alone") -> dict:
    return {"what": f"archc: {mode}", "status": "measured", "contender": "archc", "mode": mode, "images_per_s": images_per_s,
            "time_over_eager": ratio, "time_over_eager_beyond_noise": told}  # fmt: skip


@pytest.mark.parametrize(
    "rows, machine, limit, said",
    [
        ([archc_row(21_000, 0.8, True)], {}, None, ["met: resnet50-256-fp16", "met: never slower than torch eager, 1 cases"]),
        ([archc_row(19_000, 1.02, False)], {}, None, ["not met: resnet50-256-fp16", "met: never"]),
        ([archc_row(21_000, 1.2, True)], {}, None, ["met: resnet50-256-fp16", "not met: never slower"]),
        ([archc_row(15_000, 0.8, True)], {"gpu": "NVIDIA H100"}, 23_000, ["met: resnet50-256-fp16 at least 20,000 images/s on an H200, 14,375 on NVIDIA H100", "met"]),
        ([archc_row(14_000, 0.8, True)], {"gpu": "NVIDIA H100"}, 23_000, ["not met", "met"]),
        ([archc_row(14_000, 0.8, True)], {"gpu": "NVIDIA H100"}, None, ["not measured", "met"]),
        ([archc_row(90_000, 0.8, True)], {"device": "cpu"}, None, ["not measured", "not measured"]),
        ([{"what": "archc: kernels alone", "status": "failed", "contender": "archc", "mode": "kernels alone"}], {}, None, ["not measured", "not measured"]),
    ],
)  # fmt: skip
def test_goals_are_judged_by_rows(load, tmp_path, rows, machine, limit, said):
    goals, plan = load("gpu_sections.goals"), load("gpu_sections.plan")
    case_file(tmp_path, "resnet50-256-fp16", rows, **machine)
    if limit:
        row = {"what": "resnet50-256-fp16: limit, unfused", "status": "measured", "images_per_s": limit}
        case_file(tmp_path, "limit", [row], **machine)
    lines = [*goals.judge_goals(tmp_path, plan.list_sections(rehearsal=False))]
    assert len(lines) == len(said) and all(map(str.startswith, lines, said)), lines


def test_the_cuda_provider_gets_the_options_that_a_contender_is_named_after(load, monkeypatch, tmp_path):
    contenders, device = load("gpu_sections.ort_contenders"), load("gpu_sections.device")
    from archc.runtime.devices import Trouble, nvidia

    asked = []

    class Session:
        def get_providers(self):
            return ["CUDAExecutionProvider"]

    monkeypatch.setattr(nvidia, "cuda_trouble", lambda *_: Trouble())
    monkeypatch.setattr(contenders, "create_ort_session", lambda *given: asked.append(given[2]) or Session())
    case = SimpleNamespace(device=device.Device("cuda", int, int, int, "inductor"))
    contenders.open_provider(case, tmp_path, {"tf32": "on", "nhwc": "on"}, {"enable_cuda_graph": "1"}, strict=True)
    contenders.open_provider(case, tmp_path, {}, {}, strict=False)
    options = {"device_id": "0", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "1", "prefer_nhwc": "1"}
    assert asked[0] == [("CUDAExecutionProvider", {**options, "enable_cuda_graph": "1"})]
    assert asked[1] == [("CUDAExecutionProvider", {**options, "use_tf32": "0", "prefer_nhwc": "0"}), "CPUExecutionProvider"]  # fmt: skip


@pytest.mark.slow
def test_a_rehearsal_runs_each_section_and_leaves_nothing_out(load, tmp_path):
    ran = run_gpu("--rehearse", "--json-dir", str(tmp_path))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    sections = load("gpu_sections.plan").list_sections(rehearsal=True)
    files = {section.name: read_rows(tmp_path / f"{section.name}.json") for section in sections}
    rows = [row for each in files.values() for row in each.values()]
    assert {row["status"] for row in rows} <= {"measured", "needs a card", "left out"}
    case = files["lenet5_modern-1-fp16"]
    assert len({row["contender"] for row in case.values()}) == 15 and len(case) == 30
    for name in ("archc", "archc, uint8 input", "archc, float32 input", "torch eager", "torch export", "torch compile"):
        for mode in ("kernels alone", "from the host's memory"):
            row = case[f"{name}: {mode}"]
            assert row["status"] == "measured" and row["images_per_s"] > 0 and row["relative_l2"] < 0.01, row
            assert ("time_over_eager" in row) == (name != "torch eager")
    assert case["archc, nhwc, CUDA graph: kernels alone"]["status"] == "needs a card"
    assert files["ceilings"]["copy on the device"]["ceiling"] > 0
    assert files["limit"]["lenet5_modern-1-fp16: archc"]["share_of_unfused"] > 0
    assert files["zoo-1"]["lenet5_modern"]["agrees"] is True
    assert files["start"]["lenet5_modern, heuristic"]["open_ms"] > 0
    for name in ("doctor", "bench", "profile"):
        assert json.loads((tmp_path / files["smoke"][name]["kept"]).read_text("utf-8"))
