"""What archc holds that can be looked up: the bundled specs, the operations, the pages on diagnostics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .compiler.diagnostics import Collector, Failure, nearest

if TYPE_CHECKING:
    from .compiler.ops.op import Op

PAGES = (Path(__file__).parent / "docs" / "diagnostics", Path(__file__).parent.parent / "docs" / "diagnostics")
HIDDEN = ("path_draw",)  # the front end's own; no spec can say it


class Model(NamedTuple):
    """A bundled spec; `family` is the folder that it shares with its kin."""

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
        raise Failure(
            "no-such-op",
            f"there is no operation `{name}`",
            f"did you mean `{near}`?" if near else "`archc ops` lists them",
            2,
        )
    return found[name]


def pages() -> dict[str, Path]:
    """The pages on diagnostics by code."""
    return {
        path.stem: path for folder in reversed(PAGES) for path in sorted(folder.glob("*.md")) if path.stem != "README"
    }


def page(code: str) -> str:
    found = pages()
    if code not in found:
        near = nearest(code, found)
        raise Failure("unknown-code", f"there is no diagnostic `{code}`", f"did you mean `{near}`?" if near else "", 2)
    return found[code].read_text("utf-8")
