"""The proof of a build: onnx's checker, our shapes against onnxruntime's, and torch against onnxruntime.

The reference is the training graph's own modules in eval mode, with nothing folded, so every pass is under proof, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..compiler.diagnostics import Failure, InternalError
from ..compiler.ir.graph import Graph
from ..compiler.weights.source import WeightSource

RELATIVE, ABSOLUTE = 1e-4, 1e-6  # of max|ref|: 287 random nets stay below 2.8e-5; an element-wise gate has false alarms
SEED = 20140917
PACKAGES = ("torch", "onnx", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest difference found, absolute and relative to the largest reference value, over all outputs.

    `against` is what the file was compared with, `batches` the numbers of images that were run.
    """

    max_abs: float
    max_rel: float
    against: str
    batches: tuple[int, ...]


def prove(training: Graph, built: Graph, weights: WeightSource, path: Path, batch: int | None = None) -> Parity:
    """Proves an ONNX file of `built` against torch. Raises Failure `parity` that names the first node to diverge."""
    import torch

    from ..compiler.backends.torch.module import to_torch
    from ..runtime.inference import create_cpu_session

    check_file(path)
    session = create_cpu_session(path)
    check_shapes(session, built, batch)
    net = to_torch(training, weights).eval()
    # the training graph, every module of it in eval mode: it gives the kept heads, too
    net.training = bool(built.heads)
    batches = (batch,) if batch else (1, 3)
    inputs = random_inputs(built, batches[-1])
    expected = torch_outputs(net, built, inputs)
    worst_abs = worst_rel = 0.0
    for count in batches:  # images do not see one another, so the answer to the first alone is the first answer
        some = {name: values[:count] for name, values in inputs.items()}
        found = dict(zip([o.name for o in session.get_outputs()], session.run(None, some), strict=True))
        for name, reference in expected.items():
            a, r = difference(found[name], reference[:count])
            worst_abs, worst_rel = max(worst_abs, a), max(worst_rel, r)
            if not agrees(found[name], reference[:count]):
                raise divergence(training, built, net, path, some, name, a)
    return Parity(worst_abs, worst_rel, f"torch {torch.__version__}", batches)


def torch_outputs(net: Any, built: Graph, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What torch answers: arrays by the names of the outputs. Raises Failure `answer-not-finite`."""
    import numpy as np
    import torch

    with torch.no_grad():
        result = net(*(torch.from_numpy(a) for a in inputs.values()))
    outputs = result if isinstance(result, dict) else {built.outputs[-1].name: result}
    found = {name: tensor.numpy() for name, tensor in outputs.items()}
    for name, values in found.items():
        if not np.isfinite(values).all():
            raise Failure("answer-not-finite", f"torch's own answer `{name}` is not finite, so nothing can be proved of the file",
                          "the weights overflow float32: give trained ones, start the norms smaller with `init`, or build without the proof")  # fmt: skip
    return found


def check_file(path: Path) -> None:
    """onnx's checker with strict shape inference, on the file as written."""
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InternalError(f"onnx's checker refuses the file: {str(error)[:400]}") from error


def check_shapes(session: Any, built: Graph, batch: int | None) -> None:
    """onnxruntime's output shapes are ours."""
    from ..compiler.backends.onnx.write import named_outputs

    ours = {name: [batch or "N", *value.type.sizes] for name, value in named_outputs(built)}
    theirs = {o.name: o.shape for o in session.get_outputs()}
    for name, shape in ours.items():
        if theirs.get(name) != shape:
            raise InternalError(f"output {name} is {shape}, onnxruntime says {theirs.get(name)}")


def random_inputs(graph: Graph, count: int) -> dict[str, Any]:
    import numpy as np

    random = np.random.default_rng(SEED + count)
    return {v.name: random.standard_normal((count, *v.type.sizes), dtype=np.float32) for v in graph.inputs}


def difference(found: Any, reference: Any) -> tuple[float, float]:
    import numpy as np

    gap = float(np.abs(found - reference).max(initial=0.0))
    return gap, gap / max(float(np.abs(reference).max(initial=0.0)), 1e-30)


def agrees(found: Any, reference: Any) -> bool:
    import numpy as np

    gap, _ = difference(found, reference)
    return bool(np.isfinite(found).all()) and gap <= RELATIVE * float(np.abs(reference).max(initial=0.0)) + ABSOLUTE


def divergence(
    training: Graph, built: Graph, net: Any, path: Path, inputs: Mapping[str, Any], output: str, gap: float
) -> Failure:
    """The failure, naming the first node whose value differs: every node's output is asked for on both sides."""
    import torch

    seen: dict[str, Any] = {}
    modules = dict(net.named_modules())
    hooks = [modules[n.path].register_forward_hook(lambda _m, _i, out, path=n.path: seen.__setitem__(path, out.numpy()))
             for n in training.nodes if n.path in modules]  # fmt: skip
    with torch.no_grad():
        net(*(torch.from_numpy(a) for a in inputs.values()))
    for hook in hooks:
        hook.remove()
    found = node_values(path, built, inputs)
    gives = {rewrite.node: rewrite.gives for rewrite in built.rewrites}
    for node in built.nodes:
        reference = seen.get(gives.get(node.path, node.path))
        if reference is not None and node.path in found and not agrees(found[node.path], reference):
            where = f" ({node.span.short})" if node.span else ""
            return Failure("parity", f"onnxruntime and torch differ by {difference(found[node.path], reference)[0]:.3g}, first at `{node.path}`{where}",
                           "this is a bug of archc or of a backend: please report it with the spec")  # fmt: skip
    return Failure("parity", f"onnxruntime and torch differ by {gap:.3g} in the output `{output}`")


def node_values(path: Path, built: Graph, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Every node's value in onnxruntime, by path."""
    import onnx

    from ..compiler.backends.onnx.write import onnx_names
    from ..runtime.inference import create_cpu_session

    model = onnx.load(str(path))
    names = onnx_names(built)
    wanted = {n.path: names.get(n.output.name, n.output.name) for n in built.nodes}
    have = {o.name for o in model.graph.output}
    model.graph.output.extend(v for v in model.graph.value_info if v.name in wanted.values() and v.name not in have)
    session = create_cpu_session(model.SerializeToString(), optimize=False)
    values = dict(zip([o.name for o in session.get_outputs()], session.run(None, dict(inputs)), strict=True))
    return {path: values[name] for path, name in wanted.items() if name in values}
