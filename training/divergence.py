"""Where a run diverged: the batch is run once more with hooks, and the first layer that gives a number that is not finite is named.

First the outputs are looked at in the order in which layers run, then the loss, then the gradients in the order of the backward pass, then
the weights themselves. So the layer named is that where it began: all behind it only hand it on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..compiler.diagnostics import Failure

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..compiler.ir.graph import Graph
    from .recipe.recipe import Recipe

Where = Literal["input", "output", "loss", "gradient", "weight", "nowhere"]


class Divergence(NamedTuple):
    """Where the first number that is not finite is: `path` is the layer's, empty where it is none's; `detail` is what is seen there."""

    where: Where
    path: str = ""
    detail: str = ""


def find_divergence(module: nn.Module, replay: Callable[[], Tensor]) -> Divergence:
    """Runs a batch once more. `replay` runs it through `module` under the same precision and the same random draws, and gives the loss.

    The module keeps its weights; its gradients are cleared, and the statistics of its batch norms may move.
    """
    import torch

    module = getattr(module, "_orig_mod", module)
    forward: list[Divergence] = []
    backward: list[Divergence] = []
    module.zero_grad(set_to_none=True)
    with ExitStack() as hooks, torch.enable_grad():
        for handle in watch_layers(module, forward, backward):
            hooks.callback(handle.remove)
        loss = replay()
        if forward:
            return forward[0]
        if not is_finite(loss):
            return Divergence("loss", "", "the outputs are finite, the loss of them is not")
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
    if backward:
        return backward[0]
    for name, tensor in module.state_dict().items():
        if not is_finite(tensor):
            return Divergence("weight", name.rpartition(".")[0], f"{name} has {describe_bad(tensor)}")
    return Divergence("nowhere")


def watch_layers(module: nn.Module, forward: list[Divergence], backward: list[Divergence]) -> Iterator[Any]:
    """Hooks on all layers of a net: what is not finite is put into the lists in the order in which it is made."""
    from ..compiler.backends.torch.scope import Scope

    def see_gradient(path: str, what: str, gradient: Tensor) -> None:
        if not backward and not is_finite(gradient):
            backward.append(Divergence("gradient", path, f"the gradient of its {what} has {describe_bad(gradient)}"))

    def see_output(path: str) -> Callable[..., None]:
        """The hook of the layer `path`: it blames the layer for the first output that is not finite, and watches the gradients of the others."""

        def see(layer: nn.Module, inputs: Any, output: Any) -> None:
            if forward:
                return
            own = dict(layer.named_parameters(recurse=False)) | dict(layer.named_buffers(recurse=False))
            for tensor in tensors_in(output):
                if not is_finite(tensor):
                    forward.append(blame_layer(path, own, inputs, tensor))
                    return
                if tensor.requires_grad:
                    tensor.register_hook(lambda gradient: see_gradient(path, "output", gradient))  # type: ignore[no-untyped-call]

        return see

    for path, layer in module.named_modules():
        # a scope would hook its last step under its own name, before that step's own
        if path and not isinstance(layer, Scope):
            yield layer.register_forward_hook(see_output(path))
        for name, parameter in layer.named_parameters(recurse=False):
            if parameter.requires_grad:
                yield parameter.register_hook(lambda gradient, path=path, name=name: see_gradient(path, name, gradient))


def blame_layer(path: str, own: Mapping[str, Tensor], inputs: Any, output: Tensor) -> Divergence:
    """Why a layer's output is not finite: for its inputs (those of the net, as no layer before gave such), its weights, or its sums."""
    given = [*tensors_in(inputs)]
    for tensor in given:
        if not is_finite(tensor):
            return Divergence("input", path, f"the pictures that arrive there have {describe_bad(tensor)}")
    for name, tensor in own.items():
        if not is_finite(tensor):
            return Divergence("weight", path, f"its {name} has {describe_bad(tensor)}: the step before made it so")
    largest = max((float(tensor.detach().abs().max()) for tensor in given if tensor.numel()), default=0.0)
    return Divergence("output", path, f"its output has {describe_bad(output)}; its input reaches {largest:.3g}")


def tensors_in(values: Any) -> Iterator[Tensor]:
    """The tensors of floats in what a layer takes or gives."""
    import torch

    if isinstance(values, torch.Tensor):
        if values.is_floating_point():
            yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from tensors_in(value)
    elif isinstance(values, Iterable) and not isinstance(values, str):
        for value in values:
            yield from tensors_in(value)


def is_finite(tensor: Tensor) -> bool:
    """Whether all numbers are."""
    return bool(tensor.detach().isfinite().all())


def describe_bad(tensor: Tensor) -> str:
    """`12 NaN and 3 infinite of 4,096`."""
    flat = tensor.detach()
    kinds = [(int(flat.isnan().sum()), "NaN"), (int(flat.isinf().sum()), "infinite")]
    return " and ".join(f"{count:,} {kind}" for count, kind in kinds if count) + f" of {flat.numel():,} numbers"


WORDS: Mapping[Where, str] = {
    "input": "it came in with the pictures at {layer}",
    "output": "it began in {layer}",
    "loss": "it began in the loss",
    "gradient": "it began in the backward pass of {layer}",
    "weight": "it began in the weights of {layer}",
    "nowhere": "the same batch, run once more, was finite everywhere",
}


def divergence_failure(found: Divergence, *, step: int, epoch: int, loss: float | None, recipe: Recipe, graph: Graph | None = None,
                       checkpoint: Path | None = None) -> Failure:  # fmt: skip
    """What is told of it: the step, the layer with its line in the spec, and what to try. `checkpoint` is the last good one; `loss` is
    None where it is a number, and the weights are none after the step."""
    began = WORDS[found.where].format(layer=name_layer(found.path, graph))
    what = f"the loss is {loss} at" if loss is not None else "the weights are no finite numbers after"
    message = f"{what} step {step:,}, in epoch {epoch:,}: {began}" + (f" ({found.detail})" if found.detail else "")
    stays = f"; {checkpoint} has the weights of before" if checkpoint else ""
    return Failure("diverged", message, "; ".join(advise(found, recipe)) + stays, 1)


def name_layer(path: str, graph: Graph | None) -> str:
    """`layer1.0.conv1` with its line in the spec, where the graph has it, or has the step that it is a part of."""
    spans = {node.path: node.span for node in graph.nodes} if graph else {}
    at = path
    while at and at not in spans:
        at = at.rpartition(".")[0]
    span = spans.get(at)
    return f"`{path}`" + (f" ({span.short})" if span else "")


def advise(found: Divergence, recipe: Recipe) -> Iterator[str]:
    """What to try, that which helps most often first."""
    if found.where == "input":
        yield "look at the pictures and at the spec's `preprocess`: a `std` of nearly 0 gives such numbers"
        return
    lr = recipe.optimizer.values.get("lr")
    if isinstance(lr, (int, float)):
        yield f"try a lower learning rate: --set optimizer.{recipe.optimizer.name}.lr={lr / 10:g} (it is {lr:g})"
    if recipe.schedule.warmup is None:
        yield "let it rise slowly: `warmup: {epochs: 5}`"
    if recipe.clip is None:
        yield "bound the gradient: --set clip=1.0"
    if recipe.precision == "fp16":
        yield "half floats end at 65,504: --set precision=bf16 or fp32"
