"""What a user is told: sources, spans in them, and diagnostics as values.

A user's mistake is a `Diagnostic`, not an exception: a stage collects all that it finds, the driver stops between stages, and
archc/cli/render.py prints them. Lines and columns count from 1, columns in characters, as editors do. This module imports
nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from typing import Any, Literal, NamedTuple

Severity = Literal["error", "warning", "note"]


def clean(text: str) -> str:
    """`text` on one line, with an escape for every character that does not print: controls, those that are not seen or that change
    the direction of text, line separators, and halves of characters, as a file's name that is no UTF-8 has them."""
    return text if text.isprintable() else "".join(map(escape_character, text))


def with_help(message: str, help: str) -> str:
    """A message and what to do, as they may be printed; a help may have lines."""
    lines = "\n".join(map(clean, help.split("\n")))
    return clean(message) + (f" ({lines})" if help else "")


def escape_character(character: str) -> str:
    """The character, or its escape if it does not print."""
    if character.isprintable():
        return character
    return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(character) or escape_sequence(ord(character))


def escape_sequence(code: int) -> str:
    """The escape of a character by its number: `\\x1b`, `\\u202e`, `\\U000e0001`."""
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Source:
    """A text with a name: a file, standard input, or a value from the command line.

    `name` is the path as the user gave it. `label` is the path relative to the spec's folder. A built file holds only the
    label, so that builds in two different folders are the same bytes.
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
    """A part of a source. Lines and columns count from 1, columns in characters.

    source      the text that it is a part of
    line        where it begins
    column      where it begins in that line
    end_line    the line of the first character behind it
    end_column  the column of that character, which is not included
    """

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def place(self) -> str:
        """`file:line:column`, which terminals and editors turn into a link."""
        return f"{self.source.name}:{self.line}:{self.column}"

    @property
    def short(self) -> str:
        """`label:line`, for notes and for the nodes of a built file."""
        return f"{self.source.label}:{self.line}"

    def at(self, offset: int, length: int = 1) -> Span:
        """The part of this span that begins after `offset` characters. Only for a span within one line."""
        column = self.column + offset
        return Span(self.source, self.line, column, self.line, column + max(length, 1))


class Note(NamedTuple):
    """A further remark on a diagnostic.

    message  the remark, in lower case
    span     the place that it is about; None where there is none
    """

    message: str
    span: Span | None = None


class Diagnostic(NamedTuple):
    """One mistake, reported once. Printed, it is a line: the place, the code, the message and the help.

    code      a kebab-case word, which `archc explain` knows
    span      the place in the text; None where it is about no place
    message   what is wrong, in lower case, with names and sizes
    label     what stands under the marked text; empty where nothing does
    notes     further remarks
    help      what to write instead; empty where that is not known
    severity  "error", "warning" or "note"
    """

    code: str
    span: Span | None
    message: str
    label: str = ""
    notes: tuple[Note, ...] = ()
    help: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.span.place}: " if self.span else ""
        return with_help(f"{place}{self.code}: {self.message}", self.help)

    def __repr__(self) -> str:
        place = f" at {clean(self.span.place)}" if self.span else ""
        return f"<{type(self).__name__} {self.code}{place}: {clean(self.message)}>"


class SpecError(Exception):
    """The spec cannot be compiled. Carries every diagnostic that was found, and the exit code of a command that this ends."""

    def __init__(self, diagnostics: Iterable[Diagnostic], exit_code: int = 1) -> None:
        self.diagnostics, self.exit_code = tuple(diagnostics), exit_code
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        errors = [d for d in self.diagnostics if d.severity == "error"] or list(self.diagnostics)
        return "\n".join(map(str, errors))


class Failure(Exception):
    """A command cannot go on, for a reason that is not in the spec: a missing file, a missing device, a full disk.

    `exit_code` is that of the process: 1 the model or the data is wrong, 2 wrong usage, 3 the environment cannot do it.
    """

    def __init__(self, code: str, message: str, help: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
        self.exit_code = exit_code

    @classmethod
    def of(cls, fault: Any) -> Failure:
        """A fault of the runtime as a Failure: both have the same four facts, and neither package knows the other."""
        return cls(fault.code, fault.message, fault.help, fault.exit_code)

    def __str__(self) -> str:
        return with_help(self.message, self.help)


class Reject(Exception):
    """An op refuses its inputs. The front end makes a diagnostic of it, because ops know nothing of spans.

    `field` names the field of the op that is wrong, if one is. `about_rank` says that a vector arrives where the op needs an
    image, or an image where it needs a vector: no other sizes would repair that.
    """

    def __init__(
        self, code: str, message: str, help: str = "", field: str | None = None, *, about_rank: bool = False
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.field, self.about_rank = code, message, help, field, about_rank


class LimitReached(Exception):
    """A limit is reached, and the check ends here; `diagnostic` says which, and what is large."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class InternalError(Exception):
    """A bug of ours: an invariant is broken that no spec should be able to break."""


# of the share of letters that two words have in common, in their order: below it a suggestion would be a guess
MIN_SIMILARITY = 0.7
MIN_SIMILARITY_OF_BEGINNINGS = 0.5


# characters of a message or a help, which may quote a word that is a whole file
MAX_TEXT = 4_000


def cut_text(text: str) -> str:
    """The text, with `…` for its middle where it is over MAX_TEXT characters."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT // 2]} … {text[-MAX_TEXT // 4 :]}"


def cut_texts(diagnostic: Diagnostic) -> Diagnostic:
    """The diagnostic, of whose texts none is over MAX_TEXT characters."""
    texts = (diagnostic.message, diagnostic.label, diagnostic.help, *(note.message for note in diagnostic.notes))
    if max(map(len, texts)) <= MAX_TEXT:
        return diagnostic
    message, label, help, *notes = map(cut_text, texts)
    cut = tuple(note._replace(message=text) for note, text in zip(diagnostic.notes, notes, strict=True))
    return Diagnostic(diagnostic.code, diagnostic.span, message, label, cut, help, diagnostic.severity)


class Collector:
    """The diagnostics of a stage. The same code at the same place is kept once, however often it is added.

    At `limit` errors it raises LimitReached; of as many warnings it leaves out the rest.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._seen: dict[tuple[str, tuple[str, int, int] | None], Diagnostic] = {}
        self._counts = {"error": 0, "warning": 0, "note": 0}
        self.limit = limit

    def add(self, diagnostic: Diagnostic) -> None:
        """Keeps a diagnostic. Raises LimitReached for an error too many."""
        span = diagnostic.span
        key = (diagnostic.code, (span.source.name, span.line, span.column) if span else None)
        if key in self._seen:
            return
        severity = diagnostic.severity
        self._counts[severity] += 1
        if self.limit is not None and self._counts[severity] > self.limit:
            what = f"over {self.limit} {severity}s, the limit: the others are left out"
            last = Diagnostic("too-many-mistakes", span, what, severity=severity)
            if severity == "error":
                raise LimitReached(last)
            self._seen.setdefault(("too-many-mistakes", None), last)
            return
        self._seen[key] = cut_texts(diagnostic)

    def close(self, last: Diagnostic) -> None:
        """Adds the reason why a check ended early."""
        self._seen[last.code, None] = last

    def replace(self, old: Iterable[Diagnostic], new: Diagnostic) -> None:
        """Puts one diagnostic in place of those that only follow from it."""
        gone = {id(each) for each in old}
        self._seen = {key: each for key, each in self._seen.items() if id(each) not in gone}
        self.add(new)

    def error(self, code: str, span: Span | None, message: str, help: str = "", notes: tuple[Note, ...] = ()) -> None:
        self.add(Diagnostic(code, span, message, help=help, notes=notes))

    def warn(self, code: str, span: Span | None, message: str, help: str = "") -> None:
        self.add(Diagnostic(code, span, message, help=help, severity="warning"))

    def __iter__(self) -> Iterator[Diagnostic]:
        """In the order of the text: files in the order in which they were first added, then by line and column."""
        order: dict[str, int] = {}
        for d in self._seen.values():
            if d.span:
                order.setdefault(d.span.source.name, len(order))
        place = lambda d: (order[d.span.source.name], d.span.line, d.span.column) if d.span else (-1, 0, 0)  # noqa: E731
        return iter(sorted(self._seen.values(), key=place))

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self._seen.values())


MAX_LISTED = 50
MAX_LIST = 1500  # characters of the names of a list
# characters: a longer word is no slip, and two of them take milliseconds to compare
MAX_WORD = 60
# characters of the candidates of about the length of the word; a comparison takes a microsecond for each
MAX_COMPARED = 3000
# candidates, most of which are too long or too short: to see that takes the sixth of a microsecond
MAX_CANDIDATES = 2000


def list_names(names: Iterable[str], form: str = "{}") -> str:
    """Names for a message, one after the other, each in the `form`; of very many the first."""
    known = list(names)
    # long ones are fewer
    shown = known[:1] + [
        name for name, end in zip(known[1:MAX_LISTED], accumulate(map(len, known)), strict=False) if end < MAX_LIST
    ]
    more = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
    return ", ".join(map(form.format, shown)) + more if known else "none"


def nearest(word: str, candidates: Iterable[str], prefix: str = "") -> str | None:
    """The candidate, behind `prefix`, that `word` was probably meant to be; None where none is similar enough.

    Similar are: the same letters in another case, an abbreviation or the beginning of the other of three letters or more, and what
    shares most of its letters in their order. Never the word itself. Of very many candidates the first are looked at. A word of over MAX_WORD characters is like none.
    """
    if len(word) > MAX_WORD:
        return None
    from difflib import SequenceMatcher  # late: only a mistake pays for this import

    matcher = SequenceMatcher(None, "", "")
    short = word.lower()
    length = len(short)
    matcher.set_seq2(short)
    best, shared, found, compared = 0.0, 0, None, 0
    for candidate in islice(candidates, MAX_CANDIDATES):
        # no other case and no beginning of the other changes that
        size = len(candidate)
        if size > MAX_WORD or 3 * size < length or size > 3 * length or candidate == word:
            continue
        letters = candidate.lower()
        if letters == short:
            return prefix + candidate
        begins = min(len(letters), len(word)) >= 3 and (letters.startswith(short) or short.startswith(letters))
        least = max(MIN_SIMILARITY_OF_BEGINNINGS if begins else MIN_SIMILARITY, best)
        if 2 * min(len(letters), len(short)) < least * (len(letters) + len(short)):  # too long or too short
            continue
        compared += len(letters)
        if compared > MAX_COMPARED:
            break
        matcher.set_seq1(letters)
        if matcher.quick_ratio() < least:
            continue
        alike = matcher.ratio()
        begin = next((at for at, (a, b) in enumerate(zip(letters, short, strict=False)) if a != b), 0)
        if alike >= least and (alike, begin) > (best, shared):
            best, shared, found = alike, begin, candidate
    return None if found is None else prefix + found
