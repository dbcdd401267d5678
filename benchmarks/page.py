"""Writes docs/explanation/performance.md from benchmarks/results/: what was measured, where, by which command, and which goals hold.

    python -m benchmarks.page [--check]

`--check` writes nothing, and exits with 1 where the page is not what the results make.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import shlex
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from archc.runtime.processor import ARM_FEATURES, X86_FEATURES

from .catalogue import BENCHMARKS, Benchmark
from .goals import NO, NOT_MEASURED, YES, Verdict, judge
from .result import FOLDER, Result, load_results
from .tables import NOTHING, format_grid, format_table

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "explanation" / "performance.md"
# a benchmark without results is judged once
NOWHERE: Sequence[Result | None] = (None,)
INTRODUCTION = """\
# Performance

<!-- `python -m benchmarks.page` writes this page from benchmarks/results/. -->

What was measured, on which machine, and whether the goals are met. What pays depends on the processor and the card: measure on your own, with
`archc bench` ([bench.md](../reference/bench.md)) for one model, or with `make bench` for all of this. `make bench ONLY=build,start` runs some of it;
`make bench MACHINE=word` keeps the results beside those that are here, as `NAME.word.json`. `python -m benchmarks --list` has the names and how
long each takes.

Contenders run in turn in one run, so that a drift of the machine meets all. Figures are medians, and ratios the medians of the ratios of each
round: on a machine that others use, too, they say more than times. The load is the system's average of the last minute when the run
ended, its own threads included. What was not measured is said, with the reason.
"""


def main() -> int:
    """Writes the page, or compares it."""
    parser = argparse.ArgumentParser(description="Writes docs/explanation/performance.md from benchmarks/results/.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; 1 where the page is not what the results make"
    )
    check = parser.parse_args().check
    text = render_page(BENCHMARKS)
    if not check:
        PAGE.write_text(text, "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != text:
        print(f"{PAGE} is not what benchmarks/results/ makes: python -m benchmarks.page", file=sys.stderr)
        return 1
    return 0


def render_page(benchmarks: Iterable[Benchmark], folder: Path = FOLDER) -> str:
    """The page as Markdown."""
    found = [(benchmark, load_results(benchmark.name, folder)) for benchmark in benchmarks]
    judged = [(benchmark, [[judge(goal, result) for goal in benchmark.goals] for result in results or NOWHERE])
              for benchmark, results in found]  # fmt: skip
    parts = [*wrap(INTRODUCTION), *render_goals(judged)]
    for (benchmark, results), (_, verdicts) in zip(found, judged, strict=True):
        parts += render_benchmark(benchmark, results, verdicts)
    return "\n\n".join(parts) + "\n"


def render_goals(judged: Sequence[tuple[Benchmark, Sequence[Sequence[Verdict]]]]) -> Iterator[str]:
    """How many goals hold by topic, and which do not. Of several runs the one that misses a goal counts, then the one that meets it."""
    yield "## Goals"
    cells, missed = [], []
    for benchmark, runs in judged:
        if not benchmark.goals:
            continue
        found = [{verdict.holds for verdict in verdicts} for verdicts in zip(*runs, strict=True)]
        counts = Counter(next(each for each in (NO, YES, NOT_MEASURED) if each in holds) for holds in found)
        link = f"[{benchmark.title}](#{name_anchor(benchmark.title)})"
        cells.append([link, *(str(counts[each] or NOTHING) for each in (YES, NO, NOT_MEASURED))])
        missed += [f"- {benchmark.title}: {each.goal.text}: {each.figure or each.why}"
                   for verdicts in runs for each in verdicts if each.holds == NO]  # fmt: skip
    yield format_grid(("", YES, NO, NOT_MEASURED), cells, (False, True, True, True))
    if missed:
        yield "These are not met:"
        yield "\n".join(line for each in missed for line in wrap(each, "  "))


def render_benchmark(
    benchmark: Benchmark, results: Sequence[Result], verdicts: Sequence[Sequence[Verdict]]
) -> Iterator[str]:
    """A topic: its question, how it is measured, and what each run found."""
    yield f"## {benchmark.title}"
    yield from wrap(benchmark.question)
    yield from describe_method(HERE / benchmark.command.split()[0])
    if not results:
        yield f"**Not measured.** `make bench ONLY={benchmark.name}` measures it."
    for result in results:
        yield f"```sh\n{fold_command(result.command)}\n```"
        yield from wrap(describe_run(result))
        yield from filter(None, (format_table(table, result.rows) for table in benchmark.tables))
    for run, found in zip(results or NOWHERE, verdicts, strict=True):
        if found:
            yield f"Goals, by {run.source}:" if run and len(results) > 1 else "Goals:"
            yield "\n".join(render_verdict(each) for each in found)


def render_verdict(verdict: Verdict) -> str:
    """A goal as an item of a list."""
    told = verdict.figure or verdict.why
    return "".join(wrap(f"- {verdict.goal.text}: **{verdict.holds}**, {told}", "  "))


def describe_method(script: Path) -> Iterator[str]:
    """How a script measures: its docstring without the first line and the usage."""
    if not script.exists():
        return
    text = inspect.cleandoc(ast.get_docstring(ast.parse(script.read_text("utf-8"))) or "")
    for paragraph in text.split("\n\n")[1:]:
        if not paragraph.startswith("    "):
            yield from wrap(paragraph)


def describe_run(result: Result) -> str:
    """Where and when a run was, and with what."""
    machine = result.machine
    parts = [str(machine[key]) for key in ("gpu",) if machine.get(key)]
    if "cpu" in machine:
        cores = f"{machine['cores']} cores of " if "cores" in machine else ""
        parts.append(f"{cores}{machine['cpu']}")
    else:
        parts.append("the processor was not recorded")
    if "features" in machine:
        missing = missing_features(machine["features"])
        parts.append(f"with {', '.join(machine['features']) or NOTHING}")
        parts += [f"without {', '.join(missing)}"] if missing else []
    if "load" in machine:
        parts.append(f"load {machine['load']}")
    versions = [f"{name} {version}" for name, version in result.versions.items()]
    if "python" in machine:
        versions = [f"Python {machine['python']}", *versions]
    kept = f"All rows: {link_rows(result)}" + (f"; {result.note}" if result.note else "") + "."
    return f"{result.date or 'On a day that was not recorded'}: {'; '.join(parts)}. {', '.join(versions) or 'Versions were not recorded'}. {kept}"


def link_rows(result: Result) -> str:
    """A link to the file of a result, or to each file of a folder by its number: a site has no page of a folder."""
    place = f"../../benchmarks/results/{result.source}"
    if not result.source.endswith("/"):
        return f"[{result.source}]({place})"
    sections = dict.fromkeys(row["section"] for row in result.rows)
    links = (f"[{number}]({place}{each}.json)" for number, each in enumerate(sections, 1))
    return f"{result.source} ({', '.join(links)})"


def missing_features(features: Sequence[str]) -> list[str]:
    """The features of the same architecture that a processor has not."""
    every = ARM_FEATURES if {*ARM_FEATURES} & {*features} else X86_FEATURES
    return [each for each in every if each not in features]


def wrap(text: str, indent: str = "") -> list[str]:
    """Paragraphs in lines of 80 columns; a heading and a comment stay."""
    return [textwrap.fill(" ".join(each.split()), 80, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
            for each in text.strip().split("\n\n")]  # fmt: skip


def fold_command(command: str) -> str:
    """A command in lines of at most 80 columns, as a shell reads them."""
    lines = [""]
    for word in map(shlex.quote, shlex.split(command)):
        if len(lines[-1]) + len(word) > 76:
            lines[-1] += "\\"
            lines.append("    ")
        lines[-1] += f"{word} "
    return "\n".join(lines).rstrip()


def name_anchor(title: str) -> str:
    """The heading's anchor, as GitHub makes it."""
    return "".join(each for each in title.lower().replace(" ", "-") if each.isalnum() or each == "-")


if __name__ == "__main__":
    sys.exit(main())
