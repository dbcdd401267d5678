"""archc on a GPU against torch on the same one, in sections of at most two minutes, each with a file of its own.

    python benchmarks/gpu.py --list
    python benchmarks/gpu.py [--section NAME,NAME] [--contender NAME ...] [--budget SECONDS] [--json-dir DIR] [--autotune]
    python benchmarks/gpu.py --rehearse

It needs Python, torch, onnxruntime-gpu and this repository (with the small packages that archc needs). A section is a process of its
own, whose rows are kept as they come: a kill loses nothing that was measured, and a section that fails does not stop the others (exit
code 1). `--budget` ends the run; what was not reached is printed, and is a row that says so. A name may be a pattern: `--section
'resnet50-*'`. The files of one folder belong to one card: `limit` and the goals, which are printed at the end, read all of them.

A run ends when its answer is there, so that contenders are held against each other as one request after the other. They run in turn, in an
order that is drawn; figures are medians, ratios are to torch eager in the same rounds, and by the rule of `archc bench` what is within
the noise is not called a difference. torch is set as one who wants it fast sets it: channels last, half floats as the weights' own
type, cuDNN's algorithms tried (`cudnn.benchmark`). archc has its Session's own options, and those that a contender is named after; CUDA
graphs and fused biases, which a Session does not offer, count in no comparison and no goal. The memory of a contender is what it has taken of the card when it has run. From the host's memory all take arrays that are not pinned.

`--rehearse` runs every kind of section with one small net on the processor: the same code but for the options of CUDA, which are rows
`needs a card`. Its figures say nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gpu_sections.goals import judge_goals
from gpu_sections.plan import Section, Task, choose_sections, list_sections
from gpu_sections.process import run_section
from gpu_sections.rows import FAILED, MEASURED, NOT_REACHED, Row, merge, unmeasured
from machine import write_results

# torch alone takes most of it to import; a section that is begun later measures nothing
LEAST_SECONDS = 10.0
PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript", "torch", "triton")

# what is worth a person's eye
FIGURES = {
    "p50_ms": "ms", "images_per_s": "images/s", "time_over_eager": "× eager's time", "ceiling": "", "share_of_unfused": "of the unfused limit",
    "share_of_fused": "of the fused one", "open_ms": "ms to open", "first_run_ms": "ms first run", "warm_up_ms": "ms to warm up", "run_ms": "ms a run",
    "max_rel": "of max |reference| off", "compile_s": "s to compile",
}  # fmt: skip


def main() -> int:
    """Runs the sections, and says what they found and which goals are met. Gives 1 where something failed."""
    options = parse_arguments()
    sections = list_sections(options.rehearse)
    if options.list:
        for section in sections:
            print(f"{section.name:28} up to {section.seconds:3} s  {section.asks}")
        return 0
    chosen = choose_sections(sections, options.section)
    device = "cpu" if options.rehearse else "cuda"
    if device == "cuda" and not all(section.reads_results for section in chosen):
        require_card()
    if options.rehearse:
        # threads that wait for each other on a busy machine make a small net slow
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    options.json_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="archc-") as models:
        task = Task(
            {},
            device,
            options.rehearse,
            options.json_dir,
            Path(models),
            0.0,
            options.autotune,
            tuple(options.contender),
        )
        rows = run_sections(chosen, task, options.budget)
    print(f"rows: {options.json_dir}")
    for line in judge_goals(options.json_dir, sections):
        print(f"goal {line}")
    return int(any(row["status"] == FAILED for row in rows))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times nets on a GPU, section by section.")
    parser.add_argument("--list", action="store_true", help="what the sections ask, and how long each may take")
    parser.add_argument("--section", default="", metavar="NAME,NAME", help="only these; patterns with * are taken")
    parser.add_argument(
        "--contender",
        action="append",
        default=[],
        metavar="NAME",
        help="only this beside torch eager; repeatable, patterns with * are taken",
    )
    parser.add_argument(
        "--budget", type=float, default=1e9, metavar="SECONDS", help="end after so long, and say what was not reached"
    )
    parser.add_argument(
        "--json-dir", type=Path, default=Path("benchmarks/results/gpu"), help="where each section keeps its rows"
    )
    parser.add_argument("--autotune", action="store_true", help="torch.compile's max-autotune, too")
    parser.add_argument(
        "--rehearse", action="store_true", help="every kind of section, one small net, on the processor"
    )
    options = parser.parse_args()  # fmt: skip
    if options.rehearse and options.json_dir == parser.get_default("json_dir"):
        options.json_dir = Path(tempfile.mkdtemp(prefix="gpu-rehearsal-"))
    return options


def require_card() -> None:
    """Raises SystemExit where CUDA does not work, with what to do."""
    from archc.runtime.devices import device_trouble

    trouble = device_trouble("cuda")
    if trouble.cause:
        raise SystemExit(f"{trouble.cause}: {trouble.fix}; --rehearse needs no card")


def run_sections(sections: Sequence[Section], task: Task, budget: float) -> list[Row]:
    """All rows of the sections, which are run one after the other while `budget` seconds last, and kept as they come."""
    ends = time.monotonic() + budget
    found: list[Row] = []
    for section in sections:
        left = ends - time.monotonic()
        if left < LEAST_SECONDS:
            found += skip_section(section, task, budget)
            continue
        began = time.monotonic()
        print(f"{section.name}: {section.asks}", flush=True)
        rows = keep_rows(section, task, min(section.seconds, left))
        found += rows
        for row in rows:
            print(f"  {describe_row(row)}", flush=True)
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return found


def keep_rows(section: Section, task: Task, seconds: float) -> list[Row]:
    """Runs one section, and writes its rows whenever there is one more; gives them all."""
    rows: list[Row] = []
    facts: dict[str, Any] = {}
    for row in run_section(section, task, seconds):
        if "what" in row:
            rows = merge(rows, row)
        else:
            facts = row
        write_section(section, task, rows, facts)
    return rows


def skip_section(section: Section, task: Task, budget: float) -> Iterator[Row]:
    """The row of a section that was not reached. A file of its own from before is left as it is."""
    row = unmeasured(section.name, NOT_REACHED, f"the {budget:.0f} s of --budget were spent")
    print(f"{section.name}: not reached", flush=True)
    if not (task.results / f"{section.name}.json").exists():
        write_section(section, task, [row], {})
    yield row


def write_section(section: Section, task: Task, rows: list[Row], facts: dict[str, Any]) -> None:
    """Keeps a section's rows with what they depend on."""
    around = {"section": section.name, "device": task.device, "rehearsal": task.rehearsal, **facts}
    write_results(task.results / f"{section.name}.json", rows, PACKAGES, **around)


def describe_row(row: Row) -> str:
    """A row on one line."""
    if row["status"] != MEASURED:
        return f"{row['what']:52} {row['status']}: {row['reason']}"
    figures = [f"{row[key]:,.4g} {unit}" for key, unit in FIGURES.items() if isinstance(row.get(key), (int, float))]
    return f"{row['what']:52} {', '.join(figures)}"


if __name__ == "__main__":
    sys.exit(main())
