"""Words of code as `--weights-map`: a browser breaks them behind each hyphen, and no style sheet can say that it must not."""

from __future__ import annotations

import re
from pathlib import Path

# not that of a block, which has an empty element before it and is not broken
CODE = re.compile(r"(?<!<span></span>)<code>[^<]*</code>")
WORD = re.compile(r"[^\s<>]*-[^\s<>]+")
# what is longer would be wider than a phone
LONGEST = 40


def keep_words_whole(site: Path) -> None:
    """Marks them in all pages of the built site, for the style of docsite/tables.py."""
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        if (marked := CODE.sub(mark_words, text)) != text:
            path.write_text(marked, "utf-8")


def mark_words(code: re.Match[str]) -> str:
    """Code with its words marked."""
    return WORD.sub(mark_word, code[0])


def mark_word(word: re.Match[str]) -> str:
    """A word as an element of its own."""
    return f'<span class="whole">{word[0]}</span>' if len(word[0]) <= LONGEST else word[0]
