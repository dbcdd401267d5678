"""What a step of `augment` is: its fields with their rules, which inputs it takes, and what it does to a picture, in one class.

The recipe's schema and its defaults are made of the same fields that the work reads, so that the two cannot differ. A new step is one
class in this folder and its place in STEPS. All that a step draws comes from the generator that it is handed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ....runtime.preprocess import Preprocess
from ...recipe.choice import RecipeChoice, field
from ...recipe.field_rules import share_rule

if TYPE_CHECKING:
    import numpy as np


def probability_field(default: float) -> Any:
    """Declares the field of how often a step does anything."""
    return field(share_rule("the share of the pictures that it changes", default=default), "prob", "probability")


@dataclass(frozen=True)
class AugmentStep(RecipeChoice):
    """The root of all steps. What else is special about a step is a class fact, so that nothing outside of this folder asks for one by name:

    - `ranges`: its fields of a lowest and a highest number, and its pairs of fields of which the first is the lower one
    - `only_once`: it cannot stand in a list twice; `sets_size`: it says which part of the picture is taken, and how large
    - `uses_torchvision`: it cannot work without torchvision
    """

    ranges: ClassVar[tuple[tuple[str, ...], ...]] = ()
    only_once: ClassVar[bool] = False
    sets_size: ClassVar[bool] = False
    uses_torchvision: ClassVar[bool] = False

    @classmethod
    def misplaced(cls, before: Sequence[type[AugmentStep]]) -> str:
        """Why it cannot stand behind the steps `before`, in words; empty where it can."""
        return f"`{cls.name}` stands twice" if cls.only_once and cls in before else ""

    def check_input(self, how: Preprocess, steps: Sequence[AugmentStep]) -> None:
        """Raises Failure `augment-size` or `augment-channels` where it does not fit inputs as `how` says. `steps` are all of the recipe."""


class CropWindow(NamedTuple):
    """A part of a picture, in its own pixels, and the size that it gets, (width, height)."""

    left: float
    top: float
    width: float
    height: float
    size: tuple[int, int]


class OpeningStep(AugmentStep):
    """A step that starts from the whole picture, and not from one that is resized as the spec's `preprocess` says.

    It is done while the picture is decoded, wherever it stands in the list. Its `interpolation` is one of Pillow's, by its name.
    """

    only_once = True
    sets_size = True
    interpolation: str

    @classmethod
    def misplaced(cls, before: Sequence[type[AugmentStep]]) -> str:
        first = next((step for step in before if step.sets_size), None)
        late = f"`{cls.name}` starts from the whole picture, so `{first.name}` cannot stand before it" if first else ""
        return super().misplaced(before) or late

    def find_window(self, size: tuple[int, int], draws: np.random.Generator, how: Preprocess) -> CropWindow:
        """What it takes of a picture of `size`, (width, height), for inputs as `how` says. Raises PictureFault `image-too-large`."""
        raise NotImplementedError


class PictureStep(AugmentStep):
    """A step that changes pictures of one or three channels, whose shades are of 8 bits."""

    def change(self, pixels: Any, draws: np.random.Generator, how: Preprocess) -> Any:
        """Pixels uint8 (H, W, channels), changed for inputs as `how` says; they may have another height and width."""
        raise NotImplementedError


class PixelStep(PictureStep):
    """A step that changes pixels and leaves height and width as they are, by torch."""

    def change(self, pixels: Any, draws: np.random.Generator, how: Preprocess) -> Any:
        import numpy as np
        import torch

        tensor = torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))
        return self.change_tensor(tensor, draws).numpy().transpose(1, 2, 0)

    def change_tensor(self, pixels: Any, draws: np.random.Generator) -> Any:
        """Pixels uint8 (channels, H, W), changed."""
        raise NotImplementedError


class InputStep(AugmentStep):
    """A step behind normalisation, which changes the model's input."""

    def change_input(self, values: Any, draws: np.random.Generator) -> Any:
        """An input float32 (C, H, W), changed; it may be the same array."""
        raise NotImplementedError


class BatchStep(AugmentStep):
    """A step that mixes the pictures of a batch, and their targets."""

    only_once = True

    def mix(self, images: Any, targets: Any, classes: int, draws: np.random.Generator) -> tuple[Any, Any]:
        """Images float32 (n, C, H, W) and targets int64 (n,) as mixed images and shares of the classes, (n, classes)."""
        raise NotImplementedError
