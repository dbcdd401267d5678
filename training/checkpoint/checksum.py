"""The checksum of a checkpoint: a bit that a disk or a copy turned is told, as a run would go on from it to other bytes without a word."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def checksum(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> int:
    """The CRC-32 of what a checkpoint says of itself and of its tensors on the CPU, by their names."""
    import torch

    found = zlib.crc32(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, found)
    return found
