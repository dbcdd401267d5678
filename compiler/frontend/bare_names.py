"""A param's name where its value is meant: `out: width` for `out: $width`."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Container
from functools import lru_cache
from typing import Any

from .expressions.arithmetic import FUNCTIONS
from .located_yaml import Located

ARITHMETIC = re.compile(r"[\w\s+\-*/%().,\[\]]+")

WHOLE = re.compile(r"[\w\s.,()\[\]]+(?:[-+*/%<>=!]+[\w\s.,()\[\]]+)+")


def advise_expression(text: str, names: Container[str]) -> str:
    """What to write for a text that names params as an expression would, but for the dollar; empty for any other text."""
    if "$" in text:
        return advise_whole_expression(text)
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    if text in names:
        return f"write `${text}`: a name without a dollar is a string"
    others = {word for word in words if word not in names}
    if not ARITHMETIC.fullmatch(text) or others == words or not others <= {*FUNCTIONS, "x"}:
        return ""
    quote = '"' if re.search(r"[,\[\]]", text) else ""
    return f"write `{quote}$({text.strip()}){quote}`: without the dollar it is a string"


def advise_whole_expression(text: str) -> str:
    """What to write for arithmetic around expressions, such as `$width * 2`; empty for any other text."""
    inside = re.sub(r"\$(?:\(([^()]*)\)|(\w+))", lambda found: found[1] or found[2], text)
    if "$" in inside or not WHOLE.fullmatch(inside):
        return ""
    quote = '"' if re.search(r"[,\[\]]", inside) else ""
    return f"write `{quote}$({inside.strip()}){quote}`: only what stands in the parentheses is computed"


def names_in_sight(root: Located, path: list[str | int]) -> Container[str]:
    """The params, lets and repeats that an expression at `path` sees, as far as the text of the document tells."""
    keys: list[dict[str, Any]] = []
    node = root
    for index in (None, *path):
        if index is not None:
            node = node.value[str(index)].value if isinstance(node.value, dict) else node.value[index]
        if not isinstance(node.value, dict):
            continue
        for key in ("params", "let"):
            if key in node.value and isinstance(inner := node.value[key].value.value, dict):
                keys.append(inner)
        if "repeat" in node.value:
            keys.append(names_of_repeat(node.value["repeat"].value))
    return ChainMap(*keys)


@lru_cache(maxsize=16)
def names_of_repeat(node: Located) -> dict[str, None]:
    """The names that a `repeat` brings in sight."""
    return dict.fromkeys(" ".join(node.value).split()) if isinstance(node.value, dict) else {}
