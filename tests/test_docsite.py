"""The documentation as a site: its strict build, the links that it follows, and the places of its pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from docsite.__main__ import build_site
from docsite.links import find_broken_links
from docsite.navigation import Folder, Link, Section, linked_paths, navigation_lines
from docsite.page import Page
from docsite.site_error import SiteError
from docsite.sources import DOCS, check_places

HEAD = '<html><head><link rel="stylesheet" href="style.css"></head><body>'


@pytest.mark.slow
def test_the_site_is_built_and_its_links_hold(tmp_path: Path) -> None:
    """With a page for each hand-written one; what is wrong with a link ends the build."""
    build_site(tmp_path)
    site = tmp_path / "site"
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").is_file(), page
    home = (site / "index.html").read_text("utf-8")
    assert "https://fonts" not in home and 'id="__search"' in home


@pytest.mark.parametrize(
    "body, told",
    [
        ('<a href="other.html">x</a>', None),
        ('<a href="other.html#there">x</a>', None),
        ('<a href="other.html#open=stem">x</a>', None),
        ('<a href="https://example.org/">x</a>', None),
        ('<a href="mailto:a@example.org">x</a>', None),
        ('<a href="#here">x</a><p id="here">', None),
        ('<a href="folder/">x</a>', None),
        ('<a href="other.html#nowhere">x</a>', "other.html#nowhere has no such anchor"),
        ('<a href="#nowhere">x</a>', "#nowhere has no such anchor"),
        ('<a href="lost.html">x</a>', "lost.html is not there"),
        ('<img src="lost.svg">', "lost.svg is not there"),
        ('<a href="../outside.html">x</a>', "../outside.html is not there"),
        ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js"),
        ('<img src="//example.org/x.png">', "loads //example.org/x.png"),
    ],
)
def test_links(tmp_path: Path, body: str, told: str | None) -> None:
    (tmp_path / "folder").mkdir()
    for name, content in {
        "page.html": HEAD + body,
        "other.html": '<h2 id="there">',
        "folder/index.html": "",
        "style.css": "",
    }.items():
        (tmp_path / name).write_text(content, "utf-8")
    found = list(find_broken_links(tmp_path))
    assert [line.partition(": ")[2] for line in found] == ([] if told is None else [told])


def test_each_page_has_one_place() -> None:
    named = set(linked_paths((Section("All", (Link("Home", "index.md"),)),)))
    assert named == {"index.md"}
    with pytest.raises(SiteError, match=r"howto/new.md: is not in docsite/navigation.py"):
        check_places({"howto/new.md"}, [])
    with pytest.raises(SiteError, match=r"names index.md, which is not there"):
        check_places(set(), [])
    with pytest.raises(SiteError, match=r"index.md: is written by hand and made of the code"):
        check_places({"index.md"}, [Page("index.md", "")])


def test_a_folder_in_the_navigation_is_its_titled_pages() -> None:
    pages = [Page("ops/conv.md", "", "conv"), Page("ops/conv.svg", ""), Page("zoo/x.md", "", "x")]
    parts = (Section("Ops", (Folder("ops/"),)),)
    assert list(navigation_lines(parts, pages)) == ['  { "Ops" = [', '    { "conv" = "ops/conv.md" },', "  ] },"]
