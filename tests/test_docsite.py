"""The documentation as a site: its strict build, the links that it follows, and the places of its pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docsite.__main__ import build_site
from docsite.indexes import INTRODUCTIONS, add_list, index_pages, opening_sentence
from docsite.links import find_broken_links
from docsite.long_cells import mark_long_cells
from docsite.navigation import NAVIGATION, Folder, Link, Section, linked_paths, navigation_lines
from docsite.page import Page
from docsite.site_error import SiteError
from docsite.sources import DOCS, check_places
from docsite.whole_words import keep_words_whole

from .browser import start_browser

HEAD = '<html><head><link rel="stylesheet" href="style.css"></head><body>'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built once."""
    folder = tmp_path_factory.mktemp("docsite")
    build_site(folder)
    return folder / "site"


@pytest.mark.slow
def test_the_site_is_built_and_its_links_hold(site: Path) -> None:
    """With a page for each hand-written one; what is wrong with a link ends the build."""
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
        ('<a href="folder/index.html">x</a>', None),
        ('<a href="folder/">x</a>', "folder/ is a folder"),
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


@pytest.mark.slow
def test_pages_work_from_a_disk_and_on_a_phone(site: Path) -> None:
    """Opened as a file a page is searched without a server; on 400 pixels no page is wider than the screen, whatever its tables."""
    with start_browser() as browser:
        page = browser.new_context(viewport={"width": 400, "height": 800}).new_page()
        for name in ("index.html", "howto/index.html", "reference/commands/build.html", "zoo/families/resnet.html"):
            page.goto((site / name).as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 400, name
        page.goto((site / "reference/commands/build.html").as_uri())
        meaning = page.locator("th", has_text="meaning").first.bounding_box()
        assert meaning and meaning["x"] + meaning["width"] <= 400
        page.set_viewport_size({"width": 1280, "height": 900})
        for name in (
            "zoo/index.html",
            "zoo/recipes.html",
            "zoo/families/densenet.html",
            "zoo/families/stochastic_depth.html",
        ):
            page.goto((site / name).as_uri())
            for box in page.locator(".md-typeset__scrollwrap").all():
                assert box.evaluate("box => box.scrollWidth <= box.clientWidth"), (name, box.inner_text()[:80])
        page.goto((site / "howto/index.html").as_uri())
        page.locator(".md-search__button").first.click()
        page.wait_for_timeout(500)
        page.keyboard.type("residual", delay=50)
        page.get_by_text(re.compile(r"^\d+ results$")).first.wait_for(timeout=60_000)


def test_first_pages_list_all_of_their_kind() -> None:
    """In the order of the navigation, each with its first sentence; of what is made of the code the index alone."""
    texts = dict.fromkeys(linked_paths(NAVIGATION), "# Its title\n\nWhat `it` [tells](x.md#y). More.\n")
    texts |= {f"reference/{each}/index.md": "# All\n\nOne each.\n" for each in ("commands", "python")}
    pages = {page.path: str(page.content) for page in index_pages(texts)}
    assert pages.keys() == INTRODUCTIONS.keys()
    for path, text in pages.items():
        kind = path.partition("/")[0]
        named = [each for each in linked_paths(NAVIGATION) if each.startswith(f"{kind}/") and each != path]
        places = [text.index(f"]({each.removeprefix(f'{kind}/')})**. What `it` tells.") for each in named]
        assert named and places == sorted(places)
    assert "[All](commands/index.md)**. One each." in pages["reference/index.md"]
    assert "\n## Train\n\n" in pages["howto/index.md"]

    zoo = add_list("# The zoo\n\nNets. [Families](families/index.md).\n\n## lenet\n", "zoo/index.md", texts)
    assert zoo.index("[The lecture, recomputed](lecture.md)**. What") < zoo.index("\n## lenet\n")
    assert zoo.count("families/index.md") == 1
    assert add_list("# Any\n\nOther.\n", "zoo/lecture.md", texts) == "# Any\n\nOther.\n"


@pytest.mark.parametrize(
    "text", ["# T\n\n```sh\narchc\n```\n\nIt is. So.\n", "# T\n\n**You need** it.\n", "# T\n\n## U\n\nIt.\n", "# T\n"]
)
def test_a_page_begins_with_a_sentence(text: str) -> None:
    assert opening_sentence("# T\n\n<!-- made -->\n\nIt is `.so`\nhere. And there.\n", "x.md") == "It is `.so` here."
    with pytest.raises(SiteError, match=r"x\.md: begins with no sentence"):
        opening_sentence(text, "x.md")


def test_long_cells_are_marked(tmp_path: Path) -> None:
    """What counts is the text that is seen; a cell of a column of numbers has a style."""
    page = tmp_path / "page.html"
    short, long = f'<td><a href="{"x" * 40}">a</a></td><td style="">{"1" * 40}</td>', f"<code>{'a ' * 16}</code>"
    page.write_text(f"{short}<td>{long}</td>", "utf-8")
    mark_long_cells(tmp_path)
    assert page.read_text("utf-8") == f'{short}<td class="long">{long}</td>'


def test_words_of_code_are_marked(tmp_path: Path) -> None:
    """Those that a browser would break behind a hyphen, and the dots of a title; the text of the page stays the same."""
    page = tmp_path / "page.html"
    block = "<pre><span></span><code>--a-b</code></pre>"
    head = '<h1 id="a.b">archc.load 1.5<a'
    page.write_text(
        f"{head}{block}<td><code>archc --weights-map FILE -</code> a-b</td><code>{'a-' * 30}b</code>", "utf-8"
    )
    keep_words_whole(tmp_path)
    whole = '<span class="whole">--weights-map</span>'
    assert page.read_text("utf-8") == (
        f"{head.replace('archc.', 'archc.<wbr>')}{block}<td><code>archc {whole} FILE -</code> a-b</td><code>{'a-' * 30}b</code>"
    )
