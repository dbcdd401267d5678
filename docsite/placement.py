"""What was measured of an operation on CUDA: the nets of the zoo that have it, and where onnxruntime put their nodes.

Nothing is said that no file of benchmarks/results holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from archc.compiler.ops.op import Op

from .markup import code, link
from .op_examples import OpExample
from .sources import ROOT
from .zoo_nets import zoo_nets

RESULTS = ROOT / "benchmarks" / "results"
PAGE = "explanation/performance.md"
PLACED, RUN = "placement.json", "zoo_cuda.h100.json"


class OpPlacement(NamedTuple):
    """The nets whose built files hold an operation: all that were placed, those of them with nodes elsewhere than on CUDA, and those that
    a GPU ran wholly, with torch's answers."""

    placed: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()


def read_results(name: str) -> dict[str, Any]:
    """A file of measured figures."""
    found: dict[str, Any] = json.loads((RESULTS / name).read_text("utf-8"))
    return found


def placements() -> Mapping[str, OpPlacement]:
    """What was measured, by operation."""
    placed = {row["net"]: row["elsewhere"] for row in read_results(PLACED)["rows"]}
    ran = {row["net"] for row in read_results(RUN)["rows"] if row["agrees"] and not row["elsewhere"]}
    found: dict[str, OpPlacement] = {}
    for name, each in zoo_nets().items():
        for op in each.built_ops if name in placed else ():
            known = found.get(op, OpPlacement())
            found[op] = OpPlacement(
                (*known.placed, name),
                (*known.elsewhere, *[name] * bool(placed[name])),
                (*known.ran, *[name] * (name in ran)),
            )
    return found


def describe_placement(op: type[Op], example: OpExample, known: Mapping[str, OpPlacement], here: str) -> str:
    """The text of an operation's page."""
    replacement = example.facts.op.inference()
    if replacement is None:
        return "A built file has nothing of it, so there is nothing to place."
    if replacement is not example.facts.op:
        other = link(code(replacement.name), f"{replacement.name}.md", f"{replacement.name}.md")
        return f"A built file has {other} in its place."
    found = known.get(op.name)
    if found is None:
        tried = link("the nets that were placed", f"{PAGE}#nodes-on-cuda", here)
        devices = link("Run on a GPU", "howto/cuda.md", here)
        return f"Nothing is known: of {tried} none has it in its built file. {devices} tells how to see where the nodes of a net of yours are."
    versions = " ".join(f"{name} {version}" for name, version in read_results(PLACED)["versions"].items())
    page = link("benchmarks/placement.py", f"{PAGE}#nodes-on-cuda", here)
    count = (
        f"{len(found.placed)} nets of the zoo have"
        if len(found.placed) > 1
        else f"One net of the zoo ({found.placed[0]}) has"
    )
    where = (
        f"some nodes of {', '.join(found.elsewhere)} are elsewhere"
        if found.elsewhere
        else "all of their nodes are on CUDA"
    )
    text = f"{count} it in their built files. With {versions} {where} ({page})."
    if found.ran:
        gpu = read_results(RUN)["machine"]["gpu"]
        run = link("benchmarks/zoo_on_device.py", f"{PAGE}#cuda-the-zoo", here)
        text += f" {len(found.ran)} of them ran there on an {gpu}, with torch's answers ({run})."
    return text
