"""Checkpoints whose names differ from the net's, and those for another number of input channels."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import archc
from archc.compiler.diagnostics import Failure, SpecError
from archc.compiler.weights.input_channels import first_weights
from archc.compiler.weights.name_map import NameMap
from docsite.walkthrough import read_fences

from .pages import DOCS
from .peers import library
from .small_net import SPEC, answers, built, run, state
from .wild import State

__all__ = ["run"]  # the fixture

TENSORS = [
    "conv1.weight",
    "fc.weight",
    "fc.bias",
    "layer1.0.bn1.weight",
    "layer1.0.conv1.weight",
    "layer2.1.conv1.weight",
    "a.b.c.weight",
]
MAPS: list[tuple[dict[str, str], dict[str, str]]] = [
    ({}, {}),
    ({"fc": "head.linear"}, {"fc.weight": "head.linear.weight", "fc.bias": "head.linear.bias"}),
    ({"fc.bias": "b"}, {"fc.bias": "b"}),
    ({"fc.bias": "b", "fc": "head"}, {"fc.bias": "b", "fc.weight": "head.weight"}),
    ({"*": "net.*"}, {t: f"net.{t}" for t in TENSORS}),
    ({"*.bn1.*": "*.norm.*"}, {"layer1.0.bn1.weight": "layer1.0.norm.weight"}),
    ({"layer*.*.conv1": "stages.*.blocks.*.conv.0"}, {"layer1.0.conv1.weight": "stages.1.blocks.0.conv.0.weight", "layer2.1.conv1.weight": "stages.2.blocks.1.conv.0.weight"}),
    ({"layer1.*": "first.*", "layer*": "later*"}, {"layer1.0.bn1.weight": "first.0.bn1.weight", "layer1.0.conv1.weight": "first.0.conv1.weight",
                                                  "layer2.1.conv1.weight": "later2.1.conv1.weight"}),
    ({"layer*": "stage*", "layer1.0.bn1": "n"}, {"layer1.0.bn1.weight": "n.weight", "layer1.0.conv1.weight": "stage1.0.conv1.weight", "layer2.1.conv1.weight": "stage2.1.conv1.weight"}),
    ({"a.*.c.weight": "*"}, {"a.b.c.weight": "b"}),
]  # fmt: skip


@pytest.mark.parametrize(("names", "changed"), MAPS, ids=[str(names) for names, _ in MAPS])
def test_names_are_mapped(names, changed):
    given = NameMap(names)
    assert {t: given.theirs(t) for t in TENSORS} == {t: changed.get(t, t) for t in TENSORS}


MAP = """
# ours: theirs
layer1.norm1: block.0
layer1.conv*: block.2*
fc: head
aux.*: aux.head.*
"""


@pytest.mark.parametrize("prefix", ["", "model.", "net.module."])
def test_a_map_loads_a_net_of_other_names(prefix, run):
    tensors = state()
    theirs = {prefix + k.replace("layer1.norm1", "block.0").replace("layer1.conv1", "block.21").replace("aux.fc", "aux.head.fc").replace("fc", "fc"): v
              for k, v in tensors.items()}  # fmt: skip
    theirs = {
        (prefix + "head" + k.removeprefix(prefix)[2:] if k.startswith(prefix + "fc.") else k): v
        for k, v in theirs.items()
    }
    torch.save({"state_dict": {**theirs, "loss.weight": torch.ones(2)}}, "file.pth")
    Path("map.yaml").write_text(MAP, "utf-8")
    done = run("small.yaml", "--weights", "file.pth", "--weights-map", "map.yaml", "--format", "json")
    assert done.code == 0, done.err
    assert (
        done.weights["taken"][0]["prefix"] == prefix
        and done.weights["unused"] == ["loss.weight"]
        and not done.weights["missing"]
    )
    np.testing.assert_allclose(built(), answers(tensors), rtol=1e-4, atol=1e-5)
    names = {"layer1.norm1": "block.0", "layer1.conv*": "block.2*", "fc": "head", "aux.*": "aux.head.*"}
    module = archc.load("small.yaml").to_torch(weights="file.pth", weights_map=names)
    assert all(torch.equal(v, tensors[k]) for k, v in module.state_dict().items())


def test_a_tensor_that_the_map_does_not_find_is_told_by_both_names(run):
    torch.save(state(), "file.pth")
    Path("map.yaml").write_text("fc: head\n", "utf-8")
    done = run("small.yaml", "--weights", "file.pth", "--weights-map", "map.yaml")
    assert done.code == 1 and "lacks 2 tensors: fc.weight (there head.weight), fc.bias (there head.bias)" in done.err


BAD_MAPS: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "a step that there is not": ("layr1: x\n", 2, ("no-such-step", "--weights-map", "did you mean `layer1`?")),
    "other stars": ("'layer*': x\n", 2, ("bad-option", "1 `*` on the left and 0 on the right")),
    "a list": ("- a\n", 1, ("wrong-type", "map.yaml:1:1", "ours: theirs")),
    "a number": ("fc: 3\n", 1, ("wrong-type", "map.yaml:1:5", "in quotes")),
    "a mapping inside": ("fc: {weight: w}\n", 1, ("wrong-type", "map.yaml:1:5")),
    "twice": ("fc: a\nfc: b\n", 1, ("duplicate-key", "map.yaml:2:1")),
    "no YAML": ("fc: [\n", 1, ("map.yaml",)),
    "an alias": ("*.conv: x\n", 1, ("map.yaml:1:1",)),
}


@pytest.mark.parametrize("what", BAD_MAPS)
def test_a_wrong_map_is_told_at_its_place(what, run):
    text, code, said = BAD_MAPS[what]
    torch.save(state(), "file.pth")
    Path("map.yaml").write_text(text, "utf-8")
    done = run("small.yaml", "--weights", "file.pth", "--weights-map", "map.yaml")
    assert done.code == code and all(each in done.err for each in said), done.err


@pytest.mark.parametrize(
    ("given", "said"),
    [(3, "not int"), ({"a": 3}, "not dict"), ("missing.yaml", "cannot be read"), ({"*": "a"}, "1 `*` on the left")],
)
def test_a_wrong_map_from_python(given, said, run):
    torch.save(state(), "file.pth")
    with pytest.raises(Failure, match=said.replace("*", r"\*")):
        archc.load("small.yaml").to_torch(weights="file.pth", weights_map=given)


def test_a_yaml_map_from_python_raises_what_is_wrong_in_it(run):
    torch.save(state(), "file.pth")
    Path("map.yaml").write_text("fc: 3\n", "utf-8")
    with pytest.raises(SpecError, match="no name"):
        archc.load("small.yaml").to_torch(weights="file.pth", weights_map=Path("map.yaml"))


@pytest.mark.slow
def test_a_cifar_resnet_of_other_names(tmp_path, monkeypatch):
    """The names of a much copied training script: `linear` and `shortcut` for torchvision's `fc` and `downsample`."""
    monkeypatch.chdir(tmp_path)
    tensors = library("torchvision").models.resnet18(weights=None).state_dict()
    torch.save(
        {
            "net": {k.replace("fc.", "linear.").replace("downsample", "shortcut"): v for k, v in tensors.items()},
            "acc": 93.0,
        },
        "f.pth",
    )
    Path("map.yaml").write_text("fc: linear\n'*.downsample.*': '*.shortcut.*'\n", "utf-8")
    module = archc.load("resnet18").to_torch(weights="f.pth", weights_map="map.yaml")
    assert all(torch.equal(v, tensors[k]) for k, v in module.state_dict().items())


def spec_of(
    channels: int, first: str = "{name: conv1, conv: {out: $width, kernel: 3, padding: 1, bias: false}}"
) -> str:
    return SPEC.replace("[3, 12, 12]", f"[{channels}, 12, 12]").replace(
        "{name: conv1, conv: {out: $width, kernel: 3, padding: 1, bias: false}}", first, 1
    )


@pytest.mark.parametrize(
    ("channels", "method"), [(1, "sum"), (2, "repeat"), (4, "repeat"), (6, "repeat"), (7, "repeat")]
)
def test_first_convolutions_are_adapted_as_timm_does(channels, method, run):
    adapt_input_conv = importlib.import_module(f"{library('timm').__name__}.models._manipulate").adapt_input_conv
    tensors = state()
    torch.save({"model": {f"net.{k}": v for k, v in tensors.items()}}, "file.pth")
    Path("other.yaml").write_text(spec_of(channels), "utf-8")
    done = run("other.yaml", "--weights", "file.pth", "--weights-input", method)
    assert done.code == 0, done.err
    wanted = adapt_input_conv(channels, tensors["conv1.weight"])
    module = archc.load("other.yaml").to_torch(weights="file.pth", weights_input=method)
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, wanted if name == "conv1.weight" else tensors[name], rtol=1e-6, atol=0)


def test_grey_weights_for_a_net_of_three_channels(run):
    Path("grey.yaml").write_text(spec_of(1), "utf-8")
    grey = archc.load("grey.yaml").to_torch(seed=3).state_dict()
    module = archc.load("small.yaml").to_torch(weights=grey, weights_input="repeat")
    torch.testing.assert_close(module.conv1.weight.sum(1, keepdim=True), grey["conv1.weight"], rtol=1e-5, atol=1e-7)


def test_weights_that_fit_are_left_as_they_are(run):
    tensors = state()
    module = archc.load("small.yaml").to_torch(weights=tensors, weights_input="repeat")
    assert all(torch.equal(v, tensors[k]) for k, v in module.state_dict().items())


@pytest.mark.parametrize(("channels", "given", "option"), [
    (1, (), "`--weights-input sum` adds them up"), (6, (), "`--weights-input repeat` repeats"),
    (4, ("--weights-input", "sum"), "`--weights-input repeat`"), (1, ("--weights-input", "repeat"), "`--weights-input sum`"),
])  # fmt: skip
def test_a_first_layer_that_does_not_fit_speaks_of_channels(channels, given, option, run):
    torch.save(state(), "file.pth")
    Path("other.yaml").write_text(spec_of(channels), "utf-8")
    done = run("other.yaml", "--weights", "file.pth", *given)
    assert done.code == 1 and f"reads 3 input channels, the net {channels}" in done.err and option in done.err
    assert "classes" not in done.err and "--weights-skip" not in done.err


def test_channels_and_classes_are_told_together(run):
    torch.save(state(), "file.pth")
    Path("other.yaml").write_text(spec_of(1), "utf-8")
    done = run("other.yaml", "--weights", "file.pth", "--set", "classes=7")
    assert done.code == 1 and "--weights-input sum" in done.err and "classes" in done.err
    assert "--weights-skip aux.fc --weights-skip fc" in done.err and "--weights-skip conv1" not in done.err
    skipped = ["--weights-skip", "fc", "--weights-skip", "aux.fc", "--weights-input", "sum"]
    assert run("other.yaml", "--weights", "file.pth", "--set", "classes=7", *skipped).code == 0


HEAD = "archspec: 1\nname: n\ninput: "
FIRST: dict[str, tuple[str, dict[str, int]]] = {
    "a conv": ("{image: [3, 8, 8]}\ngraph:\n  - {name: a, conv: 4}\n  - {name: b, conv: 4}\n", {"a.weight": 3}),
    "behind a pad and a pool": ("{image: [3, 8, 8]}\ngraph:\n  - pad: {height: [1, 1], width: [1, 1]}\n  - max_pool: 2\n  - {name: a, conv: 4}\n", {"a.weight": 3}),
    "behind more channels": ("{image: [3, 8, 8]}\ngraph:\n  - pad: {channels: [0, 1]}\n  - {name: a, conv: 4}\n", {}),
    "behind a norm": ("{image: [3, 8, 8]}\ngraph:\n  - batch_norm\n  - {name: a, conv: 4}\n", {"a.weight": 3}),
    "of two branches": ("{image: [3, 8, 8]}\ngraph:\n  - concat: [{name: a, conv: 4}, {name: b, conv: 4}]\n  - {name: c, conv: 4}\n", {"a.weight": 3, "b.weight": 3}),
    "of groups": ("{image: [4, 8, 8]}\ngraph:\n  - {name: a, conv: {out: 4, groups: 2}}\n", {}),
    "no conv": ("{image: [3, 8, 8]}\ngraph:\n  - flatten\n  - {name: a, linear: 4}\n", {}),
    "where a draw has no input": ("{image: [3, 8, 8]}\ngraph:\n  - {name: first, conv: 4}\n  - join: {global: 0.5, branches: {a: [relu], b: [{name: c, conv: 4}]}}\n", {"first.weight": 3}),
    "of two inputs": ("{left: [3, 8, 8], right: [1, 8, 8]}\ngraph:\n  - add: [[{from: left}, {name: a, conv: 4}], [{from: right}, {name: b, conv: 4}]]\n",
                      {"a.weight": 3, "b.weight": 1}),
}  # fmt: skip


@pytest.mark.parametrize("what", FIRST)
def test_first_weights(what, tmp_path):
    text, found = FIRST[what]
    (tmp_path / "n.yaml").write_text(HEAD + text, "utf-8")
    assert first_weights(archc.load(tmp_path / "n.yaml").graph) == found


ADVICE: dict[str, Callable[[State], State]] = {
    "most of the net is missing": lambda t: {k: v for k, v in t.items() if k.startswith("fc.")},
    "most of the net has other shapes": lambda t: {
        k: v if k.startswith("fc.") else torch.ones(*v.shape, 2) for k, v in t.items()
    },
    "another net": lambda t: {f"features.{i}.weight": v for i, v in enumerate(t.values())},
}


@pytest.mark.parametrize("what", ADVICE)
def test_no_help_advises_to_skip_most_of_a_net(what, run):
    torch.save(ADVICE[what](state()), "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "--weights-skip" not in done.err


def test_a_net_of_two_layers(run, tmp_path):
    """Three steps at most are named, but these would be all that there is."""
    Path("two.yaml").write_text(
        HEAD + "{image: [3, 8, 8]}\ngraph:\n  - {name: a, conv: 4}\n  - global_avg_pool\n  - {name: b, linear: 4}\n",
        "utf-8",
    )
    torch.save({"c.weight": torch.ones(2)}, "file.pth")
    done = run("two.yaml", "--weights", "file.pth")
    assert done.code == 1 and "--weights-skip" not in done.err


def test_inputs_of_different_channels_are_adapted_together(run):
    spec = HEAD + ("{left: [1, 8, 8], right: [6, 8, 8]}\ngraph:\n"
                   "  - add: [[{from: left}, {name: a, conv: 4}], [{from: right}, {name: b, conv: 4}]]\n")  # fmt: skip
    Path("mixed.yaml").write_text(spec, "utf-8")
    net = archc.load("mixed.yaml")
    rgb = {**net.to_torch().state_dict(), "a.weight": torch.ones(4, 3, 1, 1), "b.weight": torch.ones(4, 3, 1, 1)}
    for method in ("sum", "repeat"):
        found = net.to_torch(weights=rgb, weights_input=method).state_dict()
        assert torch.equal(found["a.weight"], torch.full((4, 1, 1, 1), 3.0)) and torch.equal(
            found["b.weight"], torch.full((4, 6, 1, 1), 0.5)
        )


def test_a_map_that_lacks_a_line_names_theirs(run):
    theirs = {k.replace("layer1.norm1", "stages.1.norm"): v for k, v in state().items()}
    torch.save(theirs, "file.pth")
    without = run("small.yaml", "--weights", "file.pth")
    assert (without.code == 1 and "12 tensors fit" in without.err) or "--weights-map" in without.err
    Path("map.yaml").write_text("layer1.*: stages.1.*\n", "utf-8")
    done = run("small.yaml", "--weights", "file.pth", "--weights-map", "map.yaml")
    assert done.code == 1 and "(there stages.1.norm1.weight)" in done.err


def test_a_wrong_prefix_is_told(run):
    torch.save({"model": {f"module.{k}": v for k, v in state().items()}, "ema": state()}, "file.pth")
    done = run("small.yaml", "--weights", "file.pth", "--weights-prefix", "modul")
    assert done.code == 2 and "did you mean `module`?" in done.err


def renamed(tensors: State) -> State:
    """The tensors as a script calls them whose last layer is `cls`, and whose first norm is `norm`."""
    return {name.replace("fc.", "cls.") if name.startswith("fc.") else name.replace("layer1.norm1", "norm"): tensor for name, tensor in tensors.items()}  # fmt: skip


# what the checkpoint has besides, options, the exit code, and what is said
BESIDE_A_MAP: dict[str, tuple[State, tuple[str, ...], int, str]] = {
    "in a module that a step becomes": ({"norm.extra": torch.ones(2)}, (), 1, "error[weights-unused]: file.pth has 1 tensor: norm.extra"),
    "in a module, left out on purpose": ({"norm.extra": torch.ones(2)}, ("--weights-skip", "norm.extra"), 0, ""),
    "in a module beside": ({"norm2.extra": torch.ones(2)}, (), 0, "warning[weights-unused]"),
    "the step that is left out": ({}, ("--weights-skip", "fc"), 0, ""),
    "the step that is left out, by their name": ({}, ("--weights-skip", "cls"), 2, "the map says that it is `fc` in the net"),
    "more in the step that is left out": ({"cls.scale": torch.ones(2)}, ("--weights-skip", "fc"), 0, ""),
}  # fmt: skip


@pytest.mark.parametrize("what", BESIDE_A_MAP)
def test_what_a_mapped_checkpoint_has_besides(what, run):
    more, options, code, said = BESIDE_A_MAP[what]
    torch.save({**renamed(state()), **more}, "file.pth")
    Path("map.yaml").write_text("fc: cls\nlayer1.norm1: norm\n", "utf-8")
    done = run("small.yaml", "--weights", "file.pth", "--weights-map", "map.yaml", *options)
    assert done.code == code and said in done.err and ("weights-unused" in done.err) == ("weights-unused" in said), (
        done.err
    )


def test_the_module_and_the_spec_of_the_page_have_the_same_names(tmp_path):
    """What docs/reference/weights.md says of torch's containers: its class and its spec, read from the page."""
    page = (DOCS / "reference/weights.md").read_text("utf-8")
    fences = {fence.language: fence.text for fence in read_fences(page) if "classifier" in fence.text}
    script: dict[str, type[torch.nn.Module]] = {}
    exec(fences["python"], script)
    (tmp_path / "nested.yaml").write_text(fences["yaml"], "utf-8")
    ours = archc.load(tmp_path / "nested.yaml").to_torch().state_dict()
    theirs = script["Net"]().state_dict()
    assert {name: each.shape for name, each in ours.items()} == {name: each.shape for name, each in theirs.items()}
