"""The tutorial's pictures, and what the first pages say of the code."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from textwrap import indent

import archc
from docsite.navigation import NAVIGATION, linked_paths
from docsite.tutorial import PICTURE, tutorial_pages, tutorial_pictures

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def test_pages_show_the_pictures_that_are_drawn() -> None:
    drawn = {page.path: page.content for page in tutorial_pictures()}
    shown = {f"tutorial/{name}" for page in tutorial_pages() for name in PICTURE.findall(page.read_text("utf-8"))}
    assert shown == set(drawn) and len(shown) >= 4
    before, after = (str(drawn[f"tutorial/{name}.svg"], "utf-8") for name in ("before", "after"))  # type: ignore[arg-type]
    assert "3×3 conv, 16" in before and "5×5 conv, 16" in after and "5×5" not in before


def test_the_picture_of_the_readme_is_what_its_command_draws() -> None:
    [command] = re.findall(r"`archc view (.*?)`", (ROOT / "README.md").read_text("utf-8"))
    net, only, step, output, path = command.split()
    assert (only, output) == ("--only", "-o") and f"]({path})" in (ROOT / "README.md").read_text("utf-8")
    assert (ROOT / path).read_text("utf-8") == str(archc.load(net).picture(step)), f"run archc view {command}"


def test_the_block_on_the_first_page_is_the_zoo_s() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", (DOCS / "index.md").read_text("utf-8"), re.S)
    zoo = re.sub(r" +#.*", "", (ROOT / "archspecs/googlenet/googlenet.yaml").read_text("utf-8"))
    assert indent(block, "  ") in zoo


def test_the_page_on_installing_has_each_extra() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (DOCS / "howto/install.md").read_text("utf-8"), re.M)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(extras)


def test_the_tutorial_is_read_in_its_order() -> None:
    """Each page leads to the next."""
    order = [path for path in linked_paths(NAVIGATION) if path.startswith("tutorial/")]
    for page, following in pairwise(order):
        assert f"]({Path(following).name})" in (DOCS / page).read_text("utf-8").splitlines()[-1], page
