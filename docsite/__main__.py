"""Builds the site: `python -m docsite [-o build/docsite]`; its first page is site/index.html below that. Strict: a link that leads nowhere ends it with 1."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from .generated import generated_pages
from .links import find_broken_links
from .site_error import SiteError
from .sources import ROOT, write_sources


def main() -> int:
    """Writes the sources, builds them, and follows all links."""
    parser = argparse.ArgumentParser(
        prog="python -m docsite", description="Builds the documentation as a site (extra [docs])."
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "docsite", help="where to; written anew")
    folder: Path = parser.parse_args().output
    try:
        build_site(folder)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(folder / "site" / "index.html")
    return 0


def build_site(folder: Path) -> None:
    """Builds the site at `folder`/site. Raises SiteError with what is wrong."""
    write_sources(folder, list(generated_pages()))
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SiteError(done.stdout + done.stderr)
    broken = list(find_broken_links(folder / "site"))
    if broken:
        raise SiteError("\n".join(broken))


if __name__ == "__main__":
    sys.exit(main())
