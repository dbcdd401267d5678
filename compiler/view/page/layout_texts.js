// What boxes and edges say: layout_texts.py in JavaScript, function for function.

import { exitOf, nameOf, shapeOf } from "./drawing.js";
import { LAYER_FAMILIES, equalShapes, mainOf, relative, shorten } from "./layout_pieces.js";

/** The two lines of a box: what its layer is, and the companions before it, with an arrow, and behind it. */
export function boxTexts(item, drawing) {
  if (item.kind === "input") return [shorten(drawing.inputs[item.input][0]), ""];
  if (item.kind === "value") return [shorten(nameOf(drawing, item.value)), ""];
  if (item.kind === "output") return [shorten(drawing.outputs[item.output][0]), ""];
  const titles = item.members.map((node) => drawing.nodes[node].title);
  const at = item.members.indexOf(mainOf(item));
  const [before, behind] = [titles.slice(0, at).join(" · "), titles.slice(at + 1).join(" · ")];
  const sub = before && behind ? `${before} → · ${behind}` : before ? `${before} →` : behind;
  return [shorten(titles[at]), shorten(sub)];
}

/** The two lines of a closed group or repeat: its name; its block, what is in it and how the channels change over a repeat. */
export function closedTexts(item, drawing, scope, entering, taps) {
  const first = item.kind === "repeat" ? item.items[0] : item;
  let [title, sub] = first.kind === "group" ? ["", ""] : boxTexts(first, drawing);
  if (first.kind === "group") {
    title = item.kind === "repeat" ? repeatTitle(item, drawing, scope) : relative(first.id, scope);
    sub = joined(first.block, contents(first, drawing, taps));
  }
  if (item.kind === "repeat") sub = joined(sub, channelsChange(item, drawing, entering));
  return [shorten(title), shorten(sub)];
}

/** The name of a branch that is one item: that of its group or card, or that of its one layer where it says more than the op; else "". */
export function branchName(item, drawing, scope) {
  if (item.id) return shorten(relative(item.id, scope));
  if (item.kind !== "op" && item.kind !== "card") return "";
  const { path, op } = drawing.nodes[mainOf(item)];
  const name = relative(path, scope);
  const isPlain = name.includes(".") || /^[0-9]+$/.test(name) || name.toLowerCase().startsWith(op.toLowerCase());
  return isPlain ? "" : shorten(name);
}

/** The names of the first and the last round: `denselayer1 … denselayer6`. */
export function repeatTitle(item, drawing, scope) {
  const [first, last] = [item.items[0], item.items.at(-1)];
  if (!first.id || !last.id) return boxTexts(first, drawing)[0];
  return `${relative(first.id, scope)} … ${last.id.split(".").at(-1)}`;
}

/** How the channels change over a repeat: `64→256`, or nothing. */
function channelsChange(item, drawing, entering) {
  const value = exitOf(item);
  const leaving = value === null ? null : shapeOf(drawing, value);
  return entering?.length && leaving?.length && !equalShapes(entering, leaving) ? `${entering[0]}→${leaving[0]}` : "";
}

/** What is in a closed group, in words; of one that is no more than rounds of a group, what is in each. */
function contents(group, drawing, taps) {
  const only = group.items.length === 1 ? group.items[0] : null;
  if (only?.kind === "repeat" && only.items[0].kind === "group") {
    const each = only.items[0];
    return `${only.items.length} × ${joined(each.block, contents(each, drawing, taps))}`;
  }
  const fans = group.items.filter((item) => item.kind === "parallel");
  const branches = fans.filter((fan) => fan.branches.length > 1).map((fan) => fan.branches.length + (fan.skip ? 1 : 0));
  const held = new Set(group.members);
  const layers = group.members.filter((i) => LAYER_FAMILIES.includes(drawing.nodes[i].family)).length;
  const inside = taps.filter((tap) => held.has(tap.source)).length;
  const shape = branches.length ? `${Math.max(...branches)} branches` : fans.some((fan) => fan.skip) ? "skip" : null;
  return [shape, `${layers} layer${layers === 1 ? "" : "s"}`, inside && `${inside} beside`].filter(Boolean).join(", ");
}

/** The shape to tell between an item and the one before it, or behind the last one; null where it says nothing new. */
export function labelShape(items, shapes, i, drawing, isTrunk) {
  const [giver, before] = [items[i - 1], shapes[i - 1]];
  const value = exitOf(giver);
  if (value === null) return null;
  const shape = shapeOf(drawing, value);
  if (["input", "value"].includes(giver.kind) || items[i]?.kind === "output" || before === null) return shape;
  const isWhole = isTrunk || ["group", "repeat"].includes(giver.kind);
  const same = isWhole ? equalShapes(before, shape) : equalShapes(before.slice(1), shape.slice(1));
  return same ? null : shape;
}

const joined = (...texts) => texts.filter(Boolean).join(" · ");
