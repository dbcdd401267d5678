"""Pictures of a page that its own commands draw, made anew at each build.

    ```sh drawn="ResNet-50: four stages of blocks"
    archc view resnet50 -o resnet50.svg
    ```

The page shows the command and, below it, what it writes: a picture with that text for those who cannot see it, or a link to a page. In the
repository it is a command as any other. A picture by `archc view` is there twice, for light pages and for dark ones.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from archc.cli import main

from .markup import fence, relative
from .page import Page
from .site_error import SiteError

# of a picture's own size what it may shrink to: below that its words cannot be read, and it scrolls in itself (docsite/tables.py)
LEAST_SCALE = 0.65
WIDTH = re.compile(rb'<svg[^>]*? width="([\d.]+)(pt)?"')
PIXELS_PER_POINT = 4 / 3
DRAWN = re.compile(r'^```sh drawn="([^"\n]*)"\n(.*?)^```\n', re.M | re.S)


def show_drawings(text: str, here: str) -> tuple[str, list[Page]]:
    """The text of the page `here` with its drawings behind their commands, and the files of these. Raises SiteError for a command that fails."""
    pages: list[Page] = []

    def show(found: re.Match[str]) -> str:
        alt, commands = found[1], found[2]
        shown = [fence("sh", commands)]
        for command in commands.splitlines():
            made = list(draw(command, here))
            pages.extend(made)
            shown += [f"\n{line}\n" for line in show_files(alt, made, here)]
        return "".join(shown)

    return DRAWN.sub(show, text), pages


def draw(command: str, here: str) -> Iterator[Page]:
    """The files of a command, in a folder beside the page that is called as it is."""
    arguments = shlex.split(command)
    if arguments[:1] != ["archc"] or "-o" not in arguments:
        raise SiteError(f"{here}: `{command}` is no `archc … -o FILE`, and is to draw")
    folder = PurePosixPath(here).with_suffix("")
    name = arguments[arguments.index("-o") + 1]
    yield Page(str(folder / name), run_command(*arguments[1:]))
    if is_themed(arguments, name):
        dark = PurePosixPath(name).with_suffix(".dark.svg").name
        yield Page(str(folder / dark), run_command(*arguments[1:], "--theme", "dark"))


def is_themed(arguments: list[str], name: str) -> bool:
    """Whether a command draws for light pages and for dark ones."""
    return arguments[1] == "view" and name.endswith(".svg") and "--theme" not in arguments


def show_files(alt: str, made: list[Page], here: str) -> Iterator[str]:
    """What a page says for the files of one command."""
    paths = [relative(each.path, here) for each in made]
    if paths[0].endswith(".html"):
        yield f"[{alt}]({paths[0]})"
    else:
        marks = ("",) if len(paths) == 1 else ("#only-light", "#only-dark")
        least = f'{{ style="min-width: {LEAST_SCALE * width_of(made[0]):.0f}px" }}'
        # a click opens a picture that is larger than the page has room for
        yield " ".join(f"[![{alt}]({path}{mark}){least}]({path})" for path, mark in zip(paths, marks, strict=True))


def width_of(picture: Page) -> float:
    """The own width of an SVG, in pixels; 0 of another picture."""
    found = WIDTH.search(picture.content if isinstance(picture.content, bytes) else picture.content.encode())
    return float(found[1]) * (PIXELS_PER_POINT if found[2] else 1) if found else 0


@lru_cache(maxsize=256)
def run_command(*arguments: str) -> bytes:
    """What `archc …` writes to its `-o`. Raises SiteError where it fails."""
    given = list(arguments)
    at = given.index("-o") + 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / given[at]
        given[at] = str(path)
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            status = main(given)
        if status or not path.is_file():
            raise SiteError(f"archc {shlex.join(arguments)}: {told.getvalue()}")
        return path.read_bytes()
