// What is measured and then placed, and how wide texts are: layout_pieces.py in JavaScript, function for function.

import { shapeText } from "./numbers.js";

export const [CHAR, SMALL, BOLD, LONGEST] = [5.9, 0.85, 1.08, 60];
export const [PAD, GAP, LABEL_GAP, END_GAP, TAP_GAP, HEADER] = [10, 18, 32, 24, 14, 22];
export const [FORK, TAG, LANE, BESIDE, ARC_LANE, HEAD_GAP, TAP_LANE, TAP_DROP] = [14, 8, 20, 14, 12, 40, 8, 16];
export const LAYER_FAMILIES = ["conv", "linear"]; // families of what counts as a layer
export const SHORT_BRANCH = 8; // a branch under one name with at most so many items needs no frame

// A piece is a measured box, a fan measured branches, a weave measured arcs, as in Python; `type` tells them apart.

/** A measured box. */
export function makePiece(fields) {
  const { item = null, sub = "", rounds = 0, labelWidth = 0, inner = null, ix = 0, iy = 0, entry = 0 } = fields;
  const { key, shape, family, title, w, h, ax } = fields;
  const leaves = shape !== "output";
  return { type: "piece", key, shape, family, title, w, h, ax, item, sub, rounds, labelWidth, inner, ix, iy, entry, y: 0, label: null, leaves };
}

/** Measured pieces on one axis. */
export const makeColumn = (pieces, w, h, ax, label = null) => ({
  pieces,
  w,
  h,
  ax,
  outs: [ax],
  tail: h,
  entered: true,
  tag: null,
  tagText: "",
  beside: [],
  label,
  labelY: 0,
});

/** Makes a bar as wide as what it merges; `outs` are relative to its axis. */
export function spanBar(bar, outs) {
  const low = Math.min(...outs, 6 - bar.w / 2) - 6;
  const high = Math.max(...outs, bar.w / 2 - 6) + 6;
  [bar.w, bar.ax] = [high - low, -low];
}

/** The room between two pieces. */
export function gapBefore(before, piece) {
  if (before.type === "fan") return 0;
  if (piece.type === "fan") return piece.entered ? (piece.label ? LABEL_GAP - 8 : 6) : GAP;
  return piece.label ? LABEL_GAP : GAP;
}

/** How far below a frame's upper edge the line on its axis begins: below the title, if that ends behind the axis. */
export const entryY = (axis, title, limit) => (title <= axis && axis <= limit ? 0 : HEADER - 2);

/** Moves what a column holds beside its axis to the right. */
export function shiftColumn(column, by) {
  column.outs = column.outs.map((x) => x + by);
  for (const beside of column.beside) {
    beside.x += by;
    if (beside.lane !== null) beside.lane += by;
  }
}

/** The node that gives a box its title. */
export const mainOf = (item) => (item.kind === "card" ? item.main : item.node);

const isWide = (c) => (c >= 0x1100 && c <= 0x115f) || c >= 0x2e80;

/** How wide a text is. */
export function textWidth(text, size = 1) {
  let characters = 0;
  for (const c of text) characters += isWide(c.codePointAt(0)) ? 2 : 1;
  return characters * CHAR * size;
}

/** A text as it is shown: cut if it is very long. */
export function shorten(text) {
  if (text.length <= LONGEST) return text;
  const characters = [...text];
  return characters.length <= LONGEST ? text : `${characters.slice(0, LONGEST - 1).join("")}…`;
}

/** A path without that of the group around. */
export const relative = (path, scope) => (scope && path.startsWith(`${scope}.`) ? path.slice(scope.length + 1) : path);

export const equalShapes = (a, b) => a.length === b.length && a.every((size, i) => size === b[i]);

/** The first size; 1 where it is none, or not known. */
const channels = (shape) => (typeof shape[0] === "number" && shape[0] > 0 ? shape[0] : 1);

/** Half of a slab's width. */
export const slabHalf = (shape) => 3 + 2 * Math.log2(channels(shape));

/** What a label needs at the right of the axis. */
export const labelWidth = (shape) => slabHalf(shape) + 8 + textWidth(shapeText(shape), SMALL);
