"""What archc holds that can be looked up: the bundled specs, the operations, the pages on diagnostics, the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .compiler.diagnostics import Collector, Failure, nearest

if TYPE_CHECKING:
    from .compiler.ops.op import Op

PAGES = (Path(__file__).parent / "docs" / "diagnostics", Path(__file__).parent.parent / "docs" / "diagnostics")
HIDDEN = ("path_draw",)  # the front end's own; no spec can say it


class Model(NamedTuple):
    """A bundled spec. `open_params` are those of an abstract family, which wants values before it can be built."""

    name: str
    family: str
    summary: str
    source: str


def models() -> list[Model]:
    from .compiler.driver import zoo

    return [Model(name, path.parent.name, said(path, "summary"), said(path, "source")) for name, path in zoo().items()]


def said(path: Path, key: str) -> str:
    """A line of the document's own header; empty where it says nothing of the kind."""
    from .compiler.frontend.located_yaml import parse, read_text

    quiet = Collector()
    source = read_text(path.read_bytes(), path.name, quiet)
    root = parse(source, quiet) if source else None
    entry = root.value.get(key) if root and isinstance(root.value, dict) else None
    return str(entry.value.value) if entry else ""


def ops() -> list[type[Op]]:
    from .compiler.ops import OPS

    return [op for name, op in sorted(OPS.items()) if name not in HIDDEN]


def op_named(name: str) -> type[Op]:
    found = {op.name: op for op in ops()}
    if name not in found:
        near = nearest(name, found)
        raise Failure("no-such-op", f"there is no operation `{name}`", f"did you mean `{near}`?" if near else "`archc ops` lists them", 2)
    return found[name]


def pages() -> dict[str, Path]:
    """The pages on diagnostics by code."""
    return {path.stem: path for folder in reversed(PAGES) for path in sorted(folder.glob("*.md")) if path.stem != "README"}


def page(code: str) -> str:
    found = pages()
    if code not in found:
        near = nearest(code, found)
        raise Failure("no-such-code", f"there is no diagnostic `{code}`", f"did you mean `{near}`?" if near else "", 2)
    return found[code].read_text("utf-8")


def environment() -> dict[str, Any]:
    """What this machine can do. A provider that onnxruntime lists may still fail; `usable` are those that loaded a model."""
    import os
    import platform

    from . import __version__

    found: dict[str, Any] = {"archc": __version__, "python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    found["cpus"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found |= {name: version or "not installed" for name, version in installed()}
    return found


def installed() -> Iterator[tuple[str, str | None]]:
    from importlib.metadata import PackageNotFoundError, version

    for name, distributions in PACKAGES.items():
        for distribution in distributions:
            try:
                yield name, version(distribution)
                break
            except PackageNotFoundError:
                continue
        else:
            yield name, None


PACKAGES = {
    "torch": ("torch",),
    "onnx": ("onnx",),
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime"),
    "numpy": ("numpy",),
    "pillow": ("pillow",),
}
