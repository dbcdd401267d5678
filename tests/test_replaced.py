"""An export writes the spec: what is said where the module that its weights come from has other steps."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archc
from archc.compiler.diagnostics import Failure

from .six_nets import module_of, six

HEAD: list[Any] = ["global_avg_pool", {"name": "fc", "linear": "$classes"}]
SPEC: dict[str, Any] = {
    "archspec": 1,
    "name": "net",
    "params": {"classes": 5},
    "input": {"image": [3, 8, 8]},
    "graph": [
        {"name": "stem", "steps": [{"name": "conv", "conv": {"out": 4, "kernel": 3}}, {"name": "bn", "batch_norm": {}}, "relu"]},
        {"name": "pool", "max_pool": {"kernel": 2, "stride": 2}},
        {"name": "head", "aux": 0.3, "steps": HEAD},
        {"name": "path", "drop_path": {"p": 0.5, "rescale": "inference"}},
        {"name": "drop", "dropout": 0.5},
        *HEAD,
    ],
}  # fmt: skip


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> archc.Net:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(json.dumps(SPEC), "utf-8")
    return archc.load("net.yaml")


def warnings_of(net: archc.Net, weights: Any, **options: Any) -> list[str]:
    """The warnings of an export that are about the spec's modules, whether it fails after them or not."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with suppress(Failure):
            net.export_onnx("net.onnx", weights=weights, proof="none", **options)
    assert all(each.filename == __file__ for each in caught if each.category is UserWarning)
    return [str(each.message) for each in caught if "built from the spec" in str(each.message)]


class Swish(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x.sigmoid()


def change_stride(module: Any) -> None:
    module.stem.conv.stride = (2, 2)


def normalise_weight(module: Any) -> None:
    nn.utils.parametrizations.weight_norm(module.stem.conv)


def prepare_quantisation(module: Any) -> None:
    import torch.ao.nn.qat as qat
    from torch.ao.quantization import get_default_qat_qconfig

    module.stem.conv.qconfig = get_default_qat_qconfig("x86")
    module.stem.conv = qat.Conv2d.from_float(module.stem.conv)


def insert_step(module: Any) -> None:
    """A step of the user's own, called by an edited graph."""
    module.extra = nn.SiLU()
    last = next(iter(reversed(module.graph.nodes)))
    with module.graph.inserting_before(last):
        last.args = (module.graph.call_module("extra", last.args),)
    module.recompile()


OTHERS: dict[str, tuple[Callable[[Any], object], list[str]]] = {
    "activation": (lambda m: setattr(m.stem, "2", nn.SiLU()), ["another `stem.2` (SiLU() for ReLU())"]),
    "own class": (lambda m: setattr(m.stem, "2", Swish()), [f"another `stem.2` ({__name__}.Swish() for ReLU())"]),
    "no norm": (lambda m: setattr(m.stem, "bn", nn.Identity()), ["another `stem.bn` (Identity() for BatchNorm2d("]),
    "group norm": (lambda m: setattr(m.stem, "bn", nn.GroupNorm(2, 4)), ["another `stem.bn` (GroupNorm(2, 4"]),
    "stride": (change_stride, ["another `stem.conv` (Conv2d(3, 4, kernel_size=3, stride=2"]),
    "pool": (lambda m: setattr(m, "pool", nn.AvgPool2d(2)), ["another `pool` (AvgPool2d("]),
    "classes": (lambda m: setattr(m, "fc", nn.Linear(4, 3)), ["another `fc` (Linear(in_features=4, out_features=3"]),
    "scaled path": (lambda m: setattr(m, "path", nn.Identity()), ["another `path` (Identity() for Scale())"]),
    "norm for dropout": (lambda m: setattr(m, "drop", nn.Tanh()), ["another `drop` (Tanh() for Identity())"]),
    "parametrised": (normalise_weight, ["another `stem.conv` (torch.nn.utils.parametrize.ParametrizedConv2d("]),
    "quantised": (prepare_quantisation, ["another `stem.conv` (torch.ao.nn.qat."]),
    "added": (lambda m: m.stem.add_module("se", nn.Sigmoid()), ["a `stem.se` (Sigmoid()) that the spec has not"]),
    "inserted": (insert_step, ["a `extra` (SiLU()) that the spec has not"]),
    "one twice": (lambda m: [setattr(m.stem, key, nn.Identity()) for key in ("2", "bn")], ["another `stem.bn` (Identity()", "; another `stem.2` (Identity()"]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", OTHERS)
def test_another_module_is_told(net: archc.Net, what: str) -> None:
    module = net.to_torch()
    change, told = OTHERS[what]
    change(module)
    [text] = warnings_of(net, module.state_dict())
    assert all(part in text for part in told) and text.endswith(": what it answers may differ")


SAME: dict[str, Callable[[Any], object]] = {
    "nothing": lambda m: m,
    "in place": lambda m: setattr(m.stem, "2", nn.ReLU(inplace=True)),
    "no dropout": lambda m: setattr(m, "drop", nn.Identity()),
    "more dropout": lambda m: setattr(m, "drop", nn.Dropout2d(0.9)),
    "momentum": lambda m: setattr(m.stem.bn, "momentum", 0.01),
    "several processes": lambda m: nn.SyncBatchNorm.convert_sync_batchnorm(m),
    "written otherwise": lambda m: setattr(m, "pool", nn.MaxPool2d((2, 2), 2, (0, 0))),
    "a criterion": lambda m: setattr(m, "criterion", nn.CrossEntropyLoss()),
    "other modes": lambda m: m.double().to(memory_format=torch.channels_last).requires_grad_(False).eval(),
    "a head, which the file has not": lambda m: setattr(m.head, "fc", nn.Linear(4, 5, bias=False)),
}


@pytest.mark.parametrize("what", SAME)
def test_what_infers_alike_is_not(net: archc.Net, what: str) -> None:
    module = net.to_torch()
    SAME[what](module)
    assert not warnings_of(net, module.state_dict())


@six
def test_a_net_as_it_was_built_notes_nothing(name: str) -> None:
    assert "archc_other_modules" not in module_of(name).state_dict()._metadata[""]


def test_a_net_of_the_classes_that_the_weights_have(net: archc.Net) -> None:
    """The same `fc` is another for one net, and the own of the other."""
    module: Any = net.to_torch()
    module.fc, module.head.fc = nn.Linear(4, 3), nn.Linear(4, 3)
    assert not warnings_of(archc.load("net.yaml", params={"classes": 3}), module.state_dict())
    assert "`head.fc`" not in warnings_of(net, module.state_dict())[0]
    assert "`head.fc`" in warnings_of(net, module.state_dict(), keep_aux=True)[0]


HANDED: dict[str, Callable[[nn.Module], Any]] = {
    "in a checkpoint": lambda m: {"model": m.state_dict(), "epoch": 3},
    "wrapped": lambda m: nn.DataParallel(m).state_dict(),
    "averaged": lambda m: torch.optim.swa_utils.AveragedModel(m).state_dict(),
    "a copy": lambda m: copy.deepcopy(m).state_dict(),
    "a pickle": lambda m: pickle.loads(pickle.dumps(m)).state_dict(),
}


@pytest.mark.parametrize("how", HANDED)
def test_it_is_told_however_it_is_handed_over(net: archc.Net, how: str) -> None:
    module: Any = net.to_torch()
    module.stem[2] = nn.SiLU()
    assert "another `stem.2` (SiLU() for ReLU())" in warnings_of(net, HANDED[how](module))[0]


def test_the_steps_of_an_ensemble_s_member(net: archc.Net) -> None:
    ensemble = {"archspec": 1, "name": "e", "input": {"image": [3, 8, 8]}, "import": {"Net": "net.yaml"}, "graph": [{"mean": [{"name": "one", "Net": {}}, {"name": "two", "Net": {}}], "output": "mean"}]}  # fmt: skip
    Path("e.yaml").write_text(json.dumps(ensemble), "utf-8")
    module: Any = net.to_torch()
    module.stem[2] = nn.SiLU()
    [text] = warnings_of(archc.load("e.yaml"), {"one": net.to_torch(seed=1).state_dict(), "two": module.state_dict()})
    assert "another `two.stem.2` (SiLU() for ReLU())" in text and "one." not in text
