"""What a file says of a node, for the details of a page: its operator, attributes, and the values and constants that it reads and gives.

All of it is text and numbers of a stranger's file: names are in characters that print, lists are bounded, and numbers are such as JSON has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..compiler.diagnostics import clean
from ..compiler.ir.dtypes import DTYPES
from ..runtime.full_graph import FullNode, WeightHeader, shorten_name
from .sizes import Shapes

# of the values that a node reads or gives; a Concat may have thousands
MAX_VALUES = 40
# what JavaScript's numbers hold without rounding
MAX_INTEGER = 2**53
TYPE_NAMES = {dtype.onnx: dtype.name for dtype in DTYPES.values()} | {8: "text"}


def node_facts(node: FullNode, shapes: Shapes, constants: Mapping[str, WeightHeader], path: str, is_ours: bool) -> dict[str, Any]:  # fmt: skip
    """The facts of a node: {"operator", "name", "attributes"} or, in a file of archc's, {"onnx": [[name behind the path, operator, inputs,
    attributes]]}; and {"reads", "weights", "gives"}, each a list of [name, shape or null, element type or ""], without the batch.
    """
    attributes = {clean(shorten_name(name)): plain_value(value) for name, value in node.attributes.items()}
    constant = [name for name in dict.fromkeys(node.inputs) if name in constants]
    values = [name for name in dict.fromkeys((*node.inputs, *node.captured)) if name and name not in constants]
    facts: dict[str, Any] = {
        "reads": described(values, shapes, {}),
        "weights": described(constant, shapes, constants),
        "gives": described(filter(None, node.outputs), shapes, {}),
    }
    operator = clean(shorten_name(f"{node.domain}.{node.kind}" if node.domain else node.kind))
    if is_ours:
        name = clean(shorten_name(node.name)).removeprefix(path)
        return {"onnx": [[name, operator, [clean(shorten_name(each)) for each in node.inputs], attributes]], **facts}
    return {"operator": operator, "name": clean(shorten_name(node.name)), "attributes": attributes, **facts}


def described(names: Iterable[str], shapes: Shapes, constants: Mapping[str, WeightHeader]) -> list[list[Any]]:
    """Values with their shapes and element types; of very many the first, and a last row that says how many more there are."""
    known = [*names]
    rows: list[list[Any]] = []
    for name in known[:MAX_VALUES]:
        shape = shapes.find(name)
        sizes = (
            None
            if shape is None
            else ["?" if s in (None, "") else clean(s) if isinstance(s, str) else s for s in shape]
        )
        dtype = constants[name].dtype if name in constants else shapes.dtypes.get(name, 0)
        rows.append([clean(shorten_name(name)), sizes, TYPE_NAMES.get(dtype, "")])
    return rows + [[f"and {len(known) - MAX_VALUES:,} more", None, ""]] * (len(known) > MAX_VALUES)


def plain_value(value: Any) -> Any:
    """An attribute as JSON may have it: what no number of JSON or of JavaScript is, is a text."""
    if isinstance(value, tuple):
        return [plain_value(each) for each in value]
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        # an attribute is a float32: its shortest decimal form, 0.1 and not 0.10000000149
        return float(f"{value:.7g}") if math.isfinite(value) else str(value)
    return value if abs(value) < MAX_INTEGER else str(value)
