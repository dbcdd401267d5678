"""What an operation's docstring states: prose, and lines that begin with Shapes, Params, Cost, Rejects and Source."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import NamedTuple

from archc.compiler.ops.op import Op

LABELLED = re.compile(r"^(Shapes|Params|Cost|Rejects|Source) {2,}(.+)$", re.M)


class OpRules(NamedTuple):
    """The parts of a docstring; what is not there is empty."""

    summary: str
    prose: str
    shapes: str
    params: str
    cost: str
    rejects: tuple[str, ...]
    source: str


def read_rules(op: type[Op]) -> OpRules:
    """The rules of an operation, as its docstring states them."""
    text = cleandoc(op.__doc__ or "")
    stated = dict(LABELLED.findall(text))
    paragraphs = [" ".join(each.split()) for each in LABELLED.sub("", text).split("\n\n") if each.strip()]
    return OpRules(
        paragraphs[0],
        "\n\n".join(paragraphs),
        # the result on a line, how its sizes come about on another one
        re.sub(r"\), (?=H' =)", ")\n", stated.get("Shapes", "")),
        stated.get("Params", ""),
        re.sub(r" {2,}", "  ", stated.get("Cost", "")),
        tuple(stated["Rejects"].split(", ")) if "Rejects" in stated else (),
        stated.get("Source", ""),
    )


def read_warning(op: type[Op]) -> str:
    """What an operation warns of, as its `doubt` states it; empty where it has none."""
    return "" if op.doubt is Op.doubt else " ".join(cleandoc(op.doubt.__doc__ or "").split())
