"""A session: a model on a device, from pictures or arrays to its outputs, or to classes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

from .answers import Answer, Result, Results, most_probable, softmax
from .arguments import (
    MAX_BATCH,
    MAX_THREADS,
    OnError,
    check_count,
    check_errors,
    check_progress,
    list_labels,
    list_names,
    read_settings,
)
from .artifact import Artifact
from .classifier import Verdict, find_classifier
from .devices import PROVIDERS
from .devices.placement import describe_placement
from .faults import PictureFault, RuntimeFault, UntrainedWarning, escape_controls
from .images import MAX_PIXELS, read_input, read_prepared
from .inference import TensorTooLarge, failing_node
from .largest_batch import describe_too_large_batch, find_largest_batch, fits_in_memory
from .limits import WorkerLimits, check_limits
from .opening import open_model
from .ports import (
    PIXEL_DTYPE,
    Port,
    advise_names,
    bytes_of_rows,
    check_feeds,
    check_input_names,
    fill_batches,
    fixed_batch,
    has_open_batch,
    list_ports,
    split_rows,
)
from .preprocess import Preprocess
from .sources import Picture, each_picture

CHANNELS_OF_PHOTOS = 4
# bytes of a batch that is filled up with zeros
MAX_PADDED = 2**30


class Session:
    """A model opened on a device. It takes arrays, or pictures where its inputs are images of one size.

    `artifact` is the model's metadata. `inputs` and `outputs` are its ports by name. `device` is where it runs (cpu, cuda, …), and
    `reason` says why there; `precision` says in what it computes products of float32, `settings` are the device's options in force.
    `cache` says whether it started from the cache. `labels` name the classes; `verdict` says by which output it is a classifier, or why not.

    For users are `classify` and `predict`, which take pictures; `run`, `logits` and `probabilities`, which take arrays; `warm_up`;
    `nodes_by_provider` and `describe_device`, which say where it runs. What else there is serves these, and may change.
    """

    def __init__(
        self,
        model: str | Path,
        device: str = "auto",
        threads: int | None = None,
        labels: Iterable[str] | str | Path | None = None,
        *,
        options: Mapping[str, str] | None = None,
        trust: bool = False,
        limits: WorkerLimits | None = None,
        cache: bool = True,
    ) -> None:
        """Opens the file `model` on `device` (auto, cpu, cuda, …: `archc doctor` lists them), with that device's own `options`.

        `threads` are those on the CPU; None lets onnxruntime choose. `labels`, a list or a file of one a line, names the classes of a
        model that does not, and so says that it is a classifier.
        A model that is not as archc writes it runs in a process of its own, within `limits`; with `trust` it is opened in this one.
        With `cache` it starts from the graph that onnxruntime has optimised before, or leaves it for the next session (docs/reference/cache.md).
        Raises RuntimeFault for a file that is no model, for a device that cannot be used, and for labels that fit no output. Warns
        (UntrainedWarning) where the model is not trained, or not wholly.
        """
        if threads is not None:
            check_count("threads", threads, MAX_THREADS)
        if limits is not None:
            check_limits(limits)
        self.threads = threads
        opened = open_model(Path(model), device, threads, trust, limits, cache, read_settings(options))
        self.artifact: Artifact = opened.artifact
        self.session, self.cache = opened.engine, opened.cache
        self.choice = self.session.choice
        self.providers = tuple(self.session.get_providers())
        self.device, self.reason, self.name = self.choice.device, self.choice.reason, self.artifact.name
        self.precision, self.settings = self.choice.precision, dict(self.choice.settings)
        unranked = self.artifact.graph.unranked
        self.inputs: dict[str, Port] = {each.name: Port.of(each, unranked) for each in self.session.get_inputs()}
        self.outputs: dict[str, Port] = {each.name: Port.of(each, unranked) for each in self.session.get_outputs()}
        self.fixed_batch = fixed_batch(
            [port.shape for port in self.inputs.values()], [port.shape for port in self.outputs.values()]
        )
        given = None if labels is None else list_labels(labels)
        self.labels = self.artifact.labels if given is None else given
        self.verdict: Verdict = find_classifier(self.artifact, self.outputs, self.labels)
        if given is not None and self.count_classes() not in (None, len(given)):
            raise RuntimeFault(
                "not-a-classifier", f"{len(given)} labels fit no output of {self.name}: {list_ports(self.outputs)}"
            )
        if not self.artifact.trained:
            warnings.warn(escape_controls(self.artifact.describe_untrained()), UntrainedWarning, stacklevel=2)

    def count_classes(self) -> int | None:
        """How many classes there are; 0 where the model is no classifier, None where the file leaves it open."""
        if self.verdict.output is None:
            return 0
        classes = self.outputs[self.verdict.output].shape[1]
        return classes if isinstance(classes, int) else None

    def __repr__(self) -> str:
        told = f" in {self.artifact.precision}" if self.artifact.precision not in (None, "fp32") else ""
        lines = [f"{self.name}{told} on {self.describe_device()} ({self.reason})"]
        lines += [f"  input   {port}" for port in self.inputs.values()]
        classes = self.count_classes()
        for name, port in self.outputs.items():
            told = f": {classes or 'the'} classes" if name == self.verdict.output else ""
            lines.append(f"  output  {port}{told}")
        if not self.artifact.trained:
            steps = ", ".join(self.artifact.untrained)
            lines.append(f"  weights untrained{steps and ': ' + steps}")
        return "\n".join(map(escape_controls, lines))

    def describe_device(self) -> str:
        """Where it runs and how, as answers say it: `cuda, f32, tf32 off, 139/139 nodes`. The CPU alone has no more to it."""
        if self.device == "cpu":
            return self.device
        tf32 = [f"tf32 {self.settings['tf32']}"] if "tf32" in self.settings else []
        placement = describe_placement(self.device, self.nodes_by_provider())
        return ", ".join([self.device, self.precision, *tf32, *([placement] if placement else [])])

    @property
    def logits_output(self) -> str:
        """The output that `logits` gives: that of the classes; where there are none `logits`, or the last."""
        last = next(reversed(self.outputs))
        return self.verdict.output or ("logits" if "logits" in self.outputs else last)

    @property
    def preprocess(self) -> Preprocess:
        """How a picture becomes the first input. Raises RuntimeFault `not-an-image-model` where that takes no pictures."""
        return self.preprocess_of(next(iter(self.inputs), ""))

    def preprocess_of(self, name: str) -> Preprocess:
        """How a picture becomes the input `name`: as the model states it for its first input, and for others of the same size.

        Any other is stretched and divided by 255. Raises RuntimeFault `not-an-image-model` where the input takes no pictures.
        """
        port = self.inputs.get(name)
        if port is None or port.image_size is None:
            raise RuntimeFault("not-an-image-model", f"{self.name} takes no pictures of one size: {list_ports(self.inputs)}",
                               "give it arrays: Session.run({name: array})")  # fmt: skip
        first = next(iter(self.inputs.values()))
        stated = self.artifact.preprocess if port.shape[1:] == first.shape[1:] else {}
        return Preprocess.parse(stated, port.image_size, port.dtype == PIXEL_DTYPE)

    def run(self, feeds: Any, outputs: Iterable[str] | None = None) -> dict[str, Any]:
        """All outputs by name, or those that `outputs` names, for arrays by the inputs' names; one array does for one input.

        Where the model has a fixed batch, any number of rows may be given. Raises RuntimeFault `wrong-input` for an array that
        does not fit, `run-failed` where onnxruntime stops.
        """
        import numpy as np

        if not isinstance(feeds, Mapping):
            feeds = {self.only_input(): feeds}
        arrays = check_feeds(feeds, self.inputs, self.name, self.fixed_batch)
        names = self.known_outputs(outputs)
        size = self.fixed_batch
        if not size:
            return self.run_once(arrays, names)
        counts = {len(array) for array in arrays.values()}
        if len(counts) > 1 or 0 in counts:
            raise RuntimeFault("wrong-input", f"each input of {self.name} takes the same number of rows, one at least")
        (count,) = counts
        if size > count and size * bytes_of_rows(arrays) > MAX_PADDED:
            raise RuntimeFault(
                "wrong-input", f"{self.name} takes {size} rows at once, and {count} are given", "give as many"
            )
        parts = [self.run_once(batch, names) for batch in fill_batches(arrays, count, size)]
        return {name: np.concatenate([part[name] for part in parts])[:count] for name in names}

    def run_once(self, arrays: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
        """The outputs `names` for arrays that fit. Raises RuntimeFault `run-failed` where onnxruntime stops."""
        with self.translate_errors(arrays, names):
            return dict(zip(names, self.session.run(names, arrays), strict=True))

    @contextmanager
    def translate_errors(self, arrays: Mapping[str, Any], names: Sequence[str]) -> Iterator[None]:
        """Makes a RuntimeFault of whatever onnxruntime raises while it runs the model for these."""
        try:
            yield
        except RuntimeFault:
            raise
        except MemoryError as error:
            raise self.describe_no_memory(arrays, names, error) from None
        # onnxruntime's own exceptions share no root but this
        except Exception as error:
            raise RuntimeFault("run-failed", f"onnxruntime stopped while it ran {self.name}{failing_node(error)}",
                               "the shapes fit its inputs; look at what the model computes with them") from error  # fmt: skip

    def describe_no_memory(self, arrays: Mapping[str, Any], names: Sequence[str], error: MemoryError) -> RuntimeFault:
        """The fault for rows that do not fit, with the largest number of them that does: found by running parts."""
        rows = {len(array) if array.ndim else 0 for array in arrays.values()}
        count = rows.pop() if len(rows) == 1 and has_open_batch(self.inputs.values()) else 0
        fits = find_largest_batch(lambda size: fits_in_memory(self.session, arrays, names, size), count)
        # a try that failed may have left the memory in pieces in which these do not fit any more: what is told has to run next
        while fits and not fits_in_memory(self.session, arrays, names, fits):
            fits //= 2
        return describe_too_large_batch(
            self.name, self.device, count, fits, str(error) if isinstance(error, TensorTooLarge) else ""
        )

    def warm_up(self, rows: int = 1) -> None:
        """Runs `rows` rows of zeros, and forgets the answer: the first run on a device takes memory and chooses kernels.

        Where a size is open it is 1. Raises RuntimeFault where the model does not run on those.
        """
        import numpy as np

        check_count("rows", rows, MAX_BATCH)
        shapes = {name: [d if isinstance(d, int) else 1 for d in port.shape] for name, port in self.inputs.items()}
        if has_open_batch(self.inputs.values()):
            shapes = {name: [rows, *shape[1:]] for name, shape in shapes.items()}
        self.run({name: np.zeros(shape, self.inputs[name].numpy_dtype) for name, shape in shapes.items()})

    def only_input(self) -> str:
        """The name of the one input. Raises RuntimeFault `wrong-input` where there are several, or none."""
        if len(self.inputs) != 1:
            raise RuntimeFault("wrong-input", f"{self.name} has {len(self.inputs)} inputs: {list_ports(self.inputs)}",
                               advise_names(self.inputs) if self.inputs else "Session.run({}) gives its outputs")  # fmt: skip
        return next(iter(self.inputs))

    def known_outputs(self, names: Iterable[str] | None) -> list[str]:
        """The `names`, a text being one, or those of all outputs. Raises RuntimeFault `wrong-input` (usage) for none, or one that is not there."""
        given = [*self.outputs] if names is None else list_names("outputs", names)
        for name in given:
            if name not in self.outputs:
                raise RuntimeFault(
                    "wrong-input", f"{self.name} has no output `{name}`", f"its outputs: {list_ports(self.outputs)}", 2
                )
        if not given:
            raise RuntimeFault("wrong-input", "no output is named", f"{self.name} gives {list_ports(self.outputs)}", 2)
        return given

    def logits(self, images: Any) -> Any:
        """(N, classes): the model's answer as it is. Raises RuntimeFault where it is no such array, or not finite."""
        return self.check_vector(self.run(images, [self.logits_output])[self.logits_output])

    def check_vector(self, found: Any) -> Any:
        """An answer of one number a class as (N, classes). Raises RuntimeFault where it is no such array, or not finite."""
        import numpy as np

        shape: Any = getattr(found, "shape", ())
        if len(shape) < 2 or shape[1] == 0 or any(size != 1 for size in shape[2:]) or found.dtype.kind != "f":
            what = f"{found.dtype} of shape {shape}" if hasattr(found, "dtype") else type(found).__name__
            raise RuntimeFault(
                "not-a-classifier",
                f"the output `{self.logits_output}` of {self.name} is {what}, not one number a class",
            )
        if not np.isfinite(found).all():
            raise RuntimeFault("run-failed", f"{self.name} answers with numbers that are not finite")
        return found.reshape(shape[0], shape[1])

    def probabilities(self, images: Any) -> Any:
        """(N, classes): a classifier's answer after a softmax, unless it is probabilities already.

        Raises RuntimeFault `not-a-classifier` where the model is none.
        """
        self.require_classifier()
        return self.to_probabilities(self.logits(images))

    def to_probabilities(self, logits: Any) -> Any:
        """The logits (N, classes) after a softmax, unless the model has one at its end."""
        return logits if self.artifact.is_distribution(self.logits_output) else softmax(logits)

    def require_classifier(self) -> str:
        """The output that tells classes. Raises RuntimeFault `not-a-classifier` where none does."""
        if self.verdict.output is None:
            message = f"{self.name} is no classifier: {self.verdict.why}"
            raise RuntimeFault("not-a-classifier", message, self.verdict.advice)
        return self.verdict.output

    def classify(self, inputs: Any, top: int = 5, batch: int = 8, progress: Callable[[int], None] | None = None, *,
                 errors: OnError = "raise", max_pixels: int = MAX_PIXELS) -> Results:  # fmt: skip
        """The `top` most probable classes of each picture, in their order: always a list, for a single picture of one.

        `inputs` is one picture or many: a path, bytes, an open binary file, a Pillow image, an array of uint8 (H, W, 3) or a batch
        of them, or an iterable of these. `batch` pictures run at once; after each batch `progress` is called with the number that
        are done. A picture that cannot be read, or has over `max_pixels` pixels, raises its RuntimeFault; with `errors="keep"` its
        result has it as `error` and the others are answered. Raises RuntimeFault `not-a-classifier` where the model is none.
        """
        output = self.require_classifier()
        check_count("top", top)
        results = Results()
        for found in self.predict(inputs, [output], batch, progress, errors=errors, max_pixels=max_pixels):
            best = () if found.error else self.classes_of(found.outputs[output], top)
            results.append(Result(found.input, best, found.error))
        return results

    def classes_of(self, row: Any, top: int) -> Any:
        """The `top` most probable classes, from the classifier's output for one picture."""
        return most_probable(self.to_probabilities(self.check_vector(row[None]))[0], self.labels, top)

    def predict(self, inputs: Any, outputs: Iterable[str] | None = None, batch: int = 8, progress: Callable[[int], None] | None = None, *,
                errors: OnError = "raise", max_pixels: int = MAX_PIXELS) -> Iterator[Answer]:  # fmt: skip
        """The outputs of each picture, in their order, as they are: all that are arrays, or those that `outputs` names.

        The rest is as `classify` has it. One picture is decoded at a time, into the model's size. Raises RuntimeFault where the model
        takes no pictures, or does not give one row of each output for each. An iterator: a batch runs when its first answer is asked
        for. But the arguments are checked at once.
        """
        check_errors(errors)
        check_progress(progress)
        check_count("batch", batch, MAX_BATCH)
        check_count("max_pixels", max_pixels)
        arrays = [name for name, port in self.outputs.items() if port.is_tensor]
        names = arrays if outputs is None else self.known_outputs(outputs)
        if not names:
            raise RuntimeFault("not-an-image-model", f"{self.name} gives no arrays: {list_ports(self.outputs)}")
        size = batch if all(port.has_one_size for port in self.inputs.values()) else 1
        ranks = [len(port.shape) for port in self.inputs.values() if len(port.shape) > 1]
        return self.predict_batches(each_picture(inputs, *ranks[:1]), names, size, progress, errors, max_pixels)

    def predict_batches(
        self, pictures: Iterator[Picture], names: Sequence[str], size: int, progress: Callable[[int], None] | None,
        errors: OnError, max_pixels: int,
    ) -> Iterator[Answer]:  # fmt: skip
        """The answer to each picture, in their order, `size` at once; after each batch `progress` is called."""
        done = 0
        while chunk := [*islice(pictures, size)]:
            yield from self.predict_batch(chunk, names, errors, max_pixels)
            done += len(chunk)
            if progress:
                progress(done)

    def predict_batch(
        self, chunk: Sequence[Picture], names: Sequence[str], errors: OnError, max_pixels: int
    ) -> Iterator[Answer]:
        """The answer to each picture of one batch, in their order."""
        import numpy as np

        prepared: list[dict[str, Any] | RuntimeFault] = []
        for picture in chunk:
            try:
                prepared.append(self.prepare(picture, max_pixels))
            except PictureFault as fault:
                if errors == "raise":
                    raise
                prepared.append(fault.without_traceback())
        feeds = [each for each in prepared if isinstance(each, dict)]
        rows: Iterator[dict[str, Any]] = iter(())
        if feeds:
            found = self.run({name: np.stack([feed[name] for feed in feeds]) for name in self.inputs}, names)
            rows = split_rows(found, self.outputs, len(feeds), self.name)
        for picture, each in zip(chunk, prepared, strict=True):
            yield Answer(picture.name, {}, each) if isinstance(each, RuntimeFault) else Answer(picture.name, next(rows))

    def prepare(self, picture: Picture, max_pixels: int = MAX_PIXELS) -> dict[str, Any]:
        """One picture as arrays by the inputs' names, without the batch's dimension. Raises RuntimeFault where it does not fit."""
        sources = picture.source if isinstance(picture.source, Mapping) else {self.only_input(): picture.source}
        check_input_names(sources, self.inputs, self.name, advise_names(self.inputs))
        for name, source in sources.items():
            if isinstance(source, (list, tuple)):
                raise RuntimeFault("wrong-input", f"the input `{name}` is given a {type(source).__name__}, not one picture",
                                   f"for several give a list of mappings: [{{{name!r}: …}}, {{{name!r}: …}}]")  # fmt: skip
        return {name: self.prepare_input(name, sources[name], picture.name, max_pixels) for name in self.inputs}

    def prepare_input(self, name: str, source: Any, called: str, max_pixels: int) -> Any:
        """A picture for one input, without the batch's dimension; where that takes no pictures, an array that fits."""
        port = self.inputs[name]
        if port.image_size:
            if prod(port.image_size) > CHANNELS_OF_PHOTOS * max_pixels:
                raise PictureFault("image-too-large", f"the input `{name}` of {self.name} is {port.kind}: over {max_pixels} pixels of "
                                   f"{CHANNELS_OF_PHOTOS} channels", "--max-pixels N, or max_pixels=N in Python, allows more")  # fmt: skip
            return read_input(source, called, self.preprocess_of(name), max_pixels).astype(port.dtype, copy=False)
        return read_prepared(source, called, port, self.name)

    def nodes_by_provider(self) -> dict[str, int]:
        """How many nodes each provider runs, as onnxruntime placed them when the model was opened.

        On the CPU they are those of the file. Empty on a device where this onnxruntime does not say (before 1.24).
        """
        return {PROVIDERS["cpu"]: len(self.artifact.graph.nodes)} if self.device == "cpu" else dict(self.session.nodes)
