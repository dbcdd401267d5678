"""Auxiliary heads and several outputs: what a module gives in each mode, and the loss that counts each by its share."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

import archc
from archc.compiler.backends.torch.network import Network
from archc.compiler.frontend.step_names import NETWORK_ATTRIBUTES

HEAD: dict[str, Any] = {"name": "early", "aux": 0.3, "steps": ["global_avg_pool", {"name": "fc", "linear": 5}]}
INSIDE: dict[str, Any] = {"name": "stage", "steps": [{**HEAD, "name": "deep", "aux": 0.5}, {"name": "c", "conv": 4}]}
END: list[Any] = ["global_avg_pool", {"name": "fc", "linear": 5}]
FEATURES: list[Any] = [{"name": "pool", "global_avg_pool": {}, "output": "features"}, {"name": "fc", "linear": 5}]

NETS: dict[str, tuple[list[Any], list[str], dict[str, float]]] = {  # the graph, its outputs, its heads
    "plain": (END, ["logits"], {}),
    "a head": ([HEAD, *END], ["logits"], {"early": 0.3}),
    "heads, one with a dot": ([HEAD, INSIDE, *END], ["logits"], {"early": 0.3, "stage.deep": 0.5}),
    "two outputs": (FEATURES, ["features", "logits"], {}),
    "two outputs and a head": ([HEAD, *FEATURES], ["features", "logits"], {"early": 0.3}),
    "a named output": ([HEAD, "global_avg_pool", {"name": "fc", "linear": 5, "output": "classes"}], ["classes"], {"early": 0.3}),
    "a head that counts for nothing": ([{**HEAD, "aux": 0}, *END], ["logits"], {"early": 0.0}),
}  # fmt: skip
nets = pytest.mark.parametrize("name", NETS)
IMAGE = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([0, 4, 2])

SameNet = Callable[[str], Network]


@pytest.fixture
def module(tmp_path: Path) -> SameNet:
    def make(name: str) -> Network:
        document = {"archspec": 1, "name": "net", "input": {"image": [3, 8, 8]}, "graph": [{"name": "stem", "conv": {"out": 4}}, *NETS[name][0]]}  # fmt: skip
        (tmp_path / "net.yaml").write_text(json.dumps(document), "utf-8")
        return archc.load(tmp_path / "net.yaml").to_torch()

    return make


@nets
def test_what_each_mode_gives(module: SameNet, name: str) -> None:
    """Heads make training a dict; without them both modes give the same: a tensor, or several by name."""
    net, (_, outputs, heads) = module(name), NETS[name]
    trained, answered = net.train()(IMAGE), net.eval()(IMAGE)
    assert isinstance(answered, dict) == (len(outputs) > 1)
    assert isinstance(trained, dict) == (len(outputs) > 1 or bool(heads))
    assert not isinstance(answered, dict) or list(answered) == outputs
    assert not isinstance(trained, dict) or list(trained) == [*outputs, *heads]
    assert list(net.output_names) == outputs and net.head_weights == heads


@nets
@pytest.mark.parametrize("how", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"])  # fmt: skip
def test_what_is_known_of_heads_survives_copies(module: SameNet, name: str, how: Callable[[Network], Network]) -> None:
    net = module(name)
    other = how(net)
    assert other.output_names == net.output_names and other.head_weights == net.head_weights
    other.head_weights["early"] = 9.0  # a share may be changed, in one net alone
    assert net.head_weights == NETS[name][2]


@nets
@pytest.mark.parametrize("training", [True, False])
def test_the_loss_by_hand(module: SameNet, name: str, training: bool) -> None:
    net, (_, outputs, heads) = module(name).train(training), NETS[name]
    found = net(IMAGE)
    results = found if isinstance(found, dict) else {outputs[0]: found}
    target = CLASSES if len(outputs) == 1 else {"logits": CLASSES}
    expected = cross_entropy(results[outputs[-1]], CLASSES)
    for head, share in heads.items() if training else ():
        expected = expected + share * cross_entropy(results[head], CLASSES)
    assert torch.allclose(net.loss(found, target), expected)
    net.loss(found, target).backward()
    assert net.stem.weight.grad is not None


def test_a_share_that_is_changed_counts(module: SameNet) -> None:
    net = module("a head").train()
    found = net(IMAGE)
    net.head_weights["early"] = 2.0
    assert torch.allclose(net.loss(found, CLASSES), cross_entropy(found["logits"], CLASSES) + 2 * cross_entropy(found["early"], CLASSES))  # fmt: skip


@pytest.mark.parametrize("removed", [False, True])
@nets
def test_heads_are_switched_off(module: SameNet, name: str, removed: bool) -> None:
    """Without shares the heads are not trained, and need not be there; copies keep that."""
    net, outputs = module(name).train(), NETS[name][1]
    net.head_weights = {}
    for head in NETS[name][2] if removed else ():
        owner, _, last = head.rpartition(".")
        setattr(net.get_submodule(owner), last, None)
    for each in (net, copy.deepcopy(net), torch.fx.symbolic_trace(net)):
        found = each(IMAGE)
        assert list(found) == outputs if len(outputs) > 1 else isinstance(found, torch.Tensor)
    net.loss(net(IMAGE), CLASSES if len(outputs) == 1 else {"logits": CLASSES}).backward()
    assert net.state_dict()["stem.weight"].isfinite().all() and net.stem.weight.grad is not None
    assert all(
        parameter.grad is None
        for path, parameter in net.named_parameters()
        if path.startswith(("early.", "stage.deep."))
    )


def test_targets_of_their_own(module: SameNet) -> None:
    """Each output is held to its own target; a head may have one, and takes the only output's if it has none."""
    net = module("two outputs and a head").train()
    found = net(IMAGE)
    wanted, other = torch.randn(3, 4, 1, 1), torch.tensor([1, 1, 1])

    def criterion(answer: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(answer, target) if target.dtype is torch.int64 else mse_loss(answer, target)

    both = net.loss(found, {"features": wanted, "logits": CLASSES, "early": other}, criterion)
    by_hand = mse_loss(found["features"], wanted) + cross_entropy(found["logits"], CLASSES) + 0.3 * cross_entropy(found["early"], other)  # fmt: skip
    assert torch.allclose(both, by_hand)
    one = module("a head").train()
    answers = one(IMAGE)
    expected = cross_entropy(answers["logits"], CLASSES) + 0.3 * cross_entropy(answers["early"], other)
    assert torch.allclose(one.loss(answers, {"logits": CLASSES, "early": other}), expected)


REFUSED = [  # the net, the target, what is handed over in the place of the answer, what is said
    ("two outputs", CLASSES, None, "one target is given (say which it is for: target={'logits': …}"),
    ("two outputs", {"logits": CLASSES}, "features", "not one tensor (hand over the whole dict"),
    ("two outputs", {"logts": CLASSES}, None, "gives no `logts` (it gives `features`, `logits`)"),
    ("two outputs", {}, None, "for none of the net's outputs (they are `features`, `logits`)"),
    ("two outputs and a head", {"features": IMAGE, "logits": CLASSES}, None, "`early` could be any of `features`, `logits`"),
    ("a head", {"early": CLASSES}, None, "for none of the net's outputs"),
    ("a head", CLASSES, {}, "there is a target for `logits`, which is not among the outputs given"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "target", "instead", "said"), REFUSED)
def test_targets_that_do_not_fit(module: SameNet, name: str, target: Any, instead: Any, said: str) -> None:
    net = module(name).train()
    found = net(IMAGE)
    given = found if instead is None else found[instead] if isinstance(instead, str) else instead
    with pytest.raises(archc.Failure) as caught:
        net.loss(given, target)
    assert caught.value.code == "loss-target" and said in str(caught.value)


@pytest.mark.parametrize(("graph", "head"), [([HEAD | {"name": "logits"}, *END], "logits"), ([HEAD | {"name": "features"}, *FEATURES], "features")])  # fmt: skip
def test_a_head_is_not_called_as_an_output(tmp_path: Path, graph: list[Any], head: str) -> None:
    """In training one of the two would be lost."""
    document = {"archspec": 1, "name": "net", "input": {"image": [3, 8, 8]}, "graph": graph}
    (tmp_path / "net.yaml").write_text(json.dumps(document), "utf-8")
    with pytest.raises(archc.SpecError, match=f"the head `{head}` is called as an output is") as caught:
        archc.load(tmp_path / "net.yaml")
    assert [each.code for each in caught.value.diagnostics] == ["duplicate-output"]


# a head that is the only step of another: no list gives it a path of its own
SAME_PATH: dict[str, tuple[Any, dict[str, Any], str]] = {
    "in a block": ([{"name": "b", "B": None}], {"B": {"aux": 0.3, "steps": {"aux": 0.2, "steps": ["flatten"]}}}, "b"),
    "of two blocks": ([{"name": "b", "B": None}], {"B": {"aux": 0.3, "C": None}, "C": {"aux": 0.1, "flatten": None}}, "b"),
    "around a call": ([{"aux": 0.3, "C": None}], {"C": {"aux": 0.1, "flatten": None}}, "0"),
    "with a name": ([{"name": "b", "aux": 0.3, "steps": {"aux": 0.2, "steps": ["flatten"]}}], {}, "b"),
    "in a branch": ([{"name": "m", "add": {"a": {"aux": 0.3, "steps": {"aux": 0.2, "flatten": None}}, "b": "relu"}}], {}, "m.a"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME_PATH)
def test_two_heads_have_two_paths(tmp_path: Path, name: str) -> None:
    """Else one of the two would be lost without a word; with brackets, or with a name for the inner one, both are there."""
    graph, blocks, path = SAME_PATH[name]
    document = {"archspec": 1, "name": "net", "input": {"image": [3, 8, 8]}, "graph": graph}
    document |= {"blocks": {block: {"steps": steps} for block, steps in blocks.items()}} if blocks else {}
    (tmp_path / "net.yaml").write_text(json.dumps(document), "utf-8")
    with pytest.raises(archc.SpecError, match=f"the same path, `{path}`") as caught:
        archc.load(tmp_path / "net.yaml")
    assert [each.code for each in caught.value.diagnostics] == ["duplicate-path"]
    named = (
        json.dumps(document)
        .replace('{"aux": 0.1', '{"name": "i", "aux": 0.1')
        .replace('{"aux": 0.2', '{"name": "i", "aux": 0.2')
    )
    (tmp_path / "net.yaml").write_text(named, "utf-8")
    net = archc.load(tmp_path / "net.yaml").to_torch()
    assert list(net.head_weights)[1:] == [path] and len(net.head_weights) == 2


@pytest.mark.parametrize("name", sorted(NETWORK_ATTRIBUTES))
def test_no_step_hides_what_a_net_has(tmp_path: Path, name: str) -> None:
    document = {"archspec": 1, "name": "net", "input": {"image": [3, 8, 8]}, "graph": [{"name": name, "conv": 4}]}
    (tmp_path / "net.yaml").write_text(json.dumps(document), "utf-8")
    with pytest.raises(archc.SpecError, match=f"`{name}` cannot be a name"):
        archc.load(tmp_path / "net.yaml")


def test_every_attribute_of_a_net_is_taken(module: SameNet) -> None:
    """What is public on a net, beside what torch's modules have, is no name of a step."""
    public = {name for name in dir(module("plain")) if not name.startswith("_")} - set(dir(torch.fx.GraphModule(torch.nn.Module(), torch.fx.Graph())))  # fmt: skip
    assert public - {"stem", "0", "fc"} <= NETWORK_ATTRIBUTES
