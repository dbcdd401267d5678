"""One net in every form that it takes: the module, its copies, what torch.fx traces of it, exported source, and ONNX."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import fx

import archc
from archc.compiler.backends.torch.source import torch_source
from archc.runtime.inference import create_cpu_session


def check_forms(document: dict[str, Any], folder: Path) -> None:
    """Module, its copies and forms, exported source and ONNX of a net agree, in both phases where they have them."""
    path = folder / "net.yaml"
    path.write_text(yaml.safe_dump({"archspec": 1, "name": "net", **document}, sort_keys=False), "utf-8")
    net = archc.load(path)
    module = net.to_torch(seed=1)
    state = module.state_dict()
    assert set(state) == set(net.graph.params())
    generator = torch.Generator().manual_seed(1)
    for tensor in state.values():
        tensor.add_(torch.rand(tensor.shape, generator=generator) - 0.5)
    inputs = [torch.randn(2, *v.type.sizes, generator=generator) for v in net.graph.inputs]
    text = torch_source(net.graph, "a net", "net.yaml", "net.safetensors")
    scope: dict[str, Any] = {"__name__": "alone", "__file__": "alone.py"}
    exec(compile(text, "alone.py", "exec"), scope)
    # the class of the net stands last
    *_, net_class = re.findall(r"^class (\w+)\(", text, re.MULTILINE)
    alone = scope[net_class]()
    alone.load_state_dict(state)
    copies = [copy.deepcopy(module), pickle.loads(pickle.dumps(module)), alone]
    for training in (True, False):
        expected = seeded(module.train(training), inputs)
        for other in (*(each.train(training) for each in copies), fx.symbolic_trace(module)):
            torch.testing.assert_close(seeded(other, inputs), expected, rtol=0, atol=0)
    net.export_onnx(path.with_suffix(".onnx"), weights=state, proof="none")
    session = create_cpu_session(path.with_suffix(".onnx"))
    values = {v.name: x.numpy() for v, x in zip(net.graph.inputs, inputs, strict=True)}
    found = dict(zip([o.name for o in session.get_outputs()], session.run(None, values), strict=True))
    expected = expected if isinstance(expected, dict) else {net.graph.outputs[0].name: expected}
    assert set(found) == set(expected)
    for name, array in found.items():
        torch.testing.assert_close(torch.from_numpy(array), expected[name], rtol=1e-4, atol=1e-5)


def seeded(module: Any, inputs: list[Any]) -> Any:
    torch.manual_seed(3)
    return module(*inputs)
