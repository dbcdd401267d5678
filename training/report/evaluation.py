"""A torch module on pictures whose classes are known, counted as `archc eval` counts an ONNX file's answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...runtime.answers import most_probable
from ...runtime.evaluation import ClassificationReport
from ...runtime.evaluation.tally import Tally
from ...runtime.evaluation.thumbnails import MOST, encode_thumbnail
from ...runtime.faults import PictureFault

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ..losses import ClassOutput

TOP = 5


def evaluate_module(module: nn.Module, batches: Any, pictures: Any, output: ClassOutput, classes: Sequence[str], *,
                    model: str, place: str, matched: str, mistakes: int = 24,
                    see: Callable[[Any, Tensor], None] = lambda results, targets: None) -> ClassificationReport:  # fmt: skip
    """What `module` answers on the validation `pictures` (a PictureSet), of which `batches` (a ValidationLoader of one process) gives all in order.

    It runs in evaluation mode in float32, and is in the mode of before afterwards. The worst mistakes have their pictures with them. `see` is
    shown all results of each batch, with its targets.
    """
    import torch

    tally, training = Tally(mistakes), module.training
    device = next((each.device for each in module.parameters()), torch.device("cpu"))
    numbers = readable_pictures(pictures, batches)
    places: dict[str, int] = {}
    module.eval()
    try:
        with torch.inference_mode():
            for batch in batches:
                results = module(batch.images.to(device))
                see(results, batch.targets.to(device))
                scores = results[output.name] if isinstance(results, dict) else results
                rows = as_probabilities(scores, output.name in output.probable)
                indices = [next(numbers) for _ in range(len(rows))]
                names = [pictures.name(index) for index in indices]
                # the picture of each mistake that may be kept is looked up by its name afterwards
                places.update(zip(names, indices, strict=True))
                tally.add(as_rows(names, rows, classes), batch.targets.tolist())
    finally:
        module.train(training)
    for name, why in getattr(batches, "broken", {}).items():
        tally.add({"path": [name], "top": [[]], "error": ["image-unreadable"], "message": [why]}, [0])
    found = tally.finish(model, device.type, place, matched, dict(enumerate(classes)), (), output.classes)
    return with_pictures(found, pictures, places)


def readable_pictures(pictures: Any, batches: Any) -> Iterator[int]:
    """The numbers of the pictures in the order of the batches, without those that could not be read: a batch's own are told before it comes."""
    return (index for index in range(len(pictures)) if pictures.name(index) not in getattr(batches, "broken", ()))


def as_probabilities(scores: Tensor, probable: bool) -> np.ndarray[Any, Any]:
    """(N, classes): what a net gives as probabilities."""
    flat = scores.flatten(1).float()
    found: np.ndarray[Any, Any] = (flat if probable else flat.softmax(1)).cpu().numpy()
    return found


def as_rows(names: list[str], probabilities: np.ndarray[Any, Any], classes: Sequence[str]) -> dict[str, Any]:
    """Answers as a Predictor's rows."""
    top = [[each._asdict() for each in most_probable(row, classes, TOP)] for row in probabilities]
    nothing = [None] * len(names)
    return {"path": names, "top": top, "error": nothing, "message": nothing}


def with_pictures(found: ClassificationReport, pictures: Any, places: dict[str, int]) -> ClassificationReport:
    """The same with a small JPEG for each of the first mistakes."""
    made = [
        mistake._replace(thumbnail=draw_thumbnail(pictures, places[mistake.path])) for mistake in found.mistakes[:MOST]
    ]
    return found._replace(mistakes=(*made, *found.mistakes[MOST:]))


def draw_thumbnail(pictures: Any, index: int) -> bytes:
    """A small JPEG of a picture; nothing where it cannot be read."""
    import numpy as np

    try:
        picture = pictures.load(index)
    except PictureFault:
        return b""
    if hasattr(picture, "convert") and picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    return encode_thumbnail(np.asarray(picture))
