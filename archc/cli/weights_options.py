"""The options by which a command takes checkpoints: what a build reads, and what a training starts from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..compiler.weights.formats import checkpoint_suffixes
from ..compiler.weights.input_channels import INPUT_METHODS

if TYPE_CHECKING:
    from ..compiler.weights.given import CheckpointGiven

_F = TypeVar("_F", bound=Callable[..., Any])

OPTIONS = (
    click.option("--weights", multiple=True, metavar="[STEP=]FILE",
                 help=f"A checkpoint ({checkpoint_suffixes()}) of the net, or zoo:NAME, where the bundled net has weights; or of the one step, repeatable."),
    click.option("--weights-skip", multiple=True, metavar="STEP",
                 help="A step that is left out of the checkpoint and starts anew; repeatable."),
    click.option("--weights-key", metavar="KEY",
                 help="The state dict in the checkpoint; `.` is the top. Default: the one that fits."),
    click.option("--weights-prefix", metavar="PREFIX",
                 help="What is taken off the checkpoint's names. Default: what fits."),
    click.option("--weights-map", metavar="FILE",
                 help="A YAML file with the net's names and those of the checkpoint, `ours: theirs`; `*` is any part."),
    click.option("--weights-input", type=click.Choice(INPUT_METHODS),
                 help="First layers for another number of channels: the sum over RGB for 1, RGB repeated for more."),
)  # fmt: skip


def weights_options(command: _F) -> _F:
    """The options `--weights` and `--weights-…`, as the arguments `weights` and `weights_…`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def parse_weights(values: tuple[str, ...]) -> dict[str, CheckpointGiven] | None:
    """The values of `--weights` by step; "" is the whole net. None where there are none.

    A value that is an existing file is taken for one, even if there is a `=` in its name.
    """
    from ..compiler.weights.given import checkpoint_path

    found: dict[str, CheckpointGiven] = {}
    for value in values:
        named = None if Path(value).exists() else re.fullmatch(r"([\w.-]+)=(.+)", value)
        step, file = named.groups() if named else ("", value)
        if step in found:
            whose = f"`{step}`" if step else "the whole net"
            raise click.UsageError(
                f"two checkpoints for {whose}: {found[step]} and {file}; an ensemble wants --weights STEP=FILE for each"
            )
        found[step] = checkpoint_path(file)
    return found or None
