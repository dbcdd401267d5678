"""Checkpoints as they are found: what torch of many ages, training scripts and trainers write. Each takes tensors and a path."""

from __future__ import annotations

import argparse
import io
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

State = dict[str, torch.Tensor]


def old(tensors: Any, path: str) -> None:
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def on_cuda(tensors: State, path: str) -> None:
    """The bytes that a machine with CUDA writes: only the place of each storage differs."""
    torch.save(tensors, "cpu.pth")
    with zipfile.ZipFile("cpu.pth") as source, zipfile.ZipFile(path, "w") as target:
        for info in source.infolist():
            data = source.read(info)
            if info.filename.endswith("data.pkl"):
                assert data.count(b"X\x03\x00\x00\x00cpu") == 1  # the others refer to it
                data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            target.writestr(info.filename, data)


def uncounted(tensors: State) -> State:
    return {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}


def dotted(tensors: State) -> State:
    return {k.replace("norm1", "norm.1").replace("layer1.conv1", "layer1.conv.1"): v for k, v in tensors.items()}


def training_script(tensors: State, path: str) -> None:
    """What lies beside the weights in a training script's file."""
    momentum = {
        "state": {0: {"momentum_buffer": torch.ones(3)}},
        "param_groups": [{"lr": 0.1, "nesterov": False, "params": [0]}],
    }
    torch.save({"epoch": 3, "arch": "small", "args": argparse.Namespace(lr=0.1, size=torch.Size([3, 12])), "optimizer": momentum,
                "state_dict": tensors, "metric": 0.5}, path)  # fmt: skip


class Numbers:
    """A tensor's storage, to be pickled by its place."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


class OldPickler(pickle.Pickler):
    """Pickles tensors as torch before 0.4 did, under Python 2."""

    def persistent_id(self, thing: Any) -> Any:
        if not isinstance(thing, Numbers):
            return None
        return ("storage", torch.FloatStorage, str(id(thing.tensor)), "cpu", thing.tensor.numel(), None)

    def reducer_override(self, thing: Any) -> Any:
        if not isinstance(thing, torch.Tensor):
            return NotImplemented
        return torch._utils._rebuild_tensor, (Numbers(thing), 0, tuple(thing.shape), thing.stride())


def torch_0_3(tensors: State, path: str) -> None:
    """The files of 2017: rebuilt without gradients, names as Python 2 wrote them, dots in modules' names, no batch counts."""
    kept = {k: v.contiguous() for k, v in dotted(uncounted(tensors)).items()}
    content = io.BytesIO()
    OldPickler(content, 2).dump(OrderedDict(kept))
    said = re.sub(rb"X(.)\0\0\0", rb"U\1", content.getvalue(), flags=re.S)  # a Python 2 str for a unicode
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    heads = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    keys = pickle.dumps([str(id(v)) for v in kept.values()], 2)
    numbers = [v.numel().to_bytes(8, "little") + v.numpy().tobytes() for v in kept.values()]
    Path(path).write_bytes(b"".join([*heads, said, keys, *numbers]))


FORMS: dict[str, Callable[[State, str], None]] = {
    "bare": torch.save,
    "before 1.6": old,
    "before 1.6, wrapped": lambda t, p: old({"state_dict": t, "epoch": 1}, p),
    "state_dict": lambda t, p: torch.save({"state_dict": t}, p),
    "model": lambda t, p: torch.save({"model": t}, p),
    "averaged first": lambda t, p: torch.save({"state_dict": {k: v * 0 for k, v in t.items()}, "state_dict_ema": t}, p),
    "module.": lambda t, p: torch.save({f"module.{k}": v for k, v in t.items()}, p),
    "_orig_mod.module.": lambda t, p: torch.save({"model": {f"_orig_mod.module.{k}": v for k, v in t.items()}}, p),
    "no counts": lambda t, p: torch.save(uncounted(t), p),
    "ordered": lambda t, p: torch.save(OrderedDict(t), p),
    "parameters": lambda t, p: torch.save({k: torch.nn.Parameter(v, v.is_floating_point()) for k, v in t.items()}, p),
    "strided": lambda t, p: torch.save({k: v.t().contiguous().t() if v.ndim == 2 else v for k, v in t.items()}, p),
    "channels last": lambda t, p: torch.save({k: v.to(memory_format=torch.channels_last) if v.ndim == 4 else v for k, v in t.items()}, p),
    "cuda": on_cuda,
    "script": training_script,
    "dots before digits": lambda t, p: torch.save(dotted(t), p),
    "dots before digits, before 1.6": lambda t, p: old(uncounted(dotted(t)), p),
    "torch 0.3": torch_0_3,
    "safetensors": save_file,
    "safetensors, module.": lambda t, p: save_file({f"module.{k}": v for k, v in t.items()}, p),
}  # fmt: skip
