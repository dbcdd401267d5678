"""Where an export goes: never over the spec or a checkpoint, never in the place of a folder; a device or a pipe takes one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..compiler.backends import BACKENDS, Backend
from ..compiler.destinations import check_destination, find_destination
from ..compiler.diagnostics import Failure
from ..compiler.driver import Compilation
from ..compiler.files import refuse_several
from ..compiler.ir.graph import Graph
from .options import BuildOptions


def target_paths(checked: Compilation, graph: Graph, options: BuildOptions) -> list[tuple[Backend, Path]]:
    """Each export of `graph` with the path that it is written to. Raises Failure where one cannot be written, before any is."""
    paths: list[tuple[Backend, Path]] = []
    taken: dict[str, Backend] = {}
    for backend in (BACKENDS[name] for name in options.exports):
        path = target_path(checked, backend, graph, options)
        paths.append((backend, path))
        # folders of some systems take upper and lower case for the same
        first = taken.setdefault(str(find_destination(path).path.resolve()).casefold(), backend)
        if first is not backend:
            raise Failure("bad-option", f"{first.name} and {backend.name} would both write `{path}`",
                          f"build one at a time, or leave `{options.spell('output')}` out", 2)  # fmt: skip
    return paths


def target_path(checked: Compilation, backend: Backend, graph: Graph, options: BuildOptions) -> Path:
    """The path that `backend` writes: the option's, or the spec's name here. Raises Failure where it cannot be written."""
    asked = options.output if options.output is not None else Path(checked.name + backend.suffix)
    path = backend.output_path(asked)
    output = options.spell("output")
    for each in dict.fromkeys((asked, path)):
        place = find_destination(each)
        if place.kind == "folder":
            raise Failure("output-is-folder", f"`{each}` is a folder; `{output}` names a file", "name a file in it", 2)
        if place.kind == "stream" and backend.has_data(graph):
            refuse_several(each, 2, output)
    place = find_destination(path)
    check_destination(place)
    if place.kind == "stream":
        return path
    inputs = list(input_files(checked, options))
    for made in (place.path, *(place.path.with_name(name) for name in backend.replaced_data(place.path))):
        if made.exists() and any(each.exists() and made.samefile(each) for each in inputs):
            raise Failure("output-is-input", f"`{made}` is what is built from; it is not overwritten",
                          f"choose another place with `{output}`", 2)  # fmt: skip
    return path


def input_files(checked: Compilation, options: BuildOptions) -> Iterator[Path]:
    """The files that a build reads: texts of the spec, labels, checkpoints, a map of their names."""
    for source in checked.sources:
        yield Path(source.name)
    for file in (options.weights or {}).values():
        if isinstance(file, Path):
            yield file
    if options.weights_map is not None and options.weights_map.path is not None:
        yield options.weights_map.path
    if options.calibrate is not None:
        yield options.calibrate
