"""How `archc view --watch` shows what it serves: diagnostics as the page takes them, and the address."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ..compiler.diagnostics import Diagnostic, clean
from ..text.excerpts import Paint
from .answer import print_json
from .errors import explain_ending
from .formats import span_json
from .render import diagnostic_lines, format_warning

if TYPE_CHECKING:
    from ..compiler.driver import Compilation
    from ..compiler.limits import Limits
    from ..compiler.view.drawing import Drawing
    from ..preview import Preview

COLUMNS = 100


def watch_spec(
    spec: str,
    settings: Sequence[str],
    limits: Limits,
    draw: Callable[[Compilation], Drawing],
    make_page: Callable[[Drawing, str], str],
    port: int | None,
    opens: bool,
    form: str,
) -> NoReturn:
    """Serves a spec's page until it is interrupted. Raises Failure where there is no such spec, or the port cannot be had."""
    from ..preview import Preview, Views, WatchedSpec

    views = Views(draw, explain_error, describe_diagnostic, make_page)
    preview = Preview(WatchedSpec(spec), settings, limits, views, port or 0)
    print_address(preview, form)
    if opens:
        # a browser in the terminal keeps whoever calls it until it ends
        threading.Thread(target=open_browser, args=(preview.address,), daemon=True).start()
    preview.follow()


def print_address(preview: Preview, form: str) -> None:
    """Says where the page is, at once: a program may wait for it."""
    if preview.spec.bundled:
        print(f"using the bundled {preview.spec.bundled}", file=sys.stderr)
    if form == "json":
        print_json({"spec": preview.spec.name, "address": preview.address})
    else:
        print(f"watching {clean(preview.spec.name)}: {preview.address}\nCtrl-C ends it")
    sys.stdout.flush()


def open_browser(address: str) -> None:
    """Opens the page in the user's browser."""
    import webbrowser

    if not webbrowser.open(address):
        message = "no browser was found; open the address in one"
        print(format_warning("no-browser", message, sys.stderr), file=sys.stderr)


def explain_error(error: Exception) -> Sequence[Diagnostic]:
    """What the command would say of an error that ended it."""
    ending = explain_ending(error)
    reason = ending.reason
    return ending.diagnostics or (Diagnostic(reason.code, None, reason.message, help=reason.help),)


def describe_diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic for the page: `text` has the source line, the caret and the notes."""
    lines = [*diagnostic_lines(diagnostic._replace(help=""), Paint(None), COLUMNS)]
    place = span_json(diagnostic.span)
    return {
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "message": clean(diagnostic.message),
        "file": place["file"],
        "line": place["line"],
        "column": place["column"],
        "help": clean(diagnostic.help),
        # without the message and the place, which the page shows in its own way
        "text": "\n".join(lines[1 + bool(diagnostic.span) :]),
    }
