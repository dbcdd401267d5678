"""A map from a net's names to a checkpoint's, as the user gives it: a YAML file, or a mapping in Python."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from .diagnostics import Collector, Failure, SpecError
from .limits import HIGHEST_BYTES
from .weights.name_map import NameMap

NamesGiven = NameMap | str | os.PathLike[str] | Mapping[str, str]


def name_map(value: object) -> NameMap | None:
    """The map. Raises ValueError, with a message that goes on after "takes", for what is none; SpecError for a YAML file with mistakes."""
    if value is None or isinstance(value, NameMap):
        return value
    if isinstance(value, (str, os.PathLike)):
        return read_name_map(Path(value))
    if isinstance(value, Mapping) and all(isinstance(each, str) for pair in value.items() for each in pair):
        return NameMap(value)
    raise ValueError(
        f"the path of a YAML file or a mapping of names to names, as {{'fc': 'head'}}, not {type(value).__name__}"
    )


def read_name_map(path: Path) -> NameMap:
    """The map in a YAML file: `ours: theirs` in each line. Raises SpecError with what is wrong in it, Failure where it cannot be read."""
    from .frontend.decoding import decode_text
    from .frontend.located_yaml import parse_yaml

    try:
        if path.is_char_device() and not path.samefile(os.devnull):
            raise OSError(errno.EINVAL, "it is a device, and a map is a file")
        with path.open("rb") as file:
            data = file.read(HIGHEST_BYTES + 1)
    except OSError as error:
        raise Failure(
            "file-missing", f"the map of names `{path}` cannot be read: {error.strerror}", exit_code=2
        ) from None
    diagnostics = Collector()
    source = decode_text(data, str(path), diagnostics)
    root = parse_yaml(source, diagnostics) if source else None
    if root is not None and not isinstance(root.value, dict):
        diagnostics.error("wrong-type", root.span, "a map of names is a mapping", "write `ours: theirs` in each line")
    found: dict[str, str] = {}
    if root is not None and isinstance(root.value, dict):
        for ours, entry in root.value.items():
            if isinstance(entry.value.value, str):
                found[ours] = entry.value.value
            else:
                diagnostics.error("wrong-type", entry.value.span, f"what stands for `{ours}` is no name",
                                  "write the checkpoint's name; one that begins with a digit or `*` in quotes")  # fmt: skip
    if diagnostics.failed:
        raise SpecError(tuple(diagnostics))
    return NameMap(found, path)
