"""The index of the diagnostics: each code with the first sentence of its page, by the part of archc that tells it most."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .page import Page
from .sources import DOCS, ROOT

INTRODUCTION = """\
# Diagnostics

Each mistake has a code, which is printed with the message and stands in `--format json`; `archc explain CODE` prints its page in a
terminal. There are {count}, by the part of archc that tells them.
"""
ROOMS = ("compiler", "training", "runtime", "archc")
WORD = re.compile(r'"([a-z0-9]+(?:-[a-z0-9]+)*)"')


def diagnostics_index() -> Iterator[Page]:
    """The page that lists all codes."""
    codes = {path.stem: first_sentence(path.read_text("utf-8")) for path in sorted((DOCS / "diagnostics").glob("*.md"))}
    text = INTRODUCTION.format(count=len(codes))
    for package, told in by_package(codes).items():
        text += f"\n## {title_of_package(package)}\n\n| code | what it says |\n| --- | --- |\n"
        text += "".join(f"| [{code}]({code}.md) | {codes[code]} |\n" for code in told)
    yield Page("diagnostics/index.md", text)


def by_package(codes: Mapping[str, str]) -> dict[Path, list[str]]:
    """The codes by the package whose modules name each most often, in the order of the rooms; every code is in one."""
    named = {code: Counter[Path]() for code in codes}
    for package, text in package_texts():
        for word in WORD.findall(text):
            if word in named:
                named[word][package] += 1
    packages = list(dict.fromkeys(package for package, _ in package_texts()))
    chosen = {
        code: max(found, key=lambda package: (found[package], -packages.index(package)))
        for code, found in named.items()
    }
    return {package: told for package in packages if (told := [code for code in codes if chosen[code] == package])}


def package_texts() -> Sequence[tuple[Path, str]]:
    """The package of each module, a room or a folder of one, with its text. The links in archc/ are not followed."""
    modules = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if path.resolve() == path]
    return [(ROOT.joinpath(*path.parent.relative_to(ROOT).parts[:2]), path.read_text("utf-8")) for path in modules]


def title_of_package(package: Path) -> str:
    """What a package's docstring calls it: its beginning, up to a colon or a full stop; where that is long, up to a comma."""
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8"))) or package.name
    title = re.split(r"[:.]\s", docstring + " ")[0]
    return title if len(title) < 50 else title.partition(",")[0]


def first_sentence(page: str) -> str:
    """What stands below the title, up to the first full stop."""
    paragraph = " ".join(page.split("\n\n")[1].split())
    sentence, stop, _ = paragraph.partition(". ")
    return (sentence + stop.rstrip()).replace("|", "\\|")
