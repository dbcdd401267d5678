"""Blocks of commands on the site: what is copied of one are its commands, without their prompts and what they print."""

from __future__ import annotations

from collections.abc import Iterator

from .page import Page

# the theme marks a block while its button copies it
STYLE = """\
[data-md-copying] .gp, [data-md-copying] .go { display: none; }
.language-console .gp, .language-console .go { user-select: none; }
"""


def console_style() -> Iterator[Page]:
    """The style sheet that docsite/zensical.toml names."""
    yield Page("consoles.css", STYLE)
