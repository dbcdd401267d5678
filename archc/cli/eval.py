"""`archc eval`: pictures whose classes are known in; how many were told right out, as text, JSON and a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.diagnostics import clean
from ..interruption import limit_long_calls
from ..runtime.arguments import MAX_BATCH
from ..text.tables import count_of, format_table
from .options import Count, format_option, output_path, print_json, refuse_two_answers, text_stream
from .progress import counting, progress
from .run import check_target
from .running import device_options, explain_cpu, max_pixels_option, trust_option

if TYPE_CHECKING:
    from ..runtime.evaluation import ClassificationReport

# rows of a table for people
SHOWN_CLASSES, SHOWN_MISTAKES = 20, 8


@click.command(epilog="Example: archc eval net.onnx held-out/ -o report.html")
@click.argument("model")
@click.argument("place", metavar="FOLDER|CSV")
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    help="Write a page with the pictures: one .html that needs nothing else.",
)
@click.option("--labels", metavar="FILE", help="The names of the classes, one a line, instead of the model's.")
@click.option("--skip-unknown", is_flag=True, help="Leave out the pictures of classes that the model does not have.")
@click.option(
    "--mistakes",
    type=Count(0, 1000),
    default=24,
    show_default=True,
    help="Keep so many of the worst mistakes.",
)
@device_options
@click.option("--batch", type=Count(1, MAX_BATCH), default=8, show_default=True, help="Images at once on each thread.")
@max_pixels_option
@trust_option
@format_option()
def command(
    model: str, place: str, target: str | None, labels: str | None, skip_unknown: bool, mistakes: int, device: str,
    device_settings: dict[str, str], batch: int, threads: int | None, max_pixels: int, trust: bool, form: str,
) -> int:  # fmt: skip
    """Say how well a built classifier does on pictures whose classes are known.

    A FOLDER has a folder for each class; a CSV has a path and a class a line. Folders are called as the model's labels, or by numbers.
    """
    from ..runtime.batch import Predictor
    from ..runtime.evaluation import evaluate
    from .results import describe_model, read_options

    limit_long_calls()
    refuse_two_answers(target, form)
    if target and Path(target).suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"-o {target}: a report is a .html; --format json prints the numbers")
    check_target(target, [model, place, *([labels] if labels else [])])
    options = read_options(5, (), labels, device, device_settings, threads, max_pixels, trust)
    with progress(f"opening {model}"):
        predictor = Predictor(model, options)
    with counting(f"evaluating {model}", "pictures") as tell:
        found = evaluate(predictor, place, batch=batch, skip_unknown=skip_unknown, mistakes=mistakes, progress=tell)
    describe_model(predictor)
    if target:
        write_page(target, found, max_pixels)
    session = predictor.session
    if form == "json":
        print_json(evaluation_json(found, session.reason))
    else:
        closing = [clean(f"wrote {target}" if target else "-o report.html shows the pictures"),
                   *explain_cpu(session.name, session.reason, session.choice.gpu_unusable)]  # fmt: skip
        print("\n\n".join([*text_parts(found), "\n".join(closing)]), file=text_stream(target))
    return int(found.unreadable_count > 0)


def write_page(target: str, found: ClassificationReport, max_pixels: int) -> None:
    """Writes the page with its pictures, whole or not at all."""
    from ..compiler.files import atomic_write
    from ..runtime.evaluation import format_page
    from ..runtime.evaluation.thumbnails import add_thumbnails

    with atomic_write(output_path(target)) as partial:
        partial.write_text(format_page(add_thumbnails(found, max_pixels)), "utf-8")


def evaluation_json(found: ClassificationReport, reason: str) -> dict[str, Any]:
    """What `--format json` prints. Shares are 0 to 1, classes are told by their index; `reason` says why it ran on this device."""
    return {
        "model": found.model,
        "device": found.device,
        "reason": reason,
        "matched": found.matched,
        "notes": found.notes,
        "pictures": found.answered,
        "top1": found.top1 if found.answered else None,
        "top5": found.top5 if found.answered else None,
        "classes": [
            {"index": each.index, "label": each.label, "pictures": each.pictures, "top1": each.top1, "top5": each.five / each.pictures,
             "precision": each.precision}
            for each in found.classes
        ],
        "confusions": [each._asdict() for each in found.confusions],
        "mistakes": [{"path": each.path, "true": each.true, "predicted": each.predicted, "probability": each.probability} for each in found.mistakes],
        "unreadable_count": found.unreadable_count,
        "unreadable": [each._asdict() for each in found.unreadable],
    }  # fmt: skip


def text_parts(found: ClassificationReport) -> list[str]:
    """What people read: the figures, the classes that do worst, the worst mistakes, and what was left out."""
    classes = f"{len(found.classes):,} class{'' if len(found.classes) == 1 else 'es'}"
    lines = [f"{found.model} on {found.device}: {count_of(found.answered, 'picture')} of {classes}", f"  names matched {found.matched}"]  # fmt: skip
    if found.answered:
        lines += [f"  top-1  {found.top1:7.2%}", *[f"  top-5  {found.top5:7.2%}"] * found.shows_top5]
    lines += [f"  {note}" for note in found.notes]
    tables = [class_table(found), mistake_table(found)] if found.answered else []
    return [part for part in (clean_lines(lines), clean_lines(unreadable_lines(found)), *tables) if part]


def unreadable_lines(found: ClassificationReport) -> list[str]:
    """The first pictures without an answer, each with why."""
    if not found.unreadable_count:
        return []
    shown = [f"  {each.path}: error[{each.code}]: {each.message}" for each in found.unreadable[:SHOWN_MISTAKES]]
    rest = found.unreadable_count - len(shown)
    more = [f"  and {rest:,} more; --format json lists them"] if rest else []
    return [f"{found.unreadable_count:,} could not be read, and count in no figure", *shown, *more]


def clean_lines(lines: list[str]) -> str:
    """Lines that may be printed."""
    return "\n".join(map(clean, lines))


def class_table(found: ClassificationReport) -> str:
    """The classes that do worst, and what each is taken for most."""
    # of several the most frequent comes first, so it is the last to be put here
    most = {confusion.true: confusion for confusion in reversed(found.confusions)}
    worst = sorted(found.classes, key=lambda each: (each.top1, -each.pictures, each.index))
    rows = []
    for each in worst[:SHOWN_CLASSES]:
        taken = most.get(each.index)
        told = f"{found.labels.get(taken.predicted) or taken.predicted} ({taken.pictures:,})" if taken else ""
        rows.append([each.label, f"{each.pictures:,}", f"{each.top1:.2%}", f"{each.precision:.2%}", told])
    rest = len(worst) - len(rows)
    more = f"\nand {rest:,} classes that do no worse" if rest else ""
    return (
        format_table(["class", "pictures", "top-1", "precision", "taken most for"], rows, "<>>><", ("precision",))
        + more
    )


def mistake_table(found: ClassificationReport) -> str:
    """The wrong answers of the highest probability."""
    if not found.mistakes:
        return ""
    rows = [[each.path, found.labels.get(each.true) or str(each.true), found.labels.get(each.predicted) or str(each.predicted), f"{each.probability:.2%}"]
            for each in found.mistakes[:SHOWN_MISTAKES]]  # fmt: skip
    return format_table(["worst mistakes", "is", "taken for", "probability"], rows, "<<<>")
