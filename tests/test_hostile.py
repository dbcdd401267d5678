"""Checkpoints, models, photos and command lines that went wrong at random, under the promises of docs/explanation/security.md.

They run as the corpus does (tests/test_promises.py): many in one process, watched by strace and audit hooks.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random, SystemRandom

import numpy as np
import pytest
import torch
from PIL import Image

from archc.cli.commands import COMMANDS

from .corpus import CORPUS
from .mutations import mutate_bytes, mutate_png
from .test_promises import WORKER, model, run_batch, wrong_in
from .touched import Touch

__all__ = ["model"]  # the fixture

SEED = 20140917
MEMORY_MB = 2500  # of a process that read all of them, one after the other
BASE = (CORPUS / "base.yaml").read_bytes()
# the process of a model from elsewhere, and that in which onnx works out its shapes
RUN_ALONE = {"run": WORKER, "view": r"archc\.model_view\.inference|^v?fork\(|^clone3?\("}
# what a command's page says that it starts: the process of a model from elsewhere, contenders, builds of several specs
SPAWNED = r"multiprocessing\.(spawn|resource_tracker)|^v?fork\(|^clone3?\("
Line = tuple[dict[str, bytes], list[str]]  # files by name, and the arguments of a command beside them


def is_own_talk(touch: Touch) -> bool:
    """Whether it is what two processes of archc's say to each other, or what one asks about itself."""
    answers = touch.kind == "code" and touch.what.startswith("pickle.find_class ('archc.")
    return answers or (touch.kind == "write" and re.fullmatch(r"/proc/\d+/clear_refs", touch.what) is not None)


def hold(root: Path, lines: Sequence[Line], started: Mapping[str, str] = RUN_ALONE) -> list[int]:
    """Runs each line in a folder of its own, where it may write; asserts the promises. Returns the exit codes.

    `started` is a pattern of the processes that a command may start.
    """
    placed = []
    for number, (files, words) in enumerate(lines):
        folder = root / str(number) / "in"
        folder.mkdir(parents=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        placed.append((folder, words))
    answers = run_batch(root, placed)
    wrong = {}
    for (folder, words), answer in zip(placed, answers, strict=True):
        command = "".join(words[:1])
        processes = started.get(command, "(?!)")
        # a process that multiprocessing starts imports what runs the lines anew, from this folder
        above = [root] if processes.endswith(SPAWNED) else [folder.parent] if ".." in words else []
        temporary = [root / "tmp"] if command in TEMPORARY else []
        kept = [touch for touch in answer["touched"] if not (processes.endswith(SPAWNED) and is_own_talk(touch))]
        found = wrong_in({**answer, "touched": kept}, folder, processes, above, temporary)
        found += [f"{answer['peak_mb']} MB"] if answer["peak_mb"] > MEMORY_MB else []
        if found:
            wrong[str(folder)] = (words, found, answer["text"][:500])
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())
    return [answer["code"] for answer in answers]


# ---- checkpoints


def sound_checkpoints() -> list[bytes]:
    """Base.yaml's weights in each container."""
    state = {
        "stem.weight": torch.ones(8, 3, 3, 3),
        "stem.bias": torch.ones(8),
        "fc.weight": torch.ones(10, 8),
        "fc.bias": torch.ones(10),
    }
    files = []
    for new in (True, False):
        file = io.BytesIO()
        torch.save({"state_dict": state, "epoch": 3}, file, _use_new_zipfile_serialization=new)
        files.append(file.getvalue())
    return [*files, (CORPUS / "checkpoints" / "ckpt-st-good.safetensors").read_bytes()]


def checkpoint_lines(count: int, random: Random) -> list[Line]:
    sound = sound_checkpoints()
    build = ["build", "base.yaml", "--weights", "weights", "--proof", "none", "--export", "onnx", "-o", "out.onnx"]
    return [({"base.yaml": BASE, "weights": mutate_bytes(random.choice(sound), random)}, build) for _ in range(count)]


# ---- models


def model_lines(count: int, random: Random, built: bytes) -> list[Line]:
    """Models of archc's, and some from elsewhere, with a photo."""
    sound = [built, built, *(path.read_bytes() for path in sorted((CORPUS / "onnx").glob("onnx-foreign-good.onnx")))]
    photo = (CORPUS / "photo.jpg").read_bytes()
    return [({"model.onnx": mutate_bytes(random.choice(sound), random), "photo.jpg": photo}, ["run", "model.onnx", "photo.jpg"])
            for _ in range(count)]  # fmt: skip


def view_lines(count: int, random: Random, built: bytes) -> list[Line]:
    """The same models for pictures: as they are found, and changed."""
    found = [path.read_bytes() for path in sorted((CORPUS / "onnx").glob("*.onnx"))]
    changed = [mutate_bytes(random.choice([built, *found]), random) for _ in range(count)]
    return [
        ({"model.onnx": data}, ["view", "model.onnx", "-o", "out.svg"])
        for data in [*found[:: max(1, 48 // count)], *changed]
    ]


# ---- photos


def sound_photos() -> dict[str, bytes]:
    """A photo in each format that is read."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 4), np.uint8)
    forms: dict[str, tuple[str, str, dict[str, object]]] = {
        "a.jpg": ("JPEG", "RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"}),
        "b.jpg": ("JPEG", "RGB", {"progressive": True}), "a.png": ("PNG", "RGBA", {}), "b.png": ("PNG", "P", {}), "c.png": ("PNG", "1", {}),
        "a.webp": ("WEBP", "RGBA", {"lossless": True}), "b.webp": ("WEBP", "RGB", {}), "a.tif": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        "b.tif": ("TIFF", "RGB", {}), "a.gif": ("GIF", "P", {}), "a.bmp": ("BMP", "RGB", {}),
    }  # fmt: skip
    found = {}
    for name, (form, mode, options) in forms.items():
        file = io.BytesIO()
        Image.fromarray(pixels).convert("RGB" if mode == "P" else "RGBA").convert(mode).save(file, form, **options)
        found[name] = file.getvalue()
    file = io.BytesIO()
    np.save(file, pixels[:, :, :3])
    return {**found, "a.npy": file.getvalue()}


def photo_lines(count: int, random: Random, built: bytes) -> list[Line]:
    """One photo to a command, or many: a bad one of them does not end it."""
    sound, lines = sound_photos(), []
    for photos in [1] * (count // 50) + [49] * (count // 50):
        files = {}
        for number in range(photos):
            name = random.choice([*sound])
            mutate = mutate_png if name.endswith(".png") and random.random() < 0.7 else mutate_bytes
            files[f"{number}{name}"] = mutate(sound[name], random)
        lines.append(({"model.onnx": built, **files}, ["run", "model.onnx", *files]))
    return lines


# ---- command lines

FLAGS = ["--set", "--format", "json", "text", "sarif", "--help", "-h", "--version", "--weights", "--weights-skip", "--weights-key", "--weights-map",
         "--weights-prefix", "--weights-input", "--seed", "--opset", "--batch", "--phase", "--keep-aux", "--precision", "--proof", "none",
         "--no-verify", "--export", "onnx", "torch", "-o", "--top", "--device", "cpu", "--threads", "--labels", "--outputs", "all", "--input",
         "--max-pixels", "--by", "--at", "--after", "--depth", "--from", "--limit", "--", "-", "-x", "--x=y"]  # fmt: skip
WORDS = ["", " ", "0", "1", "-1", "8", "9" * 40, "1e9", "nan", "inf", "0x10", "dynamic", "16x16", "a=1", "=", "a=", "=1", "classes=3", "classes=[1",
         "x\n", "\t", "\x1b[31m", "é", "\u202e", "\udcff\udcfe", "\udc80.yaml", "x" * 5000, "base.yaml", "base.yaml", "model.onnx", "photo.jpg",
         "out.onnx", "out.npz", "out.json", "in", ".", "..", "/", "/dev/null", "none.yaml", "zoo:lenet5_modern", "lenet5_modern", "*.jpg", "**",
         "@list", "list.txt", "~", "$HOME", "image=photo.jpg", "fc", "a.b", "relu", "conv", "shape-mismatch", "%s", "{}", "{file}"]  # fmt: skip
UNWATCHED = ("doctor",)  # it looks at the machine
STARTED = {
    **RUN_ALONE,
    "eval": WORKER,
    "profile": WORKER,
    "verify": WORKER,
    "bench": f"{WORKER}|{SPAWNED}",
    "build": SPAWNED,
}
# and those that keep something in the temporary folder while they run
TEMPORARY = ("bench", "profile", "verify")


def argument_lines(count: int, random: Random, built: bytes) -> list[Line]:
    """Commands with flags and words in no sense, beside files that they may mean."""
    files = {
        "base.yaml": BASE,
        "model.onnx": built,
        "photo.jpg": (CORPUS / "photo.jpg").read_bytes(),
        "list.txt": b"photo.jpg\n\xff\n",
    }
    commands = [name for name in COMMANDS if name not in UNWATCHED]
    lines = []
    for _ in range(count):
        words = [random.choice([*commands, *commands, random.choice(WORDS)])]
        words += random.choice(([], ["base.yaml"], ["model.onnx", "photo.jpg"]))
        words += [random.choice(random.choice((FLAGS, WORDS))) for _ in range(random.randrange(6))]
        # what is asked to be written there would be
        words = [word for before, word in zip(["", *words], words, strict=False) if (before, word) != ("-o", "/")]
        lines.append((files, words))
    return lines


MAKERS: dict[str, Callable[[int, Random, bytes], list[Line]]] = {
    "checkpoints": lambda count, random, built: checkpoint_lines(count, random),
    "models": lambda count, random, built: model_lines(count, random, built),
    "pictures of models": view_lines,
    "photos": photo_lines,
    "arguments": argument_lines,
}
COUNTS = {"checkpoints": 300, "models": 80, "pictures of models": 12, "photos": 1000, "arguments": 300}


def started_by(what: str) -> Mapping[str, str]:
    """What commands may start: random ones all that their pages name, the others the process of a model from elsewhere alone."""
    return STARTED if what == "arguments" else RUN_ALONE


@pytest.mark.slow
@pytest.mark.parametrize("what", MAKERS)
def test_what_went_wrong_at_random(what: str, tmp_path: Path, model: Path) -> None:
    codes = hold(tmp_path, MAKERS[what](COUNTS[what], Random(SEED), model.read_bytes()), started_by(what))
    assert len({*codes}) > 1  # some are refused, and some are not


@pytest.mark.soak
@pytest.mark.parametrize("what", MAKERS)
def test_much_that_went_wrong_at_random(what: str, tmp_path: Path, model: Path) -> None:
    seed = int(os.environ.get("SEED") or SystemRandom().randrange(2**32))
    print(f"\n{what}; again with `make soak SEED={seed}`", flush=True)
    for part in range(20):
        folder = tmp_path / str(part)
        folder.mkdir()
        hold(folder, MAKERS[what](COUNTS[what], Random(seed + part), model.read_bytes()), started_by(what))
        shutil.rmtree(folder)
