// One box, edge or tensor of the layout as elements of SVG. The page and the downloaded picture draw with the same.

import { svg } from "./dom.js";
import { slabHalf } from "./layout_pieces.js";
import { tenth } from "./layout_place.js";
import { shapeText, shortText } from "./numbers.js";

const SQUARE = 24; // CSS pixels: the least that a finger meets

const rect = (kind, x, y, width, height, corner) => svg("rect", { class: kind, x, y, width, height, rx: corner });

const pen = document.createElement("canvas").getContext("2d");
const FAMILY = 'Helvetica, Arial, "Liberation Sans", "Nimbus Sans", sans-serif'; // as in page.css
const FONTS = { title: `11px ${FAMILY}`, strong: `600 11px ${FAMILY}`, note: `9.5px ${FAMILY}` };
const measured = new Map();

/** How wide a text is in the reader's font. */
function widthOf(kind, text) {
  const key = kind + text;
  if (!measured.has(key)) {
    pen.font = FONTS[kind.split(" ").at(-1)];
    measured.set(key, pen.measureText(text).width);
  }
  return measured.get(key);
}

/** A text; one that is wider in the reader's font than the layout has reckoned is pressed into its room. */
function words(kind, x, y, text, { anchor = null, room = Infinity } = {}) {
  const wide = widthOf(kind, text) > room;
  return svg(
    "text",
    { class: kind, x, y, "text-anchor": anchor, textLength: wide && room, lengthAdjust: wide && "spacingAndGlyphs" },
    text,
  );
}

/** How hot a share is, 0 to 5: the root of it beside the largest share that is seen. */
export const heatLevel = (share, peak) => Math.min(5, Math.max(0, Math.ceil(Math.sqrt(share / (peak || 1)) * 5 - 0.25)));

/** The share of a box in the whole cost, 0 for what is no item of the net. */
export const shareOf = (box, total, metric) => (box.item && total ? (box.item.cost[metric] ?? 0) / total : 0);

/** Whether a box carries heat: an open block does not, its boxes do. */
export const carriesHeat = (box) =>
  box.item !== null && !["open", "head", "tag", "circle", "bar", "input", "output"].includes(box.shape);

const pillWidth = (box) => (box.rounds ? 12 + 7 * String(box.rounds).length + 7 : 0);

/** How many rounds a box stands for. */
function countBadge(box) {
  const width = pillWidth(box);
  const x = box.w - width - 5;
  const reach = rect("reach", x - 3, -1, width + 6, SQUARE);
  return svg(
    "g",
    { class: "badge" },
    reach,
    rect("pill", x, 4, width, 15, 7.5),
    words("title strong", x + width / 2, 15, `×${box.rounds}`, { anchor: "middle" }),
  );
}

/** A title, and a note behind it. */
function heading(x, room, { title, sub }) {
  const after = Math.min(widthOf("strong", title), room) + 8;
  return [
    words("title strong", x, 15, title, { room }),
    sub && room - after > 10 && words("note", x + after, 15, sub, { room: room - after }),
  ];
}

function bar(box, share, peak) {
  const width = box.w - 12;
  const part = Math.max(1, width * Math.min(1, share / (peak || 1)));
  return [rect("rest", 6, box.h - 5, width, 2.5, 1.2), rect("part", 6, box.h - 5, part.toFixed(1), 2.5, 1.2)];
}

const chevron = (x, y, opened) =>
  svg("path", { class: "chevron", d: opened ? `M${x} ${y}l3.5 4 3.5-4` : `M${x} ${y - 1.5}l4 3.5-4 3.5` });

/** A frame with a stripe at its left, and one or two lines. */
function plainBox(box) {
  const stripe = svg("path", {
    class: "stripe",
    d: `M4.5 .84V${box.h - 0.84}A6 6 0 0 1 .5 ${box.h - 6.5}V6.5A6 6 0 0 1 4.5 .84z`,
  });
  const place = { anchor: "middle", room: box.w - 12 };
  const title = words("title", box.w / 2 + 2, box.sub ? 15 : 16, box.title, place);
  return [rect("face", 0, 0, box.w, box.h, 6), stripe, title, box.sub && words("note", box.w / 2 + 2, 28, box.sub, place)];
}

/** Where the net begins or ends: round ends. */
function endBox(box) {
  return [
    rect("face", 0, 0, box.w, box.h, 12),
    words("title strong", box.w / 2, 16, box.title, { anchor: "middle", room: box.w - 14 }),
  ];
}

function closedBox(box) {
  const behind = box.rounds > 0 && [rect("face", 7, -6, box.w - 8, box.h, 6), rect("face", 4, -3, box.w - 5, box.h, 6)];
  const title = words("title strong", 21, 16, box.title, { room: box.w - 30 - pillWidth(box) });
  const note = words("note", 9, 30, box.sub, { room: box.w - 18 });
  return [behind, rect("face", 0, 0, box.w, box.h, 6), chevron(9, 12, false), title, note, box.rounds > 0 && countBadge(box)];
}

function openBox(box) {
  const face = [rect("face", 0, 0, box.w, box.h, 8), rect("reach lid", 0, 0, box.w, SQUARE), chevron(9, 10, true)];
  return [face, heading(21, box.w - 30 - pillWidth(box), box), box.rounds > 0 && countBadge(box)];
}

const SIGNS = { "+": (x) => `M${x} 5.5v9M${x - 4.5} 10h9`, "×": (x) => `M${x - 3.5} 6.5l7 7M${x - 3.5} 13.5l7-7` };

/** A merge of one sign, and its companions at the left of it. */
function circle(box) {
  const x = box.labelWidth + 10;
  const path = SIGNS[box.title]?.(x);
  const sign = path ? svg("path", { class: "sign", d: path }) : words("title", x, 14, box.title, { anchor: "middle", room: 16 });
  const note = box.sub && words("note", 0, 13.5, box.sub, { room: box.labelWidth - 3 });
  return [rect("reach", x - 12, -2, SQUARE, SQUARE), svg("circle", { class: "face", cx: x, cy: 10, r: 9 }), sign, note];
}

function barBox(box) {
  const title = words("title strong", box.w / 2, 12, box.title, { anchor: "middle", room: box.w - 8 });
  return [rect("reach", 0, -4, box.w, SQUARE), rect("face", 0, 0, box.w, box.h, 4), title];
}

const DRAW = {
  box: plainBox,
  input: endBox,
  output: endBox,
  circle,
  bar: barBox,
  group: closedBox,
  stack: closedBox,
  open: openBox,
  head: (box) => [rect("face", 0, 0, box.w, box.h, 8), heading(9, box.w - 16, box)],
  tag: (box) => [rect("reach", -2, -6, 4 + widthOf("note", box.title), SQUARE), words("note", 0, 11, box.title)],
};

/** The path of what a box stands for, as its tooltip has it; "" for what is no step. */
function pathOf({ item, key }) {
  return ["op", "card", "group", "repeat"].includes(item?.kind) ? key.replace(/^##?/, "") : "";
}

/** The class of a box and what is drawn in it. `share` and `peak` are its cost and the largest that is seen, as parts of the whole. */
export function drawBox(box, share, peak) {
  const hot = carriesHeat(box);
  const kinds = [box.shape, `of-${box.family}`, hot && `heat${heatLevel(share, peak)}`];
  const parts = DRAW[box.shape](box).flat(2).filter(Boolean);
  const path = pathOf(box);
  if (path) parts.unshift(svg("title", {}, shortText(path)));
  return { kinds: kinds.filter(Boolean).join(" "), parts: hot && share > 0.0005 ? [...parts, ...bar(box, share, peak)] : parts };
}

/** A tensor on an edge: a slab, wide by its channels and high by its resolution, on scales of logarithms, and its shape. */
export function drawTensor({ x, y, shape }) {
  const half = slabHalf(shape);
  const height = 2 + 1.6 * Math.log2(shape[1] > 0 ? shape[1] : 1);
  const slab = svg("rect", { x: -half, y: -height / 2, width: 2 * half, height, rx: 0.8 });
  return svg("g", { class: "tensor", transform: `translate(${x},${y})` }, slab, words("note", half + 6, 3.5, shapeText(shape)));
}

/** The tip of an arrow at the end of a path of M, V, H and q: a path of its own, as some readers of SVG know no markers. */
export function arrowhead(path) {
  let [x, y, across, down] = [0, 0, 0, 1];
  for (const [, letter, text] of path.matchAll(/([MVHq])([-\d. ]*)/g)) {
    const n = text.trim().split(/\s+/).map(Number);
    if (letter === "M") [x, y] = n;
    else if (letter === "V") [across, down, y] = [0, Math.sign(n[0] - y) || down, n[0]];
    else if (letter === "H") [across, down, x] = [Math.sign(n[0] - x) || across, 0, n[0]];
    else [x, y] = [x + n[2], y + n[3]];
  }
  const corner = (side) => `${tenth(x - 6 * across - 3 * side * down)} ${tenth(y - 6 * down - 3 * side * across)}`;
  return `M${tenth(x)} ${tenth(y)}L${corner(1)} ${corner(-1)}z`;
}

/** An edge and its arrow. */
export function drawEdge({ path, arrow, kind }) {
  const tip = arrow && svg("path", { class: `tip ${kind}`, d: arrowhead(path) });
  return [svg("path", { class: `edge ${kind}`, d: path }), tip].filter(Boolean);
}
