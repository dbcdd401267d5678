"""What a user is told: sources, places in them, and findings as values.

A user's mistake is a `Diagnostic`, never a bare exception: stages collect them, the driver stops between stages, and
`render` shows them. Positions count from 1, in characters, as editors do. This module imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Source:
    """A text with a name to call it by; a file, or what arrived on standard input or the command line.

    `name` is the path as the user gave it. `label` is what an artifact may hold: relative to the spec's folder, so that
    two builds in different places are the same bytes.
    """

    __slots__ = ("_lines", "label", "name", "text")

    def __init__(self, name: str, text: str, label: str | None = None) -> None:
        self.name = name
        self.text = text
        self.label = label if label is not None else name.replace("\\", "/").rsplit("/", 1)[-1]
        self._lines: list[str] | None = None

    def line(self, number: int) -> str:
        """The text of line `number` (from 1) without its line break; empty past the end."""
        if self._lines is None:
            self._lines = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""


class Span(NamedTuple):
    """A stretch of a source: from `line`:`column` up to, not including, `end_line`:`end_column`."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def place(self) -> str:
        """`file:line:column`, as terminals and editors link it."""
        return f"{self.source.name}:{self.line}:{self.column}"

    @property
    def short(self) -> str:
        """`file:line`, as notes and the nodes of an artifact name it."""
        return f"{self.source.label}:{self.line}"

    def at(self, offset: int, length: int = 1) -> Span:
        """The part of this span that begins `offset` characters in; only meaningful within one line."""
        column = self.column + offset
        return Span(self.source, self.line, column, self.line, column + max(length, 1))


class Note(NamedTuple):
    """A further remark on a diagnostic, with the place it speaks of where there is one."""

    message: str
    span: Span | None = None


class Diagnostic(NamedTuple):
    """One mistake, told once.

    `code` is a kebab-case word that `archc explain` knows; `message` is lower case, names things and sizes; `label`
    stands under the marked text; `help` says what to write instead.
    """

    code: str
    span: Span | None
    message: str
    label: str = ""
    notes: tuple[Note, ...] = ()
    help: str = ""
    severity: Severity = "error"


class SpecError(Exception):
    """A spec that cannot be compiled. Carries every diagnostic of the stage that refused it."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        errors = [d for d in self.diagnostics if d.severity == "error"] or list(self.diagnostics)
        return "\n".join(f"{d.span.place + ': ' if d.span else ''}{d.code}: {d.message}" for d in errors)


class Failure(Exception):
    """What stops a command without being a fault of a spec: a file that is not there, a device that cannot, a full disk.

    `exit_code` is the process's: 1 the model or the data is wrong, 2 usage, 3 the environment cannot.
    """

    def __init__(self, code: str, message: str, help: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
        self.exit_code = exit_code


class Reject(Exception):
    """An op's refusal of its inputs, not yet a diagnostic: ops know nothing of spans.

    `field` says which field of the op to point at, if one is at fault; `about_rank` that an image arrives where a vector must,
    or a vector where an image must, which no other sizes would mend.
    """

    def __init__(
        self, code: str, message: str, help: str = "", field: str | None = None, *, about_rank: bool = False
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.field, self.about_rank = code, message, help, field, about_rank


class InternalError(Exception):
    """A bug of ours: an invariant that no spec should be able to break."""


class Collector:
    """Gathers the diagnostics of a stage; the same mistake at the same place counts once, however often it is met."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, tuple[str, int, int] | None], Diagnostic] = {}

    def add(self, diagnostic: Diagnostic) -> None:
        span = diagnostic.span
        key = (diagnostic.code, (span.source.name, span.line, span.column) if span else None)
        self._seen.setdefault(key, diagnostic)

    def __iter__(self) -> Iterator[Diagnostic]:
        """In the order of the text: by file as first met, then by line and column."""
        order: dict[str, int] = {}
        for d in self._seen.values():
            if d.span:
                order.setdefault(d.span.source.name, len(order))
        place = lambda d: (order[d.span.source.name], d.span.line, d.span.column) if d.span else (-1, 0, 0)  # noqa: E731
        return iter(sorted(self._seen.values(), key=place))

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self._seen.values())


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` was probably meant to be, or None where nothing is near."""
    from difflib import get_close_matches  # late: only a mistake pays for it

    pool = list(candidates)
    folded = {c.lower(): c for c in pool}
    if word.lower() in folded:
        return folded[word.lower()]
    found = get_close_matches(word, pool, n=1, cutoff=0.6)
    return found[0] if found else None
