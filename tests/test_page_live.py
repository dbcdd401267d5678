"""The page that follows a spec while it is edited: new drawings keep what is open, and what is wrong is told beside the last good picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from archc.compiler.view.drawing import Drawing
from archc.compiler.view.page.page import page_html

from .browser import Tab, draw_net, start_browser


class Server(ThreadingHTTPServer):
    """A server of one page, which is at any path, and of the events that are put into its queue."""

    daemon_threads = True

    def __init__(self, page: str) -> None:
        self.page, self.events = page, Queue[Any]()
        super().__init__(("127.0.0.1", 0), Answer)
        Thread(target=self.serve_forever, daemon=True).start()

    def tell(self, drawing: Drawing | None, *diagnostics: dict[str, Any]) -> None:
        """Sends what a save has brought."""
        shown = drawing.to_json() if drawing is not None else None
        self.events.put({"drawing": shown, "diagnostics": diagnostics})


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        is_stream = self.path == "/events"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if is_stream else "text/html; charset=utf-8")
        self.end_headers()
        if not is_stream:
            self.wfile.write(self.server.page.encode())
            return
        while (message := self.server.events.get()) is not None:
            self.wfile.write(f"data: {json.dumps(message)}\n\n".encode())
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def live() -> Iterator[tuple[Server, Tab]]:
    with start_browser() as browser:
        server = Server(page_html(draw_net("googlenet"), live="/events"))
        tab = Tab(browser)
        tab.page.goto(f"http://127.0.0.1:{server.server_port}/page")
        yield server, tab
        assert tab.wrong == []
        assert {url.split("/")[-1] for url in tab.requests} <= {"page", "events"}
        tab.context.close()
        server.events.put(None)
        server.shutdown()


def test_a_live_page_follows_its_spec(live: tuple[Server, Tab]) -> None:
    server, tab = live
    tab.click("inception4a")
    tab.click("3×3 conv, 208")
    tab.run("() => document.getElementById('view').scrollTop = 200")
    kept = [tab.titles(), tab.selected(), tab.page.url]
    drawing = draw_net("googlenet")
    nodes = tuple(node._replace(title=node.title.replace("7×7", "9×9")) for node in drawing.nodes)
    server.tell(drawing._replace(summary="saved again", nodes=nodes))
    tab.page.wait_for_function("() => document.getElementById('summary').textContent === 'saved again'")
    assert tab.titles() == [title.replace("7×7", "9×9") for title in kept[0]]
    assert [tab.selected(), tab.page.url] == kept[1:]
    assert tab.run("() => document.getElementById('view').scrollTop") == 200

    problem = {"severity": "error", "code": "unknown-key", "message": "<b>no</b> key `kernal`", "file": drawing.files[0][0], "line": 50,
               "column": 7, "help": "did you mean `kernel`?", "text": "  50 | kernal: 3"}  # fmt: skip
    server.tell(None, problem)
    tab.page.wait_for_selector("#problems:not([hidden])")
    told = tab.page.inner_text("#problems")
    bottom = tab.run("() => document.getElementById('problems').getBoundingClientRect().bottom")
    assert bottom <= tab.run("() => document.getElementById('view').getBoundingClientRect().top"), "it covers no box"
    assert "error[unknown-key]: <b>no</b> key `kernal`" in told and "did you mean `kernel`?" in told
    assert tab.run("() => document.body.classList.contains('broken')"), "the last good picture is greyed"
    assert len(tab.titles()) == len(kept[0])
    tab.page.get_by_role("button", name=f"{drawing.files[0][0]}:50:7").click()
    assert tab.lines("all") == [50]
    server.tell(drawing, {**problem, "severity": "warning"})
    tab.page.wait_for_selector("body:not(.broken)")
    assert "warning[unknown-key]" in tab.page.inner_text("#problems")
    server.tell(drawing)
    tab.page.wait_for_selector("#problems", state="hidden")
