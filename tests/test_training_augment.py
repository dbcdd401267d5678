"""The steps of `augment`: what each does to a picture, and that without steps a picture is the runtime's, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from archc.compiler.diagnostics import Failure
from archc.runtime.images import read_input
from archc.runtime.preprocess import Preprocess
from archc.training.augment.batches import BatchMixer
from archc.training.augment.draws import Purpose, open_draws
from archc.training.augment.pictures import Augmenter
from archc.training.augment.steps import STEPS, find_conflict, make_steps
from archc.training.recipe.read import read_recipe
from archc.training.recipe.recipe import Augmentation
from archc.training.recipe.values import fill

from .training_pictures import make_picture

PLAIN = {"resize": 32, "crop": 32, "scale": 1.0}


def how(channels: int = 3, side: int = 32, **given: Any) -> Preprocess:
    return Preprocess.parse({**PLAIN, "resize": side, "crop": side, **given}, (channels, side, side))


def change(source: Any, into: Preprocess, seed: int = 0, **steps: dict[str, Any]) -> Any:
    """A picture behind these steps."""
    augmenter = Augmenter(into, [Augmentation(name, values) for name, values in steps.items()])
    return augmenter(source, "picture", open_draws(Purpose.PICTURE, seed))


NEW = """
import sys
from dataclasses import dataclass
from typing import Any
from archc.training.augment.steps import STEPS
from archc.training.augment.steps.step import PictureStep
from archc.training.recipe.choice import field
from archc.training.recipe.field_rules import count_rule, range_rule
from archc.training.recipe.read import check_recipe


@dataclass(frozen=True)
class Posterize(PictureStep):
    "Fewer shades."

    name = "posterize"
    bare = "bits"
    also_called = ("RandomPosterize",)
    ranges = (("among",),)

    bits: int = field(count_rule("bits that are left", most=8))
    among: tuple[int, int] = field(range_rule("the shades that change", [0, 255], 0, 255))

    def change(self, pixels: Any, draws: Any, how: Any) -> Any:
        inside = (pixels >= self.among[0]) & (pixels <= self.among[1])
        return np.where(inside, pixels >> (8 - self.bits) << (8 - self.bits), pixels)


STEPS["posterize"] = Posterize
made = check_recipe("sound.yaml").recipe
assert made.augment[0].values == {"bits": 2, "among": (0, 255)}, made.augment
wrong = check_recipe("wrong.yaml").diagnostics
assert [each.code for each in wrong] == ["out-of-range", "not-rising", "missing-key", "unknown-key"], wrong
assert wrong[3].help.startswith("`RandomPosterize` is `posterize` here"), wrong[3]
assert not {"numpy", "torch", "torchvision", "PIL"} & set(sys.modules)

import numpy as np
from archc.runtime.preprocess import Preprocess
from archc.training.augment.draws import Purpose, open_draws
from archc.training.augment.pictures import Augmenter

how = Preprocess.parse({"scale": 1.0}, (1, 2, 2))
shades = np.array([[1, 64], [130, 255]], np.uint8)
found = Augmenter(how, made.augment)(shades, "a", open_draws(Purpose.PICTURE, 0))
assert found.tolist() == [[[0, 64], [128, 192]]], found
"""
RECIPE = "recipe: 1\nepochs: 1\nbatch: 1\noptimizer: {sgd: {lr: 0.1}}\naugment:\n"


def test_a_step_is_one_class(tmp_path: Path) -> None:
    """The schema, the check, the defaults and the work are made of it; what only reads recipes imports nothing heavy."""
    (tmp_path / "sound.yaml").write_text(f"{RECIPE}  - posterize: 2\n", "utf-8")
    steps = "  - posterize: 9\n  - posterize: {bits: 1, among: [9, 3]}\n  - posterize: {among: [3, 9]}\n  - RandomPosterize: 3\n"
    (tmp_path / "wrong.yaml").write_text(RECIPE + steps, "utf-8")
    done = subprocess.run([sys.executable, "-c", NEW], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_has_the_defaults_that_the_schema_states(name: str) -> None:
    """A step made by hand of what has no default is that of the recipe."""
    rule = STEPS[name].rule()
    needed = dict.fromkeys(rule.get("required", ()), 32)
    assert asdict(make_steps([Augmentation(name, needed)])[0]) == fill(rule, needed)


@pytest.mark.parametrize("names, word", [
    (("random_crop", "scale_jitter"), "`scale_jitter` starts from the whole picture"),
    (("random_resized_crop", "flip", "random_resized_crop"), "stands twice"),
    (("mixup", "mixup"), "stands twice"),
    (("random_crop", "center_crop"), "`random_crop` stands before `center_crop`"),
    (("center_crop", "scale_jitter"), "`scale_jitter` starts from the whole picture"),
    (("scale_jitter", "random_crop", "flip", "mixup", "cutmix"), ""),
    (("scale_jitter", "center_crop", "random_crop"), ""),
])  # fmt: skip
def test_steps_that_cannot_stand_together(names: tuple[str, ...], word: str) -> None:
    assert word in find_conflict(names)
    assert bool(word) == bool(find_conflict(names))


FILES = {"jpg": "RGB", "png": "RGB", "grey.png": "L", "clear.png": "RGBA", "deep.png": "I;16", "cmyk.jpg": "CMYK"}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("into", [
    Preprocess.parse({"resize": 40, "crop": 32, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}, (3, 32, 32)),
    Preprocess.parse({"resize": 40, "crop": 32, "interpolation": "bicubic", "color": "bgr"}, (3, 32, 32)),
    Preprocess.parse({"scale": 2.0, "mean": [3.0]}, (1, 28, 20)),
], ids=["rgb", "bgr", "grey"])  # fmt: skip
def test_without_steps_it_is_the_runtimes_picture(file: str, into: Preprocess, tmp_path: Path) -> None:
    path = make_picture(tmp_path / f"a.{file}", (50, 44), FILES[file])
    expected = read_input(path, "a", into)
    assert np.array_equal(change(path, into), expected)
    # nor do steps that change nothing, but for 16 bits, which become 8
    changed = change(path, into, flip={"p": 0.0}, color_jitter={})
    assert np.allclose(changed, expected, atol=5 if file == "deep.png" else 0)


def test_a_flip_mirrors(tmp_path: Path) -> None:
    path = make_picture(tmp_path / "a.png", (32, 32))
    assert np.array_equal(change(path, how(), flip={"p": 1.0}), change(path, how())[:, :, ::-1])
    mirrored = [not np.array_equal(change(path, how(), seed, flip={}), change(path, how())) for seed in range(100)]
    assert 30 < sum(mirrored) < 70


def test_a_random_crop_is_a_part_of_the_padded_picture() -> None:
    picture = np.arange(1, 257, dtype=np.uint8).clip(1).reshape(16, 16)
    into, places = how(1, 16), set()
    padded = np.pad(picture, 4)
    for seed in range(200):
        part = change(picture, into, seed, random_crop={"padding": 4})[0]
        found = [(top, left) for top in range(9) for left in range(9) if np.array_equal(padded[top : top + 16, left : left + 16], part)]  # fmt: skip
        assert len(found) == 1
        places.add(found[0])
    assert {top for top, _ in places} == {left for _, left in places} == set(range(9))


@pytest.mark.parametrize("fill, border", [
    (200, {"constant_values": 200}), ("reflect", {"mode": "reflect"}),
])  # fmt: skip
def test_what_a_crop_takes_from_outside(fill: Any, border: dict[str, Any]) -> None:
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    padded = np.pad(picture, 4, **border)
    parts = [padded[top : top + 16, left : left + 16] for top in range(9) for left in range(9)]
    for seed in range(50):
        part = change(picture, how(1, 16), seed, random_crop={"padding": 4, "fill": fill})[0]
        assert any(np.array_equal(part, each) for each in parts)
    # torch's reflection is the same: the edge itself is not repeated
    reflected = torch.nn.functional.pad(torch.from_numpy(picture).float()[None], (4, 4, 4, 4), "reflect")[0].numpy()
    assert fill != "reflect" or np.array_equal(reflected, padded)


def test_a_small_picture_is_filled_to_the_crop() -> None:
    picture = np.full((1, 3), 7, np.uint8)
    assert np.array_equal(change(picture, how(1, 16), random_crop={"size": 16, "fill": "reflect"})[0].max(), 7)


def test_a_center_crop_is_the_middle() -> None:
    """As AlexNet's: of a picture whose shorter side is resized, the middle, and a part of that."""
    picture = np.tile(np.arange(240, dtype=np.uint8), (120, 1))
    into = how(1, 30, resize=60)
    middle = change(picture, into, center_crop={"size": 30})
    assert np.array_equal(middle, change(picture, into))
    # of 120 columns the middle 40, in shades two apart, and of these 30
    starts = {float(change(picture, into, seed, center_crop={"size": 40}, random_crop={})[0][15, 0]) for seed in range(200)}  # fmt: skip
    assert min(starts) == pytest.approx(80.5, abs=1) and max(starts) == pytest.approx(100.5, abs=1)
    assert len(starts) == 11
    with pytest.raises(Failure, match="`center_crop` makes 20×20 pixels"):
        change(picture, into, center_crop={"size": 20})


def test_a_random_crop_of_a_resized_picture(tmp_path: Path) -> None:
    """As AlexNet's and VGG's: a part of the picture whose shorter side is resized first, by `preprocess` or at random."""
    picture = np.tile(np.arange(240, dtype=np.uint8), (120, 1))
    into = how(1, 30, resize=60)
    parts = [change(picture, into, seed, random_crop={"size": 30})[0] for seed in range(50)]
    # of 120 columns, each two shades from the last
    assert all(abs(np.diff(part[15, 2:-2]).mean() - 2) < 0.01 for part in parts)
    assert len({float(part[0, 0]) for part in parts}) > 20
    widths = [1 / np.diff(change(picture, into, seed, scale_jitter={"min": 60, "max": 120}, random_crop={})[0][15, 2:-2]).mean()
              for seed in range(60)]  # fmt: skip
    assert 0.49 < min(widths) < 0.6
    assert 0.9 < max(widths) < 1.02


def test_a_random_resized_crop_has_the_stated_area_and_shape() -> None:
    rows, columns = np.mgrid[:240, :240].astype(np.uint8)
    into = how(1, 32)
    down, across = ([], [])  # type: tuple[list[float], list[float]]
    for seed in range(300):
        step = {"scale": [0.25, 0.5], "ratio": [0.5, 2.0]}
        down.append(float(np.diff(change(rows, into, seed, random_resized_crop=step)[0][4:-4, 16]).mean() * 32))
        across.append(float(np.diff(change(columns, into, seed, random_resized_crop=step)[0][16, 4:-4]).mean() * 32))
    areas, shapes = np.multiply(down, across) / 240**2, np.divide(across, down)
    assert 0.24 < areas.min() < 0.27 < 0.48 < areas.max() < 0.52
    assert 0.48 < shapes.min() < 0.56 < 1.8 < shapes.max() < 2.08
    assert abs(np.log(shapes).mean()) < 0.12


@pytest.mark.parametrize("turned", [False, True])
def test_a_large_jpeg_is_decoded_small(turned: bool, tmp_path: Path) -> None:
    """What is cut is the same part as of the whole picture, but for the rounding of the decoder."""
    path = make_picture(tmp_path / "a.png", (1000, 700))
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    Image.open(path).save(tmp_path / "a.jpg", quality=98, exif=exif)
    upright = Image.open(tmp_path / "a.jpg")
    upright = upright.transpose(Image.Transpose.ROTATE_270) if turned else upright
    upright.save(tmp_path / "b.png")
    for seed in range(4):
        step = {"scale": [0.3, 1.0]}
        small, whole = (change(tmp_path / name, how(), seed, random_resized_crop=step) for name in ("a.jpg", "b.png"))
        assert np.abs(small - whole).mean() < 1.5


def test_light_is_one_colour_for_the_whole_picture() -> None:
    picture = np.full((32, 32, 3), 128, np.uint8)
    added = np.array([change(picture, how(), seed, pca_lighting={"std": 0.1}) - 128 for seed in range(300)])
    assert (added == added[:, :, :1, :1]).all()
    # mostly along grey, by 0.1 · 0.2175 · 255 · 0.57
    assert 2.6 < added[:, :, 0, 0].std() < 3.8
    assert np.corrcoef(added[:, 0, 0, 0], added[:, 2, 0, 0])[0, 1] > 0.95


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name, values", [
    ("color_jitter", {"brightness": 0.5, "contrast": 0.5}), ("rand_augment", {}), ("trivial_augment", {}), ("random_erasing", {"p": 1.0}),
])  # fmt: skip
def test_pixels_change_by_the_pictures_own_numbers(
    name: str, values: dict[str, Any], channels: int, tmp_path: Path
) -> None:
    path = make_picture(tmp_path / "a.png", (32, 32))
    into = how(channels)
    results = [change(path, into, seed, **{name: values}) for seed in range(12)]
    assert all(result.shape == (channels, 32, 32) and result.dtype == np.float32 for result in results)
    assert sum(not np.array_equal(result, change(path, into)) for result in results) > 6
    assert all(np.array_equal(result, change(path, into, seed, **{name: values})) for seed, result in enumerate(results))  # fmt: skip


def test_what_is_erased_is_the_mean() -> None:
    picture = np.full((32, 32, 3), 255, np.uint8)
    into = how(mean=[100.0])
    shares = [float((change(picture, into, seed, random_erasing={"p": 1.0}) == 0).mean()) for seed in range(100)]
    assert 0.015 < min(shares) < 0.06 < 0.25 < max(shares) < 0.35


@pytest.mark.parametrize("names", [("mixup",), ("cutmix",), ("mixup", "cutmix")])
def test_mixed_targets_are_shares_of_what_is_seen(names: tuple[str, ...]) -> None:
    mixer = BatchMixer([Augmentation(name, {"alpha": 1.0}) for name in names], 3, 0, 0)
    images = torch.arange(3.0)[:, None, None, None].expand(3, 1, 64, 64).clone()
    kinds = set()
    for number in range(20):
        mixed, shares = mixer(images, torch.arange(3), 0, number)
        assert shares.dtype == mixed.dtype == torch.float32
        assert torch.allclose(shares.sum(1), torch.ones(3))
        # each class has its number as its colour, so that the mean colour is the mean class
        assert torch.allclose(mixed.mean((1, 2, 3)), shares @ torch.arange(3.0), atol=1e-4)
        kinds.add(bool((mixed == mixed.round()).all()))
    assert kinds == {name == "cutmix" for name in names}
    assert BatchMixer([], 3, 0, 0)(images, torch.arange(3), 0, 0)[1].dtype == torch.int64


def test_the_setting_that_is_offered_fits_any_input() -> None:
    augment = read_recipe("resnet_cifar").augment
    with pytest.raises(Failure) as caught:
        Augmenter(how(side=64), augment)
    setting = caught.value.help.partition("--set '")[2].rstrip("'")
    Augmenter(how(side=64), read_recipe("resnet_cifar", [setting]).augment)
    for name in ("digits", "fashion_mnist"):
        Augmenter(how(side=64), read_recipe(name).augment)


@pytest.mark.parametrize("name, values, into, code, words", [
    ("random_resized_crop", {"size": 24}, how(), "augment-size", "24×24"),
    ("random_crop", {"size": [32, 24]}, how(), "augment-size", "32×24"),
    ("scale_jitter", {"min": 24, "max": 64}, how(), "augment-size", "24"),
    ("pca_lighting", {}, how(1), "augment-channels", "grey"),
    ("pca_lighting", {}, how(3, color="grey"), "augment-channels", "grey"),
    ("color_jitter", {"hue": 0.1}, how(1), "augment-channels", "`hue`"),
    ("flip", {}, how(4), "augment-channels", "the input has 4"),
])  # fmt: skip
def test_a_step_that_does_not_fit_the_input_is_told(
    name: str, values: dict[str, Any], into: Preprocess, code: str, words: str
) -> None:
    with pytest.raises(Failure) as caught:
        Augmenter(into, [Augmentation(name, values)])
    assert caught.value.code == code
    assert words in caught.value.message
