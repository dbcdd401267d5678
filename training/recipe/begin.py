"""A recipe of one's own, begun from another: the same text, comments and all, under another name."""

from __future__ import annotations

import re

from ...compiler.sources import BUNDLED
from .find import find_recipe

SCHEMA_LINE = re.compile(r"\A# yaml-language-server:.*\n")
NAME = re.compile(r"^name:.*\n", re.M)
# a list on its line, or on the lines below it
NETS = re.compile(r"^nets:.*\n(?:[ ]+.*\n|- .*\n)*", re.M)


def begin_recipe(name: str, origin: str) -> str:
    """The text of the recipe `origin` as one that is called `name`; that of no net. Raises Failure (usage) where there is none."""
    found = find_recipe(origin)
    text = SCHEMA_LINE.sub("", found.data.decode("utf-8", "replace").replace("\r\n", "\n"))
    text = NETS.sub("", text, count=1)
    if NAME.search(text):
        text = NAME.sub(f"name: {name}\n", text, count=1)
    else:
        text = re.sub(r"^recipe:.*\n", rf"\g<0>name: {name}\n", text, count=1, flags=re.M)
    return f"# begun from {BUNDLED}{found.bundled}\n{text}" if found.bundled else text
