"""The folder that the site is built from: the pages of docs/, the generated ones, the files that they link to, and the settings."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from .drawings import show_drawings
from .indexes import add_list, index_pages
from .insertions import insert_made
from .navigation import APART, NAVIGATION, linked_paths, navigation_lines
from .page import Page
from .site_error import SiteError

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SETTINGS = Path(__file__).parent / "zensical.toml"
LINK = re.compile(r"(\]\()(?![a-z]+:)([^)\s#]+)")
# where files of the repository lie on the site that are no pages
FILES = "files"


def write_sources(folder: Path, pages: Sequence[Page]) -> None:
    """Writes the sources below `folder` anew. Raises SiteError where a page has no place in the navigation, or two have one path."""
    sources = folder / "docs"
    shutil.rmtree(folder, ignore_errors=True)
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    texts = {name: (DOCS / name).read_text("utf-8") for name in written}
    texts |= {page.path: page.content for page in pages if isinstance(page.content, str)}
    pages = [*pages, *index_pages(texts)]
    check_places(written, pages)
    for name in written:
        text = add_list(insert_made(bring_files(DOCS / name, sources)), name, texts)
        text, drawings = show_drawings(text, name)
        write(sources / name, text)
        for page in drawings:
            write(sources / page.path, page.content)
    for page in pages:
        write(sources / page.path, page.content)
    lines = "\n".join(navigation_lines(NAVIGATION, pages))
    write(folder / SETTINGS.name, SETTINGS.read_text("utf-8").replace("nav = []", f"nav = [\n{lines}\n]"))


def check_places(written: set[str], pages: Sequence[Page]) -> None:
    """Raises SiteError for pages that nobody finds, and for those that are not there."""
    made = {page.path for page in pages}
    named = set(linked_paths(NAVIGATION))
    lost = [
        f"docs/{name}: is not in docsite/navigation.py"
        for name in sorted(written - named)
        if not name.startswith(APART)
    ]
    lost += [f"docsite/navigation.py names {name}, which is not there" for name in sorted(named - written - made)]
    lost += [f"{name}: is written by hand and made of the code" for name in sorted(written & made)]
    if lost:
        raise SiteError("\n".join(lost))


def write(path: Path, content: str | bytes) -> None:
    """Writes a file, and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def bring_files(page: Path, sources: Path) -> str:
    """The text of a page of docs/, with links to files elsewhere in the repository turned to copies of them, and those to folders to their first pages."""

    def bring(found: re.Match[str]) -> str:
        target = Path(os.path.normpath(page.parent / found[2]))
        if found[2].endswith("/"):
            return f"{found[0]}index.md"
        if target.is_relative_to(DOCS) or not target.is_file():
            return found[0]
        copy = sources / FILES / target.relative_to(ROOT)
        write(copy, target.read_bytes())
        return found[1] + os.path.relpath(copy, sources / page.parent.relative_to(DOCS))

    return LINK.sub(bring, page.read_text("utf-8"))
