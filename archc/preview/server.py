"""The server of a preview: one page and one stream of events, for browsers on this machine that know the address.

Any web page that the user visits can send requests to this machine, and so can its other users. So the address has a token that
nobody guesses; a request that was led here by another name (DNS rebinding) is refused by its Host; nothing but the two answers
exists, and no part of a request becomes a path, a command or a part of an answer.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from ..compiler.diagnostics import Failure

LOOPBACK = "127.0.0.1"
TOKEN_BYTES = 32
EVENTS = "events"
# a tab that is gone is seen when something is written to it
KEEP_ALIVE_S = 10.0
# how long a request may take to arrive, and a tab to take what is sent
TRANSFER_S = 20.0
# answers at once; each has a thread
MAX_CONNECTIONS = 64
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
NOTHING_ALLOWED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    f"{NOTHING_ALLOWED}; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'"
)


class Update(NamedTuple):
    """What tabs are told, as JSON in a line, and its number: the later, the higher."""

    number: int
    data: bytes


class Channel:
    """The newest message, and the threads that wait for the next. Who is slow misses those between, and gets the newest."""

    def __init__(self) -> None:
        self.newest = Update(0, b"")
        self.changed = threading.Condition()

    def publish(self, data: bytes) -> None:
        """Makes `data`, a line, the newest message; unless it is that already."""
        with self.changed:
            if data != self.newest.data:
                self.newest = Update(self.newest.number + 1, data)
                self.changed.notify_all()

    def wait_for_newer(self, number: int, seconds: float) -> Update | None:
        """The newest message, as soon as its number is over `number`; None where none comes in so many seconds."""
        with self.changed:
            newer = self.changed.wait_for(lambda: self.newest.number > number, seconds)
            return self.newest if newer else None


class PreviewServer(ThreadingHTTPServer):
    """Serves `make_page`'s HTML and the messages of `channel` on loopback; a thread of its own takes the requests."""

    daemon_threads = True
    # on Windows it would let another program take the same port
    allow_reuse_address = False

    def __init__(self, make_page: Callable[[], str], channel: Channel, port: int = 0) -> None:
        """`port` 0 takes a free one. Raises Failure (environment) where the port cannot be had."""
        self.make_page, self.channel = make_page, channel
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self.free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        try:
            super().__init__((LOOPBACK, port), PreviewRequest)
        except OSError as error:
            raise Failure("os-error", f"the port {port} of this machine cannot be had: {error.strerror}",
                          "without --port, a free one is taken", 3) from None  # fmt: skip
        self.port = int(self.server_address[1])
        self.hosts = {f"{name}:{self.port}" for name in (LOOPBACK, "localhost")}
        threading.Thread(target=self.serve_forever, name="archc preview", daemon=True).start()

    def server_bind(self) -> None:
        """As its base, which would also ask the network for this machine's name."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    @property
    def address(self) -> str:
        """The address of the page. Whoever knows it may see the spec."""
        return f"http://{LOOPBACK}:{self.port}/{self.token}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answers in a thread; over MAX_CONNECTIONS at once there is no answer."""
        if not self.free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread is to be had
            self.free.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A tab that goes away is no error; what else may go wrong with one is nobody else's."""


class PreviewRequest(BaseHTTPRequestHandler):
    """One request: the page, the events, or a refusal that says nothing."""

    server: PreviewServer
    protocol_version = "HTTP/1.1"
    timeout = TRANSFER_S

    def parse_request(self) -> bool:
        """Whether the request may be answered: a GET whose Host is this server. Else it is refused."""
        self.close_connection = True
        if not super().parse_request():
            return False
        self.close_connection = True
        if self.command != "GET":
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
            return False
        if self.headers.get_all("Host") not in [[host] for host in self.server.hosts]:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return False
        return True

    def do_GET(self) -> None:
        """Answers with the page, or with its events, where the address holds the token of this server; else 404."""
        token, _, place = self.path.removeprefix("/").partition("?")[0].partition("/")
        known = hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())
        if known and place == "":
            self.send_page()
        elif known and place == EVENTS:
            self.send_events()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def send_page(self) -> None:
        """The page, which may ask this server for events, and nothing else. Which script it runs, it says itself (compiler/view/page)."""
        self.send_whole(HTTPStatus.OK, "text/html; charset=utf-8", self.server.make_page().encode(), PAGE_POLICY)

    def send_events(self) -> None:
        """The newest message, and each newer one, for as long as the tab is there."""
        self.send_head(HTTPStatus.OK, "text/event-stream; charset=utf-8", NOTHING_ALLOWED)
        last = self.headers.get("Last-Event-ID", "")
        number = int(last) if re.fullmatch("[0-9]{1,9}", last) else 0
        # one of an earlier server has numbers of its own
        number = number if number <= self.server.channel.newest.number else 0
        self.wfile.write(b"retry: 500\n\n")
        while True:
            message = self.server.channel.wait_for_newer(number, KEEP_ALIVE_S)
            if message is None:
                self.wfile.write(b":\n\n")
                continue
            number = message.number
            self.wfile.write(b"id: %d\ndata: %s\n\n" % message)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A refusal, by its number alone."""
        self.send_whole(code, "text/plain; charset=utf-8", b"%d\n" % code, NOTHING_ALLOWED)

    def send_whole(self, code: int, kind: str, body: bytes, policy: str) -> None:
        """An answer with its end."""
        self.send_head(code, kind, policy, {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def send_head(self, code: int, kind: str, policy: str, more: dict[str, str] | None = None) -> None:
        """The head of an answer; the connection ends with it."""
        self.send_response_only(code)
        allow = {"Allow": "GET"} if code == HTTPStatus.METHOD_NOT_ALLOWED else {}
        about = {"Content-Type": kind, "Content-Security-Policy": policy, "Connection": "close"}
        for name, value in {**about, **HEADERS, **allow, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the token would stand in it."""
