"""The interactive page of a drawing: one HTML file that asks no network for anything.

Beside this module lie what the page is made of: `page.html`, `page.css`, and modules of JavaScript, which are joined into one script.
The drawing stands in the page as JSON. What a spec calls its layers reaches the page as data alone: the JSON has no `<`, the script
makes elements and sets their texts, and the page's policy (Content-Security-Policy) lets no other script run and no text be parsed.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path

from ..drawing import Drawing
from ..heat import FIELDS
from ..theme import THEMES, Theme

# in the order in which they are joined: a module stands behind those that it uses while it is loaded
LAYOUT = (
    "numbers.js",
    "drawing.js",
    "layout_pieces.js",
    "layout_taps.js",
    "layout_texts.js",
    "layout_measure.js",
    "layout_place.js",
    "layout.js",
)
MODULES = ("dom.js", *LAYOUT, "state.js", "boxes.js", "tree.js", "picture.js", "selection.js", "source.js", "explanation.js", "details.js", "search.js",
           "strip.js", "controls.js", "pointing.js", "download.js", "main.js")  # fmt: skip
LIVE = "live.js"
# what JSON may hold but a script element may not (`</script`, `<!--`), and what older JavaScript takes for an end of line
UNSAFE = {"<": "\\u003c", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page_html(
    drawing: Drawing, *, theme: str = "auto", heat: str | None = None, depth: int | None = None, live: str | None = None
) -> str:
    """The whole page of a drawing, as text.

    `theme` is what it opens in: that of the reader's system, or one of the two. `heat` is one of HEATS, and `depth` how many levels
    of groups are open at first; without it a page opens what holds most of the net. With `live` the page follows the stream of
    events at that address, which must be of the server that the page comes from; live.js tells what it expects.
    """
    script, style = join_modules((*MODULES, LIVE) if live else MODULES), style_sheet()
    first = {
        "theme": None if theme == "auto" else theme,
        "heat": heat and FIELDS.get(heat, heat),
        "depth": depth,
        "live": live,
    }
    fields = {
        "first": "".join(
            f' data-{key}="{html.escape(str(value))}"' for key, value in first.items() if value is not None
        ),
        "policy": policy(script, style, live is not None),
        "name": html.escape(drawing.name),
        "style": style,
        "drawing": safe_json(drawing),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda field: fields[field[1]], read("page.html"))


def safe_json(drawing: Drawing) -> str:
    """The drawing as JSON that may stand in a script element."""
    text = json.dumps(drawing.to_json(), ensure_ascii=False, separators=(",", ":"))
    return re.sub("|".join(UNSAFE), lambda found: UNSAFE[found[0]], text)


def style_sheet() -> str:
    """The page's style, with the colours of both themes: those of all pictures, and those that only the page needs."""
    colours = {name: colour_variables(theme) + read(f"{name}.css") for name, theme in THEMES.items()}
    return re.sub(r"\{\{(light|dark)\}\}", lambda field: colours[field[1]], read("page.css"))


def colour_variables(theme: Theme) -> str:
    """The colours of a theme as variables of CSS."""
    named = {name: getattr(theme, name) for name in ("background", "ink", "muted", "card", "line", "edge", "cost")}
    named |= {"tensor": theme.tensor_pale if theme is THEMES["light"] else theme.tensor, **theme.families}
    named |= {f"heat{step}": colour for step, colour in enumerate(theme.heat)}
    named |= {f"heat-ink{step}": colour for step, colour in enumerate(theme.heat_ink)}
    return "".join(f"--{name}:{colour};" for name, colour in named.items())


def policy(script: str, style: str, is_live: bool) -> str:
    """The page's Content-Security-Policy: its own script and style by their hashes, nothing from anywhere, no text taken for markup."""
    allowed = {
        "default-src": "'none'",
        "script-src": hash_source(script),
        "style-src": hash_source(style),
        "connect-src": "'self'" if is_live else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in allowed.items())


def hash_source(text: str) -> str:
    """The hash by which a policy knows a script or a style of the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def join_modules(names: Sequence[str]) -> str:
    """The modules as one script: without their imports, as all names are in one scope, and without `export`."""
    joined = "".join(read(name) for name in names)
    return '"use strict";\n' + re.sub(r"^import [^;]*;\n\n?|^export (?=\w)", "", joined, flags=re.MULTILINE)


def read(name: str) -> str:
    """A file of the page."""
    return Path(__file__).with_name(name).read_text("utf-8")
