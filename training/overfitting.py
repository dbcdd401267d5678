"""`--overfit-batch`: whether a net can learn one batch by heart, which any net can that is made and fed rightly. Nothing is written."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..compiler.counts import count_of
from .compiling import compile_faults
from .devices import local_processes, open_fabric
from .driver import build_network, open_loaders, plan_course
from .learner import Learner, make_learner
from .losses import ClassOutput, TrainingLoss
from .members import first_member
from .memory import refuse_large_batch
from .optimizers import set_learning_rate
from .prepare import PreparedNet, TrainingRequest, prepare_net
from .recipe.recipe import LossRules
from .run_folder import RunFolder
from .step_faults import step_faults

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn

# a batch of more takes longer and tells no more
PICTURES, STEPS, GOAL = 32, 300, 0.05
# steps between two looks at the answers: dead layers, all answers alike
ALIKE = 1e-6


class OverfitTrial(NamedTuple):
    """How a batch was learned: the loss of each step, how many of its `pictures` were told `right` at the end, and where it was not
    `learned`, what to look at, the most likely first."""

    net: str
    pictures: int
    losses: tuple[float, ...]
    right: int
    learned: bool
    advice: tuple[str, ...]
    lr: float
    seconds: float


def try_overfitting(request: TrainingRequest, steps: int = STEPS, progress: Callable[[int, float], None] = lambda step, loss: None) -> OverfitTrial:  # fmt: skip
    """Learns one batch of the training pictures, without augmentation, smoothing and schedule, at the recipe's learning rate.

    Of an ensemble the first member does.
    """
    request, _ = first_member(request)
    net = prepare_net(request)
    all_used = len(net.graph.outputs) == 1
    with open_fabric(request.recipe, request.device, all_used=all_used, given=request.fabric) as fabric:
        return try_net(request, net, fabric, steps, progress)


def try_net(
    request: TrainingRequest, net: PreparedNet, fabric: Fabric, steps: int, progress: Callable[[int, float], None]
) -> OverfitTrial:
    """Learns one batch of a prepared net's pictures."""
    from .data.loader import TrainingLoader

    # what the run would refuse is refused here, too
    device, world = str(fabric.device), fabric.world_size
    refuse_large_batch(net.graph, request.recipe, device, world_size=world, processes=local_processes(world))
    learner = make_learner(build_network(net.graph, request), request.recipe, fabric)
    loaders = open_loaders(net, request.recipe, fabric)
    try:
        plan_course(RunFolder(request.output), request, net, learner, loaders)
    finally:
        for each in loaders:
            if each is not None:
                each.close()
    size = min(PICTURES, request.recipe.batch, len(net.data.train))
    loader = TrainingLoader(net.data.train, net.how, (), size, request.recipe.seed, broken=request.recipe.data.broken)
    batch = next(iter(loader.epoch(0)))
    images, targets = fabric.to_device((batch.images, batch.targets))
    lr = float(request.recipe.optimizer.values["lr"])
    with compile_faults(), step_faults(learner.network):
        return overfit_batch(
            learner, net.output, images, targets, lr=lr, steps=steps, name=net.graph.name, progress=progress
        )


def overfit_batch(learner: Learner, output: ClassOutput, images: Tensor, targets: Tensor, *, lr: float, steps: int = STEPS,
                  goal: float = GOAL, name: str = "the net", progress: Callable[[int, float], None] = lambda step, loss: None) -> OverfitTrial:  # fmt: skip
    """Trains on one batch until its loss is below `goal` and all of it is told right, or for so many steps."""
    import torch

    began, network = time.monotonic(), learner.network
    loss_of = TrainingLoss(network, output, LossRules())
    losses: list[float] = []
    unmoved: list[str] = []
    right, spread = 0, math.inf
    without_dropout(network)
    set_learning_rate(learner.optimizer, lr)
    torch.manual_seed(0)
    for step in range(steps):
        learner.optimizer.zero_grad()
        results = learner.wrapped(images)
        found = loss_of(results, targets)
        losses.append(float(found.by_result[output.name]))
        scores = (results[output.name] if isinstance(results, dict) else results).detach().flatten(1).float()
        right = int((scores.argmax(1) == targets).sum())
        spread = float((scores - scores[:1]).abs().max()) / max(float(scores.abs().max()), 1e-30)
        progress(step + 1, losses[-1])
        if not math.isfinite(losses[-1]) or (losses[-1] < goal and right == len(targets)):
            break
        learner.fabric.backward(found.total)
        if step == 0:
            unmoved = layers_without_gradient(network)
        learner.optimizer.step()
    learned = losses[-1] < goal and right == len(targets)
    advice = (
        () if learned else tuple(advise_overfit(losses, unmoved, spread, count_contradictions(images, targets), lr))
    )
    return OverfitTrial(name, len(targets), tuple(losses), right, learned, advice, lr, time.monotonic() - began)


def without_dropout(network: nn.Module) -> None:
    """Training mode, but for layers without tensors: of these only dropouts and drawn paths differ, and they keep a loss from 0."""
    network.train()
    for layer in network.modules():
        if not any(True for _ in layer.children()) and not any(True for _ in layer.state_dict()):
            layer.eval()


def layers_without_gradient(network: nn.Module) -> list[str]:
    """The paths of trained layers whose parameters all have no gradient, or one of nothing but zeros."""
    layers: dict[str, list[bool]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            moved = parameter.grad is not None and bool(parameter.grad.any())
            layers.setdefault(name.rpartition(".")[0], []).append(moved)
    return [path for path, moved in layers.items() if not any(moved)]


def count_contradictions(images: Tensor, targets: Tensor) -> int:
    """How many pictures of a batch are equal to one before and have another class."""
    seen: dict[bytes, int] = {}
    found = 0
    for image, target in zip(images.cpu().contiguous(), targets.tolist(), strict=True):
        found += seen.setdefault(image.numpy().tobytes(), target) != target
    return found


def advise_overfit(
    losses: Sequence[float], unmoved: Sequence[str], spread: float, contradictions: int, lr: float
) -> Iterator[str]:
    """What to look at where a net does not learn one batch."""
    first, last = losses[0], losses[-1]
    if unmoved:
        shown = ", ".join(f"`{path}`" for path in unmoved[:6]) + (" …" if len(unmoved) > 6 else "")
        yield f"no gradient reaches {shown}: look at what comes behind them, and at weights that are all 0"
    if contradictions:
        are = "is" if contradictions == 1 else "are"
        yield f"{count_of(contradictions, 'picture')} of the batch {are} equal to another one of another class: look at the classes of the pictures"
    if spread < ALIKE:
        yield "the net gives all pictures the same answer: look at the spec's `preprocess`, and for activations that are 0 everywhere"
    if not math.isfinite(last) or last > 1.2 * first:
        yield f"the loss rises: try a lower learning rate than {lr:g}"
    elif last < 0.7 * first and not unmoved:
        yield f"the loss falls, and not to the end: try a higher learning rate than {lr:g}, or more steps"
    elif not unmoved and spread >= ALIKE:
        yield f"the loss stays where it is: try learning rates above and below {lr:g}, and a net with more channels"
