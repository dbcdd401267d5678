"""The pictures of the tutorial: what the commands on its pages draw, one after the other in a folder, as whoever follows them sees it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .navigation import NAVIGATION, linked_paths
from .page import Page
from .site_error import SiteError
from .sources import DOCS
from .walkthrough import read_doings

PICTURE = re.compile(r"!\[[^]]*\]\(([\w.]+\.svg)")
# those of a tutorial's commands by which files come to be, in well under a second each
WRITES = ("archc init ", "archc view ", "cp ", "patch ")


def tutorial_pages() -> tuple[Path, ...]:
    """The pages of the tutorial, in the order in which they are read."""
    return tuple(DOCS / path for path in linked_paths(NAVIGATION) if path.startswith("tutorial/"))


def tutorial_pictures() -> Iterator[Page]:
    """Each picture that a page shows. Raises SiteError for one that no command draws."""
    texts = [page.read_text("utf-8") for page in tutorial_pages()]
    wanted = [name for text in texts for name in PICTURE.findall(text)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as folder:
        for doing in (each for text in texts for each in read_doings(text)):
            if all(Path(folder, name).exists() for name in wanted):
                break
            if doing.text.startswith(WRITES) and "--watch" not in doing.text:
                for commands in (doing.text, draw_dark(doing.text)):
                    subprocess.run(["sh", "-c", commands], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, check=False)  # fmt: skip
        for name in wanted:
            picture = Path(folder, name)
            if not picture.exists():
                raise SiteError(f"docs/tutorial shows {name}, which no command there draws")
            yield Page(f"tutorial/{name}", picture.read_bytes())


def draw_dark(commands: str) -> str:
    """For a page that is dark, the command that draws the same; for others nothing."""
    if not commands.startswith("archc view "):
        return ""
    return f"{commands.strip().replace('.svg', '.dark.svg')} --theme dark"
