"""`archc run`: pictures in; classes out, or the model's outputs."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.diagnostics import clean
from ..interruption import limit_long_calls
from ..runtime.arguments import MAX_BATCH
from ..runtime.faults import RuntimeFault
from ..runtime.save import KINDS, TABLES, save_npz, save_png, summarize
from ..runtime.sources import find_images
from ..text.tables import format_table
from .options import Count, as_json, format_option, output_path, print_json, refuse_two_answers, text_stream
from .progress import progress
from .render import clean_message, format_failure, format_warning
from .running import device_options, explain_cpu, max_pixels_option, trust_option

if TYPE_CHECKING:
    from ..runtime.answers import Answer, Result
    from ..runtime.session import Session

MISSING_IMAGE = "Missing argument 'IMAGE': name a picture, a folder, a pattern or a list."


@click.command(epilog="Example: archc run net.onnx cat.jpg photos/ --top 3")
@click.argument("model")
@click.argument("images", nargs=-1, metavar="[IMAGE|FOLDER|PATTERN|LIST]...")
@click.option(
    "--input",
    "feeds",
    multiple=True,
    metavar="NAME=FILE",
    help="A picture for the input NAME of a model with several; repeatable.",
)
@click.option(
    "--outputs",
    multiple=True,
    metavar="NAME|all",
    help="Give these outputs as they are, instead of classes; repeatable.",
)
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    help="Write the outputs: .npz arrays, .png the best class at each position of a map, .json the answer; or, of any number of pictures, .csv, .jsonl or .parquet.",
)
@device_options
@click.option("--top", type=Count(min=1), default=5, show_default=True, help="How many classes an image.")
@click.option("--labels", metavar="FILE", help="The names of the classes, one a line, for a model that has none.")
@click.option("--batch", type=Count(1, MAX_BATCH), default=8, show_default=True, help="Images at once.")
@click.option(
    "--restart", is_flag=True, help="Replace results, or an unfinished run, of another model or other options."
)
@max_pixels_option
@trust_option
@click.option(
    "--no-cache", is_flag=True, help="Optimise the model's graph anew: neither read nor write the cache (archc cache)."
)
@format_option()
def command(
    model: str, images: tuple[str, ...], feeds: tuple[str, ...], outputs: tuple[str, ...], target: str | None, device: str,
    device_settings: dict[str, str], threads: int | None, top: int, labels: str | None, batch: int, restart: bool, max_pixels: int, trust: bool,
    no_cache: bool, form: str,
) -> int:  # fmt: skip
    """Run a built model on pictures: their classes, or the model's outputs.

    A LIST is @FILE or a .txt with a path a line, or - for standard input.
    """
    limit_long_calls()
    kind = output_kind(target)
    refuse_two_answers(target, form)
    if target and kind in TABLES:
        from .results import read_options, write_results

        if feeds or not images:
            raise click.UsageError(
                f"-o {target}: a table is of the pictures of one input; write a .npz" if feeds else MISSING_IMAGE
            )
        options = read_options(top, outputs, labels, device, device_settings, threads, max_pixels, trust, not no_cache)
        return write_results(model, images, target, options, batch, restart, form)
    if restart:
        raise click.UsageError(f"--restart is for results in {', '.join(TABLES)}; name one by -o")
    pictures = find_pictures(images, feeds)
    if kind == ".png" and len(pictures) > 1:
        raise click.UsageError(
            f"-o {target}: a .png holds the map of one picture, not of {len(pictures)}; write a .npz"
        )
    given = [*images, *(feed.partition("=")[2] for feed in feeds)]
    check_target(target, [model, *given, *find_paths(pictures), *([labels] if labels else [])])
    with progress(f"running {model}"):
        session = open_session(model, device, threads, labels, device_settings, trust, not no_cache)
        check_beside_data(target, session)
        classes = session.verdict.output is not None and not outputs and kind in (None, ".json")
        answers = answer_pictures(session, pictures, top if classes else None, outputs, batch, max_pixels)
        values = bool(outputs) and (form == "json" or kind == ".json")
        entries, faults, kept = collect_answers(answers, values, keep=classes or kind in (".npz", ".png"))
    document = run_json(session, entries)
    if None in faults:
        warn(session, classes or bool(outputs) or kind is not None)
        if target:
            write_file(target, kind, kept, document)
    if form == "json":
        print_json(document)
    else:
        print_faults(faults)
        if None in faults:
            print(class_table(kept) if classes else output_table(entries), end="\n\n", file=text_stream(target))
            print(place_text(session, target), file=text_stream(target))
    return exit_code(faults)


def output_kind(target: str | None) -> str | None:
    """The suffix of the file to write. Raises UsageError, which lists the kinds, for any other."""
    if target is None:
        return None
    suffix = Path(target).suffix.lower()
    if suffix not in KINDS:
        kinds = ", ".join(f"{each} ({what})" for each, what in KINDS.items())
        raise click.UsageError(f"-o {target}: the suffix says the kind of file, and it is one of {kinds}")
    return suffix


def chosen_outputs(session: Session, asked: Sequence[str]) -> list[str] | None:
    """The outputs that `--outputs` names; None for all. Raises RuntimeFault for one that is not there, also beside `all`."""
    named = [name for name in asked if name != "all"]
    known = session.known_outputs(named) if named else None
    return None if "all" in asked else known


def check_target(target: str | None, read: Iterable[str]) -> None:
    """Raises Failure where `target` cannot be written, and RuntimeFault `output-is-input` where it is one of those that are `read`."""
    if target is None:
        return
    from ..compiler.destinations import check_destination, find_destination

    found = find_destination(output_path(target))
    check_destination(found)
    if not found.path.exists():
        return
    for place in read:
        # unlike Path's, this `exists` says no to a name that is too long
        path = place if os.path.exists(place) else place.removeprefix("@")
        if os.path.exists(path) and os.path.samefile(path, target):
            raise RuntimeFault("output-is-input", f"`{target}` is what is read; it is not overwritten",
                               "choose another place with `-o`", 2)  # fmt: skip


def check_beside_data(target: str | None, session: Session) -> None:
    """Raises RuntimeFault `output-is-input` where `target` is one of the files beside the model that have its weights."""
    from ..runtime.trust import find_data

    check_target(target, (str(session.artifact.path.parent / name) for name in find_data(session.artifact)))


def find_pictures(images: Sequence[str], feeds: Sequence[str]) -> list[Any]:
    """The paths of all pictures, or, where `--input` feeds several inputs, the paths by input's name of each run."""
    if feeds and images:
        raise click.UsageError("pictures are given by IMAGE or by --input, not by both")
    return pair_inputs(feeds) if feeds else name_pictures(images)


def find_paths(pictures: Sequence[Any]) -> Iterable[str]:
    """The paths of all pictures, each a path, or the paths by input's name."""
    for each in pictures:
        yield from each.values() if isinstance(each, dict) else (each,)


def name_pictures(images: Sequence[str]) -> list[Any]:
    """The paths of all pictures that the arguments mean."""
    if not images:
        raise click.UsageError(MISSING_IMAGE)
    return [*find_images(images)]


def pair_inputs(feeds: Sequence[str]) -> list[Any]:
    """The paths by input's name of each run: the first of every input belong together, then the second."""
    paths: dict[str, list[str]] = {}
    for feed in feeds:
        name, equals, place = feed.partition("=")
        if not (name and equals and place):
            raise click.UsageError(f"--input {feed}: it is NAME=FILE")
        paths.setdefault(name, []).extend(find_images([place]))
    if len({len(found) for found in paths.values()}) > 1:
        counts = ", ".join(f"{name} {len(found)}" for name, found in paths.items())
        raise click.UsageError(f"every --input needs the same number of pictures: {counts}")
    return [dict(zip(paths, each, strict=True)) for each in zip(*paths.values(), strict=True)]


def open_session(
    model: str, device: str, threads: int | None, labels: str | None, settings: Mapping[str, str], trust: bool, cache: bool
) -> Session:  # fmt: skip
    """The model's session. That its weights are untrained is said later, where there are answers. Raises RuntimeFault as Session does."""
    from ..runtime import Session, UntrainedWarning

    with warnings.catch_warnings(action="ignore", category=UntrainedWarning):
        return Session(model, device, threads, labels, options=settings, trust=trust, cache=cache)


def answer_pictures(
    session: Session, pictures: Sequence[Any], top: int | None, outputs: Sequence[str], batch: int, max_pixels: int
) -> Iterable[Result | Answer]:
    """The answers in the pictures' order, as they come: the `top` classes of each, or, where that is None, what `--outputs` names."""
    limits: Any = {"batch": batch, "errors": "keep", "max_pixels": max_pixels}
    if top is None:
        return session.predict(pictures, chosen_outputs(session, outputs), **limits)
    return session.classify(pictures, top=top, **limits)


def collect_answers(answers: Iterable[Any], values: bool, keep: bool) -> tuple[list[Any], list[Any], list[Any]]:
    """The entries of a document, with all `values` or without, the faults (None for a picture without), and with `keep` the answers."""
    entries, faults, kept = [], [], []
    # a map may be large, so its numbers are kept only where they are written
    for each in answers:
        entries.append(answer_json(each, values))
        faults.append(each.error)
        kept += [each] * keep
    return entries, faults, kept


def warn(session: Session, answered_as_asked: bool) -> None:
    """Says on standard error what makes an answer less than it looks, and what is wrong with the cache."""
    if not session.artifact.trained:
        print(format_warning("untrained", session.artifact.describe_untrained(), sys.stderr), file=sys.stderr)
    if not answered_as_asked:
        print(f"note: {clean_message(f'{session.name} is no classifier: {session.verdict.why}')}\n"
              f"  = help: {clean(session.verdict.advice)}", file=sys.stderr)  # fmt: skip
    if session.cache.help:
        print(f"note: the next start will be as slow as this one: {clean(session.cache.reason)}\n"
              f"  = help: {clean(session.cache.help)}", file=sys.stderr)  # fmt: skip


def write_file(target: str, kind: str | None, answers: Sequence[Answer], document: Mapping[str, Any]) -> None:
    """Writes the outputs, whole or not at all."""
    import json

    from ..compiler.files import atomic_write

    with atomic_write(Path(target)) as partial, partial.open("wb") as file:
        if kind == ".json":
            file.write(json.dumps(as_json(document), indent=2).encode() + b"\n")
        else:
            (save_npz if kind == ".npz" else save_png)(file, answers)


def run_json(session: Session, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `--format json` prints; `entries` are those of the pictures."""
    return {
        "model": session.name,
        "device": session.device,
        "reason": session.reason,
        "providers": list(session.providers),
        "cache": {"state": session.cache.state, "reason": session.cache.reason},
        "precision": session.precision,
        "device_options": session.settings,
        "nodes": session.nodes_by_provider(),
        "classifier": session.verdict.output,
        "trained": session.artifact.trained,
        "untrained": session.artifact.untrained,
        "results": entries,
    }


def answer_json(answer: Result | Answer, values: bool) -> dict[str, Any]:
    """The entry of one picture: its classes, its outputs, with `values` every number of them, or why it has none."""
    top = getattr(answer, "top", ())
    entry: dict[str, Any] = {"input": answer.input, "top": [each._asdict() for each in top]}
    if answer.error:
        entry["error"] = {"code": answer.error.code, "message": answer.error.message, "help": answer.error.help}
    for name, found in getattr(answer, "outputs", {}).items():
        entry.setdefault("outputs", {})[name] = summarize(found) | ({"values": found.tolist()} if values else {})
    return entry


def print_faults(faults: Sequence[RuntimeFault | None]) -> None:
    """Prints on standard error why a picture has no answer."""
    for fault in faults:
        if fault:
            print(format_failure(fault, sys.stderr), file=sys.stderr)


def place_text(session: Session, target: str | None) -> str:
    """Where the outputs are written, and where the model ran; why there, if a GPU seems to be here that cannot be used."""
    wrote = [f"wrote {clean(target)}"] if target else []
    why = explain_cpu(session.name, session.reason, session.choice.gpu_unusable)
    return "\n".join([*wrote, *(why or [clean(f"{session.name} on {session.describe_device()}")])])


def class_table(results: Iterable[Result]) -> str:
    """A row for each class of each picture that was answered."""
    from ..runtime import Results

    answered = Results(each for each in results if not each.error)
    return format_table(answered.columns, [*answered.rows()], "<>><")


def output_table(entries: Sequence[Mapping[str, Any]]) -> str:
    """A row for each output of each picture that was answered, with its shape and what its numbers are like."""
    rows = []
    for entry in entries:
        for at, (name, facts) in enumerate(entry.get("outputs", {}).items()):
            numbers = [f"{facts[key]:.4g}" if key in facts else "" for key in ("min", "mean", "max")]
            shape = "×".join(map(str, facts["shape"])) or "1"
            rows.append(["" if at else entry["input"], name, facts["dtype"], shape, *numbers])
    return format_table(["image", "output", "type", "shape", "min", "mean", "max"], rows, "<<<<>>>")


def exit_code(faults: Sequence[RuntimeFault | None]) -> int:
    """0 where all pictures were answered; the fault's own code where all fail by it, as a file that is not there; else 1."""
    codes = {fault.exit_code if fault else 0 for fault in faults}
    return codes.pop() if len(codes) == 1 else 1
