"""A built model's graph as a torch module, eager, with the file's own tensors: what `archc bench --against torch` times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..compiler.backends.onnx.tensors import FileTensors
from ..compiler.diagnostics import Failure
from ..runtime.artifact import open_artifact
from ..runtime.faults import RuntimeFault
from ..runtime.libraries import DRIVER, can_load
from ..runtime.ports import Port
from .verify.stored import read_graph

NO_CUDA = "torch has no CUDA here"


class TorchRunner:
    """A module that is run on arrays, on `where`, a torch device, for a `reason`."""

    fixed_batch = None

    def __init__(self, net: Any, ports: Mapping[str, Port], where: str, reason: str, gpu_unusable: bool) -> None:
        self.net, self.ports, self.where, self.reason, self.gpu_unusable = net, ports, where, reason, gpu_unusable

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
    where, reason = choose_torch_device(device)
    if threads:
        torch.set_num_threads(threads)
    net = to_torch(graph, FileTensors(artifact.path)).eval().to(where)
    ports = {value.name: Port(value.name, "float32", (None, *value.type.sizes)) for value in graph.inputs}
    return TorchRunner(net, ports, where, reason, gpu_unusable=reason == NO_CUDA and can_load(DRIVER))


def choose_torch_device(device: str) -> tuple[str, str]:
    """The torch device for one of archc's devices, cpu or cuda, and why. Raises RuntimeFault where that is CUDA, and torch has none."""
    import torch

    if device not in ("auto", "cuda"):
        return "cpu", "asked for" if device == "cpu" else f"torch is not run on {device}"
    if torch.cuda.is_available():
        return "cuda", "a CUDA device works" if device == "auto" else "asked for"
    if device == "cuda":
        raise RuntimeFault("device-unavailable", NO_CUDA, "--device cpu", 3)
    return "cpu", NO_CUDA
