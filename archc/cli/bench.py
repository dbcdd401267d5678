"""`archc bench`: how fast models run, and whether one is faster than another."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.diagnostics import clean
from ..compiler.limits import DEFAULT
from ..compiler.sources import is_model
from ..interruption import limit_long_calls
from ..runtime.arguments import MAX_BATCH
from ..text.layout import fold_line, output_width
from ..text.tables import format_bytes, format_table
from .options import Positive, check_spec, format_option, print_json, set_option
from .progress import progress
from .running import device_options, explain_cpu, trust_option

if TYPE_CHECKING:
    from ..runtime.bench.contender import Contender
    from ..runtime.bench.measure import Timing
    from ..runtime.bench.statistics import Difference


class Batches(click.ParamType[tuple[int, ...]]):
    """Numbers of images with commas between them."""

    name = "N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        sizes = [int(each) for each in str(value).split(",") if re.fullmatch(r" *[0-9]{1,9} *", each)]
        if len(sizes) != str(value).count(",") + 1 or not all(1 <= size <= MAX_BATCH for size in sizes):
            self.fail(f"`{value}` is no list of numbers such as 1,8,64", param, ctx)
        return tuple(dict.fromkeys(sizes))


@click.command(epilog="Example: archc bench resnet50 --batch 1,8 --against torch")
@click.argument("models", metavar="MODEL|SPEC...", nargs=-1, required=True)
@click.option(
    "--batch", "batches", type=Batches(), default="1", show_default=True, help="Images at once; several with commas."
)
@device_options
@click.option(
    "--against",
    metavar="torch|MODEL",
    help="Time this, too, and compare the first with it: the same net in torch, or another model.",
)
@click.option(
    "--seconds",
    type=Positive(3600),
    default=3.0,
    show_default=True,
    help="How long each runs at each batch.",
)
@trust_option
@set_option
@format_option()
def command(
    models: tuple[str, ...], batches: tuple[int, ...], device: str, device_settings: dict[str, str],
    threads: int | None, against: str | None, seconds: float,
    trust: bool, settings: tuple[str, ...], form: str,
) -> int:  # fmt: skip
    """Time models, each in a process of its own and in turn.

    A SPEC is built with untrained weights first, which run as fast as trained ones. Times are of a whole run, with the arrays going in and
    coming out. Others are held against the first, and a difference within the noise is not called one.
    """
    from ..runtime.bench.measure import measure

    limit_long_calls()
    with ExitStack() as opened, progress(f"timing {', '.join(models)}"):
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="archc-")))
        where = partial(onnx_contender, device=device, options=device_settings, threads=threads, trust=trust)
        files = [find_model(name, settings, folder / str(at)) for at, name in enumerate(models)]
        contenders = [where(name, *file) for name, file in zip(models, files, strict=True)]
        if against == "torch":
            contenders.append(torch_contender(files[0][0], device, threads))
        elif against is not None:
            contenders.append(where(against, *find_model(against, settings, folder / "other")))
        timings = measure([opened.enter_context(each) for each in contenders], batches, seconds)
    if form == "json":
        print_json({"threads": threads, "seconds": seconds, "machine": machine_facts(), "timings": [timing_json(each) for each in timings]})  # fmt: skip
        return 0
    print(timing_table(timings), end="\n\n")
    for line in describe_timings(timings):
        print("\n".join(fold_line(clean(line), output_width(), cut=False)))
    return 0


def find_model(name: str, settings: Sequence[str], folder: Path) -> tuple[Path, bool]:
    """The model file that a name means, and whether it is the user's own; a spec is built into `folder`, unproved and untrained."""
    from ..build.build import build

    if is_model(name):
        return Path(name), True
    folder.mkdir()
    checked = check_spec(name, tuple(settings), DEFAULT)
    return Path(build(checked, output=folder / f"{checked.name}.onnx", proof="none").artifacts[0].path), False


def onnx_contender(name: str, path: Path, cache: bool, device: str, options: Mapping[str, str], threads: int | None, trust: bool) -> Contender:  # fmt: skip
    """A model file. A file that is gone when the command ends leaves nothing in the cache."""
    from ..runtime.bench.contender import Contender
    from ..runtime.bench.models import open_runner

    opener = partial(open_runner, str(path), device, options=options, threads=threads, trust=trust, cache=cache)
    return Contender(name, opener)


def torch_contender(path: Path, device: str, threads: int | None) -> Contender:
    """The same net in torch."""
    from ..build.torch_runner import open_torch
    from ..runtime.bench.contender import Contender

    return Contender("torch eager", partial(open_torch, str(path), device, threads), ("numpy", "torch", "onnx"))


def machine_facts() -> dict[str, Any]:
    """What the figures depend on beside the models."""
    from ..runtime.processor import list_fast_features, name_processor

    return {
        "processor": name_processor(),
        "features": list_fast_features(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def timing_table(timings: Sequence[Timing]) -> str:
    """A row for each contender and batch."""
    columns: dict[str, list[str]] = {
        "model": [each.name for each in timings],
        "device": [each.where for each in timings],
        "batch": [str(each.batch) for each in timings],
        "p50 ms": [f"{each.latency.p50:.2f}" for each in timings],
        **{f"p{q}": [format_quantile(getattr(each.latency, f"p{q}")) for each in timings] for q in (90, 99)},
        "images/s": [f"{each.images_per_s:.1f}" for each in timings],
        "start ms": [f"{each.start_ms:.0f}" for each in timings],
        "memory": [format_size(each.peak_bytes) for each in timings],
        "GPU memory": [format_size(each.device_bytes) for each in timings],
    }
    if not any(columns["GPU memory"]):
        del columns["GPU memory"]
    alignment = "<<" + ">" * (len(columns) - 2)
    return format_table(
        [*columns], [*zip(*columns.values(), strict=True)], alignment, ["device", "memory", "start ms", "p99"]
    )


def format_quantile(milliseconds: float | None) -> str:
    """A time for people; nothing where there were too few runs to tell it."""
    return "" if milliseconds is None else f"{milliseconds:.2f}"


def format_size(size: int | None) -> str:
    """A size for people; nothing where it is not known."""
    return format_bytes(size) if size else ""


def describe_timings(timings: Sequence[Timing]) -> list[str]:
    """Sentences on how the contenders compare, and on energy."""
    first = {each.batch: each for each in reversed(timings) if each.against is None}
    lines = [describe_difference(first[each.batch], each, each.against) for each in timings if each.against]
    # of several batches it is told once
    lines += dict.fromkeys(line for each in timings for line in explain_cpu(each.name, each.reason, each.gpu_unusable))
    for each in timings:
        if each.joules_per_image is not None:
            lines.append(f"{each.name} at batch {each.batch}: {each.joules_per_image:.3g} J an image")
    load = machine_facts()["load"]
    if load is not None and load > (os.cpu_count() or 1):
        lines.append(f"the machine is busy (load {load:.1f} on {os.cpu_count()} cores): ratios hold better than times")
    if timings and timings[0].joules_per_image is None:
        lines.append(f"energy is not told: {timings[0].why_no_energy}")
    return lines


def describe_difference(first: Timing, other: Timing, found: Difference) -> str:
    """How one contender compares with the first: by how much it is faster or slower, or that this is within the noise."""
    where = f"at batch {other.batch}"
    if not found.beyond_noise:
        return (f"{first.name} and {other.name} {where}: no difference beyond the noise ({found.low:.2f} to {found.high:.2f} times, "
                f"noise {100 * (found.noise - 1):.0f}%)")  # fmt: skip
    if found.ratio > 1:
        return f"{first.name} is {found.ratio:.2f} times as fast as {other.name} {where} ({found.low:.2f} to {found.high:.2f})"
    return f"{first.name} is {1 / found.ratio:.2f} times as slow as {other.name} {where} ({1 / found.high:.2f} to {1 / found.low:.2f})"


def timing_json(each: Timing) -> dict[str, Any]:
    """A timing as `--format json` has it: times in ms, memory in bytes."""
    against = each.against and {**each.against._asdict(), "beyond_noise": each.against.beyond_noise}
    return {
        "model": each.name, "device": each.where, "reason": each.reason, "batch": each.batch, "runs": each.runs, "latency_ms": each.latency._asdict(),
        "images_per_s": each.images_per_s, "start_ms": each.start_ms, "peak_bytes": each.peak_bytes,
        "device_bytes": each.device_bytes,
        "joules_per_image": each.joules_per_image, "why_no_energy": each.why_no_energy, "against_first": against,
    }  # fmt: skip
