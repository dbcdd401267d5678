"""What a hand-written page leaves to the code: a line `<!-- insert: KIND WORDS -->` becomes a table, or a file's text, when the site is built."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .limits_table import limits_table
from .recipe_tables import recipe_table

ROOT = Path(__file__).parent.parent
MARK = re.compile(r"^<!-- insert: (\w+)((?: \S+)*) -->$", re.M)
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


def insert_made(text: str) -> str:
    """A page's text with each mark replaced by what its kind makes of its words. Raises KeyError for a kind that there is not."""
    return MARK.sub(lambda found: KINDS[found[1]](found[2].split()).rstrip("\n"), text)
