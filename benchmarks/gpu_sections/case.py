"""One net at one batch in one precision: its files, its torch module and its images, the same for all contenders."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import numpy as np

from archc.build.build import build, resolve_weights
from archc.build.options import BuildOptions
from archc.compiler.driver import check

from .device import Device

CHECKED_IMAGES = 8


class Case:
    """Weights are seeded, batch norms with averages and biases as trained ones have them: where these are zero, torch's export leaves the
    biases of convolutions out, which no trained net's file has."""

    def __init__(self, net: str, batch: int, precision: str, device: Device, models: Path) -> None:
        self.net, self.batch, self.precision, self.device, self.models = net, batch, precision, device, models
        self.checked = check(net)
        assert self.checked.graph is not None, f"{net} is no net"
        self.graph = self.checked.graph

    @functools.cached_property
    def pixels(self) -> Any:
        """(batch, C, H, W) of uint8."""
        sizes = (self.batch, *self.graph.inputs[0].type.sizes)
        return np.random.default_rng(0).integers(0, 256, sizes, dtype=np.uint8)

    @functools.cached_property
    def normalisation(self) -> tuple[float, Any, Any]:
        """The scale of a pixel, and the mean and the deviation by channel, (C, 1, 1), as the spec says it."""
        said = self.checked.header.preprocess
        mean, deviation = (np.array(each or (other,), np.float32).reshape(-1, 1, 1)
                           for each, other in ((said and said.mean, 0.0), (said and said.std, 1.0)))  # fmt: skip
        return (said and said.scale) or 1 / 255, mean, deviation

    @functools.cached_property
    def images(self) -> Any:
        """The pixels as a net without `--input-type uint8` takes them, float32."""
        scale, mean, deviation = self.normalisation
        return ((self.pixels * np.float32(scale) - mean) / deviation).astype(np.float32)

    @functools.cached_property
    def half_images(self) -> Any:
        return self.images.astype(np.float16)

    def feed(self, kind: str) -> Any:
        """The images as a file takes them: `float32`, `float16` or `uint8`."""
        return {"float32": lambda: self.images, "float16": lambda: self.half_images, "uint8": lambda: self.pixels}[
            kind
        ]()

    def build(self, **options: Any) -> Path:
        """The file of these options of a build; the one that is there already, from another section. Its error is told with its times."""
        words = [self.net, *(f"{name}={value}" for name, value in sorted(options.items()))]
        path = self.models / f"{'-'.join(words)}.onnx"
        if not path.exists():
            limit: dict[str, Any] = {"max_error": 1.0} if options else {}
            build(self.checked, output=path, weights=self.host_module.state_dict(), proof="none", **limit, **options)
        return path

    @functools.cached_property
    def host_module(self) -> Any:
        """The net's torch module in the host's memory, in eval mode: with its batch norms, as a user has it."""
        from archc.compiler.backends.torch.module import to_torch

        net = to_torch(self.graph, resolve_weights(self.graph, BuildOptions()).source).eval()
        move_batch_norms(net)
        return net

    def module(self) -> Any:
        """A copy of the module on the device, channels last."""
        import torch

        net = copy.deepcopy(self.host_module)
        return net.to(self.device.name).to(memory_format=torch.channels_last)

    @functools.cached_property
    def reference(self) -> Any:
        """The answers to the first images, in float32 with TF32 off, by torch on the device."""
        import torch

        with torch.inference_mode(), tf32(False):
            images = torch.from_numpy(self.images[:CHECKED_IMAGES]).to(self.device.name)
            return self.module()(images).float().cpu().numpy()

    def error_of(self, answer: Any) -> float:
        """How far an answer lies from the reference: relative L2."""
        found = np.asarray(answer, np.float64)[: len(self.reference)]
        return float(np.linalg.norm(found - self.reference) / np.linalg.norm(self.reference))


def move_batch_norms(net: Any) -> None:
    """Gives batch norms averages and biases near those that they start with, and not these."""
    import torch

    draws = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.add_(0.1 * torch.randn(tensor.shape, generator=draws))


class tf32:
    """torch's products of float32 in TF32, or not, within a block; onnxruntime's own are an option of its provider."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __enter__(self) -> None:
        self.before = set_tf32((self.on, self.on))

    def __exit__(self, *_: object) -> None:
        set_tf32(self.before)


def set_tf32(on: tuple[bool, bool]) -> tuple[bool, bool]:
    """Sets it for products and for convolutions, and gives what was set before."""
    import torch

    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = on
    return before
