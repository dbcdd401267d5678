"""What boxes and edges say. layout.py tells the rules."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from ..ops.op import LAYER_FAMILIES
from .drawing import (
    CardItem,
    Drawing,
    GroupItem,
    InputItem,
    Item,
    OpItem,
    OutputItem,
    ParallelItem,
    RepeatItem,
    Shape,
    ValueItem,
    exit_of,
    members,
)
from .layout_pieces import Tap, main_of, relative, shorten

NUMBER = re.compile("[0-9]+")


def box_texts(item: Item, drawing: Drawing) -> tuple[str, str]:
    """The two lines of a box: what its layer is, and the companions before it, with an arrow, and behind it."""
    if isinstance(item, InputItem):
        return shorten(drawing.inputs[item.input].name), ""
    if isinstance(item, ValueItem):
        return shorten(drawing.name_of(item.value)), ""
    if isinstance(item, OutputItem):
        return shorten(drawing.outputs[item.output].name), ""
    nodes = tuple(members(item))
    titles = [drawing.nodes[node].title for node in nodes]
    at = nodes.index(main_of(item))
    before, behind = " · ".join(titles[:at]), " · ".join(titles[at + 1 :])
    sub = f"{before} → · {behind}" if before and behind else f"{before} →" if before else behind
    return shorten(titles[at]), shorten(sub)


def closed_texts(
    item: GroupItem | RepeatItem, drawing: Drawing, scope: str, entering: Shape | None, taps: Collection[Tap]
) -> tuple[str, str]:
    """The two lines of a closed group or repeat: its name; its block, what is in it and how the channels change over a repeat.

    `taps` are those that are not yet drawn.
    """
    first = item.items[0] if isinstance(item, RepeatItem) else item
    if isinstance(first, GroupItem):
        title = repeat_title(item, drawing, scope) if isinstance(item, RepeatItem) else relative(first.id, scope)
        sub = joined(first.block, contents(first, drawing, taps))
    else:
        title, sub = box_texts(first, drawing)
    if isinstance(item, RepeatItem):
        sub = joined(sub, channels_change(item, drawing, entering))
    return shorten(title), shorten(sub)


def branch_name(item: Item, drawing: Drawing, scope: str) -> str:
    """The name of a branch that is one item: that of its group or card, or that of its one layer where it says more than the op; else ""."""
    if isinstance(item, GroupItem) or (isinstance(item, CardItem) and item.id):
        return shorten(relative(item.id, scope))
    if not isinstance(item, (OpItem, CardItem)):
        return ""
    node = drawing.nodes[main_of(item)]
    name = relative(node.path, scope)
    is_plain = "." in name or NUMBER.fullmatch(name) or name.lower().startswith(node.op.lower())
    return "" if is_plain else shorten(name)


def repeat_title(item: RepeatItem, drawing: Drawing, scope: str) -> str:
    """The names of the first and the last round: `denselayer1 … denselayer6`."""
    first, last = item.items[0], item.items[-1]
    if not (isinstance(first, (GroupItem, CardItem)) and first.id and isinstance(last, (GroupItem, CardItem))):
        return box_texts(first, drawing)[0]
    return f"{relative(first.id, scope)} … {last.id.rpartition('.')[2]}"


def channels_change(item: Item, drawing: Drawing, entering: Shape | None) -> str:
    """How the channels change over a repeat: `64→256`, or nothing."""
    value = exit_of(item)
    leaving = drawing.shape_of(value) if value is not None else None
    return f"{entering[0]}→{leaving[0]}" if entering and leaving and entering != leaving else ""


def contents(group: GroupItem, drawing: Drawing, taps: Collection[Tap]) -> str:
    """What is in a closed group, in words; of one that is no more than rounds of a group, what is in each."""
    only = group.items[0] if len(group.items) == 1 else None
    if isinstance(only, RepeatItem) and isinstance(only.items[0], GroupItem):
        each = only.items[0]
        return f"{len(only.items)} × {joined(each.block, contents(each, drawing, taps))}"
    fans = [item for item in group.items if isinstance(item, ParallelItem)]
    branches = [len(fan.branches) + fan.skip for fan in fans if len(fan.branches) > 1]
    held = set(members(group))
    layers = sum(drawing.nodes[i].family in LAYER_FAMILIES for i in held)
    inside = sum(tap.source in held for tap in taps)
    parts = [f"{max(branches)} branches"] if branches else ["skip"] if any(fan.skip for fan in fans) else []
    parts += [f"{layers} layer{'' if layers == 1 else 's'}"]
    return ", ".join(parts + [f"{inside} beside"] * bool(inside))


def label_shape(
    items: Sequence[Item], shapes: Sequence[Shape | None], i: int, drawing: Drawing, is_trunk: bool
) -> Shape | None:
    """The shape to tell between an item and the one before it, or behind the last one; None where it says nothing new.

    It is told where it changes; among the steps of a group only where the resolution does. `shapes` are those that enter each item.
    """
    giver, before = items[i - 1], shapes[i - 1]
    value = exit_of(giver)
    if value is None:
        return None
    shape, ends = drawing.shape_of(value), i < len(items) and isinstance(items[i], OutputItem)
    if isinstance(giver, (InputItem, ValueItem)) or ends or before is None:
        return shape
    whole = is_trunk or isinstance(giver, (GroupItem, RepeatItem))
    return shape if (before != shape if whole else before[1:] != shape[1:]) else None


def joined(*texts: str) -> str:
    """The texts that are there, with dots between."""
    return " · ".join(text for text in texts if text)
