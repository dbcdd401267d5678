"""Steps that are not trained: their weights get no gradient, and their norms keep their statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..compiler.analysis.missing_steps import no_such_step, scopes_of
from ..compiler.diagnostics import Failure
from ..compiler.weights.names import belongs_to

if TYPE_CHECKING:
    from torch import nn


def freeze(module: nn.Module, paths: Sequence[str]) -> None:
    """Takes the parameters inside `paths` out of training. Raises Failure `no-such-step` for a path that the net does not have, and
    `nothing-to-train` where no parameter is left."""
    # names of our own, as the step that draws paths, are none of the user's
    refuse_unknown(paths, [name for name, _ in module.named_modules() if name and not name.startswith("__")])
    for name, parameter in module.named_parameters():
        if belongs_to(name, paths):
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise Failure(
            "nothing-to-train",
            "no parameter is left to train",
            "freeze fewer steps" if paths else "the net has no weights",
        )


def refuse_unknown(paths: Sequence[str], steps: Iterable[str]) -> None:
    """Raises Failure `no-such-step` for a path that is none of the `steps` of a net, nor what is around one."""
    steps = [*steps]
    known = {scope for step in steps for scope in scopes_of(step)}
    for path in paths:
        if path not in known:
            missing = no_such_step(path, steps, {})
            raise Failure(
                missing.code, f"the recipe freezes `{path[:200]}`: {missing.message}", missing.help, missing.exit_code
            )


def training_mode(wrapped: nn.Module, network: nn.Module, paths: Sequence[str]) -> None:
    """Training mode for the whole net, and evaluation mode for what is frozen, so that its norms keep their statistics."""
    wrapped.train()
    network.train()
    for path in paths:
        network.get_submodule(path).eval()
