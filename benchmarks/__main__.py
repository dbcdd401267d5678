"""Runs the benchmarks of catalogue.py on this machine, keeps their results, and writes docs/explanation/performance.md: `make bench`.

    python -m benchmarks [--list] [--only NAME,NAME] [--machine WORD] [-- ARGUMENT ...]

Each is a process of its own. What it found replaces benchmarks/results/NAME.json when it is done: one that fails, or is interrupted, leaves what
was there. `--machine` keeps the results as NAME.WORD.json, for a machine that is not this project's own. Arguments behind `--` are added to the
command of each, and stand in its results. The exit code is 1 where one failed, else 3 where one's packages are not here, else 0; a device
that is not here is no fault.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from .catalogue import BENCHMARKS, Benchmark
from .page import HERE, PAGE, render_page
from .result import FOLDER

FAILED, NOT_INSTALLED, INTERRUPTED = 1, 3, 130


def main() -> int:
    """Runs what is asked for, and says what was not measured."""
    options = parse_arguments()
    chosen = choose_benchmarks(options.only)
    if options.list:
        for each in chosen:
            print(f"{each.name:14} {each.minutes:3} min  {each.question}")
        return 0
    code, unmeasured = 0, []
    for benchmark in chosen:
        if away := find_missing_device(benchmark):
            unmeasured.append(f"{benchmark.name}: not run, its results are as they were: {away}")
        elif missing := [each for each in benchmark.packages if not is_installed(each)]:
            unmeasured.append(f"{benchmark.name}: not run: {', '.join(missing)} not installed (pip install -r tests/peers.txt, or see {benchmark.command.split()[0]})")  # fmt: skip
            code = code or NOT_INSTALLED
        elif not run_benchmark(benchmark, options.machine, options.arguments):
            unmeasured.append(f"{benchmark.name}: failed, its results are as they were")
            code = FAILED
    PAGE.write_text(render_page(BENCHMARKS), "utf-8")
    print(*unmeasured, f"wrote {PAGE.relative_to(HERE.parent)}", sep="\n")
    return code


def parse_arguments() -> argparse.Namespace:
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(description="Runs the benchmarks, and writes docs/explanation/performance.md.")
    parser.add_argument(
        "--list", action="store_true", help="the benchmarks, what they ask, and about how long they take"
    )
    parser.add_argument("--only", default="", metavar="NAME,NAME", help="these alone")
    parser.add_argument(
        "--machine", default="", metavar="WORD", help="keep the results beside the others, by this name"
    )
    options = parser.parse_args(words[:at])
    options.arguments = words[at + 1 :]
    return options


def choose_benchmarks(names: str) -> Sequence[Benchmark]:
    """The benchmarks that names with commas between them mean; all for none. Exits with 2 for a name that there is not."""
    wanted = names.replace(",", " ").split()
    known = {each.name: each for each in BENCHMARKS}
    if unknown := [each for each in wanted if each not in known]:
        print(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        raise SystemExit(2)
    return [known[each] for each in wanted] or BENCHMARKS


def find_missing_device(benchmark: Benchmark) -> str:
    """Why the benchmark's device cannot be used here; empty where it can, or needs none."""
    if not benchmark.device:
        return ""
    from archc.runtime.devices import device_trouble

    return device_trouble(benchmark.device).cause


def is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def run_benchmark(benchmark: Benchmark, machine: str, arguments: Sequence[str] = (), folder: Path = FOLDER) -> bool:
    """Runs one, and keeps its results in `folder`; false where it failed.

    A script with sections keeps them itself, one by one: what failed in one is in its rows.
    """
    name = f"{benchmark.name}.{machine}" if machine else benchmark.name
    if benchmark.folder:
        given = ["--json-dir", os.path.relpath(folder / name, HERE.parent)]
        return call_script(benchmark, [*given, *arguments])
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as beside:
        path = Path(beside, f"{name}.json")
        done = call_script(benchmark, [*arguments, "--json", str(path)]) and path.exists()
        if done:
            path.replace(folder / path.name)
    return done


def call_script(benchmark: Benchmark, arguments: Sequence[str]) -> bool:
    """Whether the script ends well; its output is this process's."""
    script, *words = shlex.split(benchmark.command)
    print(f"\n{benchmark.title}: {benchmark.question} (about {benchmark.minutes} min)", flush=True)
    return subprocess.run([sys.executable, str(HERE / script), *words, *arguments], cwd=HERE.parent).returncode == 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
