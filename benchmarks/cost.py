"""What `archc cost` takes beside `archc check`: CPU time of whole processes.

    python benchmarks/cost.py [--nets googlenet resnet152] [--rounds 15] --json benchmarks/results/cost.json

The two run in turn, and the time is user's and system's together, as the clock tells of other programs, too. Quoted is the least of the rounds,
which other programs disturb least, and the median of the ratios.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from machine import write_results
from processes import Starter, measure_in_turn, median_ratio

NETS = ("googlenet", "vgg16", "resnet152", "inception_v3", "densenet201", "resnet1202_cifar_optA")


def main() -> int:
    """Measures each net, prints a line for each, and writes all of it to `--json`."""
    parser = argparse.ArgumentParser(description="The CPU time of archc cost beside archc check.")
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    rows = []
    with Starter() as start:
        for net in options.nets:
            rows.append(measure_net(start, net, options.rounds))
            print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    if options.json:
        write_results(options.json, rows, ())
    return 0


def measure_net(start: Starter, net: str, rounds: int) -> dict[str, Any]:
    """The row of a net: milliseconds of CPU."""
    archc = [sys.executable, "-m", "archc"]
    runs = measure_in_turn(start, {"check": [*archc, "check", net], "cost": [*archc, "cost", net]}, rounds=rounds)
    check, cost = (min(run.cpu_s for run in runs[name]) for name in ("check", "cost"))
    return {"net": net, "check_ms": round(check * 1e3, 1), "cost_ms": round(cost * 1e3, 1), "least_ratio": round(cost / check, 3),
            "median_ratio": round(median_ratio(runs["cost"], runs["check"], "cpu_s"), 3)}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
