"""A net that nobody has trained says so, however its tensors are handed over; one that was trained never does."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

import archc
from archc.build.build import BuildResult

SPEC: dict[str, Any] = {
    "archspec": 1,
    "name": "net",
    "params": {"classes": 5},
    "input": {"image": [3, 8, 8]},
    "graph": [
        {"name": "stem", "conv": {"out": 4, "kernel": 3, "init": "xavier_normal"}},
        {"name": "bn", "batch_norm": {}},
        {"name": "head", "aux": 0.3, "steps": ["global_avg_pool", {"name": "fc", "linear": "$classes"}]},
        {"name": "a", "affine": {}},
        "global_avg_pool",
        {"name": "fc", "linear": "$classes"},
        {"name": "far", "rbf": {"out": 5}},
    ],
}


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> archc.Net:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(json.dumps(SPEC), "utf-8")
    return archc.load("net.yaml")


def export(net: archc.Net, weights: Any, **options: Any) -> tuple[BuildResult, dict[str, Any]]:
    """What a build says, and what the file says of its weights."""
    result = net.export_onnx("net.onnx", weights=weights, proof="none", **options)
    return result, json.loads({p.key: p.value for p in onnx.load("net.onnx").metadata_props}["archc.weights"])


def saved(state: Any) -> str:
    torch.save(state, "net.pth")
    return "net.pth"


def safetensors(state: Any) -> str:
    from safetensors.torch import save_file

    save_file(dict(state), "net.safetensors")
    return "net.safetensors"


HANDED: dict[str, Callable[[torch.nn.Module], Any]] = {  # what nobody has trained
    "state_dict": lambda module: module.state_dict(),
    "as a dict": lambda module: dict(module.state_dict()),
    "arrays": lambda module: {key: tensor.numpy() for key, tensor in module.state_dict().items()},
    "a copy": lambda module: copy.deepcopy(module).state_dict(),
    "wrapped": lambda module: torch.nn.DataParallel(module).state_dict(),
    "after evaluation": lambda module: (module.eval()(torch.ones(1, 3, 8, 8)), module.state_dict())[1],
    ".pth": lambda module: saved(module.state_dict()),
    ".safetensors": lambda module: safetensors(module.state_dict()),
    "in float64": lambda module: module.double().state_dict(),
    "in float16": lambda module: module.half().state_dict(),
    "in bfloat16": lambda module: module.bfloat16().state_dict(),
    "back from float16": lambda module: module.half().float().state_dict(),
    "back from bfloat16": lambda module: module.bfloat16().float().state_dict(),
    "bfloat16 .pth": lambda module: saved(module.bfloat16().state_dict()),
}


@pytest.mark.parametrize("how", HANDED)
def test_the_start_is_untrained(net: archc.Net, how: str) -> None:
    weights = HANDED[how](net.to_torch())
    name = weights if isinstance(weights, str) else "the given state dict"
    result, stated = export(net, weights)
    assert result.weights.as_started and result.weights.source == f"seed 0, untouched in {name}"
    assert set(result.weights.missing) == {*net.to_torch().state_dict()}
    assert stated == {"source": result.weights.source, "trained": False}


def test_the_file_is_that_of_a_build_without_weights(net: archc.Net) -> None:
    """But for the words of its source."""
    export(net, net.to_torch().state_dict())
    given = onnx.load("net.onnx")
    net.export_onnx("plain.onnx", proof="none")
    assert given.graph == onnx.load("plain.onnx").graph


@pytest.mark.parametrize("how", ["state_dict", "a copy", "wrapped", "in bfloat16"])
def test_a_state_dict_knows_its_seed(net: archc.Net, how: str) -> None:
    result, _ = export(net, HANDED[how](net.to_torch(seed=7)))
    assert result.weights.as_started and result.weights.source == "seed 7, untouched in the given state dict"


def test_loaded_tensors_bring_their_seed(net: archc.Net) -> None:
    """What says nothing of a seed leaves the module's."""
    module = net.to_torch(seed=3)
    module.load_state_dict(dict(net.to_torch(seed=5).state_dict()))
    assert module.seed == 3
    torch.nn.ModuleDict({"net": module}).load_state_dict(
        torch.nn.ModuleDict({"net": net.to_torch(seed=5)}).state_dict()
    )
    assert module.seed == 5 and export(net, module.state_dict())[0].weights.as_started


def test_a_seed_that_nothing_tells_is_asked_for(net: archc.Net) -> None:
    """A plain dict of another seed's tensors could be anybody's; the build's own seed is compared with, too."""
    state = dict(net.to_torch(seed=7).state_dict())
    assert not export(net, state)[0].weights.as_started
    assert export(net, state, seed=7)[0].weights.as_started


def step(module: torch.nn.Module, only: str = "") -> Any:
    """One step of SGD on the parameters whose names begin with `only`."""
    module.train()
    chosen = [p for name, p in module.named_parameters() if name.startswith(only)]
    optimizer = torch.optim.SGD(chosen, 0.1)
    sum(each.square().sum() for each in module(torch.randn(4, 3, 8, 8)).values()).backward()
    optimizer.step()
    return module.state_dict()


def test_one_step_of_training_is_seen(net: archc.Net) -> None:
    result, stated = export(net, step(net.to_torch()))
    assert not result.weights.missing and stated == {"source": "the given state dict", "trained": True}


PARTLY = [
    ("fc", ["head", "stem"]),
    ("stem", ["fc", "head"]),
    ("fc.bias", ["head", "stem"]),
    ("bn", ["fc", "head", "stem"]),
]


@pytest.mark.parametrize(("trained", "untrained"), PARTLY)
def test_what_was_frozen_from_the_start_is_told(net: archc.Net, trained: str, untrained: list[str]) -> None:
    """A bias alone makes a step trained. Norms and the distances' fixed centers say nothing by themselves."""
    result, stated = export(net, step(net.to_torch(), trained))
    assert sorted(result.weights.untrained) == untrained and not stated["trained"]
    assert sorted(stated["untrained"]) == [path for path in untrained if path != "head"]  # the file has no heads


def test_a_fresh_end_on_trained_features(net: archc.Net) -> None:
    """The idiom of docs/reference/weights.md, exported before it is trained."""
    torch.save(step(net.to_torch(seed=3)), "old.pth")
    ten = archc.load("net.yaml", params={"classes": 5})
    module = ten.to_torch(weights="old.pth", weights_skip=["fc", "head"])
    result, stated = export(ten, module.state_dict())
    assert set(result.weights.untrained) == {"fc", "head"} and stated["untrained"] == ["fc"]
    assert export(ten, step(module))[1]["trained"]


def test_members_of_an_ensemble_that_started_as_nets_of_their_own(net: archc.Net) -> None:
    ensemble = {"archspec": 1, "name": "e", "input": {"image": [3, 8, 8]}, "import": {"Net": "net.yaml"}, "graph": [{"mean": [{"name": "one", "Net": {}}, {"name": "two", "Net": {}}], "output": "mean"}]}  # fmt: skip
    Path("e.yaml").write_text(json.dumps(ensemble), "utf-8")
    fresh, trained = net.to_torch(seed=5).state_dict(), step(net.to_torch(seed=6))
    both = archc.load("e.yaml")
    found = export(both, {"one": fresh, "two": trained})[0].weights.untrained
    assert any(each.startswith("one") for each in found) and not any(each.startswith("two") for each in found)


def test_the_command_line_says_it_of_a_file(net: archc.Net, capsys: pytest.CaptureFixture[str]) -> None:
    from archc.cli import main

    file = saved(net.to_torch().state_dict())
    assert main(["build", "net.yaml", "--weights", file, "--proof", "none"]) == 0
    assert (
        "untrained: all tensors start from seed 0, untouched in net.pth; its answers mean nothing yet"
        in capsys.readouterr().out
    )
