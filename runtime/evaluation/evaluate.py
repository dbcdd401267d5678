"""A classifier on pictures whose classes are known: found, matched, answered on all cores, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from ..batch.columns import Columns
from ..batch.pipeline import map_in_order
from ..batch.predictor import Predictor
from ..cores import count_cores
from ..faults import RuntimeFault
from ..ports import list_ports
from ..session import Session
from .examples import Examples, open_examples
from .matching import ClassMatching, match_classes, require_match
from .tally import ClassificationReport, Tally


def evaluate(
    predictor: Predictor, place: str | Path, *, batch: int = 8, skip_unknown: bool = False, mistakes: int = 24,
    progress: Callable[[int, int], None] | None = None,
) -> ClassificationReport:  # fmt: skip
    """How well a classifier does on pictures whose classes are known. The names of classes are matched to the model's labels.

    predictor     the model
    place         a folder with a folder a class, or a .csv with a path and a class a line
    batch         how many pictures each of the predictor's threads runs at once
    skip_unknown  leaves out pictures whose class is none of the model's
    mistakes      how many wrong answers are kept, those of the highest probability
    progress      is called with how many pictures are done, and of how many

    Raises RuntimeFault `not-a-classifier`; `no-classes` where there are no pictures with a class; `classes-unmatched` where a name means no
    class of the model; and `wrong-input` for a model of several inputs.
    """
    session = predictor.session
    session.require_classifier()
    require_one_input(session)
    examples = open_examples(place)
    matching = match_classes(examples.counts, session.labels, session.count_classes())
    require_match(matching, session.labels, skip_unknown)
    total = sum(count for name, count in examples.counts.items() if name in matching.classes)
    tally, done = Tally(mistakes), 0
    for rows in map_in_order(
        predictor, example_batches(examples, matching, batch), predictor.options.threads or count_cores()
    ):
        tally.add(rows, rows["class"])
        done += len(rows["class"])
        if progress:
            progress(done, total)
    labels = dict(enumerate(session.labels)) or {at: name for name, at in matching.classes.items()}
    notes = tuple(tell_left_out(examples, matching))
    return tally.finish(
        session.name, session.device, examples.place, matching.how, labels, notes, session.count_classes()
    )


def require_one_input(session: Session) -> None:
    """Raises RuntimeFault `wrong-input` for a model of several inputs: a folder of a class has a picture for one."""
    if len(session.inputs) > 1:
        raise RuntimeFault("wrong-input", f"{session.name} has {len(session.inputs)} inputs, and a picture with its class is for one: {list_ports(session.inputs)}",
                           "count in a loop of your own: Session.classify takes a list of mappings, each from the inputs' names to their pictures")  # fmt: skip


def example_batches(examples: Examples, matching: ClassMatching, size: int) -> Iterator[Columns]:
    """The pictures whose class is known, with its index, in batches for a Predictor."""
    known = ((path, matching.classes[name]) for path, name in examples if name in matching.classes)
    while chunk := [*islice(known, size)]:
        yield {"path": [path for path, _ in chunk], "class": [at for _, at in chunk]}


def tell_left_out(examples: Examples, matching: ClassMatching) -> Iterator[str]:
    """What of the pictures was not counted, in words."""
    if examples.loose:
        yield f"left out, as in no folder of a class: {examples.loose:,} in `{examples.place}` itself"
    if matching.unmatched:
        count = sum(examples.counts[name] for name in matching.unmatched)
        named = ", ".join(f"`{name}`" for name in [*matching.unmatched][:8]) + (
            " …" if len(matching.unmatched) > 8 else ""
        )
        yield f"left out, as of no class of the model: {count:,} in {named}"
