"""The pages that are made of the code: a module for each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .commands import command_pages
from .consoles import console_style
from .diagnostics import diagnostics_index
from .disk_search import search_script
from .ops import op_pages
from .page import Page
from .python_api import api_pages
from .tables import table_style
from .tutorial import tutorial_pictures
from .zoo import zoo_pages

KINDS: tuple[Callable[[], Iterable[Page]], ...] = (
    diagnostics_index,
    op_pages,
    command_pages,
    api_pages,
    zoo_pages,
    table_style,
    console_style,
    search_script,
    tutorial_pictures,
)


def generated_pages() -> Iterator[Page]:
    """All of them."""
    for make_pages in KINDS:
        yield from make_pages()
