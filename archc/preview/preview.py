"""A preview: the spec is checked and drawn at each change, and every tab that shows it is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..compiler.diagnostics import Diagnostic
from ..compiler.driver import Compilation, check, explain_open_params
from ..compiler.view.drawing import Costs, Drawing
from .server import EVENTS, Channel, PreviewServer
from .watch import WatchedSpec

if TYPE_CHECKING:
    from ..compiler.limits import Limits

Json = dict[str, Any]


class Views(NamedTuple):
    """How a preview shows what it has, by the options of the command.

    `draw` makes the drawing of a spec that passed its check; it may raise what the command would end with, which `explain` makes
    diagnostics of. `describe` makes JSON of a diagnostic, `make_page` the page of a drawing, which follows the events at an address.
    """

    draw: Callable[[Compilation], Drawing]
    explain: Callable[[Exception], Sequence[Diagnostic]]
    describe: Callable[[Diagnostic], Json]
    make_page: Callable[[Drawing, str], str]


class Preview:
    """A spec's page at an `address` of this machine, which `follow` keeps at what the spec says."""

    def __init__(self, spec: WatchedSpec, settings: Sequence[str], limits: Limits, views: Views, port: int = 0) -> None:
        """Checks and draws the spec once. Raises Failure where a setting does not fit, or the port cannot be had."""
        self.spec, self.settings, self.limits, self.views = spec, settings, limits, views
        # the last one that there was, empty at first: a tab that is opened while the spec is broken shows it
        self.drawing = Drawing(Path(spec.name).stem, "", Costs(), (), (), (), (), ())
        self.channel = Channel()
        self.tell(*self.look_at_spec())
        self.server = PreviewServer(self.make_page, self.channel, port)

    @property
    def address(self) -> str:
        """The page's address, with its token."""
        return self.server.address

    def make_page(self) -> str:
        """The page as it is now; it learns the rest by the events."""
        return self.views.make_page(self.drawing, EVENTS)

    def follow(self) -> NoReturn:
        """Redraws at each change, for ever."""
        while True:
            self.spec.wait_for_change()
            self.redraw()

    def redraw(self) -> None:
        """Looks at the spec as it is now, and tells the tabs. What goes wrong is told, a bug of archc's too: the next save may mend it."""
        try:
            drawing, diagnostics = self.look_at_spec()
        except Exception as error:
            drawing, diagnostics = None, self.views.explain(error)
        self.tell(drawing, diagnostics)

    def look_at_spec(self) -> tuple[Drawing | None, Sequence[Diagnostic]]:
        """The drawing of the spec, None where it is refused, and what is to be said of it. Raises what the command would end with."""
        checked = check(self.spec.read(), self.settings, limits=self.limits)
        if checked.refused:
            return None, checked.diagnostics
        if checked.graph is None:
            return None, (*checked.diagnostics, *explain_open_params(checked))
        return self.views.draw(checked), checked.diagnostics

    def tell(self, drawing: Drawing | None, diagnostics: Sequence[Diagnostic]) -> None:
        """Makes it the newest message, which each tab gets."""
        self.drawing = drawing or self.drawing
        shown = drawing and drawing.to_json()
        message = {"drawing": shown, "diagnostics": [self.views.describe(each) for each in diagnostics]}
        # ASCII, in which a line break is an escape
        self.channel.publish(json.dumps(message, separators=(",", ":")).encode())
