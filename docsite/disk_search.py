"""The search of a page that is opened as a file, without a server: zensical writes the index as a script, and this one stands in for the worker that searches it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .page import Page

# zensical loads another one from elsewhere unless one with this name is there
NAME = "iframe-worker.js"


def search_script() -> Iterator[Page]:
    """The script that docsite/zensical.toml names."""
    yield Page(NAME, (Path(__file__).parent / NAME).read_text("utf-8"))
