"""Where in a file, or in what torch.load gives, the weights are found: which key and prefix, what else fits, and how to choose."""

from __future__ import annotations

import argparse
import collections
import copy
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import archc
from archc.compiler.diagnostics import Failure

from .small_net import answers, built, run, state
from .training_files import Small, Unknown, averaged, lacking, under, zeros
from .wild import State

__all__ = ["run"]  # the fixture


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


def test_all_that_is_wrong_is_told_at_once(run):
    """A tensor too few, one too many and one of another shape: a user need not mend the one to learn of the next."""
    spoilt = {**state(), "layer1.conv1.weight": torch.ones(8, 8, 1, 1), "conv1.bias": torch.ones(8)}
    torch.save(lacking(spoilt), "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "lacks 1 tensor: bn1.bias; it holds 1 other" in done.err and "`conv1.bias`" in done.err
    assert "Of another shape: 1 tensor: layer1.conv1.weight 8×8×1×1 for 8×8×3×3" in done.err
    torch.save(spoilt, "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "has other shapes: 1 tensor: layer1.conv1.weight" in done.err
    assert "Without a place in the net: 1 tensor: conv1.bias" in done.err


def test_one_statistic_that_is_missing_is_no_average(run):
    tensors = state()
    del tensors["bn1.running_mean"]
    torch.save({**tensors, "bn1.mean": torch.ones(8)}, "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "Averages" not in done.err and "`bn1.mean`" in done.err


def test_of_a_step_that_fits_the_stray_tensor_alone_is_left_out(run):
    torch.save({**state(), "conv1.bias": torch.ones(8)}, "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "`--weights-skip conv1.bias` leaves it out" in done.err
    done = run("small.yaml", "--weights", "file.pth", "--weights-skip", "conv1.bias")
    assert done.code == 0 and "untrained" not in done.out


def test_a_prefix_before_all_names_is_taken_off_though_little_fits(run):
    """`conv1.weight` is there, behind `module.`: it is not told as missing, and what is told has a name that is like it."""
    inner = {name if name.startswith("conv1") else name.replace(".", ".x."): each for name, each in state().items()}
    torch.save(under("module.", inner), "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert (
        done.code == 1
        and "tensors: bn1.weight," in done.err
        and "nearest to `bn1.weight` in it is `bn1.x.weight`" in done.err
    )


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
    for part in ("criterion.weight", "tests.training_files.Unknown", "taken: `ema` (`model` fits, too"):
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
