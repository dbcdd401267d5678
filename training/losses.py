"""What is made small: the cross-entropy of the net's output, and of its auxiliary heads by the spec's shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.analysis.distributions import distributions
from ..compiler.counts import count_of
from ..compiler.diagnostics import Failure
from .recipe.recipe import LossRules

if TYPE_CHECKING:
    from torch import Tensor

    from ..compiler.backends.torch.network import Network
    from ..compiler.ir.graph import Graph


class ClassOutput(NamedTuple):
    """The output that tells the classes: its `name`, and how many `classes` it has; `probable` are the results of the net that
    are probabilities already."""

    name: str
    classes: int
    probable: frozenset[str]


def class_output(graph: Graph) -> ClassOutput:
    """The last output of a training graph that trainable.py has let pass."""
    output = graph.outputs[-1]
    results = tuple(head_as_output(graph))
    return ClassOutput(
        output.name, output.value.type.channels, frozenset(distributions(graph.replace(outputs=results)))
    )


def head_as_output(graph: Graph) -> Any:
    """All results of a graph as outputs: those that are, and the heads by their paths."""
    from ..compiler.ir.graph import Output

    yield from graph.outputs
    yield from (Output(head.path, head.value) for head in graph.heads)


class Losses(NamedTuple):
    """The `total` that is differentiated, the unweighted loss of each result by its name, and the share of the pictures that are told
    `right`, None for targets that are shares of classes."""

    total: Tensor
    by_result: Mapping[str, Tensor]
    right: Tensor | None

    def scaled(self, share: Tensor | None) -> Losses:
        """All of them times `share`; None is 1."""
        if share is None:
            return self
        return Losses(self.total * share, {name: value * share for name, value in self.by_result.items()}, self.right)


class TrainingLoss:
    """The loss of what a net gives in training.

    The targets are classes (N,) of int64, or shares of classes (N, classes) of float32, as mixup makes them. With `weights` of
    classes the mean over whole classes is divided by the sum of their weights, and that over shares by N, as torch does both.
    The loop makes of the sum over a pass that over all passes and processes of a step.
    """

    def __init__(self, module: Network, output: ClassOutput, rules: LossRules, weights: Tensor | None = None) -> None:
        self.module, self.output, self.smoothing, self.weights = module, output, rules.label_smoothing, weights

    def weigh(self, targets: Tensor) -> Tensor:
        """What the sum of the losses of a pass is divided by, where there are weights of classes."""
        import torch

        if self.weights is None or targets.ndim > 1:
            return torch.tensor(float(len(targets)), device=targets.device)
        return self.weights[targets].sum()

    def __call__(self, results: Tensor | dict[str, Tensor], targets: Tensor) -> Losses:
        named = results if isinstance(results, dict) else {self.output.name: results}
        names = {id(value): name for name, value in named.items()}
        found: dict[str, Tensor] = {}

        def criterion(scores: Tensor, target: Tensor) -> Tensor:
            name = names[id(scores)]
            loss = cross_entropy(
                scores, target, probable=name in self.output.probable, smoothing=self.smoothing, weights=self.weights
            )
            found[name] = loss.detach()
            return loss

        # the output alone has a target, which the heads take, too; other outputs add nothing
        total = self.module.loss(results, {self.output.name: targets}, criterion)
        return Losses(total, found, share_right(named[self.output.name].detach(), targets))


def share_right(scores: Tensor, targets: Tensor) -> Tensor | None:
    """The share of the pictures whose class has the largest score; it stays on the device, so that no step waits for it."""
    return None if targets.is_floating_point() else (scores.flatten(1).argmax(1) == targets).float().mean()


def cross_entropy(scores: Tensor, target: Tensor, *, probable: bool = False, smoothing: float = 0.0, weights: Tensor | None = None,
                  reduction: str = "mean") -> Tensor:  # fmt: skip
    """torch's cross-entropy of scores (N, classes, …) in float32. Of those that are `probable`, probabilities, the logarithm is taken
    first: a softmax of logarithms gives the probabilities again."""
    from torch.nn import functional

    scores = scores.flatten(1).float()
    if probable:
        scores = scores.clamp_min(1e-30).log()
    return functional.cross_entropy(scores, target, weight=weights, label_smoothing=smoothing, reduction=reduction)


def class_weights(rules: LossRules, targets: Any, classes: int) -> Tensor | None:
    """A weight for each class, (classes,) of float32; None without. `targets` are the classes of all training pictures.

    "balanced" is pictures / (classes · pictures of the class), as scikit-learn has it; a class without pictures weighs 1.
    Raises Failure `class-weights` where there are more or fewer than classes.
    """
    import numpy as np
    import torch

    if rules.class_weights is None:
        return None
    if rules.class_weights == "balanced":
        counts = np.bincount(np.asarray(targets), minlength=classes)[:classes]
        found = [len(targets) / (classes * count) if count else 1.0 for count in counts]
    else:
        found = list(rules.class_weights)
    if len(found) != classes:
        raise Failure("class-weights", f"the recipe has {count_of(len(found), 'class weight')}, and there are {classes} classes",
                      "write one number for each class, in the classes' order, or `class_weights: balanced`")  # fmt: skip
    return torch.tensor(found, dtype=torch.float32)
