"""`archc view --watch`: what the server answers and refuses, and that each save of each file of a spec reaches every tab."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from archc.cli.watching import open_browser
from archc.compiler.diagnostics import Diagnostic, Failure
from archc.compiler.driver import Compilation
from archc.compiler.limits import DEFAULT
from archc.compiler.view.draw import draw_graph
from archc.compiler.view.drawing import Drawing
from archc.preview import Preview, Views, WatchedSpec, server

from .program import program

ROOT = Path(__file__).parent.parent

SPEC = "archspec: 1\nname: net\ninput: {image: [3, 8, 8]}\ngraph: [{conv: {out: 4, kernel: 3}}, relu]\n"
BASE = "archspec: 1\ninput: {image: [3, 8, 8]}\nblocks:\n  Part: {steps: [conv: 4]}\n"
EXTENDS = "archspec: 1\nname: net\nextends: base.yaml\nlabels: names.txt\ngraph: [Part, flatten, {linear: 2}]\n"


def draw(checked: Compilation) -> Drawing:
    """A drawing, but for a spec at which archc has a bug."""
    assert checked.graph is not None
    if checked.name == "bug":
        raise ZeroDivisionError("a bug")
    return draw_graph(checked.graph)


VIEWS = Views(
    draw=draw,
    explain=lambda error: [Diagnostic(getattr(error, "code", "internal"), None, str(error))],
    describe=lambda each: {"code": each.code, "line": each.span.line if each.span else None},
    make_page=lambda drawing, live: (
        f"<title>{drawing.name}, {len(drawing.nodes)}</title><script>open({live!r})</script>"
    ),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, and one that extends another; the limits of time are short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 0.1)
    for name, text in {"net.yaml": SPEC, "base.yaml": BASE, "top.yaml": EXTENDS, "names.txt": "a\nb\n"}.items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Preview]]:
    """Makes previews, and ends their servers."""
    started: list[Preview] = []

    def make(spec: str = "net.yaml", settings: tuple[str, ...] = ()) -> Preview:
        started.append(Preview(WatchedSpec(spec), settings, DEFAULT, VIEWS))
        return started[-1]

    yield make
    for each in started:
        threading.Thread(target=each.server.shutdown, daemon=True).start()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    """A preview whose spec stays as it is."""
    path = tmp_path_factory.mktemp("running") / "net.yaml"
    path.write_text(SPEC, "utf-8")
    return Preview(WatchedSpec(str(path)), (), DEFAULT, VIEWS)


def request(preview: Preview, path: str | None = None, method: str = "GET", **headers: str) -> HTTPResponse:
    """The answer to a request, of the page if no `path` is said."""
    connection = HTTPConnection("127.0.0.1", preview.server.port, timeout=10)
    connection.request(method, f"/{preview.server.token}/" if path is None else path, headers=headers)
    return connection.getresponse()


class Tab:
    """A browser's tab: it listens to the events."""

    def __init__(self, preview: Preview, **headers: str) -> None:
        self.answer = request(preview, f"/{preview.server.token}/events", **headers)
        assert self.answer.status == 200

    def read(self) -> dict[str, Any]:
        """The next message."""
        while not (line := self.answer.readline()).startswith(b"data: "):
            assert line
        message: dict[str, Any] = json.loads(line[6:])
        return message


def save_by_rename(path: Path, text: str) -> None:
    """As vim and most editors do."""
    path.with_suffix(".swp").write_text(text, "utf-8")
    path.with_suffix(".swp").replace(path)


def save_in_place(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def save_after_a_while(path: Path, text: str) -> None:
    """An editor that moves the old file away first, and needs time to write the new one, whose first half is no spec."""
    path.rename(path.with_suffix(".bak"))

    def write() -> None:
        time.sleep(0.3)
        with path.open("w", encoding="utf-8") as file:
            file.write(text[:-9])
            file.flush()
            time.sleep(0.02)
            file.write(text[-9:])

    threading.Thread(target=write).start()


def follow(preview: Preview) -> None:
    """One round of what the command does for ever."""
    preview.spec.wait_for_change()
    preview.redraw()


def test_the_page_and_its_headers(start: Callable[..., Preview]) -> None:
    preview = start()
    answer = request(preview)
    assert (answer.status, answer.getheader("Cache-Control")) == (200, "no-store")
    assert answer.read() == b"<title>net, 2</title><script>open('events')</script>"
    policy = answer.getheader("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert answer.getheader("Referrer-Policy") == "no-referrer"
    assert (
        len(preview.server.token) >= 32
        and preview.address == f"http://127.0.0.1:{preview.server.port}/{preview.server.token}/"
    )
    assert preview.server.socket.getsockname()[0] == "127.0.0.1"
    assert start().server.token != preview.server.token


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404), ("/events", 404), ("//", 404), ("/wrong/", 404), ("/wrong/events", 404), ("/TOKEN", 200), ("/TOKEN/x", 404),
        ("/TOKEN/../net.yaml", 404), ("/TOKEN/%2e%2e/net.yaml", 404), ("/TOKEN/net.yaml", 404), ("/TOKEN//etc/passwd", 404),
        ("/TOKEN/events/..", 404), ("/net.yaml", 404), ("/../../etc/passwd", 404), ("http://127.0.0.1/TOKEN/", 404), ("/TOKEN/?a=/etc", 200),
        ("/TOKE\u00fcN/", 404), ("/" + 70_000 * "a", 414), ("TOKEN/\x7f", 404),
    ],
)  # fmt: skip
def test_nothing_else_is_there(running: Preview, path: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", running.server.port), timeout=10) as connection:
        line = f"GET {path.replace('TOKEN', running.server.token)} HTTP/1.1\r\nHost: 127.0.0.1:{running.server.port}\r\n\r\n"
        connection.sendall(line.encode("latin-1"))
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert status == 200 or answer.partition(b"\r\n\r\n")[2] == b"%d\n" % status


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "NOSUCH"])
def test_only_get(running: Preview, method: str) -> None:
    assert request(running, method=method).status == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:PORT", 200), ("localhost:PORT", 200), ("127.0.0.1", 421), ("evil.example:PORT", 421), ("127.0.0.1:1", 421),
     ("127.0.0.1:PORT, evil.example", 421), ("", 421), ("localhost:PORT.", 421)],
)  # fmt: skip
def test_another_host_is_refused(running: Preview, host: str, status: int) -> None:
    assert request(running, Host=host.replace("PORT", str(running.server.port))).status == status


@pytest.mark.parametrize("heads", [[], ["Host: 127.0.0.1:PORT", "Host: evil.example"]])
def test_no_host_and_two_hosts_are_refused(running: Preview, heads: list[str]) -> None:
    with socket.create_connection(("127.0.0.1", running.server.port), timeout=10) as connection:
        lines = [f"GET /{running.server.token}/ HTTP/1.1", *heads, "", ""]
        connection.sendall("\r\n".join(lines).replace("PORT", str(running.server.port)).encode())
        assert b" 421 " in connection.makefile("rb").readline()


@pytest.mark.parametrize("save", [save_by_rename, save_in_place, save_after_a_while])
def test_each_save_reaches_every_tab(folder: Path, start: Callable[..., Preview], save: Callable[[Path, str], None]) -> None:  # fmt: skip
    preview = start()
    tabs = [Tab(preview), Tab(preview)]
    first = [tab.read() for tab in tabs]
    assert first == [first[0]] * 2 and first[0]["diagnostics"] == [] and first[0]["drawing"]["nodes"][1][1] == "relu"
    tabs[0].answer.close()
    save(folder / "net.yaml", SPEC.replace("relu", "sigmoid"))
    follow(preview)
    assert tabs[1].read()["drawing"]["nodes"][1][1] == "sigmoid"
    assert Tab(preview).read()["drawing"]["nodes"][1][1] == "sigmoid"


def test_a_broken_spec_is_told_and_mended(folder: Path, start: Callable[..., Preview]) -> None:
    (folder / "net.yaml").write_text(SPEC.replace("conv:", "convv:"), "utf-8")
    preview = start()
    tab = Tab(preview)
    told = tab.read()
    assert told["drawing"] is None and [(d["line"]) for d in told["diagnostics"]] == [4]
    assert b"<title>net, 0</title>" in request(preview).read()
    for text, code in ((SPEC, None), ("{", "yaml-syntax"), (SPEC.replace(": net", ": bug"), "internal")):
        save_by_rename(folder / "net.yaml", text)
        follow(preview)
        told = tab.read()
        assert (told["drawing"] is None) == (code is not None), told
        assert code is None or code in {each["code"] for each in told["diagnostics"]}
    # a tab that comes now sees the last picture that there was
    assert b"<title>net, 2</title>" in request(preview).read()


def test_an_expectation_that_does_not_hold_keeps_no_picture_back(folder: Path, start: Callable[..., Preview]) -> None:
    (folder / "net.yaml").write_text(f"{SPEC}expect: {{params: 1}}\n", "utf-8")
    told = Tab(start()).read()
    assert told["drawing"] and [each["code"] for each in told["diagnostics"]] == ["expectation-refuted"]


@pytest.mark.parametrize(
    ("file", "text", "seen"),
    [
        ("base.yaml", BASE.replace("conv: 4", "conv: 7"), "[7, 8, 8]"),
        ("names.txt", "a\nb\nc\n", "label-count"),
        ("names.txt", None, "file-missing"),
        ("base.yaml", None, "file-missing"),
        ("top.yaml", None, "file-unreadable"),
    ],
)
def test_all_files_of_a_spec_are_watched(
    folder: Path, start: Callable[..., Preview], file: str, text: str | None, seen: str
) -> None:
    """One that goes is missed, and seen when it comes again."""
    preview = start("top.yaml")
    before = (folder / file).read_text("utf-8")
    (folder / file).unlink() if text is None else (folder / file).write_text(text, "utf-8")
    follow(preview)
    assert seen in json.dumps(Tab(preview).read())
    save_by_rename(folder / file, before)
    follow(preview)
    last = Tab(preview).read()
    assert last["diagnostics"] == [] and last["drawing"]["name"] == "net" and [4, 8, 8] in last["drawing"]["shapes"]


def test_what_a_spec_names_anew_is_watched_and_the_old_no_more(folder: Path, start: Callable[..., Preview]) -> None:
    preview = start("top.yaml")
    (folder / "other.yaml").write_text(BASE.replace("conv: 4", "conv: 5"), "utf-8")
    save_in_place(folder / "top.yaml", EXTENDS.replace("base.yaml", "other.yaml"))
    follow(preview)
    save_in_place(folder / "base.yaml", "{")
    assert not preview.spec.has_changed
    save_in_place(folder / "other.yaml", BASE.replace("conv: 4", "conv: 6"))
    follow(preview)
    assert "[6, 8, 8]" in json.dumps(Tab(preview).read())


def test_no_file_outside_the_folder_is_looked_at(folder: Path, start: Callable[..., Preview]) -> None:
    (folder / "in").mkdir()
    (folder / "in/net.yaml").write_text(EXTENDS.replace("base.yaml", "../base.yaml"), "utf-8")
    preview = start("in/net.yaml")
    assert [*preview.spec.looks] == [folder / "in/net.yaml"]


def test_a_tab_that_comes_back_gets_only_what_is_new(folder: Path, start: Callable[..., Preview]) -> None:
    preview = start()
    Tab(preview).read()
    tab = Tab(preview, **{"Last-Event-ID": "1"})
    save_by_rename(folder / "net.yaml", SPEC.replace("relu", "tanh"))
    follow(preview)
    assert tab.read()["drawing"]["nodes"][1][1] == "tanh"
    # one of a server that has ended had other numbers, or none
    for number in ("99", "nothing", "-1"):
        assert "tanh" in json.dumps(Tab(preview, **{"Last-Event-ID": number}).read())


def test_what_did_not_change_is_not_sent(folder: Path, start: Callable[..., Preview]) -> None:
    preview = start()
    os.utime(folder / "net.yaml")
    follow(preview)
    assert preview.channel.newest.number == 1


def test_a_slow_tab_holds_nobody_up(folder: Path, start: Callable[..., Preview], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """It gets the newest; those between, which it was too slow for, are left out."""
    monkeypatch.setattr(server.PreviewRequest, "timeout", 1.0)
    preview = start()
    slow, quick = Tab(preview), Tab(preview)
    quick.read()
    for number in range(30):
        preview.channel.publish(json.dumps({"number": number, "filling": 10**6 * "x"}).encode())
        while (found := quick.read()["number"]) != number:
            assert found < number
    assert slow.answer.readline()


def test_more_tabs_than_there_may_be(start: Callable[..., Preview], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    preview = start()
    tabs = [Tab(preview), Tab(preview)]
    with pytest.raises(OSError):  # noqa: PT011
        request(preview)
    tabs.pop().answer.close()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            assert request(preview).status == 200
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("a connection that has ended is still counted")


def test_what_cannot_be_watched(folder: Path, start: Callable[..., Preview]) -> None:
    for spec, code in (("-", "usage"), ("gone.yaml", "no-such-spec"), (".", "not-a-file")):
        with pytest.raises(Failure) as failure:
            WatchedSpec(spec)
        assert (failure.value.code, failure.value.exit_code) == (code, 2)
    with pytest.raises(Failure) as failure:
        start("net.yaml", ("classes=3",))
    assert failure.value.exit_code == 2
    taken = start().server.port
    with pytest.raises(Failure) as failure:
        Preview(WatchedSpec("net.yaml"), (), DEFAULT, VIEWS, taken)
    assert (failure.value.code, failure.value.exit_code) == ("os-error", 3)


def test_a_spec_that_becomes_a_pipe_is_not_read(folder: Path, start: Callable[..., Preview]) -> None:
    preview = start()
    (folder / "net.yaml").unlink()
    os.mkfifo(folder / "net.yaml")
    follow(preview)
    assert "not-a-file" in json.dumps(Tab(preview).read()["diagnostics"])


@pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_command_serves_until_ctrl_c(folder: Path, form: str) -> None:
    """The address comes at once, a save reaches the page, and the end is one word."""
    words = [sys.executable, "-m", "archc", "view", "net.yaml", "--watch", "--format", form]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout
    told = [process.stdout.readline() for _ in range(4 if form == "json" else 2)]
    if form == "json":
        assert (document := json.loads("".join(told)))["spec"] == "net.yaml" and {*document} == {"spec", "address"}
    address = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w-]{43}/)", "".join(told))
    assert address
    connections = [HTTPConnection("127.0.0.1", int(address[1]), timeout=30) for _ in range(2)]
    for connection, path in zip(connections, ("", "events"), strict=True):
        connection.request("GET", address[2] + path)
    assert b"<title" in connections[0].getresponse().read()
    events = connections[1].getresponse()
    save_by_rename(folder / "net.yaml", SPEC.replace("relu", "convv"))
    while b"unknown-op" not in (line := events.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["net.yaml", "--watch", "-o", "net.html"], "usage"), (["net.yaml", "--watch", "--scale", "1"], "usage"),
        (["net.yaml", "--port", "8000"], "usage"), (["net.yaml", "--open"], "usage"), (["-", "--watch"], "usage"),
        (["gone.yaml", "--watch"], "no-such-spec"), (["net.yaml", "--watch", "--set", "a=1"], "set-unknown"),
        (["net.yaml", "--watch", "--only", "nowhere"], "no-such-step"),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_ends_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: str
) -> None:
    ran = program(capsys)("view", *words, "--format", "json")
    assert (json.loads(ran.out)["error"]["code"], ran.code) == (code, 2)


@pytest.mark.parametrize("found", [True, False])
def test_a_browser_is_opened_where_there_is_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, found: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or found)
    open_browser("http://127.0.0.1:1/token/")
    assert opened == ["http://127.0.0.1:1/token/"] and ("warning[no-browser]" in capsys.readouterr().err) is not found
