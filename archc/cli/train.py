"""`archc train`: a net and pictures in, weights out. Progress goes to standard error, the answer to standard output."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.diagnostics import Failure, SpecError, clean
from ..compiler.spelling import as_flag, as_word
from ..text.layout import fold_line, output_width
from ..text.tables import count_of, format_bytes, format_pairs
from ..text.training import INDENT, ensemble_json, format_members
from ..training.devices import DEVICES, is_first
from ..training.measures import is_loss
from .completion import complete_folder, complete_recipe, complete_spec, complete_training_setting
from .options import Count, compile_spec, format_option, limit_option, print_answer, print_json
from .weights_options import parse_weights, weights_options

if TYPE_CHECKING:
    from ..build.build import BuildResult
    from ..compiler.limits import Limits
    from ..training.checkpoint.progress import Best
    from ..training.prepare import TrainingRequest
    from ..training.result import TrainingResult
    from ..training.start_weights import StartWeights

EPILOG = """Example: archc train resnet18 --data photos/ -o runs/first --epochs 30

After Ctrl-C or a crash: archc train --resume runs/first

New classes on trained features: archc train resnet50 --data photos/ -o runs/second --weights resnet50.pth --weights-skip fc

All GPUs of this machine: torchrun --nproc-per-node gpu -m archc train resnet50 --data photos/ -o runs/third"""
# torchrun ends the other processes when one has failed; what each of them has to say of the same mistake is said once
OTHERS_WAIT_S = 20.0


@click.command(epilog=EPILOG)
@click.argument("spec", required=False, shell_complete=complete_spec)
@click.argument("recipe", required=False, shell_complete=complete_recipe)
@click.option(
    "--data",
    metavar="DIR",
    shell_complete=complete_folder,
    help="The folder of the pictures.  [default: the recipe's own folder]",
)
@click.option("-o", "--output", metavar="RUN", shell_complete=complete_folder, help="The folder of the run, a new one.")
@click.option(
    "--resume",
    metavar="RUN",
    shell_complete=complete_folder,
    help="Go on with the run in this folder, from its newest checkpoint.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=complete_training_setting,
    help="Override a value of the recipe, or a parameter of the spec; repeatable.",
)
@limit_option
@click.option("--epochs", type=Count(1), metavar="N", help="How long, instead of what the recipe says.")
@weights_options
@click.option(
    "--device", type=click.Choice(DEVICES), default="auto", show_default=True, help="Where the net is trained."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and what a step takes; write nothing.")
@click.option("--overfit-batch", is_flag=True, help="Train on one batch until it is known by heart; write nothing.")
@format_option()
def command(
    spec: str | None, recipe: str | None, data: str | None, output: str | None, resume: str | None, settings: tuple[str, ...], limits: Limits,
    epochs: int | None, device: str, dry_run: bool, overfit_batch: bool, form: str, weights: tuple[str, ...], **given: Any,
) -> int:  # fmt: skip
    """Train a net on a folder of pictures, as a RECIPE says.

    Without RECIPE a bundled net takes its own one (archc list --recipes).
    """
    with one_voice():
        refuse_combinations(spec, output, resume, settings, weights, given, dry_run, overfit_batch)
        request = make_request(spec, recipe, data, output, resume, settings, limits, epochs, device, weights, given,
                               dry_run or overfit_batch)  # fmt: skip
        if dry_run or overfit_batch:
            return rehearse(request, overfit_batch, form)
        from ..training.allocator import keep_freed_memory
        from ..training.members import train_any

        keep_freed_memory()
        try:
            result = train_any(request)
        except KeyboardInterrupt:
            # before the first step, or asked a second time
            tell(f"note: {describe_stop(request.output)}")
            raise
    if result.reason == "interrupted":
        tell(
            f"note: step {result.step:,} of {result.steps:,} is kept; this goes on: archc train --resume {as_word(result.folder)}"
        )
        raise KeyboardInterrupt
    if is_first():
        answer(result, build_average(result, limits) if result.ensemble else None, form)
    return 0


def describe_stop(run: Path) -> str:
    """How a run goes on that was interrupted at once, where it has begun."""
    from ..training.run_folder import RunFolder

    if RunFolder(run).record.is_file():
        return f"this goes on from the newest checkpoint: archc train --resume {as_word(run)}"
    return "the run has not begun, and the same command begins it"


def build_average(result: TrainingResult, limits: Limits) -> BuildResult:
    """Builds the average of a trained ensemble as an ONNX file in RUN; warnings go to standard error. Raises as a build does."""
    from ..build.trained import build_trained
    from ..interruption import limit_long_calls
    from ..training.run_folder import RunFolder
    from .build import warn_of_build
    from .progress import progress

    # training ends at Ctrl-C by its own means; a build makes the long calls that this is for
    limit_long_calls()
    checked, _ = compile_spec(str(RunFolder(result.folder).spec), (), limits)
    with progress(f"building {checked.name}"):
        built = build_trained(result, checked, spelling=as_flag)
    warn_of_build(built)
    return built


def refuse_combinations(spec: str | None, output: str | None, resume: str | None, settings: tuple[str, ...], weights: tuple[str, ...],
                        given: dict[str, Any], dry_run: bool, overfit_batch: bool) -> None:  # fmt: skip
    """Raises a UsageError for words that make no sense together."""
    if output == "-":
        raise click.UsageError("`-o -` is standard output, and a run is a folder: name one, as -o runs/first")
    if dry_run and overfit_batch:
        raise click.UsageError("--dry-run writes and trains nothing, and --overfit-batch trains; choose one")
    if resume is not None:
        others = {"SPEC": spec, "-o": output, "--set": settings, "--weights": weights, **{as_flag(name): value for name, value in given.items()},
                  "--dry-run": dry_run, "--overfit-batch": overfit_batch}  # fmt: skip
        if wrong := next((name for name, value in others.items() if value), None):
            raise click.UsageError(f"--resume goes on with a run as it is: leave out {wrong}")
    elif spec is None:
        raise click.UsageError(
            "name a spec, as in `archc train resnet18 --data photos/ -o RUN`, or a run: --resume RUN"
        )
    elif output is None and not (dry_run or overfit_batch):
        raise click.UsageError("-o RUN is missing: the folder of the run")


def make_request(
    spec: str | None, recipe: str | None, data: str | None, output: str | None, resume: str | None, settings: tuple[str, ...], limits: Limits,
    epochs: int | None, device: str, weights: tuple[str, ...], given: dict[str, Any], rehearsal: bool,
) -> TrainingRequest:  # fmt: skip
    """What the command line asks for; the first process alone tells of it."""
    from ..training.requests import plan_request, plan_resume
    from .training_progress import TrainingProgress

    watchers = () if rehearsal or not is_first() else (TrainingProgress(),)
    if resume is not None:
        return plan_resume(
            Path(resume), data=data, epochs=epochs, device=device, limits=limits, watchers=watchers, tell=tell
        )
    return plan_request(str(spec), recipe, Path(output) if output else None, data=data, settings=settings, epochs=epochs,
                        start=start_weights(weights, given), device=device, limits=limits, watchers=watchers, tell=tell)  # fmt: skip


def start_weights(weights: tuple[str, ...], given: dict[str, Any]) -> StartWeights:
    """The options of weights, as a build has them."""
    from ..build.options import BuildOptions
    from ..training.start_weights import StartWeights

    options = BuildOptions(weights=parse_weights(weights), spelling=as_flag, **given)
    return StartWeights(options.weights, options.checkpoint_options)


def rehearse(request: TrainingRequest, overfit_batch: bool, form: str) -> int:
    """`--dry-run` and `--overfit-batch`; the exit code is 1 where a net does not learn one batch."""
    from ..text import rehearsals
    from ..training.overfitting import STEPS, try_overfitting
    from ..training.rehearsal import rehearse as rehearse_run
    from .progress import counting

    if not overfit_batch:
        plan = rehearse_run(request)
        if is_first():
            print_json(rehearsals.rehearsal_json(plan)) if form == "json" else print_answer(clean_lines(rehearsals.rehearsal_text(plan)))  # fmt: skip
        return 0
    with counting("learning one batch by heart", "steps") as count:
        found = try_overfitting(request, progress=lambda step, loss: count(step, STEPS))
    if is_first():
        print_json(rehearsals.overfit_json(found)) if form == "json" else print_answer(clean_lines(rehearsals.overfit_text(found)))  # fmt: skip
    return int(not found.learned)


def clean_lines(text: str) -> str:
    """Lines that may be printed, folded where a terminal is narrower."""
    width = output_width()
    return "\n".join(part for line in text.splitlines() for part in fold_line(clean(line), width, INDENT, cut=False))


def tell(text: str) -> None:
    """A remark on standard error, by the first process."""
    if is_first():
        print(clean(text), file=sys.stderr)


@contextmanager
def one_voice() -> Iterator[None]:
    """A mistake that all processes meet is told by the first one: the others wait until torchrun ends them."""
    try:
        yield
    except (Failure, SpecError, KeyboardInterrupt):
        if not is_first():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            time.sleep(OTHERS_WAIT_S)
        raise


def answer(result: TrainingResult, built: BuildResult | None, form: str) -> None:
    """Prints what came of a run; `built` is the average of an ensemble."""
    if form == "json":
        print_json(result_json(result, built))
    else:
        print_answer(result_text(result, built))


def result_json(result: TrainingResult, built: BuildResult | None = None) -> dict[str, Any]:
    """What `--format json` prints. The best weights are told with the metric that chose them, null where none did."""
    from .build import build_json

    best = (
        None if result.best is None else {"metric": result.metric, "value": result.best.value, "step": result.best.step}
    )
    return {
        "name": result.net,
        "recipe": result.recipe,
        "folder": str(result.folder),
        "weights": str(result.weights) if result.weights else None,
        "step": result.step,
        "steps": result.steps,
        "best": best,
        "processes": result.world_size,
        "seconds": round(result.seconds, 3),
        "total_seconds": round(result.total_seconds, 3),
        "notes": list(result.notes),
        "ensemble": ensemble_json(result.ensemble) if result.ensemble else None,
        "build": build_json(built) if built else None,
    }


def result_text(result: TrainingResult, built: BuildResult | None = None) -> str:
    """What people read: what was reached, where the weights are, and what to do with them."""
    before = result.total_seconds - result.seconds
    total = f" ({describe_seconds(result.total_seconds)} with the sessions before)" if before > 1 else ""
    rows = [
        (
            "trained",
            f"{result.net} by {result.recipe}, {count_of(result.step, 'step')} in {describe_seconds(result.seconds)}{total}",
        )
    ]
    if result.best is not None:
        rows.append(("best", describe_best(result.metric, result.best)))
    rows.append(("weights", str(result.weights)))
    rows += [("note", note) for note in result.notes]
    then = f"archc build {as_word(result.folder / 'spec.yaml')} --weights {as_word(str(result.weights))}"
    table = [format_members(result.ensemble)] if result.ensemble else []
    if built is not None:
        rows += [(each.kind, f"{each.path}  {format_bytes(each.bytes)}") for each in built.artifacts]
        then = f"archc run {as_word(built.artifacts[0].path)} PHOTO"
    return clean_text([format_pairs([(name, clean(value)) for name, value in rows]), *table, clean(then)])


def describe_best(metric: str | None, best: Best) -> str:
    """Which weights are kept, and what they reach."""
    if metric is None or best.value is None:
        return f"the last weights, after step {best.step:,}: there is no validation that tells others"
    value = f"{best.value:.4f}" if is_loss(metric) else f"{best.value:.2%}"
    return f"{metric} {value} after step {best.step:,}"


def clean_text(parts: list[str]) -> str:
    """Parts of an answer, with an empty line between them."""
    return "\n\n".join(parts)


def describe_seconds(seconds: float) -> str:
    """A time for people."""
    from .progress import describe_time

    return describe_time(seconds)
