"""`archc run` on many pictures, into a table: what is asked, the line about progress, and what is said at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler.destinations import find_destination
from ..compiler.diagnostics import clean
from ..runtime.sources import find_images
from ..text.tables import count_of
from .options import output_path, print_json, text_stream
from .progress import counting, progress
from .render import format_warning
from .running import explain_cpu

if TYPE_CHECKING:
    from ..runtime.batch import PredictOptions, Predictor, Summary


def read_options(
    top: int, outputs: Sequence[str], labels: str | None, device: str, device_settings: Mapping[str, str], threads: int | None,
    max_pixels: int, trust: bool, cache: bool = True,
) -> PredictOptions:  # fmt: skip
    """What the command line asks of a model. Raises RuntimeFault (usage) for labels that cannot be read."""
    from ..runtime.batch import PredictOptions
    from ..runtime.classifier import read_labels

    named = None if not outputs else () if "all" in outputs else tuple(outputs)
    names = read_labels(labels) if labels else None
    return PredictOptions(top, named, names, device, tuple(device_settings.items()), threads, max_pixels, trust, cache)


def write_results(
    model: str, places: Sequence[str], target: str, options: PredictOptions, batch: int, restart: bool, form: str
) -> int:
    """Writes the rows of all pictures to `target`, says so, and gives the exit code."""
    from ..runtime.batch import Predictor, run_pictures
    from .run import check_beside_data, check_target

    check_target(target, [model, *places])
    with progress(f"opening {model}"):
        predictor = Predictor(model, options)
    check_beside_data(target, predictor.session)
    with (
        place_for(target) as place,
        telling_what_is_kept(target, place),
        counting(f"running {model}", "pictures") as tell,
    ):
        summary = run_pictures(predictor, find_images(places), place, batch=batch, restart=restart, progress=tell)
    describe_model(predictor)
    if form == "json":
        print_json(summary_json(predictor, summary, target))
    else:
        print("\n".join(summary_lines(predictor, summary, target)), file=text_stream(target))
    return summary.exit_code


@contextmanager
def place_for(target: str) -> Iterator[Path]:
    """The file that `-o` means, behind its links; for a pipe or a device one in a temporary folder, whose bytes it gets at the end."""
    from tempfile import TemporaryDirectory

    from ..compiler.files import atomic_write

    found = find_destination(output_path(target))
    if found.kind != "stream":
        yield found.path
        return
    with TemporaryDirectory() as folder, atomic_write(Path(target)) as partial:
        made = Path(folder, f"results{Path(target).suffix}")
        yield made
        made.replace(partial)


@contextmanager
def telling_what_is_kept(target: str, place: Path) -> Iterator[None]:
    """Says on standard error, where Ctrl-C ends the run, in which folder the rows so far are; those for a pipe are kept nowhere."""
    from ..runtime.batch.journal import unfinished_folder

    try:
        yield
    except KeyboardInterrupt:
        kept = unfinished_folder(place)
        if os.path.realpath(target) == os.path.realpath(place) and kept.is_dir():
            print(f"note: what is done is kept in {clean(str(kept))}; the same command goes on", file=sys.stderr)
        raise


def describe_model(predictor: Predictor) -> None:
    """Says on standard error what makes the rows less than they look."""
    artifact = predictor.session.artifact
    if not artifact.trained:
        print(format_warning("untrained", artifact.describe_untrained(), sys.stderr), file=sys.stderr)


def summary_json(predictor: Predictor, summary: Summary, target: str) -> dict[str, Any]:
    """What `--format json` prints of a run whose rows are in a file."""
    from .run import run_json

    document = run_json(predictor.session, ())
    del document["results"]
    return {**document, "output": target, "pictures": summary.pictures, "answered": summary.answered, "resumed": summary.resumed,
            "errors": summary.errors, "seconds": round(summary.seconds, 3)}  # fmt: skip


def summary_lines(predictor: Predictor, summary: Summary, target: str) -> Iterator[str]:
    """What a run came to, in some lines."""
    fresh = summary.pictures - summary.resumed
    known = "" if not summary.resumed else f", {summary.resumed:,} of them before" if fresh else ", all of them before"
    yield clean(f"{'wrote' if fresh else 'there is'} {target}: {count_of(summary.pictures, 'picture')}{known}")
    for code, count in sorted(summary.errors.items(), key=lambda each: -each[1]):
        yield f"  {count:,} without an answer: error[{code}]; the column `message` says why"
    rate = f": {fresh / summary.seconds:.3g} pictures/s" if fresh else ""
    session = predictor.session
    yield clean(f"{session.name} on {session.device}{rate}")
    yield from explain_cpu(session.name, session.reason, session.choice.gpu_unusable)
