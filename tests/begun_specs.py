"""What `archc init` begins, for tests: a spec of one's own from another net, which must be the same net."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from archc.compiler.driver import Compilation, check
from archc.compiler.frontend.located_yaml import plain_value
from archc.scaffold.overlay import TextDocument
from archc.scaffold.starter import start_spec, write_spec


def nodes(checked: Compilation) -> list[str]:
    """The graph line by line, without its name and without the places in the text."""
    assert checked.graph is not None
    return [line.partition("  # ")[0] for line in str(checked.graph).splitlines()[1:]]


def same_net(origin: str, folder: Path, warnings: Collection[str] = ()) -> None:
    """Begins from `origin` and compares all that a net is; `warnings` are the codes of those that `origin` deserves."""
    write_spec(start_spec("mine", origin), folder / "mine.yaml")
    own, theirs = check(str(folder / "mine.yaml")), check(origin)
    assert {each.code for each in own.diagnostics} <= set(warnings)
    assert own.name == "mine"
    assert nodes(own) == nodes(theirs)
    stated = [each.header.preprocess.to_dict() if each.header.preprocess else None for each in (own, theirs)]
    assert stated[0] == stated[1] and (own.labels, own.header.source) == (theirs.labels, theirs.header.source)
    assert not own.expectations, "they are the other net's"
    text = (folder / "mine.yaml").read_text("utf-8")
    assert "extends" not in plain_value(TextDocument(text).root)
    assert "yaml-language-server" not in text, "the schema that it names would not be there"
