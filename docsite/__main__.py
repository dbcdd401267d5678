"""Builds the site: `python -m docsite [-o build/docsite]`; its first page is site/index.html below that. Strict: a link that leads nowhere ends it with 1.

`python -m docsite --fill` builds nothing, and makes the tables in pages of docs/ anew that are made of the code (docsite/insertions.py).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from .generated import generated_pages
from .insertions import fill_page
from .links import find_broken_links
from .long_cells import mark_long_cells
from .site_error import SiteError
from .sources import DOCS, ROOT, write_sources
from .whole_words import keep_words_whole


def main() -> int:
    """Writes the sources, builds them, and follows all links."""
    parser = argparse.ArgumentParser(
        prog="python -m docsite", description="Builds the documentation as a site (extra [docs])."
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "docsite", help="where to; written anew")
    parser.add_argument("--fill", action="store_true", help="make the tables in docs/ anew, and build nothing")
    options = parser.parse_args()
    folder: Path = options.output
    if options.fill:
        fill_pages()
        return 0
    try:
        build_site(folder)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(folder / "site" / "index.html")
    return 0


def fill_pages() -> None:
    """Writes the pages of docs/ whose tables have changed."""
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text("utf-8")
        if (filled := fill_page(text)) != text:
            path.write_text(filled, "utf-8")
            print(path)


def build_site(folder: Path) -> None:
    """Builds the site at `folder`/site. Raises SiteError with what is wrong."""
    write_sources(folder, list(generated_pages()))
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SiteError(done.stdout + done.stderr)
    keep_words_whole(folder / "site")
    mark_long_cells(folder / "site")
    broken = list(find_broken_links(folder / "site"))
    if broken:
        raise SiteError("\n".join(broken))


if __name__ == "__main__":
    sys.exit(main())
