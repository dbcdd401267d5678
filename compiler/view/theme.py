"""Colours of pictures, light and dark. Families differ for the colour-blind, too (Okabe and Ito); heat is one hue, and its ink keeps a
contrast of at least 5.3 to 1."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..ops.op import FAMILIES


class Theme(NamedTuple):
    """The colours of one picture. `heat` has six steps, from nothing to the most, and `heat_ink` the colour of a text on each."""

    background: str
    ink: str
    muted: str
    card: str
    frame: str
    line: str
    edge: str
    tensor: str
    tensor_dark: str
    tensor_pale: str
    cost: str
    families: Mapping[str, str]
    heat: tuple[str, ...]
    heat_ink: tuple[str, ...]


def by_family(*colours: str) -> Mapping[str, str]:
    """A colour for each family, in their order."""
    return MappingProxyType(dict(zip(FAMILIES, colours, strict=True)))


LIGHT = Theme(
    background="#ffffff",
    ink="#1b1f24",
    muted="#57606a",
    card="#ffffff",
    frame="#f6f7f8",
    line="#afb8c1",
    edge="#57606a",
    tensor="#f3d98a",
    tensor_dark="#d8b95e",
    tensor_pale="#fbe7a3",
    cost="#b35900",
    families=by_family("#0072b2", "#7b3294", "#d55e00", "#00735c", "#9a6700", "#bf3989", "#57606a", "#8c959f"),
    heat=("#ffffff", "#fff3df", "#ffe0b0", "#fdbe75", "#f08c3a", "#a63c06"),
    heat_ink=("#1b1f24", "#1b1f24", "#1b1f24", "#1b1f24", "#1b1f24", "#ffffff"),
)  # fmt: skip
DARK = Theme(
    background="#0f1318",
    ink="#e6edf3",
    muted="#9aa5b1",
    card="#1a2027",
    frame="#151a20",
    line="#3d4753",
    edge="#8b98a5",
    tensor="#6b5a1e",
    tensor_dark="#4d4015",
    tensor_pale="#8a7630",
    cost="#f2a93b",
    families=by_family("#56b4e9", "#c59be0", "#f0894a", "#2bb594", "#e0b040", "#f07ab8", "#9aa5b1", "#8b98a5"),
    heat=("#1a2027", "#35281a", "#573a17", "#8a5413", "#d3811b", "#ffc966"),
    heat_ink=("#e6edf3", "#e6edf3", "#e6edf3", "#ffffff", "#101418", "#101418"),
)  # fmt: skip
THEMES = {"light": LIGHT, "dark": DARK}
