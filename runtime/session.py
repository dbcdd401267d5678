"""A session: a model on a device, from pictures or arrays to its outputs, or to classes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from .answers import Answer, Result, Results, escape_controls, most_probable, softmax
from .arguments import (
    MAX_BATCH,
    MAX_THREADS,
    OnError,
    check_count,
    check_errors,
    check_progress,
    list_labels,
    list_names,
)
from .artifact import Artifact, open_artifact
from .classifier import Verdict, find_classifier
from .faults import PictureFault, RuntimeFault, UntrainedWarning
from .images import MAX_PIXELS, read_input, read_prepared
from .ports import Port, advise_names, check_feeds, check_input_names, list_ports, split_rows
from .preprocess import Preprocess
from .providers import PROVIDERS, DeviceChoice, choose_device
from .sources import Picture, each_picture

FATAL_ONLY = 4
FAILING_NODE = re.compile(r"running (\w+) node\. Name:'([^']*)'")


def session_options(threads: int | None, optimize: bool = True) -> Any:
    """onnxruntime's SessionOptions. With `threads` None onnxruntime chooses; `optimize` False runs the graph as it is in the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    if threads:
        options.intra_op_num_threads = threads
    if threads != 1:
        # on a busy machine spinning threads take the core that the work needs (1.5 to 2.3 times slower, measured)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def create_cpu_session(model: str | Path | bytes, threads: int = 1, optimize: bool = True) -> Any:
    """An onnxruntime.InferenceSession on the CPU: what a build is proved with. Raises RuntimeFault `model-refused`."""
    return create_ort_session(model, session_options(threads, optimize), (PROVIDERS["cpu"],))


def create_ort_session(model: str | Path | bytes, options: Any, providers: Sequence[Any]) -> Any:
    """An onnxruntime.InferenceSession of a file, or of a model's bytes. Raises RuntimeFault `model-refused`."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(FATAL_ONLY)  # what it has to say arrives as a fault
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=list(providers))
    except Exception as error:  # onnxruntime's own exceptions share no root but this
        message = " ".join(str(error).split())[:300]
        name = "the model" if isinstance(model, bytes) else f"`{model}`"
        raise RuntimeFault(
            "model-refused", f"onnxruntime cannot load {name}: {message}", "build it again, or try a lower opset"
        ) from None


class Session:
    """A model opened on a device. It takes arrays, or pictures where its inputs are images of one size.

    `artifact` is the model's metadata. `inputs` and `outputs` are its ports by name. `device` is where it runs (cuda, tensorrt or
    cpu), and `reason` says why there. `labels` are the names of the classes; `verdict` says by which output it is a classifier, or
    why it is none.
    """

    def __init__(
        self,
        model: str | Path,
        device: str = "auto",
        threads: int | None = None,
        labels: Iterable[str] | str | Path | None = None,
    ) -> None:
        """Opens the file `model` on `device` (auto, cuda, tensorrt or cpu) with `threads` on the CPU; None lets onnxruntime choose.

        `labels`, a list or a file of one a line, names the classes of a model that does not, and so says that it is a classifier.
        Raises RuntimeFault for a file that is no model, for a device that cannot be used, and for labels that fit no output. Warns
        (UntrainedWarning) where the model is not trained, or not wholly.
        """
        if threads is not None:
            check_count("threads", threads, MAX_THREADS)
        self.artifact: Artifact = open_artifact(model)
        self.threads = threads
        self.session, self.choice = create_device_session(self.artifact.path, device, threads)
        self.providers = tuple(self.session.get_providers())
        self.device, self.reason, self.name = self.choice.device, self.choice.reason, self.artifact.name
        unranked = self.artifact.graph.unranked
        self.inputs: dict[str, Port] = {each.name: Port.of(each, unranked) for each in self.session.get_inputs()}
        self.outputs: dict[str, Port] = {each.name: Port.of(each, unranked) for each in self.session.get_outputs()}
        self.fixed_batch = fixed_batch([*self.inputs.values()], [*self.outputs.values()])
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
        lines = [f"{self.name} on {self.device} ({self.reason})"]
        lines += [f"  input   {port}" for port in self.inputs.values()]
        classes = self.count_classes()
        for name, port in self.outputs.items():
            told = f": {classes or 'the'} classes" if name == self.verdict.output else ""
            lines.append(f"  output  {port}{told}")
        if not self.artifact.trained:
            steps = ", ".join(self.artifact.untrained)
            lines.append(f"  weights untrained{steps and ': ' + steps}")
        return "\n".join(map(escape_controls, lines))

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
        return Preprocess.parse(stated, port.image_size)

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
        parts = []
        for start in range(0, count, size):
            chunk = {name: array[start : start + size] for name, array in arrays.items()}
            padding = {name: np.zeros((size - len(part), *part.shape[1:]), part.dtype) for name, part in chunk.items()}
            parts.append(self.run_once({name: np.concatenate([chunk[name], padding[name]]) for name in chunk}, names))
        return {name: np.concatenate([part[name] for part in parts])[:count] for name in names}

    def run_once(self, arrays: Mapping[str, Any], names: Sequence[str], session: Any = None) -> dict[str, Any]:
        """The outputs `names` for arrays that fit, in this session or another of the same model. Raises RuntimeFault `run-failed` where onnxruntime stops."""
        try:
            return dict(zip(names, (session or self.session).run([*names], dict(arrays)), strict=True))
        except Exception as error:  # onnxruntime's own exceptions share no root but this
            raise RuntimeFault("run-failed", f"onnxruntime stopped while it ran {self.name}{failing_node(error)}",
                               "the shapes fit its inputs; look at what the model computes with them") from error  # fmt: skip

    def only_input(self) -> str:
        """The name of the one input. Raises RuntimeFault `wrong-input` where there are several, or none."""
        if len(self.inputs) != 1:
            raise RuntimeFault("wrong-input", f"{self.name} has {len(self.inputs)} inputs: {list_ports(self.inputs)}",
                               advise_names(self.inputs))  # fmt: skip
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
            return read_input(source, called, self.preprocess_of(name), max_pixels).astype(port.dtype, copy=False)
        return read_prepared(source, called, port, self.name)

    def nodes_by_provider(self) -> dict[str, int]:
        """How many nodes each provider ran, from onnxruntime's profile of one run on zeros, 1 where a size is open.

        Raises RuntimeFault where the model does not run on those.
        """
        import json
        from collections import Counter
        from tempfile import TemporaryDirectory

        import numpy as np

        shapes = {name: [d if isinstance(d, int) else 1 for d in port.shape] for name, port in self.inputs.items()}
        zeros = {name: np.zeros(shape, self.inputs[name].numpy_dtype) for name, shape in shapes.items()}
        feeds = check_feeds(zeros, self.inputs, self.name, None)
        with TemporaryDirectory() as folder:
            options = session_options(self.threads)
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "run")
            profiled = create_ort_session(self.artifact.path, options, self.choice.providers)
            self.run_once(feeds, [*self.outputs], profiled)
            events = json.loads(Path(profiled.end_profiling()).read_text())
        ran = {e["name"]: e["args"]["provider"] for e in events if e.get("args", {}).get("provider")}
        return dict(Counter(ran.values()))


def create_device_session(path: Path, device: str, threads: int | None) -> tuple[Any, DeviceChoice]:
    """A session on `device`, and the choice that was made. Where CUDA fails, `auto` takes the CPU and gives the reason.

    Raises RuntimeFault where a device other than `auto` cannot be used, or the model does not load on any.
    """
    choice = choose_device(device)
    if choice.device == "cpu":
        return create_ort_session(path, session_options(threads), choice.providers), choice
    options = session_options(threads)
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = create_ort_session(path, options, choice.providers)
        why = "" if session.get_providers()[0] == PROVIDERS[choice.device] else "onnxruntime did not take it"
    except RuntimeFault as fault:
        why = fault.message
    if not why:
        return session, choice
    cpu = DeviceChoice("cpu", (PROVIDERS["cpu"],), f"{choice.device} cannot be used: {why}")
    # raises where the CPU cannot load the model either: then the model is at fault, not the device
    fallback = create_ort_session(path, session_options(threads), cpu.providers)
    if device == "auto":
        return fallback, cpu
    raise RuntimeFault("device-unavailable", f"the device {device} cannot be used: {why}",
                       "archc doctor says what is missing", 3)  # fmt: skip


def fixed_batch(inputs: Sequence[Port], outputs: Sequence[Port]) -> int | None:
    """The one number of rows that a model takes and gives; None where that is open, or its first dimension is no batch's."""
    first = {port.shape[0] if port.shape else None for port in (*inputs, *outputs)}
    (size,) = first if len(first) == 1 and inputs else (None,)
    return size if isinstance(size, int) and size > 0 else None


def failing_node(error: Exception) -> str:
    """Where onnxruntime stopped, from its message: ` at the node `conv1` (Conv)`; empty where that does not say."""
    found = FAILING_NODE.search(str(error))
    return f" at the node `{found[2]}` ({found[1]})" if found else ""
