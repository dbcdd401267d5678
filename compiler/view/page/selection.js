// Selecting a box marks its lines, selecting a line marks its boxes; and what is closed is opened where something in it is meant.

import { announce } from "./dom.js";
import { showDetails } from "./details.js";
import { bring, mark, redraw, seen, show } from "./picture.js";
import { markLines } from "./source.js";
import { keepAddress, state } from "./state.js";
import { canOpen, isOpen } from "./tree.js";

/** The nodes that a line of the source made: it may stand in a block that is used many times. */
export function nodesOfLine({ file, line }) {
  const { nodes } = state.drawing;
  return nodes.flatMap((node, index) => (node.places.some(([f, l]) => f === file && l === line) ? [index] : []));
}

/** The nodes of what is selected. */
export function selectedNodes() {
  const { selection, drawing } = state;
  if (!selection) return [];
  return selection.key !== undefined ? (drawing.items.get(selection.key)?.members ?? []) : nodesOfLine(selection);
}

const isWhole = (box) => box.item && !["open", "head", "tag", "input", "output"].includes(box.shape);

/** The drawn boxes that hold some of the nodes, in reading order; open blocks are seen through. */
export function boxesWith(nodes) {
  const wanted = new Set(nodes);
  return seen().layout.boxes.filter((box) => isWhole(box) && box.item.members.some((node) => wanted.has(node)));
}

function markSelection() {
  const { selection } = state;
  const own = selection?.key === undefined ? [] : [selection.key];
  const related = selection && selection.key === undefined ? boxesWith(nodesOfLine(selection)).map((box) => box.key) : [];
  mark({ selected: new Set(own), related: new Set(related) });
}

/** Selects a box by {key}, a line by {file, line}, or nothing by null. */
export function select(selection, { scrollSource = true } = {}) {
  state.selection = selection;
  markSelection();
  showDetails(); // first: it takes its room from the source
  markLines(selectedNodes(), selection, scrollSource);
  keepAddress();
}

/** Selects a line, and shows the first of its boxes. */
export function selectLine(file, line) {
  select({ file, line }, { scrollSource: false });
  const nodes = nodesOfLine({ file, line });
  const found = boxesWith(nodes);
  if (found.length) show(found[0]);
  announce(nodes.length ? `line ${line}: ${nodes.length} nodes in ${found.length} boxes` : `line ${line} makes no node`);
}

/** Marks anew what is selected, after boxes have changed. */
export function refreshSelection() {
  markSelection();
  markLines(selectedNodes(), state.selection, false);
  showDetails();
}

/** Opens or closes a box. A repeat that is closed is folded again, too. */
export function toggle(key) {
  const box = seen().boxes.get(key);
  if (!canOpen(box)) return;
  if (!state.open.delete(key)) state.open.add(key);
  else state.open.delete(`${key}*`);
  redraw({ anchor: key });
  refreshSelection();
  keepAddress();
  announce(`${box.title} ${isOpen(seen().boxes.get(key)) ? "opened" : "closed"}`);
}

/** Shows the rounds of a repeat one by one, or the first for all. */
export function unroll(key) {
  const all = `${key}*`;
  if (!state.open.delete(all)) state.open.add(all);
  state.open.add(key);
  redraw({ anchor: key });
  refreshSelection();
  keepAddress();
}

/** What has to be open for a node to be seen: blocks by their keys, and repeats unrolled where it is not in their first round. */
function needed(node) {
  const keys = [];
  for (let { item } = state.drawing.nodes[node]; item.parent; item = item.parent) {
    const { parent } = item;
    if (parent.kind === "group" || parent.kind === "repeat") keys.push(parent.key);
    if (parent.kind === "repeat" && parent.items[0] !== item) keys.push(`${parent.key}*`);
  }
  return keys;
}

/** Opens whatever hides the nodes. Says whether something was closed. */
export function reveal(nodes, anchor = null) {
  const before = state.open.size;
  for (const node of nodes) for (const key of needed(node)) state.open.add(key);
  if (state.open.size === before) return false;
  redraw({ anchor, keepScroll: true });
  refreshSelection();
  keepAddress();
  return true;
}

/** Selects a box, shows it, and puts the focus on it. */
export function goTo(key, { focus = true } = {}) {
  const box = seen().boxes.get(key);
  if (!box) return;
  if (box.item) select({ key });
  show(box);
  if (focus) focusOn(key);
}

/** Selects the smallest box that holds a node, opening what hides it. */
export function goToNode(node, options) {
  reveal([node]);
  const [box] = boxesWith([node]);
  if (box) goTo(box.key, options);
}

/** Puts the focus on a box; it alone can then be reached by the tab key. */
export function focusOn(key) {
  const element = bring(key);
  if (!element) return;
  for (const other of seen().elements.values()) if (other !== element && other.tabIndex === 0) other.setAttribute("tabindex", -1);
  element.setAttribute("tabindex", 0);
  element.focus({ preventScroll: true });
}
