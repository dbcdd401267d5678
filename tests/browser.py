"""A headless Chromium in which tests open pages: what a page asks of the network and what goes wrong in it is held against it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.compiler.view.draw import draw_graph
from archc.compiler.view.drawing import Drawing

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
WINDOW = {"width": 1400, "height": 900}


def draw_net(name: str) -> Drawing:
    """The drawing of a net of the zoo."""
    net = archc.load(name)
    return draw_graph(net.graph, net.checked.header.summary or "", net.checked.sources)


@contextmanager
def start_browser() -> Iterator[Any]:
    """A browser for a module's tests; skips them where Chromium or playwright is missing."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-extensions"]
        )
        yield browser
        browser.close()


class Tab:
    """A tab of the browser with a page of archc in it. `page` is playwright's."""

    def __init__(self, browser: Any, **options: Any) -> None:
        given: dict[str, Any] = {"viewport": WINDOW, "color_scheme": "light", "reduced_motion": "reduce", **options}
        self.context = browser.new_context(**given)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda message: self.wrong.append(f"{message.type}: {message.text}"))
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path, state: str = "") -> Tab:
        """Opens a file, in the state that the address says."""
        self.page.goto(path.as_uri() + (f"#{state}" if state else ""))
        return self

    def close(self) -> None:
        """Closes the tab; nothing may have gone wrong in it, and nothing but the file itself may have been asked for."""
        self.context.close()
        assert self.wrong == []
        assert [url for url in self.requests if not url.startswith(("file:", "blob:"))] == []
        assert len({url.split("#")[0] for url in self.requests if url.startswith("file:")}) <= 1

    def run(self, script: str, argument: Any = None) -> Any:
        """What a function of JavaScript gives in the page."""
        return self.page.evaluate(script, argument)

    def press(self, *keys: str) -> None:
        """Presses keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def box(self, title: str) -> Any:
        """The first box with this title."""
        return self.page.locator(".boxes > g").filter(has=self.page.locator(f'.title:text-is("{title}")')).first

    def click(self, title: str) -> None:
        """Clicks on the title of a box."""
        self.box(title).locator(".title").first.click()

    def place(self, title: str) -> tuple[float, float]:
        """The middle and the top of a box in the window."""
        found = self.box(title).locator(".face").last.bounding_box()
        return found["x"] + found["width"] / 2, found["y"]

    def titles(self) -> list[str]:
        """The titles of the boxes that are drawn, in reading order."""
        return self.run("() => [...document.querySelectorAll('.boxes > g .title')].map((text) => text.textContent)")

    def selected(self) -> list[str]:
        """What screen readers are told of the selected boxes."""
        return self.run(
            "() => [...document.querySelectorAll('.boxes > .selected')].map((box) => box.getAttribute('aria-label'))"
        )

    def focused(self) -> str:
        """What screen readers are told of the box with the focus."""
        return self.run("() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.id")

    def lines(self, mark: str) -> list[int]:
        """The numbers of the lines of the source that are marked `all` or `some`."""
        return self.run(
            "(mark) => [...document.querySelectorAll(`.line.${mark}`)].map((line) => Number(line.dataset.n))", mark
        )

    def details(self) -> str:
        """The text of the details."""
        return self.page.locator("#details").inner_text()
