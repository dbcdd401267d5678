"""`archc profile`: where a model's time goes, by the steps and lines of its spec."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..compiler.diagnostics import Failure, clean
from ..compiler.spelling import as_word
from ..interruption import limit_long_calls
from ..runtime.arguments import MAX_BATCH, MAX_THREADS
from ..text.layout import fold_line, output_width
from ..text.tables import format_table
from .completion import device_names
from .options import Count, format_option, print_json
from .progress import progress
from .running import trust_option

if TYPE_CHECKING:
    from ..runtime.profile import Profile, StepTime


@click.command(epilog="Example: archc profile net.onnx --by block")
@click.argument("model")
@click.option(
    "--by", type=click.Choice(["step", "block", "op"]), default="step", show_default=True, help="What is added up."
)
@click.option("--depth", type=Count(1, 1000), help="Words of a path that name a block.  [default: 1]")
@click.option("--batch", type=Count(1, MAX_BATCH), default=1, show_default=True, help="Images at once.")
@click.option("--runs", type=Count(1, 10_000), default=10, show_default=True, help="Runs; each time is the median.")
@click.option("--threads", type=Count(1, MAX_THREADS), help="Threads on the CPU.  [default: onnxruntime's choice]")
@click.option("--top", type=Count(1), default=20, show_default=True, help="Rows to show; JSON has all.")
@trust_option
# nobody need know it, and whoever tries it is told why it does nothing
@click.option("--device", metavar="NAME", default="cpu", hidden=True)
@format_option()
def command(
    model: str, by: str, depth: int | None, batch: int, runs: int, threads: int | None, top: int, trust: bool, device: str, form: str
) -> int:  # fmt: skip
    """Say where a model's time goes, by the steps and lines of its spec.

    The times are onnxruntime's own, of its kernels on the CPU; arithmetic and bytes are held against what this machine does at most.
    """
    from ..runtime import Session, UntrainedWarning
    from ..runtime.profile import group_steps, profile_session

    limit_long_calls()
    if device != "cpu":
        raise other_device(model, device)
    if depth and by != "block":
        raise click.UsageError("--depth is about blocks; say --by block")
    with progress(f"profiling {model}"), warnings.catch_warnings(action="ignore", category=UntrainedWarning):
        found = profile_session(Session(model, device="cpu", threads=threads, trust=trust), batch, runs)
    groups = group_steps(found.steps, by, depth or 1)
    if form == "json":
        print_json(profile_json(found, groups, by))
        return 0
    print(profile_table(found, groups[:top], by), end="\n\n")
    if len(groups) > top:
        rest = sum(each.seconds for each in groups[top:]) / found.kernel_seconds
        print(f"{len(groups) - top} more take {rest:.1%}; --top {len(groups)} shows them")
    print(describe_run(found, by))
    return 0


def other_device(model: str, device: str) -> Failure:
    """The Failure (usage) for a device on which onnxruntime's profile would mislead."""
    bench = f"archc bench {as_word(model)} --device {device if device in device_names() else 'cuda'}"
    return Failure("usage", "--device: the times are of the CPU alone; on a GPU onnxruntime sees when kernels are launched, not how long they run",
                   f"`{bench}` times the whole model there; `nsys profile {bench}` sees its kernels", 2)  # fmt: skip


def profile_table(found: Profile, groups: Sequence[StepTime], by: str) -> str:
    """A row for each group, the longest first. A file that all lines are of is not in the rows: describe_run tells it."""
    file = common_file(found)
    rows = []
    for each in groups:
        flops, moved = (f"{share:.0%}" if share else "" for share in shares(found, each))
        name = each.step or f"({each.op})"
        head = [each.op] if by == "op" else [name, each.place.removeprefix(f"{file}:")]
        rows.append([*head, f"{1e3 * each.seconds:.3f}", f"{each.seconds / found.kernel_seconds:.1%}", flops, moved])
    heads = ["op"] if by == "op" else [by, "line"]
    return format_table([*heads, "ms", "share", "flop/s", "bytes/s"], rows, "<" * len(heads) + ">>>>")


def common_file(found: Profile) -> str:
    """The file that the lines of all steps are of; empty where there are several, or none."""
    files = {each.place.rpartition(":")[0] for each in found.steps if each.place}
    return files.pop() if len(files) == 1 else ""


def shares(found: Profile, each: StepTime) -> tuple[float, float]:
    """What a group reaches of the machine's arithmetic and of its memory's speed, each as a share of the ceiling."""
    seconds = max(each.seconds, 1e-9)
    return 2 * each.macs / seconds / found.ceilings.flops_per_s, each.bytes / seconds / found.ceilings.bytes_per_s


def describe_run(found: Profile, by: str) -> str:
    """Sentences on the whole run, and on the ceilings."""
    images = f"{found.batch} image{'s' * (found.batch > 1)}"
    told = (
        f"{clean(found.model)} on {found.device}, {images} at once: {1e3 * found.run_seconds:.2f} ms a run, the median of {found.runs}; "
        f"{1e3 * (found.run_seconds - found.kernel_seconds):.2f} ms of it between kernels. "
        f"100% is {found.ceilings.flops_per_s / 1e9:.0f} GFLOP/s and {found.ceilings.bytes_per_s / 1e9:.1f} GB/s, measured now."
    )
    if by != "op" and (file := common_file(found)):
        told += f" Lines are those of {clean(file)}."
    return "\n".join(fold_line(told, output_width(), cut=False))


def profile_json(found: Profile, groups: Sequence[StepTime], by: str) -> dict[str, Any]:
    """What `--format json` prints: times are in ms, the rest as the names say."""
    return {
        "model": found.model, "device": found.device, "batch": found.batch, "threads": found.threads, "runs": found.runs,
        "run_ms": 1e3 * found.run_seconds, "kernels_ms": 1e3 * found.kernel_seconds, "ceilings": found.ceilings._asdict(), "by": by,
        "rows": [
            {by: each.op if by == "op" else each.step, "op": each.op, "line": each.place, "covers": list(each.covers),
             "ms": 1e3 * each.seconds, "share": each.seconds / found.kernel_seconds, "macs": each.macs, "bytes": each.bytes,
             "flops_per_s": 2 * each.macs / max(each.seconds, 1e-9), "bytes_per_s": each.bytes / max(each.seconds, 1e-9)}
            for each in groups
        ],
    }  # fmt: skip
