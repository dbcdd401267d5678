"""Files as training scripts leave them: what is read of them, what is passed over and said, what is refused, and what is never run."""

from __future__ import annotations

import argparse
import collections
import datetime
import pathlib
import tracemalloc
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import archc

from .small_net import answers, built, run, state
from .training_files import Evil, Nested, Record, Row, Slotted, Small, Unknown, lacking
from .wild import State, old

__all__ = ["run"]  # the fixture


# what lies beside the weights; nothing is said of data, and one warning of a class that is not known
DATA: dict[str, Any] = {
    "counter": collections.Counter([1, 1, 2]),
    "counter of tuples": collections.Counter([(1, 2)]),
    "ordered": collections.OrderedDict(a=1),
    "defaultdict": collections.defaultdict(list, {"loss": [1.0]}),
    "nested defaultdict": collections.defaultdict(dict, {1: collections.defaultdict(set, {(2, 3): {4}})}),
    "deque": collections.deque([1, 2], maxlen=3),
    "set": {1, 2}, "set of tuples": {(1, 2)}, "frozenset": frozenset({1}), "empty set": set(),
    "bytes": b"abc", "bytearray": bytearray(b"abc"), "many bytes": bytes(70_000), "complex": 1 + 2j, "range": range(3), "slice": slice(1, 2),
    "none": None, "big": 2**70, "negative": -5, "infinite": float("inf"), "text": "ä" * 300, "ellipsis keys": {None: 1, 1.5: 2, b"a": 3, True: 4},
    "tuple keys": {(1, 2): 3, frozenset({1}): 2},
    "device": torch.device("cpu"), "dtype": torch.float32, "size": torch.Size([1, 2]), "generator": torch.get_rng_state(),
    "numpy float": np.float64(0.9), "numpy float32": np.float32(0.9), "numpy int": np.int64(1), "numpy bool": np.bool_(True), "numpy text": np.str_("a"),
    "array": np.zeros((2, 3)), "array of objects": np.array([{"a": 1}, None], dtype=object), "record array": np.zeros(2, [("a", "i4")]),
    "numpy state": np.random.RandomState(0).get_state(), "numpy dtype": np.dtype("f4"),
    "namespace": argparse.Namespace(lr=0.1, milestones=[1], sub=argparse.Namespace(a=1)),
    "path": pathlib.Path("/x"), "pure path": pathlib.PurePosixPath("x"),
    "date": datetime.datetime(2024, 1, 1), "zone": datetime.UTC, "duration": datetime.timedelta(1), "uuid": uuid.UUID(int=3),
    "tensors in lists": [torch.ones(2), (torch.ones(3), {"a": torch.ones(1)})],
    "sparse": torch.ones(3).to_sparse(), "quantized": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "meta": torch.empty(3, device="meta"),
    "shared": [[1]] * 3, "loss": nn.CrossEntropyLoss(weight=torch.ones(5)), "optimizer class": torch.optim.SGD, "deep": [[[[[[[]]]]]]],
}  # fmt: skip


UNKNOWN: dict[str, Any] = {
    "an object": Unknown(), "a mapping": Record(a=1), "a row": Row(1), "slots": Slotted(), "a class": Unknown,
    "a function": answers, "code": Evil(), "code in code": Nested(), "code in a list": [{"a": Evil()}], "two": [Unknown(), Record(a=Evil())],
}  # fmt: skip


PROTOCOLS = (2, 4, 5)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_data_beside_the_weights(protocol, run):
    """Each kind alone, and then all of them in one file."""
    tensors = state()
    for name, data in DATA.items():
        torch.save({"epoch": 3, "data": data, "state_dict": tensors}, "file.pth", pickle_protocol=protocol)
        module = archc.load("small.yaml").to_torch(weights="file.pth")
        assert all(torch.equal(v, tensors[k]) for k, v in module.state_dict().items()), name
    torch.save({"data": DATA, "state_dict": tensors}, "file.pth", pickle_protocol=protocol)
    done = run("small.yaml", "--weights", "file.pth", "--format", "json")
    assert done.code == 0 and not done.err
    np.testing.assert_allclose(built(), answers(tensors), rtol=1e-4, atol=1e-5)


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, 30),
    "multistep": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [30, 60]),
    "lambda": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda e: 1.0),
    "one cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, 100),
    "cyclic": lambda o: torch.optim.lr_scheduler.CyclicLR(o, 0.01, 0.1),
    "plateau": lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o),
    "sequential": lambda o: torch.optim.lr_scheduler.SequentialLR(
        o, [torch.optim.lr_scheduler.LinearLR(o), torch.optim.lr_scheduler.MultiStepLR(o, [3])], [5]
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("save", [torch.save, old], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_optimizers_and_schedulers(scheduler, save, run):
    tensors = state()
    net = Small(tensors)
    for kind in (torch.optim.SGD, torch.optim.AdamW):
        optimizer = kind(net.parameters(), lr=0.1, **({"momentum": 0.9} if kind is torch.optim.SGD else {}))
        net(torch.ones(2, 3, 12, 12)).sum().backward()
        optimizer.step()
        scheduled = SCHEDULERS[scheduler](optimizer)
        save(
            {
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduled.state_dict(),
                **({} if scheduler == "lambda" else {"whole": scheduled}),
                "model": tensors,
            },
            "file.pth",
        )
        module = archc.load("small.yaml").to_torch(weights="file.pth", weights_key="model")
        assert all(torch.equal(v, tensors[k]) for k, v in module.state_dict().items())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("what", UNKNOWN)
def test_unknown_classes_are_passed_over_with_one_warning(what, protocol, run):
    torch.save({"x": UNKNOWN[what], "state_dict": state()}, "file.pth", pickle_protocol=protocol)
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 0 and done.err.count("warning[") == done.err.count("warning[code-not-run]: file.pth names") == 1
    assert not Path("CODE_RAN").exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("save", [torch.save, old], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: {"model": t}, lambda t: {"a": [{"model": t}]}])
def test_code_among_the_tensors_is_refused(wrap, save, protocol, run):
    for tensors in ({**state(), "evil": Evil()}, {**state(), "fc.bias": Evil()}, {**state(), "fc.bias": Nested()}):
        save(wrap(tensors), "file.pth", pickle_protocol=protocol) if save is torch.save else save(
            wrap(tensors), "file.pth"
        )
        done = run("small.yaml", "--weights", "file.pth")
        assert done.code == 1 and "error[checkpoint-refused]" in done.err and "nothing was run" in done.err
        assert not Path("CODE_RAN").exists()


def test_tensors_of_other_kinds_are_named(run):
    for tensor in (torch.ones(5).to_sparse(), torch.quantize_per_tensor(torch.ones(5), 0.1, 0, torch.qint8), torch.empty(5, device="meta"),
                   np.ones(5)):  # fmt: skip
        torch.save({**state(), "fc.bias": tensor}, "file.pth")
        done = run("small.yaml", "--weights", "file.pth")
        assert done.code == 1 and "error[checkpoint-refused]" in done.err and "`fc.bias` is made by" in done.err


WHOLE: dict[str, tuple[Callable[[State], Any], str, str]] = {
    "a module": (Small, "", ""),
    "DataParallel": (lambda t: nn.DataParallel(Small(t)), "", "module."),
    "under a key": (lambda t: {"epoch": 1, "model": Small(t)}, "model", ""),
    "averaged": (lambda t: {"model": Small({k: v * 0 for k, v in t.items()}), "ema": Small(t)}, "ema", ""),
    "in an object": (lambda t: {"trainer": argparse.Namespace(net=Small(t))}, "trainer.net", ""),
}


@pytest.mark.parametrize("save", [torch.save, old], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("what", WHOLE)
def test_whole_modules(what, save, run):
    make, key, prefix = WHOLE[what]
    tensors = state()
    save(make(tensors), "file.pth")
    done = run("small.yaml", "--weights", "file.pth", "--format", "json")
    assert done.code == 0 and "warning[code-not-run]" in done.err, done.err
    assert (done.weights["taken"][0]["key"], done.weights["taken"][0]["prefix"]) == (key, prefix)
    assert not done.weights["unused"] and not done.weights["missing"]
    np.testing.assert_allclose(built(), answers(tensors), rtol=1e-4, atol=1e-5)


def test_a_torchscript_archive(run):
    tensors = state()
    torch.jit.trace(Small(tensors).eval(), torch.ones(1, 3, 12, 12)).save("file.pt")
    done = run("small.yaml", "--weights", "file.pt")
    assert done.code == 0, done.err
    np.testing.assert_allclose(built(), answers(tensors), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("module", [nn.Linear(2, 2), nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(8, 5))])
def test_another_module_says_how_to_save(module, run):
    torch.save(module, "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "error[weights-missing]" in done.err
    assert (
        "a whole module" in done.err
        and "torch.save(model.state_dict()" in done.err
        and "--weights-skip" not in done.err
    )


HOLDS = {
    "a mapping": ({"epoch": 3, "history": [1, 2], "name": "x"}, ("`epoch` (int)", "`history` (list of 2)", "`name` (text)")),
    "tensors without names": ([torch.ones(2), torch.ones(3)], ("list of 2, 2 of them tensors",)),
    "a tensor": (torch.ones(2, 3), ("tensor 2×3",)),
    "a number": (3, ("int",)),
    "arrays": ({"conv1.weight": np.ones(3)}, ("`conv1.weight` (object of numpy.ndarray)",)),
    "an object": (Unknown(), ("object of tests.training_files.Unknown",)),
    "nothing": ({}, ("an empty mapping",)),
    "many": ({str(i): i for i in range(30)}, ("and 22 more",)),
}  # fmt: skip


@pytest.mark.parametrize("save", [torch.save, old], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("what", HOLDS)
def test_a_file_without_tensors_says_what_it_holds(what, save, run):
    content, said = HOLDS[what]
    save(content, "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "error[weights-missing]: file.pth has no tensors by name" in done.err
    assert all(each in done.err for each in said) and "damaged" not in done.err and "download" not in done.err


def test_a_pickle_of_many_opcodes_is_refused_soon(run):
    with zipfile.ZipFile("file.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"N" * 9_000_000 + b".")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "error[checkpoint-refused]" in done.err and "steps" in done.err


def test_a_big_endian_file_is_refused(run):
    torch.save(state(), "cpu.pth")
    with zipfile.ZipFile("cpu.pth") as source, zipfile.ZipFile("file.pth", "w") as target:
        for info in source.infolist():
            target.writestr(info.filename, b"big" if info.filename.endswith("byteorder") else source.read(info))
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "big-endian" in done.err


class Aliased(Small):
    """A module with others of its own under second names, and one that holds itself."""

    def __init__(self, tensors: State) -> None:
        super().__init__(tensors)
        self.head, self.features = self.fc, self.layer1
        self.__dict__["me"] = self


def test_a_module_under_two_names(run):
    tensors = state()
    torch.save(Aliased(tensors), "file.pth")
    module = archc.load("small.yaml").to_torch(weights="file.pth")
    assert all(torch.equal(v, tensors[k]) for k, v in module.state_dict().items())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_old_form_of_every_protocol(protocol, run):
    tensors = state()
    torch.save(tensors, "file.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    module = archc.load("small.yaml").to_torch(weights="file.pth")
    assert all(torch.equal(v, tensors[k]) for k, v in module.state_dict().items())


def test_a_tensor_that_is_negated_when_it_is_read(run):
    """torch keeps the sign beside the numbers: such a tensor is refused from a file, and resolved in memory."""
    tensors = state()
    negated = torch.complex(torch.zeros_like(tensors["fc.weight"]), -tensors["fc.weight"]).conj().imag
    torch.save({**tensors, "fc.weight": negated}, "file.pth")
    assert run("small.yaml", "--weights", "file.pth").code == 1
    module = archc.load("small.yaml").to_torch(weights={**tensors, "fc.weight": negated})
    assert torch.equal(module.state_dict()["fc.weight"], tensors["fc.weight"])


FOREIGN: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "gzip": (lambda p: p.write_bytes(b"\x1f\x8b" + bytes(40)), ("gzip", "unpack")),
    "HDF5": (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40)), ("HDF5",)),
    "git LFS": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), ("git lfs pull",)),
    "a web page": (lambda p: p.write_text("<!DOCTYPE html><html></html>"), ("web page",)),
    "an index": (lambda p: p.write_text('{"metadata": {}, "weight_map": {}}'), ("JSON", "index")),
    "NumPy arrays": (lambda p: np.savez(p.open("wb"), a=np.ones(3)), ("NumPy arrays", "weights=")),
    "a program": (lambda p: torch.export.save(torch.export.export(nn.ReLU(), (torch.ones(2),)), p.with_suffix(".pt2")) or p.with_suffix(".pt2").rename(p), ("torch.export",)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_checkpoint_is_called_what_it_is(what, run):
    write, said = FOREIGN[what]
    write(Path("file.pth"))
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "error[checkpoint-refused]" in done.err and all(each in done.err for each in said), (
        done.err
    )


def test_other_element_types_beside_the_net(run):
    from safetensors.torch import save_file

    extra = {
        "extra.a": torch.zeros(4, dtype=torch.uint16),
        "extra.b": torch.zeros(4, dtype=torch.float8_e4m3fn),
        "extra.c": torch.zeros(4, dtype=torch.complex64),
    }
    for save in (save_file, torch.save):
        save({**state(), **extra}, "file.bin")
        done = run("small.yaml", "--weights", "file.bin")
        assert done.code == 0 and "code-not-run" not in done.err, done.err
        save({**state(), "fc.bias": torch.zeros(5, dtype=torch.float8_e4m3fn)}, "file.bin")
        done = run("small.yaml", "--weights", "file.bin")
        assert done.code == 1 and "`fc.bias`" in done.err and "float16 or bfloat16" in done.err


DERIVED: dict[str, Callable[[nn.Module], Any]] = {
    "pruned": lambda m: prune.l1_unstructured(m, "weight", 0.3),
    "a weight norm": lambda m: torch.nn.utils.parametrizations.weight_norm(m),
    "an old weight norm": lambda m: torch.nn.utils.weight_norm(m),
    "a spectral norm": lambda m: torch.nn.utils.parametrizations.spectral_norm(m),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", DERIVED)
def test_weights_that_are_made_of_others(what, run):
    net = Small(state())
    for module in (net.conv1, net.layer1.conv1, net.fc):
        DERIVED[what](module)
    torch.save(net.state_dict(), "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "save again" in done.err and "--weights-skip" not in done.err, done.err


def test_a_file_with_code_alone_names_it(run):
    for content in (Evil(), [Evil()], {"a": Evil()}, {"model": lacking(state()), "x": Evil()}):
        torch.save(content, "file.pth")
        done = run("small.yaml", "--weights", "file.pth")
        assert (done.code == 1 and "nothing was run" in done.err and "Path.touch" in done.err) or "getattr" in done.err
        assert not Path("CODE_RAN").exists()


BOMBS: dict[str, bytes] = {
    "a list of a list": b"(" + b"K\x01" * 100_000 + b"lq\x00" + b"c__builtin__\nset\nh\x00\x85R0" * 2_000,
    "pairs, again and again": b"("
    + b"(K\x01K\x02t" * 50_000
    + b"lq\x00"
    + b"ccollections\nOrderedDict\nh\x00\x85R0" * 2_000,
    "a shape without end": b"(" + b"K\x01" * 100_000 + b"tq\x00" + b"ctorch\nSize\nh\x00\x85R0" * 2_000,
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_small_pickle_does_not_take_much(what, run):
    """A list is looked at once, whatever takes it; what must be copied counts."""
    with zipfile.ZipFile("file.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + BOMBS[what] + b"}.")
    tracemalloc.start()
    done = run("small.yaml", "--weights", "file.pth")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert done.code == 1 and peak < 150e6


def test_a_name_of_many_dots(run):
    torch.save({**state(), "a." * 200_000 + "fc.weight": torch.zeros(5, 8)}, "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 0 and len(done.err) < 2_000
