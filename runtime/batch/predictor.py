"""A batch of paths in, columns of rows out: as a pure function, and as a class that a pool of processes or Ray Data can make anew.

ray.data.from_items(...).map_batches(Predictor, fn_constructor_args=("net.onnx",), concurrency=8, batch_size=32)
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

from ..answers import Answer
from ..artifact import open_artifact
from ..faults import RuntimeFault, UntrainedWarning
from ..images import MAX_PIXELS
from ..inference import Engine
from ..session import Session
from ..trust import find_doubt
from .columns import WHY, Column, Columns, columns_of


class PredictOptions(NamedTuple):
    """What is asked of a model. It can be pickled.

    top         how many classes a row has, the likeliest first
    outputs     the names of the outputs that a row has instead of classes, () for all of them; None gives the classes of a classifier, and
                all outputs of another model
    labels      names of the classes instead of the model's own
    device      as Session takes it
    device_settings  what Session calls `options`, as pairs of a name and a value
    threads     how many work, None for one a core: each on a batch of its own, or all on one batch where a model from elsewhere has a
                process of its own, which takes one at a time
    max_pixels  pixels that a picture may have; a larger one is a row with an error
    trust       opens a model from elsewhere in this process
    cache       keeps the optimised graph for the next start
    """

    top: int = 5
    outputs: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    device: str = "auto"
    device_settings: tuple[tuple[str, str], ...] = ()
    threads: int | None = None
    max_pixels: int = MAX_PIXELS
    trust: bool = False
    cache: bool = True


DEFAULTS = PredictOptions()


class Predictor:
    """A model to call on batches of pictures: `predictor({"path": ["a.jpg", "b.jpg"]})` gives the columns of their rows.

    A picture that cannot be read is a row with its error. Pickled, a Predictor is its path and its options: another process opens the model for
    itself.
    """

    def __init__(self, model: str | Path, options: PredictOptions = DEFAULTS) -> None:
        """Opens the model.

        model    the path of an ONNX file
        options  what is asked of it

        Raises RuntimeFault as Session does.
        """
        self.model, self.options = Path(model), options
        # whoever reads the rows is told by the caller, once
        with warnings.catch_warnings(action="ignore", category=UntrainedWarning):
            self.session = Session(model, device=options.device, threads=threads_of_batch(self.model, options), labels=options.labels,
                                   options=dict(options.device_settings), trust=options.trust, cache=options.cache)  # fmt: skip
        if self.session.device != "cpu":
            self.session.session = cast(Engine, OneAtATime(self.session.session))

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns of its rows. Raises RuntimeFault `wrong-output` for outputs that fit no table."""
        return columns_of(self.session, self.options.outputs)

    def __reduce__(self) -> tuple[Any, ...]:
        return Predictor, (self.model, self.options)

    def __call__(self, batch: Mapping[str, Any]) -> Columns:
        """The rows of the pictures in `batch["path"]`; every other column of the batch is handed on."""
        found = predict_paths(self.session, [*batch["path"]], self.columns, self.options)
        return {**found, **{name: column for name, column in batch.items() if name not in found}}


def threads_of_batch(model: Path, options: PredictOptions) -> int | None:
    """The threads of onnxruntime for one batch; None lets it choose. Raises RuntimeFault for a file that is no model."""
    return options.threads if not options.trust and find_doubt(open_artifact(model)) else 1


class OneAtATime:
    """An engine on a device that several threads share: one batch runs, while the pictures of the others are read."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.lock = engine, threading.Lock()

    def run(self, names: Sequence[str], arrays: Mapping[str, Any]) -> list[Any]:
        """As the engine does."""
        with self.lock:
            return list(self.engine.run(names, arrays))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


def predict_paths(
    session: Session, paths: Sequence[Any], columns: Sequence[Column], options: PredictOptions
) -> Columns:
    """The rows of some pictures as columns, in their order; a picture that cannot be read is a row with its error.

    Raises RuntimeFault for whatever is no picture's fault.
    """
    values = [column for column in columns if column.kind == "values"]
    output = session.verdict.output
    names = [column.name for column in values] if values or output is None else [output]
    answers = session.predict(
        [str(path) for path in paths], names, max(len(paths), 1), errors="keep", max_pixels=options.max_pixels
    )
    rows = [*map(values_row if values else classes_row, answers, [(session, options.top)] * len(paths))]
    return {column.name: [row.get(column.name) for row in rows] for column in columns}


def classes_row(answer: Answer, asked: tuple[Session, int]) -> dict[str, Any]:
    """The best class of one picture and the ranking of the best."""
    import numpy as np

    session, top = asked
    if answer.error:
        return fault_row(answer.input, answer.error)
    found = answer.outputs[session.require_classifier()]
    if not np.isfinite(found).all():
        return fault_row(
            answer.input, RuntimeFault("run-failed", f"{session.name} answers with numbers that are not finite")
        )
    ranking = session.classes_of(found, top)
    return {"path": answer.input, **ranking[0]._asdict(), "top": [each._asdict() for each in ranking]}


def values_row(answer: Answer, _: object) -> dict[str, Any]:
    """The outputs of one picture, each as one row of numbers."""
    if answer.error:
        return fault_row(answer.input, answer.error)
    return {"path": answer.input, **{name: found.reshape(-1) for name, found in answer.outputs.items()}}


def fault_row(path: str, fault: RuntimeFault) -> dict[str, Any]:
    """The row of a picture without an answer."""
    return {"path": path, "error": fault.code, WHY: fault.message}


def iterate_batches(paths: Iterator[Any], size: int) -> Iterator[Columns]:
    """Paths as batches of `size` for a Predictor."""
    from itertools import islice

    while chunk := [*islice(paths, size)]:
        yield {"path": chunk}
