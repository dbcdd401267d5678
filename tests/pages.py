"""Pages of docs/ as programs: a runner that does what a reader of them does. How their blocks are read stands in docsite/walkthrough.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from docsite.tutorial import tutorial_pages
from docsite.walkthrough import Doing, printed_pattern, read_doings

DOCS = Path(__file__).parent.parent / "docs"
# each is followed from top to bottom; that one is about a machine without archc, which tests/test_installs.py makes
HOWTOS = [page for page in sorted((DOCS / "howto").glob("*.md")) if page.stem != "install"]
TUTORIAL = tutorial_pages()
# where a page shows a mistake, its command ends with another code than 0
MISTAKE = re.compile(r"error\[")


def run_page(page: Path, folder: Path) -> None:
    """Does in `folder` what the page says, from top to bottom, in fresh processes; AssertionError tells what did not come out so."""
    for doing in read_doings(page.read_text("utf-8")):
        run_doing(doing, folder)


def run_doing(doing: Doing, folder: Path) -> None:
    """Saves a file, or runs commands or a program; what they print on either stream is held against what is shown, if anything is."""
    if doing.saved_as:
        path = folder / doing.saved_as
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(doing.text, "utf-8")
        return
    line = [sys.executable, "-c", doing.text] if doing.language == "python" else ["bash", "-c", doing.text]
    done = subprocess.run(line, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # fmt: skip
    out = re.sub(r"[ \t]+$", "", done.stdout.decode().strip("\n"), flags=re.M) + "\n"
    mistaken = bool(MISTAKE.search("\n".join(doing.printed)))
    assert bool(done.returncode) == mistaken, f"`{doing.text}` ends with {done.returncode}:\n{out}"
    if doing.printed:
        pattern = printed_pattern(doing.printed, doing.numbers_differ)
        assert re.fullmatch(pattern, out), f"`{doing.text}` prints:\n{out}"


def environment() -> dict[str, str]:
    """That of a shell in which archc is installed, with one thread and no GPU."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # a width leaves columns of a table out; pytest-xdist sets one
    kept = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return {**kept, "PATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}
