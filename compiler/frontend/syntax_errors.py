"""Explains why a text is no YAML, at the place where the mistake is, which is often not where a parser stops.

PyYAML says what it expected. Here the usual causes are looked for in the text itself: a quote or a bracket that is never closed, a
dash without a space, a line that is out of its column, `${name}` in flow style.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from ..diagnostics import Diagnostic, Note, Source, Span
from .delimiters import CLOSING, end_of_quote, find_delimiters
from .expressions.template import advise_braced
from .punctuation import COLON, split_pair

MAX_LINE = 200  # characters of a line that is looked through for two values
QUOTE_IT = "quote a text that holds `: `, ` #` or starts with a special character"
DASH_WITHOUT_SPACE = re.compile(r"[ \t]*(-)(?=[A-Za-z_{\[\"'$])")


def explain_syntax(source: Source, error: Any) -> Diagnostic:
    """The diagnostic of an error of PyYAML's Python parser."""
    text = SyntaxText(source)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    at = text.offset(mark.line, mark.column) if mark else min(getattr(error, "position", 0), len(text.text))
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "this is no YAML"
    context = getattr(error, "context", None) or ""
    if "incompatible YAML document" in problem:
        message = "`%YAML` asks for another version than 1.2, which a spec is"
        return Diagnostic("yaml-version", text.span(at), message, help="take the line away")
    begun = getattr(error, "context_mark", None)
    opening = text.offset(begun.line, begun.column) if begun else None
    # each is looked for only where none before it is found
    causes: tuple[Callable[[], Diagnostic | None], ...]
    causes = (lambda: explain_tab(text, at, problem), lambda: explain_braced_name(text, at), lambda: explain_joined_pair(text, at, problem),
              lambda: explain_delimiters(text, at, opening), lambda: explain_dash(text, at), lambda: explain_early_quote(text, at),
              lambda: explain_stray_closing(text, at, problem), lambda: explain_indentation(text, at, problem),
              lambda: explain_key(text, opening, problem), lambda: explain_start(text, at, problem))  # fmt: skip
    found = next(filter(None, (explain() for explain in causes)), None)
    if found:
        return found
    message = f"{context}: {problem}" if context else str(problem)
    notes = (Note("it began here", text.span(opening)),) if opening is not None else ()
    return Diagnostic("yaml-syntax", text.span(at), message, notes=notes, help=QUOTE_IT)


def explain_no_key(source: Source, span: Span) -> Diagnostic | None:
    """The cause of a key that is no string: a list without its brackets, or a bracket that is never closed; None for any other."""
    text = SyntaxText(source)
    line = source.line(span.line)
    for found in re.finditer(r"(?<=: )(?:\([\d., ]+\)|[\d.]+(?: *, *[\d.]+)+(?= *[,}]))", line):
        if found.start() < span.column <= found.end():
            numbers = re.sub(r" *, *", ", ", found[0].strip("(), "))
            what = f"`{found[0]}` is no list: YAML ends the value at the comma"
            place = text.span(text.starts[span.line - 1] + found.start(), len(found[0]))
            decimal = re.fullmatch(r"0,(\d+)", found[0])
            help = (
                f"write 0.{decimal[1]} for the number, or [{numbers}] for a list" if decimal else f"write [{numbers}]"
            )
            return Diagnostic("key-not-a-string", place, what, help=help)
    return explain_delimiters(text, text.offset(span.line - 1, span.column - 1), None)


class SyntaxText:
    """A text that cannot be read, with the places of its lines; all line ends are `\\n`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text.replace("\r\n", "\n").replace("\r", "\n")
        self.starts = [0, *(match.end() for match in re.finditer("\n", self.text))]

    def offset(self, line: int, column: int) -> int:
        """The index of a line and a column, which both count from 0; the end of the text for what lies behind it."""
        return min(self.starts[line] + column, len(self.text)) if line < len(self.starts) else len(self.text)

    def line_number(self, at: int) -> int:
        """The number, from 1, of the line that holds the index."""
        return bisect_right(self.starts, at)

    def span(self, at: int, length: int = 1) -> Span:
        """The span of some characters of one line."""
        line = self.line_number(at)
        column = at - self.starts[line - 1] + 1
        return Span(self.source, line, column, line, column + length)

    def lines_before(self, number: int) -> Iterator[int]:
        """The numbers of the lines before line `number` that hold more than a comment, the nearest first."""
        for each in range(number - 1, 0, -1):
            line = self.source.line(each).strip()
            if line and not line.startswith("#"):
                yield each


def explain_tab(text: SyntaxText, at: int, problem: str) -> Diagnostic | None:
    """A tab in the indentation."""
    line = text.source.line(text.line_number(at))
    if "\\t" in problem or "\t" in line[: len(line) - len(line.lstrip())]:
        what = "a tab cannot indent: YAML wants spaces"
        return Diagnostic("yaml-syntax", text.span(at), what, help="replace the tab by spaces")
    return None


def explain_braced_name(text: SyntaxText, at: int) -> Diagnostic | None:
    """`${name}` in flow style, where the brace begins a mapping: the same mistake as in block style, with the same words."""
    if text.text[max(at - 1, 0) : at + 1] != "${":
        return None
    inside = re.compile(r"\{?[^\n{}]*\}*").match(text.text, at + 1)
    braced = inside[0] if inside else ""
    help = advise_braced(braced)
    return Diagnostic("expression-syntax", text.span(at - 1, len(braced) + 2), "`${` begins no expression", help=help)


def explain_delimiters(text: SyntaxText, at: int, opening: int | None) -> Diagnostic | None:
    """A quote or a bracket that is never closed, is closed too late, or by the bracket of the other kind."""
    found = find_delimiters(text.text, at)
    unclosed = [each for each in found.unclosed if each < at]
    begun = [*unclosed[-1:], *(() if opening is None else (opening,))]
    quote = next((each for each in begun if text.text[each : each + 1] in ("'", '"')), None)
    if quote is not None and end_of_quote(text.text, quote) is None:
        what = f"the quote {text.text[quote]} is never closed"
        return Diagnostic("yaml-syntax", text.span(quote), what, help="close it where the text ends")
    own = text.line_number(at)
    late = ((start, end) for start, end in found.long_quotes if text.line_number(start) < own <= text.line_number(end))
    if quoted := next(late, None):
        start, end = quoted
        what = f"the quote {text.text[start]} is closed only on line {text.line_number(end)}, by the next quote of the text"
        return Diagnostic("yaml-syntax", text.span(start), what, help="close it where the text ends")
    for start, end in found.mismatched:
        if start < at <= end or opening == start:
            bracket, other = text.text[start], text.text[end]
            what = f"`{bracket}` is never closed: on line {text.line_number(end)} comes a `{other}` first"
            return Diagnostic("yaml-syntax", text.span(start), what, help=f"close it by `{CLOSING[bracket]}`")
    if unclosed:
        start = opening if opening in unclosed else unclosed[0]
        bracket = text.text[start]
        what = f"`{bracket}` is never closed"
        return Diagnostic("yaml-syntax", text.span(start), what, help=f"close it by `{CLOSING[bracket]}`")
    return None


def explain_dash(text: SyntaxText, at: int) -> Diagnostic | None:
    """A dash without the space behind it, on the line of the mistake or on the one before, where YAML takes it for a word."""
    number = text.line_number(at)
    for each in (number, next(text.lines_before(number), number)):
        match = DASH_WITHOUT_SPACE.match(text.source.line(each))
        if match:
            word = re.compile(r"[^\s:{\[]*").match(text.source.line(each), match.end())
            start = text.starts[each - 1] + match.start(1)
            span = text.span(start, 1 + len(word[0] if word else ""))
            return Diagnostic(
                "yaml-syntax", span, "a step begins with a dash and a space", help="put a space after the dash"
            )
    return None


def explain_stray_closing(text: SyntaxText, at: int, problem: str) -> Diagnostic | None:
    """A closing bracket that closes nothing, and a comma that is missing between two items of flow style."""
    stray = re.search(r"(?:found|got) '([\]}])'", problem)
    if stray:
        what = f"`{stray[1]}` closes nothing: there is one too many on this line"
        return Diagnostic("yaml-syntax", text.span(at), what, help="take it out")
    behind = re.search(r"<block end>, but found '(<scalar>|,|\{|\[)'", problem)
    if behind and text.text[text.starts[text.line_number(at) - 1] : at].strip(" -"):
        what = "this stands behind a value that has ended"
        return Diagnostic("yaml-syntax", text.span(at), what, help="take it out, or quote the whole text")
    if problem.startswith("sequence entries"):
        what = "a list cannot begin on the line of its key"
        return Diagnostic("yaml-syntax", text.span(at), what, help="put the dash on the next line, or write [ … ]")
    if problem.startswith("expected ','") and text.text[at : at + 1] not in ("]", "}", ""):
        what = f"`{text.text[at : at + 1]}` cannot stand here: in flow style a comma parts the items"
        return Diagnostic(
            "yaml-syntax", text.span(at), what, help="put a comma before it, or quote a text that holds brackets"
        )
    return None


def explain_early_quote(text: SyntaxText, at: int) -> Diagnostic | None:
    """Text behind a quote that ends too early, as in `'it's a net'`."""
    before = text.text[text.starts[text.line_number(at) - 1] : at]
    quote = before[-1:]
    if quote not in ("'", '"') or text.text[at : at + 1] in ("", "\n") or before.count(quote) < 2:
        return None
    double = "''" if quote == "'" else '\\"'
    what = f"the quote {quote} ends the text before this"
    return Diagnostic("yaml-syntax", text.span(at - 1), what, help=f"inside the text write {double} for it")


def explain_joined_pair(text: SyntaxText, at: int, problem: str) -> Diagnostic | None:
    """A key and its value without the space between them, on the line where a parser stops or the one before."""
    own = text.line_number(at)
    if begun := re.match(r"((?:[ \t]|- )*)(\w+:[\[{].*)", text.source.line(own)):
        span = text.span(text.starts[own - 1] + begun.end(1), len(begun[2]))
        return Diagnostic(
            "yaml-syntax",
            span,
            f"`{begun[2][:40]}` is no key and value",
            help=f"{COLON}: write `{split_pair(begun[2])}`",
        )
    number = next(text.lines_before(own), 0)
    if number == 0 or "mapping values" not in problem:
        return None
    line = text.source.line(number)
    joined = re.fullmatch(r"((?:[ \t]|- )*)(\w+[:=][^\s:]\S*)\s*(?:#.*)?", line)
    here = text.source.line(text.line_number(at))
    if joined is None or len(here) - len(here.lstrip()) != joined.end(1) or not (pair := split_pair(joined[2])):
        return None
    span = text.span(text.starts[number - 1] + joined.end(1), len(joined[2]))
    return Diagnostic("yaml-syntax", span, f"`{joined[2][:40]}` is no key and value", help=f"{COLON}: write `{pair}`")


def explain_key(text: SyntaxText, opening: int | None, problem: str) -> Diagnostic | None:
    """A key without its colon."""
    if "could not find expected ':'" not in problem or opening is None:
        return None
    word = re.compile(r"[^\n#]*").match(text.text, opening)
    key = word[0].strip() if word else ""
    if pair := split_pair(key):
        return Diagnostic(
            "yaml-syntax",
            text.span(opening, len(key)),
            f"`{key[:40]}` is no key and value",
            help=f"{COLON}: write `{pair}`",
        )
    what = f"`{key[:40]}` is no key: a key ends in a colon"
    return Diagnostic("yaml-syntax", text.span(opening, max(len(key), 1)), what, help=f"write `{key[:40]}:`")


def explain_indentation(text: SyntaxText, at: int, problem: str) -> Diagnostic | None:
    """A line that stands in no column of the lines before it."""
    number = text.line_number(at)
    line = text.source.line(number)
    two_values = Diagnostic("yaml-syntax", text.span(at), "a second `: ` on this line: a plain text cannot hold it", help=QUOTE_IT)  # fmt: skip
    if "mapping values" in problem and (found := explain_two_values(text, number)):
        return found
    # a parser that took the line's first colon has no quarrel with its column
    if "mapping values" in problem and re.search(r":\s", line[: text.span(at).column - 1]):
        return two_values
    column, is_dash = len(line) - len(line.lstrip()) + 1, bool(re.match(r"\s*-(\s|$)", line))
    if column != text.span(at).column and "mapping values" not in problem:
        return None
    if any(words in problem for words in ("block end", "mapping values", "document start")):
        for each in text.lines_before(number):
            before = text.source.line(each)
            other = column_beside(before, column, is_dash)
            if other:
                what = "dash" if is_dash else "first word"
                message = f"this line begins in column {column}, where no line before it does"
                return Diagnostic("yaml-syntax", text.span(text.starts[number - 1] + column - 1), message,
                                  help=f"align it with line {each}'s {what}, in column {other}{advise_deeper(before, line)}")  # fmt: skip
            if "mapping values" in problem:
                break
    return two_values if "mapping values" in problem else None


def explain_two_values(text: SyntaxText, number: int) -> Diagnostic | None:
    """A value that is a key at once, `schedule: cosine:`, and two keys on a line."""
    line = text.source.line(number)
    if len(line) > MAX_LINE:
        return None
    start = text.starts[number - 1] + len(line) - len(line.lstrip())
    if colon := re.fullmatch(r"\s*((?:- )?\w+: +\w+):\s*(?:#.*)?", line):
        return Diagnostic("yaml-syntax", text.span(start + len(colon[1])), "a second colon on this line: it ends a key, and this is a value",
                          help=f"write `{colon[1].removeprefix('- ')}`")  # fmt: skip
    if pairs := re.fullmatch(r"\s*(\w+: *[^,:{}\[\]]+), *(\w+: *[^,:{}\[\]]+)\s*", line):
        return Diagnostic("yaml-syntax", text.span(start, len(line.strip())), "two keys on one line",
                          help=f"write `{pairs[1]}` and `{pairs[2].strip()}` on lines of their own")  # fmt: skip
    return None


def advise_deeper(before: str, line: str) -> str:
    """What to write where a line was meant to belong to the value of the line before, `optimizer: sgd`; empty for other lines."""
    begun = re.fullmatch(r"(\s*)(\w+): +([A-Za-z]\w*)", before[:MAX_LINE].rstrip())
    if begun is None or begun[2] == "name" or len(line) > MAX_LINE or not re.match(rf"{begun[1]}\s+\w+: ", line):
        return ""
    return f"; if it belongs to `{begun[3]}`, write `{begun[2]}: {{{begun[3]}: {{{line.strip()}}}}}`"


def column_beside(line: str, column: int, is_dash: bool) -> int | None:
    """The column of a line in which another line, that begins in `column`, was probably to begin; None where there is none.

    It is the column of the dash for a line with a dash, else that of the first word behind the dashes.
    """
    if is_dash:
        dash = re.match(r"\s*(?=-(\s|$))", line)
        found = dash.end() + 1 if dash else None
    else:
        word = re.match(r"(?:\s|-\s)*(?=[\w\"']+\s*:)", line)
        found = word.end() + 1 if word else None
    return found if found != column else None


def explain_start(text: SyntaxText, at: int, problem: str) -> Diagnostic | None:
    """A character with which no plain text can begin."""
    first = re.search(r"found character '(.+?)' that cannot start", problem)
    if not first:
        return None
    return Diagnostic(
        "yaml-syntax", text.span(at), f"a text cannot begin with `{first[1]}` unless it is quoted", help=QUOTE_IT
    )
