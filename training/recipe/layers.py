"""A recipe laid over what it extends, and settings over both: trees of YAML in, one tree out, in which every value keeps its place.

Mappings are laid over key by key. A list replaces the other, and so does an optimizer or a schedule of another name.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from ...compiler.frontend.documents import DocumentReader
from ...compiler.frontend.located_yaml import BROKEN, Entry, Located
from ..schedules import SCHEDULES
from .choice import BY_PATH, CHOICES, HAS_PATHS
from .rules import RECIPES_LANGUAGE, recipe_schema

# what one recipe says of itself is not true of those that extend it
OWN = ("recipe", "extends", "name", "summary", "source", "nets")
# two ways to say the same: the one that comes later takes the place of the other
EXCLUSIVE = (
    ("epochs", "steps"),
    ("val", "split"),
    *(pair[:2] for each in SCHEDULES.values() for pair in each.exclusive),
)


class RecipeComposer(DocumentReader[Located]):
    """Composes recipes. `incomplete` says that a base could not be loaded, so that nothing may be reported as missing."""

    language = RECIPES_LANGUAGE
    incomplete = False

    def compose(self, root: Located, chain: tuple[str, ...]) -> Located:
        """The tree of a recipe, laid over that of the one that it extends."""
        if "extends" not in root.value:
            return root
        base = self.read_referenced(root.value["extends"].value, chain)
        if base is None:
            self.incomplete = True
            return root
        kept = {key: entry for key, entry in base.value.items() if key not in OWN}
        return lay_over(Located(kept, base.span), root)


def lay_over(base: Located, own: Located, choices: Container[str] | None = CHOICES) -> Located:
    """The mapping `own` laid over the mapping `base`; `choices` are the keys whose values choose by a name, None means all."""
    entries: dict[str, Entry] = {
        key: entry for key, entry in base.value.items() if not is_displaced(key, base.value, own.value)
    }
    for key, entry in own.value.items():
        below = entries[key].value if key in entries else None
        value = entry.value
        if below is not None and (choices is None or key in choices):
            value = lay_choice(below, value, HAS_PATHS if choices is None else key)
        elif below is not None and key == BY_PATH and isinstance(below.value, dict) and isinstance(value.value, dict):
            value = lay_over(below, value, choices=None)
        elif below is not None and isinstance(below.value, dict) and isinstance(value.value, dict):
            value = lay_over(below, value, choices=())
        entries[key] = Entry(entry.key, value)
    return type(own)(entries, own.span, own.raw, own.style)


def is_displaced(key: str, base: Mapping[str, Entry], own: Mapping[str, Entry]) -> bool:
    """Whether `own` says in another key what the `key` of `base` says."""
    others = [pair[1 - pair.index(key)] for pair in EXCLUSIVE if key in pair]
    return any(other in own and other not in base and own[other].value.value is not None for other in others)


def lay_choice(base: Located, own: Located, section: str) -> Located:
    """A choice of a `section` laid over another one, whose fields it takes over where it has the same name."""
    if not isinstance(base.value, dict) or not isinstance(own.value, dict) or list(base.value) != list(own.value):
        return own
    return lay_over(with_field_names(base, section), with_field_names(own, section), choices=())


def with_field_names(choice: Located, section: str) -> Located:
    """A choice whose one value stands alone, `{normal: 0.1}`, with the name of its field: `{normal: {std: 0.1}}`."""
    entry = next(iter(choice.value.values()), None)
    # several are a mistake, which is told
    if (
        entry is None
        or len(choice.value) > 1
        or isinstance(entry.value.value, dict)
        or entry.value.value in (None, BROKEN)
    ):
        return choice
    name = str(entry.key.value)
    bare = recipe_schema()["properties"][section]["properties"].get(name, {}).get("x-bare")
    if not bare:
        return choice
    fields = Located({bare: Entry(Located(bare, entry.key.span, bare), entry.value)}, entry.value.span)
    return type(choice)({name: Entry(entry.key, fields)}, choice.span, choice.raw, choice.style)
