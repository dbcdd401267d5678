"""A file of the site that is made of the code."""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    """A file below the root of the site's sources: Markdown, or what Markdown shows. With a `title` it stands in the navigation, too, where that
    names its folder."""

    path: str
    content: str | bytes
    title: str = ""
