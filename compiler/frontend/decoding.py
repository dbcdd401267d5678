"""A file's bytes as a text: UTF-8, of a bounded size, without characters that move the places behind them."""

from __future__ import annotations

import re

from ..diagnostics import Collector, Source, Span
from ..limits import DEFAULT, Limits, raise_limit
from .language import SPECS, Language


def decode_text(
    data: bytes, name: str, diagnostics: Collector, limits: Limits = DEFAULT, language: Language = SPECS
) -> Source | None:
    """The text of a file: UTF-8, within the limit of bytes, without control characters.

    Reports what is wrong, and then gives None.
    """
    start = Span(Source(name, ""), 1, 1, 1, 2)
    if len(data) > limits.bytes:
        what = f"the file is over the limit of {format_limit(limits.bytes)}"
        diagnostics.error("file-too-large", start, what, raise_limit("bytes", len(data)))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        span = span_behind(Source(name, data.decode("utf-8", "replace")), before)
        diagnostics.error(
            "not-utf8", span, f"byte 0x{data[error.start]:02X} is not UTF-8: a {language.kind} is UTF-8 text"
        )
        return None
    source = Source(name, text)
    # U+0085, U+2028 and U+2029 end a line for PyYAML and not for an editor: every place after them would be wrong
    bad = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]", text)
    if bad:
        span = span_behind(source, text[: bad.start()])
        diagnostics.error(
            "control-character", span, f"the character U+{ord(bad[0]):04X} may not stand in a {language.kind}"
        )
        return None
    if not text.strip():
        diagnostics.error("empty-file", start, "the file is empty", help=language.smallest)
        return None
    return source


def format_limit(count: int) -> str:
    """A limit in words: `1 MiB`, or `1,000,000 bytes`."""
    return f"{count:,} bytes" if count % 2**20 else f"{count // 2**20} MiB"


def span_behind(source: Source, before: str) -> Span:
    """The span of the one character that follows the text `before`."""
    lines = re.split("\r\n|\r|\n", before)
    return Span(source, len(lines), len(lines[-1]) + 1, len(lines), len(lines[-1]) + 2)
