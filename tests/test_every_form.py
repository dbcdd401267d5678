"""Nets whose forms differed once: the module in training, its exported source, or ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .every_form import check_forms

IMAGE = {"input": {"image": [3, 8, 8]}}
PAIR = {"p": ["tanh", {"conv": 3}], "q": ["relu", "relu"]}
TO_FIVE = ["global_avg_pool", {"name": "fc", "linear": 5}]
IN_BLOCK = {"Stage": {"steps": [{"conv": 3}, {"name": "early", "aux": 0.5, "steps": TO_FIVE}, "relu"]}}

NETS: dict[str, dict[str, Any]] = {
    "a join in a branch of another": {"graph": {"join": {"branches": {"r": {"join": {"branches": PAIR}}, "s": ["silu", "tanh"]}}}},
    "a named join in a branch of another": {"graph": [
        {"join": {"local": 0.4, "branches": [{"name": "inner", "join": {"local": 0.3, "branches": {"l": "relu", "r": "tanh"}}}, "sigmoid"]}},
    ]},
    "a join three deep that draws": {"graph": [
        {"name": "j", "join": {"global": 0.5, "branches": {
            "a": {"join": {"global": 0.5, "branches": {"a": {"join": {"global": 0.5, "branches": PAIR}}, "b": "silu"}}}, "b": "tanh",
        }}},
        {"name": "early", "aux": 0.3, "steps": TO_FIVE},
    ]},
    "a join that is taken over, and read": {"graph": [
        {"name": "o", "join": {"branches": {"r": {"join": {"branches": PAIR}}, "s": "silu"}}}, {"add": [{"from": "o.r"}, []]},
    ]},
    "a step that reaches nothing beside a head": {"graph": [
        {"name": "a", "conv": 3}, {"name": "unused", "conv": 4}, {"from": "a", "name": "early", "aux": 0.3, "steps": TO_FIVE}, {"from": "a", "relu": None},
    ]},
    "heads as the one step of branches": {"graph": [
        {"name": "m", "concat": {"h": {"aux": 0.3, "conv": 4}, "g": {"aux": 0.2, "steps": ["relu", {"conv": 4}]}, "b": ["relu"]}},
        {"concat": [{"aux": 0.3, "steps": {"conv": 4}}, {"aux": 0.3, "steps": ["tanh", {"conv": 4}]}, []]},
        {"residual": {"body": {"aux": 0.1, "conv": 7}, "shortcut": {"aux": 0.1, "steps": [{"conv": 2}]}}},
    ]},
    "heads in a block": {"blocks": IN_BLOCK, "graph": [{"name": "a", "Stage": None}, {"concat": [{"name": "b", "Stage": None}, "Stage"]}]},
    "a head in a head": {"blocks": IN_BLOCK, "graph": [{"name": "h", "aux": 0.4, "steps": ["Stage", *TO_FIVE]}, {"conv": 3}]},
    "a block of one head": {"blocks": {"Head": {"steps": {"aux": 0.4, "steps": TO_FIVE}}}, "graph": [{"name": "h", "Head": None}, {"conv": 3}]},
    "outputs of groups as branches": {"graph": [
        {"concat": {"l": {"output": "o", "steps": ["tanh", {"conv": 2}]}, "r": {"output": "p", "steps": {"conv": 2}}}},
    ]},
    "a step under a step": {"graph": [{"name": "n", "residual": {"body": ["relu", {"name": "body", "conv": 3}]}}]},
    "group norms of few numbers": {"graph": ["global_avg_pool", {"conv": 4}, {"group_norm": {"groups": 2}}, {"group_norm": {"groups": 1}}, {"conv": 6}, {"group_norm": {"groups": 3}}]},
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_a_net_is_one_in_every_form(name: str, tmp_path: Path) -> None:
    check_forms({**IMAGE, **NETS[name]}, tmp_path)
