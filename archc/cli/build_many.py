"""`archc build` of several specs: each as one alone is built, in processes on all cores; what is wrong with one stops no other."""

from __future__ import annotations

import glob
import io
import json
import os
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click

from ..build.options import BuildOptions
from ..build.pool import Died, available_memory, run_each
from ..compiler.backends import BACKENDS
from ..compiler.destinations import no_such_folder
from ..compiler.diagnostics import Failure, clean
from ..compiler.limits import Limits
from ..compiler.patterns import explain_folder, fixed_folder
from ..runtime.cores import count_cores
from ..text.tables import count_of, format_bytes
from .options import print_json
from .progress import StatusLine

# bytes that a build with torch and onnxruntime takes, for nets of usual size
PROOF_MEMORY = 1 << 30


class BuildTask(NamedTuple):
    """One build: what the command line says of it, with the path of its output."""

    spec: str
    settings: tuple[str, ...]
    limits: Limits
    options: BuildOptions


class BuildOutcome(NamedTuple):
    """What one build came to: its exit code, its document as `--format json` prints it, and what it said to people."""

    code: int
    document: dict[str, Any]
    said: str = ""


def expand_specs(words: Sequence[str]) -> tuple[list[str], bool]:
    """The specs that the words mean, each once, and whether there may be several: a pattern may, whatever it matches.

    A pattern is a word with `*`, `?` or `[` that is no file itself; shells that expand none, as on Windows, need this.
    Raises Failure `no-such-spec` for one that matches nothing.
    """
    found: list[str] = []
    patterns = [word for word in words if glob.has_magic(word) and not os.path.exists(word)]
    for word in words:
        if word not in patterns:
            found.append(word)
            continue
        files = sorted(path for path in glob.glob(word, recursive=True) if os.path.isfile(path))
        if not files:
            raise Failure(
                "no-such-spec", f"no file matches the pattern `{word[:200]}`", explain_folder(fixed_folder(word)), 2
            )
        found += files
    once = {os.path.realpath(spec) if os.path.exists(spec) else spec: spec for spec in reversed(found)}
    return list(reversed(once.values())), len(words) > 1 or bool(patterns)


def build_many(specs: Sequence[str], settings: tuple[str, ...], limits: Limits, options: BuildOptions, output: str | None,
               form: str, jobs: int | None) -> int:  # fmt: skip
    """Builds the specs, prints each as it is done, and returns the exit code: the highest of all.

    Raises Failure where the outputs cannot be: nothing is built then.
    """
    if options.weights:
        raise click.UsageError(f"--weights is for one net, and there are {len(specs)} specs; build each with its own")
    if "-" in specs:
        raise click.UsageError("standard input (`-`) is one spec; build it alone")
    folder = Path(output or ".")
    check_folder(output)
    tasks = [
        BuildTask(spec, settings, limits, replace(options, output=output_file(folder, spec, options))) for spec in specs
    ]
    refuse_same_outputs(tasks)
    began = time.perf_counter()
    answers: dict[int, BuildOutcome] = {}
    with made_folder(folder), StatusLine() as status:
        status.show(progress_text((), len(tasks)))
        for index, answer in run_each(build_one, tasks, jobs or default_jobs(len(tasks), options)):
            answers[index] = explain_death(answer) if isinstance(answer, Died) else answer
            status.clear()
            print_finished(tasks[index], answers[index], form)
            status.show(progress_text(answers.values(), len(tasks)))
    seconds = time.perf_counter() - began
    ordered = [answers[index] for index in range(len(tasks))]
    if form == "json":
        print_json(many_json(tasks, ordered, seconds))
    else:
        print(summary(ordered, seconds))
    return max(each.code for each in ordered)


def build_one(task: BuildTask) -> BuildOutcome:
    """Builds one spec in a process of the pool. Whatever is wrong is in the answer, as the command itself tells it."""
    import gc

    from .build import build_json, build_spec
    from .errors import report_error

    said, printed = io.StringIO(), io.StringIO()
    with redirect_stderr(said), redirect_stdout(printed):
        try:
            document, code = (
                {"ok": True, **build_json(build_spec(task.spec, task.settings, task.limits, task.options))},
                0,
            )
        except Exception as error:
            code = report_error(error, "json")
            document = json.loads(printed.getvalue())
    # a check freezes what it found, for the end of a command; here the next one comes
    gc.unfreeze()
    gc.collect()
    return BuildOutcome(code, document, said.getvalue())


def output_file(folder: Path, spec: str, options: BuildOptions) -> Path:
    """The output of one spec among several: called as the spec's file is, in the folder."""
    return folder / (Path(spec).name.removesuffix(".yaml").removesuffix(".yml") + BACKENDS[options.exports[0]].suffix)


def check_folder(output: str | None) -> None:
    """Raises an error where `-o` cannot be a folder: it is a file or standard output, or has the name of a model."""
    if output is None or os.path.isdir(output):
        return
    if output == "-" or os.path.exists(output) or Path(output).suffix in {row.suffix for row in BACKENDS.values()}:
        raise click.UsageError(
            f"`-o {output}` is no folder; with several specs it names one, and each is written into it"
        )
    if not Path(output).absolute().parent.is_dir():
        raise no_such_folder(Path(output))


def refuse_same_outputs(tasks: Sequence[BuildTask]) -> None:
    """Raises Failure where two specs would write the same file, as folders of some systems take upper and lower case for the same."""
    taken: dict[str, str] = {}
    for task in tasks:
        for path in output_paths(task.options):
            first = taken.setdefault(os.path.realpath(path).casefold(), task.spec)
            if first != task.spec:
                raise Failure("bad-option", f"`{first}` and `{task.spec}` would both write `{path}`",
                              "build them into different folders", 2)  # fmt: skip


def output_paths(options: BuildOptions) -> list[Path]:
    """The paths of all exports. One that a backend refuses is told by its build."""
    found = []
    for row in (BACKENDS[name] for name in options.exports):
        assert options.output is not None
        try:
            found.append(row.output_path(options.output))
        except Failure:
            continue
    return found


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Makes the folder where it is not there; it goes again if nothing was written into it."""
    is_new = not folder.exists()
    if is_new:
        folder.mkdir(exist_ok=True)
    try:
        yield
    finally:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()


def default_jobs(count: int, options: BuildOptions) -> int:
    """How many builds at once: one a core, and with a proof no more than memory holds."""
    memory = available_memory() if options.proof != "none" else None
    return max(1, min(count, count_cores(), count if memory is None else memory // PROOF_MEMORY))


def explain_death(died: Died) -> BuildOutcome:
    """The answer for a build whose process ended: by SIGKILL where the system has no memory left, else by a bug."""
    if died.exit_code == -9:
        reason = Failure("out-of-memory", "the process that built it was killed, as the system does where memory ends",
                         "build fewer at once: --jobs 1", 3)  # fmt: skip
    else:
        reason = Failure(
            "internal", f"the process that built it ended with {died.exit_code}", "build it alone to see more", 70
        )
    facts = {name: getattr(reason, name) for name in ("code", "message", "help", "exit_code")}
    text = f"error[{reason.code}]: {reason.message}\n  = help: {reason.help}\n"
    return BuildOutcome(reason.exit_code, {"ok": False, "error": facts, "diagnostics": []}, text)


def print_finished(task: BuildTask, answer: BuildOutcome, form: str) -> None:
    """Prints one build: a line on standard output for people, and what it said on standard error: what is wrong below the line,
    remarks above it."""
    line = finished_line(task, answer)
    if form == "text" and answer.code:
        print(line, flush=True)
    if answer.said:
        print(answer.said.rstrip("\n"), file=sys.stderr, flush=True)
    if form == "text" and not answer.code:
        print(line, flush=True)


def finished_line(task: BuildTask, answer: BuildOutcome) -> str:
    """`ok  PATH  SIZE  TIME  untrained`, or `failed  SPEC  CODE`; what is wrong is on standard error."""
    if answer.code:
        return f"failed  {clean(task.spec)}  {answer.document['error']['code']}"
    made = answer.document["artifacts"]
    size = format_bytes(sum(each["bytes"] for each in made))
    untrained = "  untrained" if answer.document["weights"]["as_started"] else ""
    return f"ok      {clean(made[0]['path'])}  {size}  {answer.document['seconds']:.1f} s{untrained}"


def progress_text(answers: Collection[BuildOutcome], count: int) -> str:
    """How far the builds are: `built 3 of 12, 1 failed …`."""
    failed = sum(each.code > 0 for each in answers)
    return f"built {len(answers) - failed} of {count}" + f", {failed} failed" * bool(failed) + " …"


def summary(answers: Sequence[BuildOutcome], seconds: float) -> str:
    """The last line for people: how many were built, how many failed, how long it took."""
    failed = sum(each.code > 0 for each in answers)
    return f"{count_of(len(answers) - failed, 'net')} built, {failed} failed, {seconds:.1f} s"


def many_json(tasks: Sequence[BuildTask], answers: Sequence[BuildOutcome], seconds: float) -> dict[str, Any]:
    """What `--format json` prints: the document of each build, in the order of the specs, with the spec and whether it is built."""
    builds = [{"spec": task.spec, **answer.document} for task, answer in zip(tasks, answers, strict=True)]
    return {"ok": all(each["ok"] for each in builds), "builds": builds, "seconds": round(seconds, 3)}
