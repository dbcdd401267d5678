"""How a document's keys are laid over those of what it extends: one table for the composer, `archc list` and `archc init`."""

from __future__ import annotations

# the entries of both documents, the extending one's over the base's; lists of imports one after the other
MERGED_BY_ENTRY = ("params", "input", "blocks", "import")
# the document's own: the base's says nothing of it
NEVER_INHERITED = ("archspec", "name", "summary", "extends", "expect", "reported")
# all other keys are the document's where it states them, else the base's
