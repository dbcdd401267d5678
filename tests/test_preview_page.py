"""`archc view --watch` in a headless Chromium: the page is redrawn at each save, and what is open stays open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archc.cli.watching import describe_diagnostic, explain_error
from archc.compiler.limits import DEFAULT
from archc.compiler.view.draw import draw_graph
from archc.compiler.view.page.page import page_html
from archc.preview import Preview, Views, WatchedSpec

from .browser import Tab, start_browser

SPEC = """archspec: 1
name: net
input: {image: [3, 8, 8]}
blocks:
  Unit: {steps: [{conv: {out: 8, kernel: 3, padding: 1}}, relu, {conv: {out: 8, kernel: 1}}]}
graph:
  - {name: first, Unit: {}}
  - {name: second, repeat: {i: 2}, Unit: {}}
  - global_avg_pool
"""
BROKEN = SPEC.replace("kernel: 3", "kernal: 3")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with start_browser() as started:
        yield started


def make_preview(path: Path) -> Preview:
    """A preview as the command makes it."""
    views = Views(
        lambda checked: draw_graph(checked.graph, "", checked.sources),  # type: ignore[arg-type]
        explain_error,
        describe_diagnostic,
        lambda drawing, live: page_html(drawing, live=live),
    )
    return Preview(WatchedSpec(str(path)), (), DEFAULT, views)


def follow(preview: Preview) -> None:
    """One round of what the command does for ever."""
    preview.spec.wait_for_change()
    preview.redraw()


def test_a_page_follows_its_spec(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(BROKEN, "utf-8")
    preview = make_preview(path)
    tab = Tab(browser)
    tab.page.goto(preview.address)
    problems = tab.page.locator("#problems")
    problems.get_by_text("unknown-key").first.wait_for()
    assert "kernal" in problems.inner_text() and "^" in problems.inner_text()
    path.write_text(SPEC, "utf-8")
    follow(preview)
    problems.wait_for(state="hidden")
    inner = tab.page.locator(".boxes .title", has_text="3×3 conv, 8")
    assert inner.count() == 0
    tab.click("first")
    inner.first.wait_for()
    opened = inner.count()
    path.write_text(SPEC.replace("kernel: 3, padding: 1", "kernel: 5, padding: 2"), "utf-8")
    follow(preview)
    tab.page.locator(".boxes .title", has_text="5×5 conv, 8").first.wait_for()
    assert tab.page.locator(".boxes .title", has_text="5×5 conv, 8").count() == opened and inner.count() == 0
    # what is wrong is told, and the last picture stays
    path.write_text(BROKEN, "utf-8")
    follow(preview)
    problems.get_by_text("unknown-key").first.wait_for()
    assert tab.page.locator(".boxes .title", has_text="5×5 conv, 8").count() == opened
    assert tab.wrong == [] and {url.split("#")[0] for url in tab.requests} == {
        preview.address,
        f"{preview.address}events",
    }
    tab.context.close()
    preview.server.shutdown()
