"""A built model's graph as a torch module, eager, with the file's own tensors: what `archc bench --against torch` times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..compiler.backends.onnx.tensors import FileTensors
from ..compiler.diagnostics import Failure
from ..runtime.artifact import open_artifact
from ..runtime.faults import RuntimeFault
from ..runtime.ports import Port
from .verify.stored import read_graph


class TorchRunner:
    """A module that is run on arrays, on `where`, a torch device."""

    fixed_batch = None

    def __init__(self, net: Any, ports: Mapping[str, Port], where: str) -> None:
        self.net, self.ports, self.where = net, ports, where
        self.tensors: dict[int, list[Any]] = {}

    def run(self, arrays: Mapping[str, Any]) -> Any:
        """Runs once. The arrays are moved to the device on each run, as onnxruntime moves them."""
        import torch

        with torch.no_grad():
            found = self.net(*(torch.from_numpy(array).to(self.where) for array in arrays.values()))
            if self.where == "cuda":
                torch.cuda.synchronize()
        return found


def open_torch(path: str, device: str, threads: int | None) -> TorchRunner:
    """The module of a file that archc built. Raises RuntimeFault for a file without a graph, or where torch has no such device."""
    import torch

    from ..compiler.backends.torch.module import to_torch

    artifact = open_artifact(path)
    try:
        graph = read_graph(artifact).replace(rewrites=())
    except Failure as failure:
        raise RuntimeFault(failure.code, failure.message, "torch is timed for models that archc built") from None
    where = "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
    if where == "cuda" and not torch.cuda.is_available():
        raise RuntimeFault("device-unavailable", "torch has no CUDA here", "--device cpu", 3)
    if threads:
        torch.set_num_threads(threads)
    net = to_torch(graph, FileTensors(artifact.path)).eval().to(where)
    ports = {value.name: Port(value.name, "float32", (None, *value.type.sizes)) for value in graph.inputs}
    return TorchRunner(net, ports, where)
