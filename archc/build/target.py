"""Where an export goes: never over the spec or a checkpoint, never in the place of a folder or a device."""

from __future__ import annotations

from pathlib import Path

from ..compiler.backends import Backend
from ..compiler.diagnostics import Failure
from ..compiler.driver import Compilation
from .options import BuildOptions


def target_path(checked: Compilation, backend: Backend, options: BuildOptions) -> Path:
    """The path that `backend` writes: the option's, or the spec's name here. Raises Failure where it cannot be written."""
    asked = options.output if options.output is not None else Path(checked.name + backend.suffix)
    path = backend.output_path(asked)
    output = options.spell("output")
    for each in dict.fromkeys((asked, path)):
        if each.is_dir():
            raise Failure("output-is-folder", f"`{each}` is a folder; `{output}` names a file", exit_code=2)
        if each.exists() and not each.is_file():  # a rename would put a file in the place of the device
            raise Failure("output-is-device", f"`{each}` is a device or a pipe; `{output}` names a file", exit_code=3)
    inputs = [Path(source.name) for source in checked.sources]
    inputs += [file for file in (options.weights or {}).values() if isinstance(file, Path)]
    for made in backend.files(path):
        if made.exists() and any(each.exists() and made.samefile(each) for each in inputs):
            raise Failure("output-is-input", f"`{made}` is what is built from; it is not overwritten",
                          f"choose another place with `{output}`", 2)  # fmt: skip
    return path
