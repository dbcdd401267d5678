"""The zoo against its peers: torchvision's and timm's keys, shapes, answers, and what they make of a photo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch

from archc.build.build import build
from archc.build.proof.structure import check_file, check_shapes
from archc.cli import main
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.driver import check, run_passes
from archc.compiler.weights.given import StateDict
from archc.runtime import Session
from archc.runtime.images import prepare, read_image
from archc.runtime.inference import create_cpu_session

from .fingerprint import fill_tensor, golden_input
from .peers import BATCH, DATA, PEERS, PEERS_IN_CI, TIMM, TORCHVISION, library, size

SHAPES = json.loads((DATA / "peers.json").read_text("utf-8"))["nets"]
TOLERANCE = 1e-4  # of the logits' standard deviation; a wrong stride, padding or eps moves them by ten times as much


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that is gone after the test: pytest would keep gigabytes of models."""
    with TemporaryDirectory() as made:
        yield Path(made)


def test_every_peer_has_its_facts():
    with np.load(DATA / "fingerprints.npz") as prints:
        assert set(PEERS) == set(SHAPES) == set(prints.files)
        assert all(prints[name].shape == (BATCH, 1000) for name in PEERS)


@pytest.mark.parametrize("name", PEERS)
def test_keys_and_shapes(name):
    """So a checkpoint of the peer loads with no mapping."""
    checked = check(name)
    assert not checked.diagnostics
    assert checked.expectations and all(e.holds for e in checked.expectations)
    assert {key: list(param.shape) for key, param in checked.graph.params().items()} == SHAPES[name]
    assert len(checked.labels) == 1000


class Filled:
    """The tensors of a fingerprint as a source of weights."""

    def __init__(self, params: Any) -> None:
        self.params = params

    def names(self) -> Any:
        return self.params

    def shape(self, name: str) -> tuple[int, ...]:
        return self.params[name].shape

    def dtype(self, name: str) -> str:
        return self.params[name].dtype

    def get(self, name: str) -> Any:
        return fill_tensor(name, self.params[name].shape, np.float32)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in PEERS_IN_CI else pytest.mark.soak) for name in PEERS],
)
def test_fingerprint_in_torch_and_in_onnxruntime(name, folder):
    """Weights filled from their keys give the peer's float64 logits to 1e-4 of their spread."""
    checked = check(name)
    x = golden_input(size(name), BATCH).astype(np.float32)
    with np.load(DATA / "fingerprints.npz") as prints:
        expected = prints[name]
    net = to_torch(checked.graph, Filled(checked.graph.params())).eval()
    with torch.no_grad():
        logits = net(torch.from_numpy(x)).numpy()
    path = folder / "net.onnx"
    build(checked, weights=StateDict(net.state_dict()), output=path, proof="none")
    check_file(path)
    session = create_cpu_session(path)
    check_shapes(session, run_passes(checked.graph), None)
    found = session.run(["logits"], {"image": x})[0]
    for values in (logits, found):
        assert np.abs(values - expected).max() <= TOLERANCE * expected.std()


def transform(name: str) -> Any:
    """The peer's own way from a photo to its input: of its first weights, as the zoo says it."""
    if name in TORCHVISION:
        return next(iter(library("torchvision").models.get_model_weights(name))).transforms()
    timm = library("timm")
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    return timm.data.create_transform(**config, is_training=False)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[str]:
    """Two photos as JPEG, one wide and one high."""
    from PIL import Image
    from skimage import data

    made = tmp_path_factory.mktemp("photos")
    cat = Image.fromarray(data.chelsea())
    Image.fromarray(data.astronaut()).crop((40, 0, 400, 512)).save(made / "astronaut.jpg", quality=90)
    cat.save(made / "cat.jpg", quality=90)
    return [str(made / "cat.jpg"), str(made / "astronaut.jpg")]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TORCHVISION, *TIMM])
def test_photos_become_the_peer_s_input(name, photos):
    """What `archc run` feeds a net is what the peer's transform makes of the photo, pixel by pixel."""
    from PIL import Image

    from archc.runtime.images import Preprocess

    how = Preprocess.parse(check(name).header.preprocess.to_dict(), size(name))
    for photo in photos:
        with Image.open(photo) as image:
            theirs = transform(name)(image.convert("RGB"))
        if name in TRANSFORMS_INPUT:  # the net itself does the rest
            theirs = PEERS[name](transform_input=True)._transform_input(theirs[None])[0]
        np.testing.assert_allclose(prepare(read_image(photo), how), theirs.numpy(), atol=1e-5)


TRANSFORMS_INPUT = ("googlenet", "inception_v3")  # torchvision builds its trained ones so; here it is preprocessing


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "googlenet", "inception_v3", "densenet121", "resnetv2_50"])
def test_a_photo_from_checkpoint_to_classes(name, photos, folder, capsys):
    """`archc build --weights`, then `archc run`: the logits and the classes of the peer with its own transform."""
    from PIL import Image

    torch.manual_seed(2017)
    peer = PEERS[name](**({"transform_input": True} if name in TRANSFORMS_INPUT else {}))
    settled(peer, size(name))
    torch.save(peer.state_dict(), folder / "net.pth")
    model = str(folder / "net.onnx")
    assert (
        main(["build", name, "--weights", str(folder / "net.pth"), "--export", "onnx", "-o", model, "--no-verify"]) == 0
    )
    capsys.readouterr()
    assert main(["run", model, *photos, "--device", "cpu", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)["results"]
    session = Session(model, device="cpu")
    for photo, result in zip(photos, told, strict=True):
        with Image.open(photo) as image, torch.no_grad():
            expected = peer(transform(name)(image.convert("RGB"))[None])
        found = session.logits(prepare(read_image(photo), session.preprocess)[None])
        assert np.abs(found - expected.numpy()).max() <= 1e-3 * expected.abs().max().item()
        classes = expected[0].topk(5).indices.tolist()
        assert [each["index"] for each in result["top"]] == classes
        probabilities = expected.softmax(1)[0, classes].tolist()
        assert [each["probability"] for each in result["top"]] == pytest.approx(probabilities, rel=1e-3)


def settled(net: torch.nn.Module, shape: tuple[int, int, int]) -> None:
    """Gives a new net's norms the statistics that it needs to answer differently to different photos."""
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # a plain average
    net.train()
    with torch.no_grad():
        net(torch.from_numpy(golden_input(shape, 4)).float())
    net.eval()
