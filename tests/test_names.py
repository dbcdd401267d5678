"""Names: what the language allows as the name of a step, branch, scope, input or output works in every backend.

The words are those that Python, torch and what archc writes use themselves. A hundred of them go into one net.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx, nn

from archc.compiler.backends.torch import layers
from archc.compiler.frontend.schema import BLOCK_NAME
from archc.compiler.frontend.step_names import NETWORK_ATTRIBUTES, name_fault, port_fault

from .every_form import check_forms

IMAGE = [2, 3, 3]
TRACED = fx.symbolic_trace(nn.Sequential(nn.ReLU()))
TRACED(torch.ones(1))
OWNED = {*dir(nn.Module()), *vars(TRACED), *dir(TRACED)} - {"0"}
# the words of Python, and those that a module or generated code has or sees by their bare names
BARE = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *OWNED, *dir(nn), *dir(layers), *NETWORK_ATTRIBUTES}
# generated code says these behind `torch.` and the like: thousands, in the soak
DOTTED = {*dir(torch), *dir(torch.Tensor), *dir(nn.functional)} - BARE
# names that were faults, and those that generated code and files use
FAULTS = (
    "local", "drawn", "itself", "self", "Self", "nn", "torch", "body", "shortcut", "path_draw", "logits", "image", "input", "output",
    "training", "forward", "F", "Tensor", "Path", "Scope", "Join", "x0", "x1", "input_0", "input_1", "getattr", "train", "infer", "build",
    "load", "net", "result", "weights", "weight", "bias", "with_steps", "modules", "module", "steps", "0-", "3d", "a-b", "_", "_0", "-", "N",
    "call_module", "Add", "Identity", "args", "kwargs", "print", "Image", "IMAGE", "i_mage", "cls", "fx", "math", "List", "Optional",
)  # fmt: skip


def allowed(words: Iterable[str]) -> list[str]:
    return sorted(word for word in set(words) if not name_fault(word))


def allowed_ports(words: Iterable[str]) -> list[str]:
    return sorted(word for word in set(words) if not port_fault(word))


def steps_net(names: tuple[str, ...]) -> dict[str, Any]:
    """A net with the names as steps, outputs, scopes, blocks, branches of every merge, and in the body of a residual."""
    step = {"prelu": None}  # torch.fx takes long for modules that are not torch.nn's
    graph: list[Any] = [{"name": n, "output": o, **step} for n, o in zip(names, reversed(names), strict=True)]
    graph += [{"name": "of-groups", "steps": [{"name": n, "steps": [{"name": n, **step}, "tanh"]} for n in names]}]
    graph += [{"name": "of-blocks", "steps": [{"name": n, "Pair": None} for n in names]}]
    for kind in ("mean", "join"):
        branches = {n: [step, "tanh"] if i % 2 else step for i, n in enumerate(names)}
        more = {"local": 0.3, "global": 0.5, "branches": branches} if kind == "join" else branches
        graph += [{"name": f"of-{kind}", kind: more}]
    graph += [{"name": "of-residual", "residual": {"body": ["tanh", *({"name": n, **step} for n in names)]}}]
    graph += [{"name": "of-head", "aux": 0.3, "steps": [{"name": n, **step} for n in names]}]
    graph += [{"tanh": None, "output": "end-"}]
    return {
        "blocks": {"Pair": {"steps": [step, {"name": names[0], **step}]}},
        "input": {"image-": IMAGE},
        "graph": graph,
    }


def inputs_net(names: tuple[str, ...]) -> dict[str, Any]:
    """A net with the names as inputs, and as outputs."""
    branches = [{"from": n} if i % 2 else [{"from": n}, "tanh"] for i, n in enumerate(names)]
    joined = {"join": {"global": 0.5, "branches": branches}, "output": "end-"}
    return {"input": dict.fromkeys(names, IMAGE), "graph": [{"add": branches}, {"steps": joined}]}


def blocks_net(names: tuple[str, ...]) -> dict[str, Any]:
    """A net with the names as blocks: each is used by itself, under its own name as a step, and within the one before it."""
    blocks: dict[str, Any] = {
        name: {"steps": [{"prelu": None}, *([{"name": "inner", after: None}] if after else ["tanh"])]}
        for name, after in zip(names, (*names[1:2], None, *[None] * len(names)), strict=False)
    }
    graph = [name if i % 2 or name_fault(name) else {"name": name, name: None} for i, name in enumerate(names)]
    return {"input": {"image-": IMAGE}, "blocks": blocks, "graph": graph}


def spec_net(name: str) -> dict[str, Any]:
    """A net that is called so."""
    return {"name": name, "input": {"image": IMAGE}, "graph": [{"conv": 2}, {"name": "a", "prelu": None}]}


def nets(words: Iterable[str], size: int = 100) -> Iterator[dict[str, Any]]:
    blocks = sorted(word for word in set(words) if re.match(BLOCK_NAME, word))
    yield from (blocks_net(tuple(blocks[i : i + size])) for i in range(0, len(blocks), size))
    for write, names in ((steps_net, allowed(words)), (inputs_net, allowed_ports(words))):
        yield from (write(tuple(names[i : i + size])) for i in range(0, len(names), size))


def test_names_that_were_faults(tmp_path: Path) -> None:
    for document in nets(FAULTS):
        check_forms(document, tmp_path)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(document, id=f"{kind} {number}", marks=mark)
        for kind, words, mark in (("bare", BARE, pytest.mark.slow), ("dotted", DOTTED, pytest.mark.soak))
        for number, document in enumerate(nets(words))
    ],
)
def test_every_word_of_python_and_torch(document: dict[str, Any], tmp_path: Path) -> None:
    check_forms(document, tmp_path)


SPEC_NAMES = (
    "torch",
    "self",
    "super",
    "nn",
    "F",
    "Net",
    "net",
    "None",
    "class",
    "Tensor",
    "__init__",
    "forward",
    "a b",
    "é",
    "x+y.z",
    "1",
)


@pytest.mark.parametrize("name", SPEC_NAMES)
def test_any_name_of_a_spec_works_in_every_form(name: str, tmp_path: Path) -> None:
    check_forms(spec_net(name), tmp_path)


def test_the_language_page_lists_what_is_refused() -> None:
    """Each word of the table is refused for what its row says, and each kind of refused word has its row."""
    page = (Path(__file__).parent.parent / "docs" / "reference/language.md").read_text("utf-8")
    table = page.partition("Refused are, as `bad-name`:")[2].partition("\n\n")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    rows = [(re.findall(r"`([^`]+)`", words), words, places) for words, places, _ in cells]
    for words, _, places in rows:
        for word in words:
            assert name_fault(word + "name" if word == "__" else word), word
            assert bool(port_fault(word + "name" if word == "__" else word)) == ("inputs" in places), word
    listed = {word for words, _, _ in rows for word in words}
    assert {*NETWORK_ATTRIBUTES, "self", "__"} <= listed
    kinds = " ".join(text for _, text, _ in rows)
    assert "keyword of Python" in kinds and "torch.nn.Module" in kinds and "torch.fx.GraphModule" in kinds
    allowed_words = re.findall(
        r"`([^`]+)`", page.partition("a word of Python's or torch's, such as ")[2].partition(". Refused")[0]
    )
    assert allowed_words and not any(map(name_fault, allowed_words))


def test_what_is_refused_is_owned() -> None:
    """No other word is refused, and none that torch's modules or a net of ours own is allowed."""
    words = {word for word in BARE | DOTTED | set(FAULTS) if not re.search(r"[^\w-]", word)}
    refused = {word for word in words if name_fault(word)}
    dunder = {word for word in words if word.startswith("__")}
    assert refused == (OWNED | set(keyword.kwlist) | dunder | NETWORK_ATTRIBUTES | {"self", "Self"}) & words
    assert {word for word in words if port_fault(word)} == dunder
