// The picture as a tree for screen readers and for walking with the arrows: what each box is called, and where it stands.

import { METRICS, percent, shapeText, shortCost } from "./numbers.js";
import { metric, state } from "./state.js";

let standing = { layout: null, places: new Map() };

/** Whether a box takes part in the tree: all but the names of branches. */
export const isWalked = (box) => box.shape !== "tag";

/** Whether a click or a key opens or closes a box. */
export function canOpen(box) {
  return (
    Boolean(box?.item) && ["group", "repeat", "card"].includes(box.item.kind) && !["circle", "bar", "tag"].includes(box.shape)
  );
}

export const isOpen = (box) => box.shape === "open";

const holds = (frame, box) =>
  box.x >= frame.x && box.x + box.w <= frame.x + frame.w && box.y >= frame.y && box.y + box.h <= frame.y + frame.h;

/** For each box of a layout by its key: its parent, which is the innermost frame around it, its children, and its level from 1. */
export function standingOf(layout) {
  if (standing.layout === layout) return standing.places;
  const places = new Map();
  const frames = []; // those around the box at hand, outermost first
  for (const box of layout.boxes.filter(isWalked)) {
    while (frames.length && !holds(frames.at(-1), box)) frames.pop();
    const parent = frames.at(-1) ?? null;
    if (parent) places.get(parent.key).children.push(box.key);
    places.set(box.key, { parent, children: [], level: frames.length + 1 });
    if (box.shape === "open" || box.shape === "head") frames.push(box);
  }
  standing = { layout, places };
  return places;
}

const SIGNS_SAID = { "+": "addition", "×": "product" };
const KINDS = {
  open: "open block",
  group: "closed block",
  stack: "closed repeat",
  input: "input",
  output: "output",
  head: "head, for training only",
};

function labelOf(box) {
  const { item } = box;
  const kind = KINDS[box.shape];
  const title = SIGNS_SAID[box.title] ?? box.title;
  const parts = [title, box.rounds && `${box.rounds} times`, box.sub, kind];
  if (!item) return parts.filter(Boolean).join(", ");
  const total = state.drawing.totals[metric()];
  const cost = item.cost[metric()];
  const share = total ? `${METRICS[metric()].name} ${shortCost(metric(), cost)}, ${percent(cost / total)}` : null;
  return [...parts, `gives ${shapeText(item.shapeOut)}`, share].filter(Boolean).join(", ");
}

/** Gives an element the role, name, level and state of its box. */
export function describeBox(element, box, layout) {
  if (!isWalked(box)) {
    element.setAttribute("role", "presentation");
    return;
  }
  const told = {
    role: "treeitem",
    "aria-label": labelOf(box),
    "aria-level": standingOf(layout).get(box.key).level,
    "aria-expanded": canOpen(box) ? isOpen(box) : null,
    tabindex: element.tabIndex === 0 ? 0 : -1,
  };
  for (const [name, value] of Object.entries(told)) {
    if (value === null) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
}
