"""Where recipes come from: files, standard input, and those in archspecs/recipes; and which of these is a net's own."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...compiler.diagnostics import Failure, nearest
from ...compiler.patterns import explain_pattern
from ...compiler.sources import (
    BUNDLED,
    RECIPES,
    ZOO,
    SourceError,
    SpecText,
    names_in_folder,
    read_spec_file,
    read_user_file,
    shorten,
    zoo,
)

if TYPE_CHECKING:
    from ...compiler.sources import SpecFiles

MOST_READ = 2**16  # bytes: a first key stands before
FIRST_KEY = re.compile(rb"[{\s]*(['\"]?)recipe\1\s*:")


class RecipeFiles:
    """The files that a recipe may name: those that `files` has, and the bundled recipes by `zoo:NAME`."""

    def __init__(self, files: SpecFiles) -> None:
        self.files = files

    def locate(self, referrer: str, path: str) -> str:
        """The label of the file that `path` names in the recipe `referrer`. Raises SourceError."""
        if path.startswith(BUNDLED):
            return locate_bundled_recipe(path)
        try:
            return self.files.locate(referrer, path)
        except SourceError as error:
            word = path.rpartition("/")[2].removesuffix(".yaml")
            bundled = bundled_recipes()
            near = word if word in bundled else nearest(word, bundled)
            if error.code != "file-missing" or error.near is None:
                raise
            beside = "" if error.near.startswith(BUNDLED) else error.near
            help = (
                f"did you mean `{beside}`?"
                if beside
                else f"the bundled one is written `{BUNDLED}{near}`"
                if near
                else ""
            )
            raise SourceError(error.code, error.message, help, error.near) from None

    def read(self, label: str) -> bytes:
        """The bytes of a text. Raises SourceError."""
        return self.files.read(label)

    def name_beside(self, name: str, path: str, label: str) -> str:
        """What messages call the file `label`."""
        return self.files.name_beside(name, path, label)


def bundled_recipes() -> dict[str, Path]:
    """The bundled recipes by name."""
    return {path.stem: path for path in sorted(RECIPES.glob("*.yaml"))}


def locate_bundled_recipe(path: str) -> str:
    """The label of the bundled recipe that `zoo:NAME` names. Raises SourceError."""
    found, name = bundled_recipes(), path.removeprefix(BUNDLED).strip().removesuffix(".yaml")
    if name in found:
        return BUNDLED + found[name].relative_to(ZOO).as_posix()
    near = nearest(name, found, BUNDLED)
    if name in zoo():
        help = f"`{name}` is a spec, and a recipe extends a recipe"
    else:
        help = f"did you mean `{near}`?" if near else "`archc list --recipes` shows the bundled recipes"
    raise SourceError("file-missing", f"there is no bundled recipe `{shorten(name)}`", help)


def find_recipe(recipe: str) -> SpecText:
    """The text of the recipe that a user names: a file, `-` for standard input, or a bundled one. Raises Failure (usage)."""
    found, name = bundled_recipes(), recipe.removeprefix(BUNDLED).removesuffix(".yaml")
    # the folder of the pictures may well be called as a recipe is: digits, fashion_mnist
    is_folder = name in found and Path(recipe).is_dir()
    if not is_folder and (text := read_user_file(recipe, "recipe")):
        return text
    if name in found:
        return read_bundled_recipe(name)
    if pattern := explain_pattern(recipe):
        raise Failure("no-such-recipe", pattern.message, pattern.help, 2)
    near, path = nearest(name, found), Path(recipe)
    beside = [each for each in names_in_folder(path.parent) if each.endswith((".yaml", ".yml"))]
    file = nearest(path.name, beside)
    if name in zoo():
        hint = f"`{name}` is a spec; a recipe says how it is trained"
    elif file:
        hint = f"did you mean `{path.with_name(file)}`?"
    else:
        hint = f"did you mean the bundled `{near}`?" if near else "`archc list --recipes` shows the bundled recipes"
    message = f"there is no file `{recipe[:200]}`, and no bundled recipe of that name"
    raise Failure("no-such-recipe", message, hint, 2)


def read_bundled_recipe(name: str) -> SpecText:
    """The text of a bundled recipe, whatever lies in the folder that one is in."""
    path = bundled_recipes()[name]
    return read_spec_file(path.resolve(), path.name)._replace(bundled=name)


@lru_cache(maxsize=1)
def recipes_by_net() -> dict[str, str]:
    """The names of the bundled recipes by the nets whose own they are."""
    # late: read.py calls this module
    from .read import check_recipe

    checked = {name: check_recipe(read_bundled_recipe(name)).recipe for name in bundled_recipes()}
    return {net: name for name, recipe in checked.items() if recipe for net in recipe.nets}


def recipe_for(net: str) -> SpecText | None:
    """The text of the bundled recipe that is the own one of a bundled net; of a family's, if one is written for the family.

    None where there is none.
    """
    word = net.removeprefix(BUNDLED).removesuffix(".yaml")
    own, entries = recipes_by_net(), zoo()
    family = entries[word].parent.name if word in entries else ""
    name = own.get(word) or own.get(family)
    return read_bundled_recipe(name) if name else None


def refuse_swapped(spec: str, recipe: str) -> None:
    """Raises Failure (usage) where the file that is named as the spec is a recipe, and what is named as the recipe is a spec."""
    if not begins_as_recipe(spec):
        return
    word = recipe.removeprefix(BUNDLED).removesuffix(".yaml")
    is_spec = Path(recipe).is_file() and not begins_as_recipe(recipe) if Path(recipe).exists() else word in zoo()
    if is_spec:
        message = f"`{spec[:200]}` is a recipe, and `{recipe[:200]}` a spec: they stand in the wrong order"
        raise Failure("other-language", message, f"the spec comes first: archc train {recipe[:200]} {spec[:200]}", 2)


def begins_as_recipe(name: str) -> bool:
    """Whether a file is there that begins as a recipe does."""
    try:
        if not Path(name).is_file():
            return False
        with Path(name).open("rb") as file:
            return is_recipe(file.read(MOST_READ))
    except (OSError, ValueError):
        return False


def is_recipe(data: bytes) -> bool:
    """Whether a text is a recipe and no spec: its first key is `recipe`."""
    for line in data.lstrip(b"\xef\xbb\xbf").splitlines():
        words = line.strip()
        if words and not words.startswith((b"#", b"---", b"%")):
            return bool(FIRST_KEY.match(words))
    return False
