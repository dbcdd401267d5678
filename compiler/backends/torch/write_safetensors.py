"""Writes .safetensors a tensor at a time. The library wants all tensors in memory, and copies them; the format is a header and their bytes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from ...ir.dtypes import F16
from ...ir.operation import Param
from ...memory_map import blocks
from ...weights.source import WeightSource

ALIGNMENT = 8  # bytes; the header is padded, so that tensors lie as their elements want


class Writable(Protocol):
    """What bytes are written to."""

    def write(self, data: Any, /) -> object: ...


def write_safetensors(
    file: Writable, params: Mapping[str, Param], weights: WeightSource, stored_half: Collection[str] = ()
) -> None:
    """Writes the tensors `params` of `weights`, as the library does: the widest elements first, then by name. Those in `stored_half` are half
    floats in the file."""
    dtypes = {name: F16 if name in stored_half else param.dtype for name, param in params.items()}
    names = sorted(params, key=lambda name: (-dtypes[name].bits, name))
    header: dict[str, Any] = {}
    begin = 0
    for name in names:
        param = params[name]
        end = begin + param.elements * dtypes[name].size_bytes
        header[name] = {"dtype": dtypes[name].name.upper(), "shape": param.shape, "data_offsets": (begin, end)}
        begin = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        for block in blocks(weights.get(name)):
            file.write(dtypes[name].encode(block))
