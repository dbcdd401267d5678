"""How a user wants checkpoints to be read: what is left out, and what is taken from where."""

from __future__ import annotations

from typing import NamedTuple

from ..spelling import Spelling, as_keyword
from .input_channels import InputMethod
from .name_map import NameMap


class CheckpointOptions(NamedTuple):
    """How checkpoints are read.

    skip      steps that are left out of all checkpoints
    key       the key of the state dict in a file, "." for the top; None finds the one that fits
    prefix    what is taken off a checkpoint's names; None finds the one that fits
    names     a checkpoint's names by the graph's, where they differ
    input     how first layers for another number of channels are adapted; None refuses them
    spelling  how messages write an option
    """

    skip: tuple[str, ...] = ()
    key: str | None = None
    prefix: str | None = None
    names: NameMap | None = None
    input: InputMethod | None = None
    spelling: Spelling = as_keyword


READ_AS_IT_FITS = CheckpointOptions()
