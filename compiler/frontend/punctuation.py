"""Words that are none: YAML has made one text of what was meant as a key and its value, or as several steps."""

from __future__ import annotations

import re

from .located_yaml import Located

COLON = "a colon and a space part a key and its value"
DASH = "a step begins with a dash and a space"


def split_pair(text: str) -> str:
    """The key and the value that were meant by `key:value`, `key = value` or `key [ … ]`, with a colon and a space; else empty."""
    pair = re.fullmatch(r"(\w+)( *[:=] *| +)([\[{].*|\$?[-.\w]+)", text, re.DOTALL)
    if pair is None or (not pair[2].strip() and not re.match(r"[\[{\d]", pair[3])):
        return ""
    # YAML has cut it at its colon
    value = "{…}" if pair[3].startswith("{") and not pair[3].endswith("}") else pair[3]
    return f"{pair[1]}: {value}"


def advise_punctuation(node: Located) -> str:
    """What is wrong with the punctuation in a word that nobody knows; empty where nothing is."""
    text = str(node.value)
    if re.match(r"-[A-Za-z]", text):
        return f"{DASH}: write `- {text.split()[0][1:]}`"
    if re.match("[\u2010-\u2015\u2022*+] ?", text):
        return f"{DASH}: write `- {text[1:].strip()}`"
    if " - " in text and node.span.line != node.span.end_line:
        return "the text goes on over the next line, whose dash is deeper: put the dashes of a list in one column"
    if pair := split_pair(text):
        return f"{COLON}: write `{pair}`"
    if text.endswith((";", ",")):
        return f"take the `{text[-1]}` away: each step has a line of its own"
    return ""
