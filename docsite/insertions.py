"""What a hand-written page leaves to the code: behind a line `<!-- insert: KIND WORDS -->` stands a table, or a file's text.

Tables are in the repository, too, up to a line `<!-- inserted -->`, for those who read docs/ as it is: `python -m docsite --fill` writes them anew, and a test
holds them to the code. A file's text stands on the site alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .limits_table import limits_table
from .recipe_tables import recipe_table

ROOT = Path(__file__).parent.parent
MARK = re.compile(r"^<!-- insert: (\w+)((?: \S+)*) -->$(?:\n\n.*?^<!-- inserted -->$)?", re.M | re.S)
LANGUAGES = {".py": "python", ".mjs": "js", ".cpp": "cpp", ".yaml": "yaml"}


def included_file(words: Sequence[str]) -> str:
    """The text of a file of the repository, by its path from the root."""
    path = ROOT / words[0]
    return f'```{LANGUAGES[path.suffix]} title="{words[0]}"\n{path.read_text("utf-8")}```\n'


KINDS: Mapping[str, Callable[[Sequence[str]], str]] = {
    "file": included_file,
    "limits": limits_table,
    "recipe": recipe_table,
}
ON_THE_SITE_ALONE = ("file",)


def insert_made(text: str) -> str:
    """A page's text with each mark replaced by what its kind makes of its words. Raises KeyError for a kind that there is not."""
    return MARK.sub(lambda found: KINDS[found[1]](found[2].split()).rstrip("\n"), text)


def fill_page(text: str) -> str:
    """A page's text with the tables behind its marks made anew."""

    def fill(found: re.Match[str]) -> str:
        kind, words = found[1], found[2]
        if kind in ON_THE_SITE_ALONE:
            return found[0]
        table = KINDS[kind](words.split()).strip("\n")
        return f"<!-- insert: {kind}{words} -->\n\n{table}\n\n<!-- inserted -->"

    return MARK.sub(fill, text)
