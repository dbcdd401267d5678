"""A session: a model on a device, from images to classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .artifact import Artifact, open_artifact
from .faults import RuntimeFault
from .images import Preprocess, prepare, read_image
from .providers import PROVIDERS, DeviceChoice, choose_device

FATAL_ONLY = 4


class Prediction(NamedTuple):
    """One class of an image: its index, its label (None where the model has none), and its probability, 0 to 1."""

    index: int  # type: ignore[assignment]  # a tuple's method of that name is not missed
    label: str | None
    probability: float


class Result(NamedTuple):
    """The most probable classes of one image."""

    input: str
    top: tuple[Prediction, ...]


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
    """A model opened on a device: a classifier of images whose one input is (N, C, H, W).

    `artifact` is the model's metadata. `device` is where it runs (cuda, tensorrt or cpu), and `reason` says why there. `answer`
    is the output that is classified: `logits`, or the last where none has that name.
    """

    def __init__(self, model: str | Path, device: str = "auto", threads: int | None = None) -> None:
        """Opens the file `model` on `device` (auto, cuda, tensorrt or cpu) with `threads` on the CPU; None lets onnxruntime choose.

        Raises RuntimeFault for a file that is no such model, and for a device that cannot be used.
        """
        self.artifact: Artifact = open_artifact(model)
        self.threads = threads
        self.session, self.choice = create_device_session(self.artifact.path, device, threads)
        self.providers = tuple(self.session.get_providers())
        self.device, self.reason, self.name = self.choice.device, self.choice.reason, self.artifact.name
        self.input = image_input(self.session.get_inputs(), self.artifact.path)
        self.outputs = [o.name for o in self.session.get_outputs()]
        self.answer = "logits" if "logits" in self.outputs else self.outputs[-1]
        self.size = image_size(self.input.shape, self.artifact.path)
        self.fixed_batch = self.input.shape[0] if isinstance(self.input.shape[0], int) else None
        self.preprocess = Preprocess.parse(self.artifact.preprocess, self.size)

    def run(self, images: Any) -> dict[str, Any]:
        """All outputs by name for a float32 array (N, C, H, W). Where the model has a fixed batch, N may still be any number.

        Raises RuntimeFault `run-failed`.
        """
        import numpy as np

        count = len(images)
        if self.fixed_batch and count != self.fixed_batch:
            chunks = [images[i : i + self.fixed_batch] for i in range(0, count, self.fixed_batch)]
            padded = [np.concatenate([c, np.zeros((self.fixed_batch - len(c), *c.shape[1:]), c.dtype)]) for c in chunks]
            parts = [self.run(c) for c in padded]
            return {name: np.concatenate([p[name] for p in parts])[:count] for name in self.outputs}
        try:
            return dict(zip(self.outputs, self.session.run(None, {self.input.name: images}), strict=True))
        except Exception as error:
            raise RuntimeFault("run-failed", f"{self.name} failed: {' '.join(str(error).split())[:300]}") from None

    def logits(self, images: Any) -> Any:
        """(N, classes): the model's answer as it is. Raises RuntimeFault where it is no such array, or not finite."""
        import numpy as np

        found = self.run(images)[self.answer]
        if found.ndim != 2:
            raise RuntimeFault(
                "not-a-classifier", f"the output of {self.name} has shape {found.shape[1:]}, not one number a class"
            )
        if not np.isfinite(found).all():
            raise RuntimeFault("run-failed", f"{self.name} answers with numbers that are not finite")
        return found

    def probabilities(self, images: Any) -> Any:
        """(N, classes): the model's answer after a softmax, unless it is probabilities already."""
        import numpy as np

        logits = self.logits(images)
        if self.artifact.is_distribution(self.answer):
            return logits
        exponent = np.exp(logits - logits.max(1, keepdims=True))
        return exponent / exponent.sum(1, keepdims=True)

    def classify(
        self, inputs: Sequence[Any], top: int = 5, batch: int = 8, progress: Callable[[int], None] | None = None
    ) -> list[Result]:
        """The `top` most probable classes of each image, a path or an array (H, W, 3) of uint8, in their order.

        `batch` images run at once. After each batch `progress` is called with the number of images that are done.
        """
        results: list[Result] = []
        for chunk in split_batches(inputs, batch):
            results += self.classify_batch(chunk, top, len(results))
            if progress:
                progress(len(results))
        return results

    def classify_batch(self, chunk: Sequence[Any], top: int, done: int) -> Iterator[Result]:
        """The `top` classes of each image of one batch. `done` images came before it; arrays are called by their number in all."""
        import numpy as np

        images = [read_image(i) if isinstance(i, (str, Path)) else i for i in chunk]
        rows = self.probabilities(np.stack([prepare(image, self.preprocess) for image in images]))
        labels = self.artifact.labels
        for i, (source, row) in enumerate(zip(chunk, rows, strict=True)):
            best = np.argsort(-row, kind="stable")[:top]
            found = (Prediction(int(k), labels[k] if k < len(labels) else None, float(row[k])) for k in best)
            yield Result(str(source) if isinstance(source, (str, Path)) else f"image {done + i}", tuple(found))

    def nodes_by_provider(self) -> dict[str, int]:
        """How many nodes each provider ran, from onnxruntime's profile of one run on zeros."""
        import json
        from collections import Counter
        from tempfile import TemporaryDirectory

        import numpy as np

        with TemporaryDirectory() as folder:
            options = session_options(self.threads)
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "run")
            session = create_ort_session(self.artifact.path, options, self.choice.providers)
            session.run(None, {self.input.name: np.zeros((self.fixed_batch or 1, *self.size), np.float32)})
            events = json.loads(Path(session.end_profiling()).read_text())
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
    raise RuntimeFault("device-unavailable", f"--device {device} cannot be used: {why}",
                       "archc doctor says what is missing", 3)  # fmt: skip


def split_batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Parts of `size` items; the last may have fewer."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def image_input(inputs: Sequence[Any], path: Path) -> Any:
    """The one input of a model that classifies images. Raises RuntimeFault `not-an-image-model` where there is no such."""
    found = ", ".join(f"{each.name} {each.type}" for each in inputs) or "none"
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        raise RuntimeFault(
            "not-an-image-model", f"`{path}` should take one input, an image of tensor(float); it has {found}"
        )
    return inputs[0]


def image_size(shape: Sequence[Any], path: Path) -> tuple[int, int, int]:
    """(channels, height, width) of the model's input. Raises RuntimeFault `not-an-image-model` where it has another shape."""
    if len(shape) != 4 or not all(isinstance(d, int) for d in shape[1:]):
        raise RuntimeFault(
            "not-an-image-model", f"the input of `{path}` has shape {shape}, not [N, channels, height, width]"
        )
    return shape[1], shape[2], shape[3]
