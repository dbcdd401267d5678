"""Files as training scripts leave them: what is found in them, under which key and prefix, what is said, and what is never run."""

from __future__ import annotations

import argparse
import collections
import copy
import datetime
import io
import pathlib
import tracemalloc
import uuid
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel

import archc
from archc.compiler.diagnostics import Failure

from .small_net import answers, built, run, state
from .wild import State, old

__all__ = ["run"]  # the fixture


class Unknown:
    """A class that no reader of the file has."""

    def __init__(self) -> None:
        self.value = {(1, 2): [3], "self": self}


class Record(dict[str, Any]):
    """A mapping of an unknown class."""


class Row(NamedTuple):
    a: int


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a, self.b = 1, torch.ones(2)


class Evil:
    """Would make a file if it were unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("CODE_RAN"),))


class Nested:
    def __reduce__(self) -> Any:
        return (getattr, (Evil(), "name"))


class Small(nn.Module):
    """The small net as a module of the user's own."""

    def __init__(self, tensors: State) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Module()
        self.layer1.norm1 = nn.BatchNorm2d(8)
        self.layer1.conv1 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.aux = nn.Module()
        self.aux.fc = nn.Linear(8, 5)
        self.fc = nn.Linear(8, 5)
        self.register_buffer("scratch", torch.ones(2), persistent=False)
        self.load_state_dict(tensors)

    def forward(self, x: Any) -> Any:
        x = self.layer1.norm1(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(self.layer1.conv1(torch.relu(x)).mean((2, 3)))


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


def zeros(tensors: State) -> State:
    return {k: v * 0 for k, v in tensors.items()}


def under(prefix: str, tensors: State) -> State:
    return {prefix + k: v for k, v in tensors.items()}


def averaged(tensors: State, *, buffers: bool = True) -> State:
    found: State = AveragedModel(Small(tensors), use_buffers=buffers).state_dict()
    return found


def lacking(tensors: State) -> State:
    return {k: v for k, v in tensors.items() if k != "bn1.bias"}


class Case(NamedTuple):
    """A file's content, what must be taken of it, and what must be named as fitting, too, or as unused."""

    content: Callable[[State], Any]
    key: str
    prefix: str = ""
    others: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


BETAS = (0.9, 0.999)  # one tuple, as an optimizer of many groups has it
KEYS = ["state_dict", "model", "model_state_dict", "net", "network", "weights", "params", "generator", "ema", "model_ema", "state_dict_ema", "teacher", "student", "module", "encoder", "whatever", "a.b"]  # fmt: skip
PREFIXES = [
    "module.",
    "_orig_mod.",
    "model.",
    "net.",
    "backbone.",
    "encoder.",
    "_forward_module.",
    "_orig_mod.module.",
    "model.model.",
    "some.thing.else.",
    "x_",
]
LIGHTNING = {"epoch": 1, "pytorch-lightning_version": "2.2.0", "loops": {}, "callbacks": {}, "optimizer_states": []}
FOUND = {
    **{f"key {key}": Case(lambda t, key=key: {"epoch": 1, key: t, "acc": 93.1}, key) for key in KEYS},
    **{f"prefix {prefix}": Case(lambda t, prefix=prefix: under(prefix, t), "", prefix) for prefix in PREFIXES if prefix[-1] == "."},
    "deep": Case(lambda t: {"a": [0, {"b": {"c": t}}]}, "a.1.b.c"),
    "list": Case(lambda t: [{"epoch": 1}, t], "1"),
    "subclass": Case(lambda t: {"m": collections.OrderedDict(t)}, "m"),
    "ema first": Case(lambda t: {"state_dict": zeros(t), "state_dict_ema": t}, "state_dict_ema", "", ("`state_dict`",)),
    "ema after": Case(lambda t: {"ema": t, "model": zeros(t)}, "ema", "", ("`model`",)),
    "ema of another prefix": Case(lambda t: {"state_dict": zeros(t), "state_dict_ema": under("module.", t)}, "state_dict_ema", "module.", ("`state_dict`",)),
    "ema nested": Case(lambda t: {"model": zeros(t), "ema": {"updates": 3, "module": t}}, "ema.module", "", ("`model`",)),
    "params_ema": Case(lambda t: {"params": zeros(t), "params_ema": t}, "params_ema", "", ("`params`",)),
    "ModelEMA": Case(lambda t: {"net": zeros(t), "netEMA": t}, "netEMA", "", ("`net`",)),
    "ema lacks a tensor": Case(lambda t: {"ema": lacking(zeros(t)), "model": t}, "model"),
    "ema has another shape": Case(lambda t: {"ema": {**zeros(t), "fc.bias": torch.ones(9)}, "model": t}, "model"),
    "ema lacks a head": Case(lambda t: {"ema": {k: v for k, v in t.items() if not k.startswith("aux")}, "model": zeros(t)}, "ema", "", ("`model`",)),
    "teacher": Case(lambda t: {"student": zeros(t), "teacher": t}, "teacher", "", ("`student`",)),
    "teacher, one object": Case(lambda t: {"student": t, "teacher": t}, "teacher", "", ("`student`",)),
    "teacher by prefix": Case(lambda t: {**under("student.", zeros(t)), **under("teacher.", t)}, "", "teacher.", ("prefix `student.`",), ("student.conv1.weight",)),
    "student last": Case(lambda t: {"student": zeros(t), "model": t}, "model", "", ("`student`",)),
    "three": Case(lambda t: {"model": zeros(t), "student": zeros(t), "x": {"ema": t}}, "x.ema", "", ("`model`", "`student`")),
    "averaged model": Case(averaged, "", "module.", (), ("n_averaged",)),
    "torchvision's references": Case(lambda t: {"model": zeros(t), "model_ema": averaged(t), "args": argparse.Namespace(lr=1)},
                                     "model_ema", "module.", ("`model`",), ("n_averaged",)),
    "lightning": Case(lambda t: {**LIGHTNING, "state_dict": {**under("model.", t), "criterion.weight": torch.ones(5), "val_acc.correct": torch.tensor(3)}},
                      "state_dict", "model.", (), ("criterion.weight", "val_acc.correct")),
    "lightning, net": Case(lambda t: {**LIGHTNING, "state_dict": {"loss.weight": torch.ones(5), **under("net.", t)}}, "state_dict", "net.", (), ("loss.weight",)),
    "compiled": Case(lambda t: torch.compile(nn.DataParallel(Small(t))).state_dict(), "", "_orig_mod.module."),
    "a backbone of more": Case(lambda t: {**under("backbone.", t), "head.weight": torch.ones(4)}, "", "backbone.", (), ("head.weight",)),
    "a gan": Case(lambda t: {"generator": t, "discriminator": {"conv1.weight": torch.ones(1), "fc.weight": torch.ones(2)}}, "generator"),
    "moments of an optimizer": Case(lambda t: {"optimizer": {"exp_avg": zeros(t), "momentum": zeros(t)}, "model": t}, "model", "",
                                    ("`optimizer.exp_avg`", "`optimizer.momentum`")),
    "not an average": Case(lambda t: {"model": t, "model_no_ema": zeros(t), "non_ema_state_dict": zeros(t)}, "model", "",
                           ("`model_no_ema`", "`non_ema_state_dict`")),
    "MMEngine swaps": Case(lambda t: {"meta": {}, "message_hub": {}, "state_dict": t, "ema_state_dict": {**under("module.", zeros(t)), "steps": torch.tensor(3)}},
                           "state_dict", "", ("`ema_state_dict`, prefix `module.`",)),
    "a copy that it began with": Case(lambda t: {"hyper_parameters": {"pretrained": zeros(t)}, "state_dict": under("model.", t)}, "state_dict", "model.",
                                      ("`hyper_parameters.pretrained`",)),
    "in the order of the file": Case(lambda t: {"model": under("module.", t), "other": zeros(t)}, "model", "module.", ("`other`",)),
    "an average of parameters": Case(lambda t: {"ema": {k: v * 0 for k, v in t.items() if "running" not in k}, "model": t}, "model"),
    "after many repeats": Case(lambda t: {"optimizer": {"groups": [{"betas": BETAS} for _ in range(300)]}, "log": [() for _ in range(300)], "model": t}, "model"),
    "a huge key": Case(lambda t: {2**20000: {"a": [1]}, (1, 2): 3, "model": t}, "model"),
    "extra state": Case(lambda t: {**t, "conv1._extra_state": torch.ones(3), "bn1._extra_state": io.BytesIO(b"x")}, "", "", (), ("conv1._extra_state",)),
    "rounded counts": Case(lambda t: {k: v.double() for k, v in t.items()}, "", "", (), ("bn1.num_batches_tracked",)),
    "optimizer first": Case(lambda t: {"optimizer": {"state": {i: {"exp_avg": v} for i, v in enumerate(t.values())}}, "net": t}, "net"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", FOUND)
def test_the_state_dict_is_found_by_fit(what, run):
    case, tensors = FOUND[what], state()
    torch.save(case.content(tensors), "file.pth")
    done = run("small.yaml", "--weights", "file.pth", "--format", "json")
    assert done.code == 0, done.err
    taken = done.weights["taken"][0]
    assert (taken["key"], taken["prefix"], tuple(taken["others"])) == (case.key, case.prefix, case.others)
    assert set(case.unused) <= set(done.weights["unused"]) and bool(case.unused) == bool(done.weights["unused"])
    lost = [name for name in case.unused if not name.endswith(("n_averaged", "_extra_state", "num_batches_tracked"))]
    assert ("warning[weights-unused]" in done.err) == bool(lost) and all(name in done.err for name in lost)
    np.testing.assert_allclose(built(), answers(tensors), rtol=1e-4, atol=1e-5)
    if case.key or case.prefix:
        said = run("small.yaml", "--weights", "file.pth").out
        assert all(part in said for part in (case.key, case.prefix, *case.others))


def test_a_file_that_fits_nowhere_is_judged_by_the_best_place(run):
    tensors = state()
    torch.save({"optimizer": {"conv1.weight": torch.ones(1)}, "ema": under("module.", lacking(tensors))}, "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "file.pth (`ema`) lacks 1 tensor: bn1.bias" in done.err
    torch.save(
        {"model": under("net.", {**tensors, "fc.weight": torch.ones(7, 8), "fc.bias": torch.ones(7)})}, "file.pth"
    )
    done = run("small.yaml", "--weights", "file.pth")
    assert (
        done.code == 1
        and "(`model`) has other shapes: 2 tensors: fc.weight 7×8 for 5×8" in done.err
        and "--weights-skip fc" in done.err
    )


def test_strays_inside_a_step_are_still_another_net_s(run):
    torch.save({"model": under("net.", {**state(), "layer1.conv9.weight": torch.ones(2)})}, "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "error[weights-unused]" in done.err and "layer1.conv9.weight" in done.err


CHOSEN = [
    (["--weights-key", "model"], "model", ""), (["--weights-key", "ema"], "ema", "b."), (["--weights-key", "."], "", "m."),
    (["--weights-key", "ema", "--weights-prefix", "a"], "ema", "a."), (["--weights-key", "ema", "--weights-prefix", "a."], "ema", "a."),
    (["--weights-key", "inner"], "deep.inner", ""), (["--weights-key", "deep"], "deep.inner", ""), (["--weights-key", "deep.inner"], "deep.inner", ""),
    (["--weights-prefix", "m."], "", "m."), (["--weights-prefix", ""], "model", ""),
]  # fmt: skip


@pytest.mark.parametrize(("options", "key", "prefix"), CHOSEN, ids=[" ".join(o) for o, *_ in CHOSEN])
def test_key_and_prefix_choose(options, key, prefix, run):
    """`b.` comes first: a student is the last to be taken, and `a.student` is none."""
    t = state()
    content = {**under("m.", t), "model": t, "ema": {**under("b.", t), **under("a.", t)}, "deep": {"inner": t}}
    torch.save(content, "file.pth")
    done = run("small.yaml", "--weights", "file.pth", *options, "--format", "json")
    assert done.code == 0, done.err
    assert (done.weights["taken"][0]["key"], done.weights["taken"][0]["prefix"]) == (key, prefix)


WRONG = {
    "no such key": (["--weights-key", "modle"], "did you mean `model`?", "no-such-key"),
    "a key without tensors": (["--weights-key", "optimizer"], "it has `model`", "no-such-key"),
    "no such prefix": (["--weights-prefix", "net."], "its names are as `conv1.weight`", "no-such-key"),
    "key without weights": (["--weights-key", "model"], "give one with --weights", "bad-option"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_key_or_prefix_says_what_there_is(what, run):
    options, said, code = WRONG[what]
    torch.save({"model": state(), "optimizer": {"lr": 0.1}}, "file.pth")
    done = run("small.yaml", *(["--weights", "file.pth"] if code == "no-such-key" else []), *options)
    assert done.code == 2 and said in done.err and f"error[{code}]" in done.err


HOLDS = {
    "a mapping": ({"epoch": 3, "history": [1, 2], "name": "x"}, ("`epoch` (int)", "`history` (list of 2)", "`name` (text)")),
    "tensors without names": ([torch.ones(2), torch.ones(3)], ("list of 2, 2 of them tensors",)),
    "a tensor": (torch.ones(2, 3), ("tensor 2×3",)),
    "a number": (3, ("int",)),
    "arrays": ({"conv1.weight": np.ones(3)}, ("`conv1.weight` (object of numpy.ndarray)",)),
    "an object": (Unknown(), ("object of tests.test_training_files.Unknown",)),
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


def test_a_member_is_found_in_the_file_of_the_whole(run):
    """A file of an ensemble for one of its members: the member's own tensors are taken, not the first that fit."""
    torch.save({**under("member0.", state(1)), **under("member1.", state(2))}, "all.pth")
    done = run("ensemble.yaml", "--set", "members=2", "--weights", "member1=all.pth", "--format", "json")
    assert done.code == 0 and done.weights["taken"][0]["prefix"] == "member1.", done.err


def test_python_takes_the_same_options(run):
    t = state()
    torch.save({"model": zeros(t), "ema": under("net.", t)}, "file.pth")
    net = archc.load("small.yaml")
    assert torch.equal(net.to_torch(weights="file.pth").state_dict()["fc.bias"], t["fc.bias"])
    assert not net.to_torch(weights="file.pth", weights_key="model").state_dict()["fc.bias"].any()
    result = net.export_onnx("a.onnx", weights="file.pth", weights_prefix="net", proof="none")
    assert result.weights.taken[0].place == "`ema`, prefix `net.`" and result.weights.taken[0].others == ()
    with pytest.raises(Failure, match="no tensors under `emma`") as caught:
        net.to_torch(weights="file.pth", weights_key="emma")
    assert "did you mean `ema`?" in caught.value.help
    torch.save(copy.deepcopy(t), "five.pth")
    with pytest.raises(Failure) as caught:
        archc.load("small.yaml", params={"classes": 7}).to_torch(weights="five.pth")
    assert "weights_skip=['aux.fc', 'fc']" in caught.value.help


LOADED: dict[str, Callable[[State], Any]] = {
    "alone": lambda t: {"model": t},
    "with numbers": lambda t: {
        "epoch": 3,
        "state_dict": under("module.", t),
        "optimizer": {"state": {}, "param_groups": []},
    },
    "with texts": lambda t: {"arch": "small", "net": t},
    "nested": lambda t: {"ema": {"decay": 0.9, "module": t}},
    "in a list": lambda t: {"epoch": 1, "nets": [{"a": 1}, t]},
    "a parameter": lambda t: {"model": {k: nn.Parameter(v, v.is_floating_point()) for k, v in t.items()}},
    "arrays": lambda t: {"model": {k: v.numpy() for k, v in t.items()}},
}


@pytest.mark.parametrize("what", LOADED)
def test_what_torch_load_gives_is_taken_whole(what, run):
    tensors = state()
    module = archc.load("small.yaml").to_torch(weights=LOADED[what](tensors))
    assert all(torch.equal(v, tensors[k]) for k, v in module.state_dict().items())


def test_python_warns_of_what_was_passed_over(run):
    t = state()
    torch.save({"model": zeros(t), "ema": {**t, "criterion.weight": torch.ones(2)}, "config": Unknown()}, "file.pth")
    net = archc.load("small.yaml")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        net.to_torch(weights="file.pth")
    texts = [str(each.message) for each in told]
    assert len(texts) == 3 and all(str(each.filename) == __file__ for each in told)
    for part in ("criterion.weight", "tests.test_training_files.Unknown", "taken: `ema` (`model` fits, too"):
        assert any(part in text for text in texts)
    with pytest.warns(UserWarning, match="criterion"):
        net.export_onnx("a.onnx", weights="file.pth", proof="none")


def test_nothing_in_memory_fits(run):
    net = archc.load("small.yaml")
    with pytest.raises(Failure, match=r"no tensor in a mapping of `epoch` \(int\)"):
        net.to_torch(weights={"epoch": 3, "history": [1]})
    with pytest.raises(Failure, match=r"no step `aux\.cf`") as caught:
        net.to_torch(weights={"aux.cf": {"weight": torch.ones(2)}})
    assert "did you mean `aux.fc`?" in caught.value.help


def test_what_is_not_whole_and_would_have_come_first_is_said(run):
    t = state()
    torch.save({"ema": {k: v for k, v in t.items() if "running" not in k}, "model": t}, "file.pth")
    assert "passed over: `ema` lacks 4 tensors" in run("small.yaml", "--weights", "file.pth").out
    asked = run("small.yaml", "--weights", "file.pth", "--weights-key", "ema")
    assert (
        asked.code == 1
        and "Averages of parameters alone lack the norms' statistics" in asked.err
        and "another net" not in asked.err
    )


@pytest.mark.parametrize(("content", "prefix"), [
    (lambda t, u: {**under("member0.", t), **under("member1.", u)}, "member1."), (lambda t, u: {"member0": t, "member1": u}, ""),
    (lambda t, u: {"ema": under("member0.", t), "model": under("member1.", u)}, "member1."),
])  # fmt: skip
def test_a_step_takes_its_own_tensors_first(content, prefix, run):
    torch.save(content(state(1), state(2)), "all.pth")
    done = run("ensemble.yaml", "--set", "members=2", "--weights", "member1=all.pth", "--format", "json")
    assert done.code == 0 and done.weights["taken"][0]["prefix"] == prefix, done.err
    module = archc.load("ensemble.yaml", params={"members": 2}).to_torch(weights={"member1": "all.pth"})
    assert torch.equal(module.state_dict()["member1.fc.weight"], state(2)["fc.weight"])


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


def test_mappings_that_hold_themselves(run):
    tensors = state()
    holder: dict[str, Any] = {"model": tensors}
    holder["self"] = holder
    double: list[Any] = []
    double += [double, double]
    for content in (holder, {"model": tensors, "list": double}, {"epoch": 1, "model": Small(tensors)}, Small(tensors)):
        module = archc.load("small.yaml").to_torch(weights=content)
        assert all(torch.equal(v, tensors[k]) for k, v in module.state_dict().items())


def test_a_step_called_model(run):
    steps = "".join(
        f"  - {{name: {name}, conv: {{out: 3, kernel: 3, padding: 1}}}}\n" for name in ("model", "neck", "head")
    )
    Path("awkward.yaml").write_text(
        f"archspec: 1\nname: awkward\ninput: {{image: [3, 8, 8]}}\ngraph:\n{steps}", "utf-8"
    )
    net = archc.load("awkward.yaml")
    wanted = net.to_torch(seed=5).state_dict()
    for content in ({"model": wanted}, {"model": wanted, "optimizer": {"state": {}}}):
        assert all(torch.equal(v, wanted[k]) for k, v in net.to_torch(weights=content, seed=1).state_dict().items())
    one = net.to_torch(
        weights={"model": {"weight": wanted["model.weight"], "bias": wanted["model.bias"]}}, seed=1
    ).state_dict()
    assert torch.equal(one["model.bias"], wanted["model.bias"]) and not torch.equal(
        one["neck.weight"], wanted["neck.weight"]
    )


def test_tensors_in_memory_that_have_no_numbers(run):
    for tensor in (torch.ones(5).to_sparse(), torch.empty(5, device="meta")):
        with pytest.raises(Failure, match=r"`fc\.bias`"):
            archc.load("small.yaml").to_torch(weights={**state(), "fc.bias": tensor})
