"""How weights begin by a recipe's `init`: torch's formulas, the layers that differ, and what a run starts from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from archc import Failure
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.driver import check
from archc.compiler.ir.graph import Graph
from archc.compiler.sources import Memory, SpecText
from archc.compiler.weights.seeded import SeededSource
from archc.runtime.preprocess import Preprocess
from archc.text.training import describe_init
from archc.training import train
from archc.training.checkpoint.identity import hash_recipe
from archc.training.checkpoint.read import read_checkpoint
from archc.training.data import TrainingData
from archc.training.data.pictures import ArrayPictures
from archc.training.driver import open_run
from archc.training.initialization import INITS, begin_params
from archc.training.recipe.catalog import listed_recipes
from archc.training.recipe.read import read_recipe
from archc.training.recipe.recipe import DataRules, InitRules, LayerInit, OptimizerRules, Recipe
from archc.training.requests import plan_request
from archc.training.start_weights import read_start_weights

from .training_nets import MEMBERS, SMALL

PICTURES = ArrayPictures(np.zeros((24, 6, 6), np.uint8), np.arange(24) % 3, 3, "memory")
DATA = TrainingData(PICTURES, PICTURES, ("x", "y", "z"), "in memory")
RECIPE = Recipe("small", batch=6, epochs=1, optimizer=OptimizerRules("sgd", {"lr": 0.05}), data=DataRules(workers=0))
# a grouped convolution, one with uneven sides, and a linear layer
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "grouped": lambda: nn.Conv2d(64, 96, 3, groups=4),
    "uneven": lambda: nn.Conv2d(32, 48, (1, 7)),
    "linear": lambda: nn.Linear(300, 200),
}
SHAPES = {name: tuple(make().weight.shape) for name, make in LAYERS.items()}  # type: ignore[arg-type]
# a choice with its values, and torch's own function
FORMULAS: dict[str, tuple[str, dict[str, Any], Callable[[torch.Tensor], Any]]] = {
    "normal": ("normal", {"std": 0.03}, lambda w: nn.init.normal_(w, 0, 0.03)),
    "truncated normal": ("truncated_normal", {"std": 0.03}, lambda w: nn.init.trunc_normal_(w, 0, 0.03, -0.06, 0.06)),
    "uniform": ("uniform", {"bound": 0.2}, lambda w: nn.init.uniform_(w, -0.2, 0.2)),
    "xavier": ("xavier", {}, nn.init.xavier_uniform_),
    "xavier, normal": ("xavier", {"distribution": "normal", "gain": 1.7}, lambda w: nn.init.xavier_normal_(w, 1.7)),
    "kaiming": ("kaiming", {}, lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")),
    "kaiming, fan-out": ("kaiming", {"mode": "fan_out", "distribution": "uniform"},
                         lambda w: nn.init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu")),
    "torch's own": ("kaiming", {"distribution": "uniform", "gain": math.sqrt(1 / 3)}, lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5))),
}  # fmt: skip


def graph_of(text: str, *settings: str) -> Graph:
    graph = check(SpecText(Memory({}), "net.yaml", text.encode(), "net.yaml") if "\n" in text else text, settings).graph
    assert graph is not None
    return graph


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FORMULAS)
def test_each_start_is_torchs(name: str, shape: str) -> None:
    """The bound of a uniform one is torch's to the last digit of a float32, and the deviations are equal within the error of two samples."""
    choice, values, theirs = FORMULAS[name]
    size = SHAPES[shape]
    graph = graph_of(SMALL)
    param = graph.params()["conv.weight"]._replace(shape=size)
    scheme = INITS[choice](**values).scheme(size)
    ours = SeededSource({"w": param._replace(init=scheme)}, 3).get("w")
    torch.manual_seed(3)
    expected = theirs(torch.empty(size))
    count = ours.size
    assert ours.shape == size and abs(ours.mean()) < 5 * ours.std() / math.sqrt(count)
    assert ours.std() == pytest.approx(float(expected.std()), rel=5 / math.sqrt(count))
    if scheme is not None and scheme[0] != "normal":
        bound = scheme[1] * (2 if scheme[0] == "truncated_normal" else 1)
        assert 0.98 * bound < abs(ours).max() <= np.float32(bound) * (1 + 1e-6)
        assert float(expected.abs().max()) <= bound * (1 + 1e-6) and float(expected.abs().max()) > 0.98 * bound


RESIDUAL = """archspec: 1
name: wide
input: {image: [3, 8, 8]}
graph:
  - {name: stem, conv: {out: 4, kernel: 3, padding: 1}}
  - residual:
      body:
        - {name: conv1, conv: {out: 4, kernel: 3, padding: 1, bias: false}}
        - {name: bn1, batch_norm}
        - relu
        - {name: conv2, conv: {out: 4, kernel: 3, padding: 1, bias: false, init: {constant: 0.5}}}
        - {name: bn2, batch_norm}
        - drop_path: 0.2
      shortcut: [{name: side, conv: {out: 4, bias: false}}, {name: side_bn, batch_norm}]
  - relu
  - global_avg_pool
  - {name: fc, linear: 3}
"""
# a start, and what the tensors of RESIDUAL begin with that are not as the spec has it
BEGUN: list[tuple[InitRules, dict[str, tuple[str, float]]]] = [
    (InitRules(), {}),
    (InitRules(values={"bias": 0.5}), {"stem.bias": ("constant", 0.5), "fc.bias": ("constant", 0.5)}),
    (InitRules("normal", {"std": 0.01}), dict.fromkeys(["stem.weight", "conv1.weight", "side.weight", "fc.weight"], ("normal", 0.01))),
    (InitRules(layers=(LayerInit("fc", "normal", {"std": 0.1, "bias": 1.0}), LayerInit("stem", None, {"bias": 2.0}))),
     {"fc.weight": ("normal", 0.1), "fc.bias": ("constant", 1.0), "stem.bias": ("constant", 2.0)}),
    # what the layer itself says, also where the spec states a number; the later path counts, and the spec's own start may be taken back
    (InitRules("normal", {"std": 0.01}, (LayerInit("conv*", "uniform", {"bound": 0.2}), LayerInit("conv1", "default"), LayerInit("[fs]*", "default"))),
     {"conv2.weight": ("uniform", 0.2)}),
    (InitRules(zero_last_norm=True), {"bn2.weight": ("zeros", 0.0)}),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "changed"), BEGUN, ids=range(len(BEGUN)))
def test_which_tensors_begin_otherwise(rules: InitRules, changed: dict[str, tuple[str, float]]) -> None:
    graph = graph_of(RESIDUAL)
    found, plain = begin_params(graph, rules), graph.params()
    assert {name: param.init for name, param in found.items() if param != plain[name]} == changed
    assert [*found] == [*plain]


def test_numbers_do_not_depend_on_other_layers() -> None:
    rules = InitRules("kaiming")
    small, large = graph_of(SMALL), graph_of(SMALL.replace("  - global_avg_pool", "  - {name: more, conv: {out: 4}}\n  - global_avg_pool"))  # fmt: skip
    one, other = (SeededSource(begin_params(graph, rules), 4) for graph in (small, large))
    for name in small.params():
        assert np.array_equal(one.get(name), other.get(name))


# paths, or a switch, at which nothing begins otherwise
UNFIT: list[tuple[InitRules, str, str]] = [
    (InitRules(layers=(LayerInit("convv", "normal"),)), "`convv` by itself: the net has no step `convv`", "did you mean `conv`?"),
    (InitRules(layers=(LayerInit("layer*", "normal"),)), "no step of the net has such a path", "archc show"),
    (InitRules(layers=(LayerInit("relu", "normal"),)), "there is no convolution or linear layer", "as the spec says"),
    (InitRules(zero_last_norm=True), "the norms at the ends of residuals, and the net has none", "leave it out"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "message", "help"), UNFIT)
def test_what_is_not_there_is_told(rules: InitRules, message: str, help: str) -> None:
    with pytest.raises(Failure) as caught:
        begin_params(graph_of(SMALL), rules)
    assert (caught.value.code, caught.value.exit_code) == ("no-such-step", 2)
    assert message in caught.value.message and help in caught.value.help


def test_a_bias_that_is_not_there_is_told() -> None:
    with pytest.raises(Failure, match="no layer there has a bias"):
        begin_params(graph_of(RESIDUAL), InitRules(layers=(LayerInit("conv1", None, {"bias": 1.0}),)))


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 8), ("resnet50", 16), ("stochastic_depth_resnet110_cifar", 54)]
)
def test_the_last_norms_of_residuals(name: str, count: int) -> None:
    graph = graph_of(name)
    found, plain = begin_params(graph, InitRules(zero_last_norm=True)), graph.params()
    zeroed = [path for path, param in found.items() if param != plain[path]]
    assert len(zeroed) == count and all(path.endswith((".bn2.weight", ".bn3.weight")) for path in zeroed)


def test_a_norm_before_an_activation_is_no_last_one() -> None:
    with pytest.raises(Failure, match="the net has none"):
        begin_params(graph_of("preresnet110_cifar_conv"), InitRules(zero_last_norm=True))


# -- recipes ------------------------------------------------------------------------------------------------------------

HEAD = "recipe: 1\nepochs: 2\nbatch: 8\n"
BASE = "init: {normal: {std: 0.02, bias: 1, layers: {conv1: {bias: 2}, fc: {uniform: 0.1}}}}\n"
# a recipe that extends BASE, settings, and what its weights begin with
LAID: list[tuple[str, tuple[str, ...], str]] = [
    ("", (), "normal std=0.02, biases 1, 2 paths otherwise"),
    ("init: {normal: {std: 0.5}}\n", (), "normal std=0.5, biases 1, 2 paths otherwise"),
    ("init: {normal: {layers: {fc: {kaiming: {gain: 1}}, conv2: {bias: 3}}}}\n", (), "normal std=0.02, biases 1, 3 paths otherwise"),
    ("init: {normal: {layers: null}}\n", (), "normal std=0.02, biases 1"),
    ("init: xavier\n", (), "xavier distribution=uniform gain=1"),
    ("init: default\n", (), ""),
    ("", ("init.normal.std=0.3",), "normal std=0.3, biases 1, 2 paths otherwise"),
    ("", ("init.std=0.3", "init.bias=0", "init.layers=null"), "normal std=0.3, biases 0"),
    # a value alone is one of a field
    ("init: {normal: 0.5}\n", (), "normal std=0.5, biases 1, 2 paths otherwise"),
    ("init: {uniform: 0.5}\n", ("init.bias=3",), "uniform bound=0.5, biases 3"),
    ("", ("init=kaiming",), "kaiming mode=fan_in distribution=normal gain=1.414"),
    ("", ("init={default: {zero_last_norm: true}}",), "last norms 0"),
]  # fmt: skip


@pytest.mark.parametrize(("own", "settings", "told"), LAID)
def test_recipes_are_laid_over_each_other(own: str, settings: tuple[str, ...], told: str) -> None:
    text = f"{HEAD}extends: base.yaml\n{own}"
    files = Memory({"base.yaml": HEAD + BASE, "own.yaml": text})
    recipe = read_recipe(SpecText(files, "own.yaml", text.encode(), "own.yaml"), settings)
    assert describe_init(recipe.init) == told
    again = recipe.to_yaml()
    assert read_recipe(SpecText(Memory({}), "a", again.encode(), "a")).init == recipe.init
    if "conv2:" in own:
        assert [(each.path, each.name) for each in recipe.init.layers] == [("conv1", None), ("fc", "kaiming"), ("conv2", None)]  # fmt: skip


# a setting, the path that it is about, and the start there: its name, and what it states; the recipe is BASE
OF_LAYERS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "init.layers.layer1.0.conv1={normal: 0.3}": ("layer1.0.conv1", "normal", {"std": 0.3}),
    "init.layers.layer1.0.conv1=xavier": ("layer1.0.conv1", "xavier", {}),
    "recipe.init.normal.layers.*.fc={bias: 4}": ("*.fc", None, {"bias": 4.0}),
    "init.layers.layer1.0.conv1.bias=4": ("layer1.0.conv1", None, {"bias": 4.0}),
    "init.layers.layer1.0.conv1.normal=0.3": ("layer1.0.conv1", "normal", {"std": 0.3}),
    "init.layers.layer1.0.conv1.normal.std=0.3": ("layer1.0.conv1", "normal", {"std": 0.3}),
    # a start that the recipe has there keeps what the setting says nothing of
    "init.layers.fc.bias=4": ("fc", "uniform", {"bound": 0.1, "bias": 4.0}),
    "init.layers.fc.uniform.bias=4": ("fc", "uniform", {"bound": 0.1, "bias": 4.0}),
    "init.layers.fc.uniform.bound=0.2": ("fc", "uniform", {"bound": 0.2}),
    "init.layers.conv1.bias=4": ("conv1", None, {"bias": 4.0}),
}
NOT_OF_LAYERS = {
    "init.layers.layer1.fc=0.1": "write `--set 'init.layers.layer1.fc={normal: {std: 0.1}}'`",
    "init.layers.*.fc={sigma: 0.1}": "write `--set 'init.layers.*.fc={normal: 0.1}'`",
    "init.layers.fc.norml=0.1": "did you mean `init.layers.fc.normal`? or write `--set 'init.layers.fc.norml={normal: {std: 0.1}}'`",
    "init.layers.layer1.conv1.normal.sd=0.1": "did you mean `init.layers.layer1.conv1.normal.std`? or write",
    "init.layers.fc.uniform.limit=3": "`limit` is `bound` here",
}


def base_recipe(*settings: str) -> Recipe:
    text = (HEAD + BASE).encode()
    return read_recipe(SpecText(Memory({}), "base.yaml", text, "base.yaml"), settings)


@pytest.mark.parametrize("setting", OF_LAYERS)
def test_a_setting_is_about_a_layer(setting: str) -> None:
    path, name, values = OF_LAYERS[setting]
    layers = {each.path: each for each in base_recipe(setting).init.layers}
    assert layers[path].name == name and values.items() <= dict(layers[path].values).items()
    assert {"conv1", "fc"} <= {*layers}


@pytest.mark.parametrize("setting", NOT_OF_LAYERS)
def test_a_setting_that_is_no_start_of_a_layer(setting: str) -> None:
    with pytest.raises(Failure) as caught:
        base_recipe(setting)
    assert (caught.value.code, caught.value.exit_code) == ("set-value", 2)
    assert NOT_OF_LAYERS[setting] in caught.value.help


def test_paths_are_written_as_yaml_reads_them() -> None:
    layers = tuple(
        LayerInit(path, "normal", {"bias": None, "std": 0.5}) for path in ("*.fc", "0", "on", "layer1.0", "[ab]?")
    )
    recipe = replace(RECIPE, init=InitRules("uniform", {"bias": None, "bound": 0.25}, layers))
    text = recipe.to_yaml()
    assert read_recipe(SpecText(Memory({}), "a", text.encode(), "a")).init == recipe.init


def test_the_hash_of_a_recipe_that_says_nothing_is_as_it_was() -> None:
    stated = replace(RECIPE, init=InitRules("default", {"bias": None}))
    assert hash_recipe(stated) == hash_recipe(RECIPE) != hash_recipe(replace(RECIPE, init=InitRules("normal")))


# -- runs ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    (tmp_path / "members.yaml").write_text(MEMBERS, "utf-8")
    return tmp_path


NORMAL = InitRules("normal", {"std": 0.3, "bias": 0.5}, (LayerInit("fc", "uniform", {"bound": 0.125}),))


def started(folder: Path, spec: str, recipe: Recipe, **more: Any) -> dict[str, Any]:
    """The first checkpoint of a run that has begun, in which all that it starts from is."""
    request = plan_request(str(folder / spec), recipe, folder / "run", data=DATA, device="cpu", **more)
    with open_run(request) as run:
        tensors = read_checkpoint(run.newest).tensors
        return {name.removeprefix("model."): tensor.numpy() for name, tensor in tensors.items() if name.startswith("model.")}  # fmt: skip


def test_the_first_checkpoint_has_the_start(folder: Path) -> None:
    found = started(folder, "small.yaml", replace(RECIPE, init=NORMAL, seed=5))
    expected = SeededSource(begin_params(graph_of(SMALL), NORMAL), 5)
    assert found.keys() == {*expected.names()}
    assert all(np.array_equal(found[name], expected.get(name)) for name in found)
    assert (found["fc.bias"] == 0.5).all() and abs(found["fc.weight"]).max() <= 0.125


def test_what_a_checkpoint_fills_does_not_begin_so(folder: Path) -> None:
    given = {"conv.weight": np.ones((4, 1, 3, 3), np.float32), "conv.bias": np.ones(4, np.float32),
             "fc.weight": np.ones((3, 4), np.float32), "fc.bias": np.ones(3, np.float32)}  # fmt: skip
    save_file(given, folder / "given.safetensors")
    start = read_start_weights(folder / "given.safetensors", ("fc",))
    found = started(folder, "small.yaml", replace(RECIPE, init=NORMAL), start=start)
    assert (found["conv.weight"] == 1).all() and (found["conv.bias"] == 1).all()
    assert (found["fc.bias"] == 0.5).all() and 0 < abs(found["fc.weight"]).max() <= 0.125


@pytest.mark.usefixtures("without_report")
def test_members_begin_by_their_own_seeds(folder: Path) -> None:
    """A path may leave out the member's name, or have it."""
    rules = replace(NORMAL, layers=(*NORMAL.layers, LayerInit("member1.conv", None, {"bias": 2.0})))
    train(folder / "members.yaml", replace(RECIPE, init=rules, seed=3), output=folder / "run", data=DATA, device="cpu")
    begun = [read_checkpoint(folder / f"run/members/member{at}/checkpoints/00000000.safetensors").tensors for at in (0, 1)]  # fmt: skip
    for at, tensors in enumerate(begun):
        assert float(tensors[f"model.member{at}.fc.weight"].abs().max()) <= 0.125
        assert float(tensors[f"model.member{at}.conv.bias"][0]) == (2.0 if at else 0.5)
    graph = graph_of(MEMBERS)
    expected = SeededSource(begin_params(graph, NORMAL, graph, "member1"), 4).get("member1.conv.weight")
    assert np.array_equal(begun[1]["model.member1.conv.weight"].numpy(), expected)
    with pytest.raises(Failure, match="the net has no step `convv`"):
        train(folder / "members.yaml", replace(RECIPE, init=InitRules(layers=(LayerInit("convv", "normal"),))), output=folder / "other", data=DATA, device="cpu")  # fmt: skip
    assert not (folder / "other").exists()


# -- the recipes of the zoo ---------------------------------------------------------------------------------------------

# as far as a loss may begin from that of a net that knows nothing
NEAR = 2.0
# this one extends densenet_imagenet, and is the largest of all
LARGEST = "densenet_cosine"
LISTED = {each.name: each.nets[0] for each in listed_recipes() if each.nets and each.name != LARGEST}


def make_images(graph: Graph, preprocess: dict[str, Any], count: int) -> torch.Tensor:
    """Smooth pictures, as the spec preprocesses photos."""
    channels, height, width = graph.inputs[0].type.sizes
    how = Preprocess.parse(preprocess, (channels, height, width))
    colours = torch.rand(count, channels, 8, 8, generator=torch.Generator().manual_seed(1)) * 255
    pixels = nn.functional.interpolate(colours, (height, width), mode="bilinear")
    mean, std = (torch.tensor(each, dtype=torch.float32).reshape(-1, 1, 1) for each in (how.mean, how.std))
    return (pixels * how.scale - mean) / std


# nets whose authors say nothing of it begin as others do
LARGE = ("inception_v4", "torchvision_reference", "wide_resnet_imagenet", "resnext_imagenet", "preact_imagenet")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.soak if name in LARGE else pytest.mark.slow) for name in LISTED]
)
def test_each_recipe_of_the_zoo_begins_as_who_knows_nothing(name: str) -> None:
    checked, recipe = check(LISTED[name]), read_recipe(name)
    graph = checked.graph
    assert graph is not None
    stated = checked.header.preprocess.to_dict() if checked.header.preprocess else {}
    small = graph.inputs[0].type.sizes[1] < 64
    images = make_images(graph, stated, 8 if small else 4)
    torch.manual_seed(0)
    with torch.no_grad():
        results = to_torch(graph, SeededSource(begin_params(graph, recipe.init), 0), 0).train()(images)
    scores = results if isinstance(results, torch.Tensor) else results[graph.outputs[-1].name]
    classes = scores.shape[1]
    loss = float(nn.functional.cross_entropy(scores, torch.arange(len(images)) % classes))
    assert abs(loss - math.log(classes)) < NEAR
