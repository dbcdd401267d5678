"""Where words of code are broken. Of one as `--weights-map` a browser breaks behind each hyphen, and no style sheet can say that it must not; of a title as
`archc.runtime.Session` it would break anywhere, and is told of the dots."""

from __future__ import annotations

import re
from pathlib import Path

# not that of a block, which has an empty element before it and is not broken
CODE = re.compile(r"(?<!<span></span>)<code>[^<]*</code>")
WORD = re.compile(r"[^\s<>]*-[^\s<>]+")
TITLE = re.compile(r"(<h1[^>]*>)([^<]*)")
DOT = re.compile(r"(?<=\w)\.(?=[A-Za-z])")
# what is longer would be wider than a phone
LONGEST = 40


def keep_words_whole(site: Path) -> None:
    """Marks them in all pages of the built site, for the style of docsite/tables.py; and the dots of titles."""
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        marked = TITLE.sub(lambda title: title[1] + DOT.sub(".<wbr>", title[2]), CODE.sub(mark_words, text))
        if marked != text:
            path.write_text(marked, "utf-8")


def mark_words(code: re.Match[str]) -> str:
    """Code with its words marked."""
    return WORD.sub(mark_word, code[0])


def mark_word(word: re.Match[str]) -> str:
    """A word as an element of its own."""
    return f'<span class="whole">{word[0]}</span>' if len(word[0]) <= LONGEST else word[0]
