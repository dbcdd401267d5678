"""The pages that are made of the code: a module for each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .consoles import console_style
from .diagnostics import diagnostics_index
from .page import Page

KINDS: tuple[Callable[[], Iterable[Page]], ...] = (diagnostics_index, console_style)


def generated_pages() -> Iterator[Page]:
    """All of them."""
    for make_pages in KINDS:
        yield from make_pages()
