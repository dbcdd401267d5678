"""Whether what the built pages link to is there: files, anchors, and nothing that a browser would load from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# what a browser loads by itself, by element
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}


class BuiltPage(HTMLParser):
    """The anchors of a page, what it links to (`targets`), and what it loads (`loaded`)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Notes the anchors of a tag, what it links to and what it loads."""
        named = {name: value or "" for name, value in attributes}
        self.anchors |= {named[name] for name in ("id", "name") if name in named}
        if tag == "a" and "href" in named:
            self.targets.append(named["href"])
        if tag == "link" and named.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(named["href"])
        if named.get(LOADED.get(tag, "")):
            self.loaded.append(named[LOADED[tag]])


def find_broken_links(site: Path) -> Iterator[str]:
    """A line for each link of the site that leads nowhere, and for each file that is loaded from elsewhere."""
    pages = {path: BuiltPage(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        place = path.relative_to(site)
        yield from (f"{place}: loads {each}" for each in page.loaded if is_elsewhere(each))
        # the page of what is not found is shown at any address
        if path.name == "404.html":
            continue
        for each in dict.fromkeys(page.targets + page.loaded):
            if is_elsewhere(each) or urlsplit(each).scheme:
                continue
            name, anchor = unquote(urlsplit(each).path), unquote(urlsplit(each).fragment)
            target = Path(os.path.normpath(path.parent / name)) if name else path
            # a server has the first page of a folder, and a browser that opens files a list of them
            if target.is_dir():
                yield f"{place}: {each} is a folder"
            elif not target.is_file():
                yield f"{place}: {each} is not there"
            elif anchor and target in pages and anchor not in pages[target].anchors and not is_state(target, anchor):
                yield f"{place}: {each} has no such anchor"


def is_elsewhere(link: str) -> bool:
    """Whether a link leaves the site."""
    return urlsplit(link).scheme in ("http", "https") or link.startswith("//")


def is_state(target: Path, anchor: str) -> bool:
    """Whether an anchor is the state of a page of `archc view`, as `#open=stem`, and no place in it."""
    return "=" in anchor
