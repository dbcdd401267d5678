"""Biases that take back what rounded weights shift.

A rounded weight errs by a constant, and the values that it multiplies are mostly positive, behind a relu: so the errors of a channel do
not cancel out, and its results are shifted as a whole. The shift is known: the weight's error times the mean of what it multiplies, which
the calibration set tells. It is taken off the bias. (Nagel et al., Data-Free Quantization Through Weight Equalization and Bias
Correction, 2019, section 4.2; the mean is measured here, not derived from batch norms.) Nothing is added when the net runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ...compiler.backends.onnx.wire import ModelProto, NodeProto, TensorProto
from .int8 import WEIGHTED, Plan, RoundedWeight, Rounding
from .measure import with_outputs


def weighted_inputs(model: ModelProto, excluded: Collection[str]) -> list[str]:
    """The values that convolutions and linear layers take, without those of the nodes `excluded`, each once."""
    return [*dict.fromkeys(n.inputs[0] for n in model.nodes if n.op_type in WEIGHTED and n.name not in excluded)]


def measure_channel_means(path: Path, values: Collection[str], feeds: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of each channel of these values of an ONNX file, over all `feeds` and all places: float64 of shape (C,)."""
    from ...runtime.artifact import open_artifact
    from ...runtime.inference import create_cpu_session

    given = open_artifact(path).graph.inputs
    asked = [name for name in values if name not in given]
    sums: dict[str, Any] = dict.fromkeys(values, 0)
    count = 0
    with with_outputs(path, {*asked}) as traced:
        session = create_cpu_session(traced, 0)
        for feed in feeds:
            found = {**feed, **dict(zip(asked, session.run(asked, feed), strict=True))}
            for name in values:
                rows = found[name]
                sums[name] += rows.reshape(*rows.shape[:2], -1).mean(2, "float64").sum(0)
            count += len(next(iter(feed.values())))
    return {name: total / count for name, total in sums.items()}


def correct_biases(model: ModelProto, plan: Plan, means: Mapping[str, Any]) -> tuple[ModelProto, Plan]:
    """The model and the plan with biases that take back the shift of each rounded weight; a node that had no bias gets one.

    `means` has the mean of each channel of the values that `weighted_inputs` names.
    """
    tensors = {tensor.name: tensor for tensor in model.tensors}
    weights, reads, nodes = dict(plan.weights), dict(plan.reads), []
    for node in model.nodes:
        places = reads.get(node.name, ())
        if node.op_type in WEIGHTED and {0, 1} <= {*places} and (2 in places or len(node.inputs) == 2):
            value, weight, bias = (*node.inputs, name_bias(node))[:3]
            shift = channel_shift(node, tensors[weight], weights[weight], means[value])
            before = weights[bias] if 2 in places else start_bias(plan.values[value], weights[weight], len(shift))
            weights[bias] = take_off(before, shift)
            reads[node.name], node = {*places, 2}, node._replace(inputs=(value, weight, bias))
        nodes.append(node)
    return model._replace(nodes=nodes), plan._replace(weights=weights, reads=reads)


def name_bias(node: NodeProto) -> str:
    """What the bias of a node is called that has none: as its step's weight, which no other step has the name of."""
    return f"{node.inputs[1].removesuffix('weight')}bias"


def start_bias(value: Rounding, weight: RoundedWeight, channels: int) -> RoundedWeight:
    """A bias of zeros for what a node takes, rounded as integer kernels want it: its scale is the product of both scales."""
    import numpy as np

    scale = np.broadcast_to(value.scale * weight.rounding.scale, channels).astype(np.float32)
    return RoundedWeight(np.zeros(channels, np.int32), Rounding(scale, np.zeros(channels, np.int32), 0))


def take_off(bias: RoundedWeight, shift: Any) -> RoundedWeight:
    """A rounded bias less `shift`, as near as its steps are."""
    import numpy as np

    bounds = np.iinfo(bias.integers.dtype)
    moved = bias.integers - shift / bias.rounding.scale
    return bias._replace(integers=np.rint(moved).clip(bounds.min, bounds.max).astype(bias.integers.dtype))


def channel_shift(node: NodeProto, weight: TensorProto, rounded: RoundedWeight, mean: Any) -> Any:
    """By how much a rounded weight shifts the mean of each channel that `node` gives, where each it takes has this mean: (C,).

    At the edges, where a convolution takes zeros from beyond them, the shift is another: that is left out.
    """
    import numpy as np

    exact = np.frombuffer(b"".join(map(bytes, weight.data())), weight.dtype.numpy).reshape(weight.shape)
    axis = rounded.rounding.axis or 0
    scale = rounded.rounding.scale.reshape([-1 if at == axis else 1 for at in range(exact.ndim)])
    error = rounded.integers * scale.astype(np.float64) - exact
    if node.op_type == "Gemm":
        return (error if node.attributes.get("transB") else error.T) @ mean
    groups = node.attributes.get("group", 1)
    by_group = error.reshape(groups, len(error) // groups, error.shape[1], -1).sum(3)
    return np.einsum("goi,gi->go", by_group, mean.reshape(groups, -1)).reshape(-1)
