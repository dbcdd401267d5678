"""Characters that do not print: a name in a spec or in a file must not disturb a terminal."""

from __future__ import annotations


def clean(text: str) -> str:
    """`text` on one line, with an escape for every character that does not print."""
    return text if text.isprintable() else "".join(map(escape_character, text))


def escape_character(character: str) -> str:
    """The character, or its escape if it does not print."""
    if character.isprintable():
        return character
    return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(character) or escape_sequence(ord(character))


def escape_sequence(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
