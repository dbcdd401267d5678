"""What a net starts from: checkpoints, and how they are read. Given from Python or the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..compiler.diagnostics import Failure
from ..compiler.name_maps import NamesGiven, name_map
from ..compiler.weights.given import checkpoints_by_step
from ..compiler.weights.input_channels import INPUT_METHODS, InputMethod
from ..compiler.weights.loading import CheckpointsByStep
from ..compiler.weights.options import READ_AS_IT_FITS, CheckpointOptions


class StartWeights(NamedTuple):
    """What a net starts from: checkpoints by step, "" is the whole net; what none of them has starts from the recipe's seed."""

    checkpoints: CheckpointsByStep | None = None
    options: CheckpointOptions = READ_AS_IT_FITS


FROM_SEED = StartWeights()


def read_start_weights(
    weights: Any, skip: Sequence[str] = (), key: str | None = None, prefix: str | None = None, names: NamesGiven | None = None,
    channels: InputMethod | None = None,
) -> StartWeights:  # fmt: skip
    """What Python's arguments `weights`, `weights_skip`, `weights_key`, `weights_prefix`, `weights_map` and `weights_input` say.

    Raises Failure `bad-option` for a value that one does not take, or that is about a checkpoint where none is given; SpecError for a map
    of names with mistakes.
    """
    about = {
        "weights_skip": skip or None,
        "weights_key": key,
        "weights_prefix": prefix,
        "weights_map": names,
        "weights_input": channels,
    }
    for option in ("weights_key", "weights_prefix"):
        if about[option] is not None and not isinstance(about[option], str):
            raise refuse(option, f"takes a text, not {ascii(about[option])[:60]}")
    if channels is not None and channels not in INPUT_METHODS:
        raise refuse(
            "weights_input", f"takes {' or '.join(f'`{each}`' for each in INPUT_METHODS)}, not {ascii(channels)[:60]}"
        )
    checkpoints = read("weights", checkpoints_by_step, weights)
    for option, value in about.items():
        if value is not None and not checkpoints:
            raise refuse(option, "is about a checkpoint; give one with weights=")
    return StartWeights(
        checkpoints, CheckpointOptions(tuple(skip), key, prefix, read("weights_map", name_map, names), channels)
    )


def read(option: str, reader: Any, value: Any) -> Any:
    """What the `reader` makes of an option's value. Raises Failure for one that it does not take."""
    try:
        return reader(value)
    except ValueError as error:
        raise refuse(option, f"takes {error}") from None


def refuse(option: str, why: str) -> Failure:
    """What is raised for an option of Python."""
    return Failure("bad-option", f"`{option}=` {why}", exit_code=2)
