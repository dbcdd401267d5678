// How large everything is, from the inside to the outside: layout_measure.py in JavaScript, function for function.
// layout.py tells the rules by which both come to the same numbers.

import { childrenOf, exitOf, keyOf, shapeOf } from "./drawing.js";
import { shapeText } from "./numbers.js";

const [CHAR, SMALL, BOLD, LONGEST] = [5.9, 0.85, 1.08, 60];
export const [PAD, GAP, LABEL_GAP, TAP_GAP, HEADER] = [10, 18, 32, 14, 22];
const [FORK, TAG, LANE, BESIDE, ARC_LANE, HEAD_GAP, TAP_LANE, TAP_DROP] = [14, 8, 20, 14, 12, 40, 8, 16];
const LAYERS = ["conv", "linear"]; // families of what counts as a layer
const SHORT_BRANCH = 8; // a branch under one name with at most so many items needs no frame

// A piece is a measured box, as Piece in Python; a fan, a weave and a column likewise. `type` tells them apart.
function makePiece(fields) {
  const piece = { type: "piece", item: null, sub: "", count: 0, labelWidth: 0, inner: null, ix: 0, iy: 0, y: 0, label: null, ...fields };
  return { ...piece, leaves: piece.shape !== "output" };
}
const makeColumn = (pieces, w, h, ax) => ({ pieces, w, h, ax, outs: [ax], tail: h, tag: null, tagText: "", beside: [] });

/** Measures one drawing with some of its items open. */
export class Measuring {
  constructor(drawing, opened) {
    this.drawing = drawing;
    this.opened = opened;
    this.taps = [...findTaps(drawing)];
  }

  /** The whole net. */
  measure() {
    return this.column(this.drawing.tree, "", null, { isTop: true, entered: false });
  }

  // ---- columns

  /** A series. `scope` is the group around, `entering` the shape of what enters. */
  column(items, scope, entering, { isTop = false, entered = true } = {}) {
    const hung = items.map((item) => this.takeTaps(item));
    const pieces = [];
    const shapes = [];
    let shape = entering;
    items.forEach((item, i) => {
      const followsFan = i > 0 && items[i - 1].kind === "parallel";
      pieces.push(this.piece(item, scope, shape, items[i + 1] ?? null, followsFan, entered || i > 0));
      const value = exitOf(item);
      shapes.push(shape);
      if (value !== null) shape = shapeOf(this.drawing, value);
    });
    for (let i = 1; i < items.length; i++) pieces[i].label = this.labelBetween(items, shapes, i, isTop);
    return this.stack(pieces, hung, scope);
  }

  /** Pieces on one axis, with what hangs on each at its left. */
  stack(pieces, hung, scope) {
    pieces.slice(1).forEach((piece, i) => {
      const before = pieces[i];
      if (before.type === "fan" && piece.shape === "bar") spanBar(piece, before.outs.map((x) => x - before.ax));
    });
    let [left, right, y] = [0, 0, 0];
    pieces.forEach((piece, i) => {
      [left, right] = [Math.max(left, piece.ax), Math.max(right, piece.w - piece.ax)];
      if (piece.label) [left, right] = [Math.max(left, slabHalf(piece.label)), Math.max(right, labelWidth(piece.label))];
      if (i) y += gapBefore(pieces[i - 1], piece) + (hung[i - 1].length ? TAP_GAP : 0);
      piece.y = y;
      y += piece.h;
    });
    const column = makeColumn(pieces, left + right, y, left);
    const last = pieces.at(-1);
    if (last?.type === "fan") column.outs = last.outs.map((x) => x - last.ax + left);
    else if (last && !last.leaves) column.outs = [];
    this.hang(column, hung, scope);
    return column;
  }

  /** Puts heads and outputs at the left of a column, each below the piece whose value it reads. */
  hang(column, hung, scope) {
    const found = [];
    let [floor, lanes] = [0, 0];
    column.pieces.forEach((piece, i) => {
      for (const tap of hung[i]) {
        const beside = this.beside(tap, scope);
        beside.fromY = piece.y + piece.h + 7;
        if (beside.fromY < floor) {
          lanes += 1;
          beside.lane = TAP_LANE * lanes;
        }
        beside.y = Math.max(beside.fromY, floor) + TAP_DROP;
        floor = beside.y + beside.h + 8;
        found.push(beside);
      }
    });
    if (!found.length) return;
    const widest = Math.max(...found.map((beside) => beside.w));
    const room = widest + HEAD_GAP + TAP_LANE * lanes;
    for (const beside of found) {
      beside.x = widest - beside.w;
      if (beside.lane !== null) beside.lane += widest;
    }
    column.beside = found;
    column.w += room;
    column.ax += room;
    column.outs = column.outs.map((x) => x + room);
    column.h = Math.max(column.h, floor);
  }

  /** A head in its frame, or an output without one. */
  beside(tap, scope) {
    const inner = this.column(tap.items, tap.framed ? tap.key : scope, shapeOf(this.drawing, tap.source));
    const unplaced = { tap, inner, x: 0, y: 0, fromY: 0, lane: null };
    if (!tap.framed) return { ...unplaced, w: inner.w, h: inner.h };
    tap.title = relative(tap.title, scope);
    const need = textWidth(tap.title, BOLD) + 8 + textWidth(tap.sub, SMALL) + 2 * PAD;
    const extra = Math.max(0, need - inner.w - 2 * PAD);
    inner.w += extra;
    inner.ax += extra / 2;
    shiftColumn(inner, extra / 2);
    return { ...unplaced, w: inner.w + 2 * PAD, h: inner.h + HEADER + GAP - 4 + PAD };
  }

  /** What reads the value that leaves an item; each is taken once, by the outermost item that it leaves. */
  takeTaps(item) {
    const value = exitOf(item);
    const taken = this.taps.filter((tap) => tap.source === value);
    this.taps = this.taps.filter((tap) => tap.source !== value);
    return taken;
  }

  /** The shape to tell between an item and the one before it, or null: where it changes, inside of groups where the resolution does. */
  labelBetween(items, shapes, i, isTop) {
    const value = exitOf(items[i - 1]);
    if (value === null) return null;
    const [shape, before] = [shapeOf(this.drawing, value), shapes[i - 1]];
    if (items[i - 1].kind === "input" || items[i].kind === "output" || before === null) return shape;
    const same = isTop ? equalShapes(before, shape) : equalShapes(before.slice(1), shape.slice(1));
    return same ? null : shape;
  }

  // ---- pieces

  /** Any item. */
  piece(item, scope, entering, after, followsFan, entered) {
    const isOpened = this.opened.has(keyOf(item, this.drawing));
    if (item.kind === "parallel") return this.fan(item, scope, entering, after, entered);
    if (item.kind === "arcs") return this.weave(item, scope, entering);
    if (item.kind === "group" && isOpened) return this.wrap(item, this.column(item.items, item.id, entering), relative(item.id, scope), item.block);
    if (item.kind === "repeat" && isOpened) return this.openRepeat(item, scope, entering);
    if (item.kind === "group" || item.kind === "repeat") return this.closed(item, scope, entering);
    if (item.kind === "card" && isOpened && !this.isMerge(item)) {
      const inner = this.column(item.ops, scope, entering);
      return this.wrap(item, inner, item.id ? relative(item.id, scope) : this.boxTexts(item)[0], "");
    }
    return this.box(item, followsFan);
  }

  /** An input, an output, an op or a card. */
  box(item, followsFan) {
    const key = keyOf(item, this.drawing);
    const [title, sub] = this.boxTexts(item);
    if (item.kind === "input" || item.kind === "output") {
      const w = Math.max(72, textWidth(title) + 2 * PAD);
      return makePiece({ key, shape: item.kind, family: "other", title, w, h: 24, ax: w / 2, item });
    }
    const { family } = this.drawing.nodes[mainOf(item)];
    if (family === "merge" && [...title].length === 1) {
      const room = sub ? textWidth(sub, SMALL) + 6 : 0;
      return makePiece({ key, shape: "circle", family, title, w: 20 + room, h: 20, ax: 10 + room, item, sub, labelWidth: room });
    }
    if (family === "merge" || followsFan) {
      const text = sub ? `${title} · ${sub}` : title;
      const w = Math.max(54, textWidth(text) + 2 * PAD);
      return makePiece({ key, shape: "bar", family, title: text, w, h: 16, ax: w / 2, item });
    }
    const w = Math.max(64, textWidth(title) + 2 * PAD, textWidth(sub, SMALL) + 2 * PAD);
    return makePiece({ key, shape: "box", family, title, w, h: sub ? 36 : 24, ax: w / 2, item, sub });
  }

  /** The two lines of a box: what its layer is, and the companions before it, with an arrow, and behind it. */
  boxTexts(item) {
    if (item.kind === "input") return [shorten(this.drawing.inputs[item.input][0]), ""];
    if (item.kind === "output") return [shorten(this.drawing.outputs[item.output][0]), ""];
    const titles = item.members.map((node) => this.drawing.nodes[node].title);
    const at = item.members.indexOf(mainOf(item));
    const [before, behind] = [titles.slice(0, at).join(" · "), titles.slice(at + 1).join(" · ")];
    const sub = before && behind ? `${before} → · ${behind}` : before ? `${before} →` : behind;
    return [shorten(titles[at]), shorten(sub)];
  }

  /** A closed group or repeat: its name, its block, what is in it. */
  closed(item, scope, entering) {
    const rounds = item.kind === "repeat" ? item.items : [];
    const first = rounds[0] ?? item;
    const room = rounds.length ? 30 : 0;
    let [title, sub, family] = ["", "", "group"];
    if (first.kind === "group") {
      title = rounds.length ? this.repeatTitle(item, scope) : relative(first.id, scope);
      sub = joined([first.block, this.summary(first)]);
    } else {
      [title, sub] = this.boxTexts(first);
      family = this.drawing.nodes[mainOf(first)].family;
    }
    if (rounds.length) sub = joined([sub, this.channelsChange(item, entering)]);
    [title, sub] = [shorten(title), shorten(sub)];
    const w = Math.max(96, textWidth(title, BOLD) + 2 * PAD + 14 + room, textWidth(sub, SMALL) + 2 * PAD);
    const shape = rounds.length ? "stack" : "group";
    return makePiece({ key: keyOf(item, this.drawing), shape, family, title, w, h: 40, ax: w / 2, item, sub, count: rounds.length });
  }

  /** The names of the first and the last round: `denselayer1 … denselayer6`. */
  repeatTitle(item, scope) {
    const [first, last] = [item.items[0], item.items.at(-1)];
    if (!first.id || !last.id) return this.boxTexts(first)[0];
    return `${relative(first.id, scope)} … ${last.id.split(".").at(-1)}`;
  }

  /** How the channels change over a repeat: `64→256`, or nothing. */
  channelsChange(item, entering) {
    const value = exitOf(item);
    const leaving = value === null ? null : shapeOf(this.drawing, value);
    return entering?.length && leaving?.length && !equalShapes(entering, leaving) ? `${entering[0]}→${leaving[0]}` : "";
  }

  /** What is in a closed group, in words. */
  summary(group) {
    const fans = group.items.filter((item) => item.kind === "parallel");
    const branches = fans.filter((fan) => fan.branches.length > 1).map((fan) => fan.branches.length + (fan.skip ? 1 : 0));
    const held = new Set(group.members);
    const layers = group.members.filter((i) => LAYERS.includes(this.drawing.nodes[i].family)).length;
    const inside = this.taps.filter((tap) => held.has(tap.source)).length;
    const shape = branches.length ? `${Math.max(...branches)} branches` : fans.some((fan) => fan.skip) ? "skip" : null;
    return [shape, `${layers} layer${layers === 1 ? "" : "s"}`, inside && `${inside} beside`].filter(Boolean).join(", ");
  }

  /** An open repeat: its first round stands for all, unless all are shown. */
  openRepeat(item, scope, entering) {
    const first = item.items[0];
    const [title, block] = [this.repeatTitle(item, scope), first.kind === "group" ? first.block : ""];
    const unrolled = first.kind !== "group" || this.opened.has(`${keyOf(item, this.drawing)}*`);
    if (unrolled) return this.wrap(item, this.column(item.items, scope, entering), title, block);
    return this.wrap(item, this.column(first.items, first.id, entering), title, block, item.items.length);
  }

  /** A frame with a header around a column. */
  wrap(item, inner, fullTitle, fullBlock, count = 0) {
    const [title, sub] = [shorten(fullTitle), shorten(fullBlock)];
    const need = textWidth(sub ? `${title}  ${sub}` : title, BOLD) + 44 + (count ? 30 : 0);
    const extra = Math.max(0, need - (inner.w + 2 * PAD));
    const left = PAD + extra / 2;
    const [w, h] = [inner.w + 2 * PAD + extra, inner.h + HEADER + 2 * GAP - 6];
    const key = keyOf(item, this.drawing);
    return makePiece({ key, shape: "open", family: "group", title, w, h, ax: inner.ax + left, item, sub, count, inner, ix: left, iy: HEADER + GAP - 4 });
  }

  // ---- branches and arcs

  /** Branches. Into a circle, or where there is one branch only, the deepest is on the trunk and the others enter from the right. */
  fan(item, scope, entering, after, entered) {
    const branches = item.branches.map((items) => this.branch(items, scope, entering, entered));
    const deepest = branches[deepestBranch(item, this.drawing)];
    const sided = after !== null && (this.isCircle(after) || branches.length === 1);
    const order = sided ? [deepest, ...branches.filter((branch) => branch !== deepest)] : branches;
    if (sided) deepest.tag = null;
    const height = Math.max(...order.map((branch) => branch.h));
    const forks = entered && (order.length > 1 || item.skip);
    const top = forks ? FORK + (order.some((branch) => branch.tag) ? TAG : 0) : 0;
    const at = [];
    let x = 0;
    for (const branch of order) {
      at.push(x);
      x += branch.w + BESIDE;
    }
    x -= BESIDE;
    const ax = sided ? order[0].ax : (at[0] + order[0].ax + at.at(-1) + order.at(-1).ax) / 2;
    const skip = item.skip ? x + LANE - 4 : null;
    if (item.skip) x = skip + 6;
    const mains = sided ? 1 : order.length;
    const leaving = order.map((branch, i) => branch.outs.map((out) => at[i] + out));
    const [outs, sides] = [leaving.slice(0, mains).flat(), leaving.slice(mains).flat()];
    if (item.skip) (sided ? sides : outs).push(skip);
    const h = height + top + (after !== null ? GAP : 0);
    return { type: "fan", order, at, w: x, h, ax, top, height, outs, sides, skip, entered, y: 0, label: null };
  }

  /** One branch. One short group without a block, and one card with a name, are a tag at its beginning and no frame. */
  branch(items, scope, entering, entered) {
    const only = items.length === 1 ? items[0] : null;
    const isPlain = only?.kind === "group" && !only.block && only.items.length <= SHORT_BRANCH;
    const column = isPlain ? this.column(only.items, only.id, entering, { entered }) : this.column(items, scope, entering, { entered });
    if (!isPlain && (only?.kind !== "card" || !only.id || this.opened.has(only.id))) return column;
    column.tag = only;
    column.tagText = shorten(relative(only.id, scope));
    column.w = Math.max(column.w, column.ax + 8 + textWidth(column.tagText, SMALL));
    return column;
  }

  /** What is not series-parallel: one column, its far edges in lanes at the right. */
  weave(item, scope, entering) {
    const inner = this.column(item.items, scope, entering, { entered: false });
    const near = new Set(item.edges.filter(([a, b]) => b - a === 1).map(([a]) => a));
    inner.pieces.forEach((piece, number) => {
      if (!near.has(number)) piece.label = null;
    });
    const lanes = [];
    const far = [];
    const spanning = item.edges.filter(([a, b]) => b - a > 1).sort(([a, b], [c, d]) => b - a - (d - c));
    for (const [a, b] of spanning) {
      let lane = lanes.findIndex((used) => used.every(([c, d]) => b <= c || d <= a));
      if (lane < 0) lane = lanes.push([]) - 1;
      lanes[lane].push([a, b]);
      far.push([a, b, lane]);
    }
    const w = inner.w + lanes.length * ARC_LANE + 14;
    return { type: "weave", inner, far, near, w, h: inner.h + 2 * GAP, ax: inner.ax, leaves: exitOf(item) !== null, y: 0, label: null };
  }

  /** Whether an item is a merge, alone or with companions. */
  isMerge(item) {
    return (item.kind === "op" || item.kind === "card") && this.drawing.nodes[mainOf(item)].family === "merge";
  }

  /** Whether an item is drawn as a circle: a merge whose title is one sign. */
  isCircle(item) {
    return this.isMerge(item) && [...this.drawing.nodes[mainOf(item)].title].length === 1;
  }
}

/** Everything that stands beside a column. */
function* findTaps(drawing) {
  const inSeries = new Set([drawing.tree, ...drawing.heads.map((head) => head.items)].flatMap((items) => [...outputItems(items)]));
  for (const [k, [name, node]] of drawing.outputs.entries()) {
    if (!inSeries.has(k)) yield { key: `out:${name}`, source: node, items: [drawing.items.get(`out:${name}`)], title: "", sub: "", framed: false };
  }
  for (const { path, weight, source, also = [], items } of drawing.heads) {
    let [title, sub] = ["", ""];
    if (weight !== null) {
      title = shorten(path);
      sub = `training only, loss × ${shortWeight(weight)}`;
      const others = also.map((i) => (i >= 0 ? drawing.nodes[i].path : drawing.inputs[-1 - i][0]));
      sub = shorten(others.length ? `${sub}, also reads ${others.join(", ")}` : sub);
    }
    yield { key: `head:${path}`, source, items, title, sub, framed: title !== "" };
  }
}

/** The outputs that stand in a series, or in one inside of it. */
function* outputItems(items) {
  for (const item of items) {
    if (item.kind === "output") yield item.output;
    for (const inner of childrenOf(item)) yield* outputItems(inner);
  }
}

/** A weight with six digits, as Python's `:g` writes it. */
function shortWeight(weight) {
  const size = Math.abs(weight);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return weight.toExponential(5).replace(/\.?0*e/, "e").replace(/e([+-])(\d)$/, "e$10$2");
  return String(Number(weight.toPrecision(6)));
}

/** Makes a bar as wide as what it merges; `outs` are relative to its axis. */
function spanBar(bar, outs) {
  const low = Math.min(...outs, 6 - bar.w / 2) - 6;
  const high = Math.max(...outs, bar.w / 2 - 6) + 6;
  [bar.w, bar.ax] = [high - low, -low];
}

/** The room between two pieces. */
function gapBefore(before, piece) {
  if (before.type === "fan") return 0;
  if (piece.type === "fan") return piece.entered ? (piece.label ? LABEL_GAP - 8 : 6) : GAP;
  return piece.label ? LABEL_GAP : GAP;
}

/** Moves what a column holds beside its axis to the right. */
function shiftColumn(column, by) {
  column.outs = column.outs.map((x) => x + by);
  for (const beside of column.beside) {
    beside.x += by;
    if (beside.lane !== null) beside.lane += by;
  }
}

/** The branch that is on the trunk: the first of those with the most layers, and of these of those with the most nodes. */
function deepestBranch(item, drawing) {
  const depths = item.branches.map((items) => {
    const nodes = items.flatMap((each) => each.members);
    return [nodes.filter((i) => LAYERS.includes(drawing.nodes[i].family)).length, nodes.length];
  });
  return depths.reduce((best, [layers, nodes], i) => (layers > depths[best][0] || (layers === depths[best][0] && nodes > depths[best][1]) ? i : best), 0);
}

/** The node that gives a box its title. */
const mainOf = (item) => (item.kind === "card" ? item.main : item.node);

const isWide = (c) => (c >= 0x1100 && c <= 0x115f) || c >= 0x2e80;

/** How wide a text is. */
export function textWidth(text, size = 1) {
  let characters = 0;
  for (const c of text) characters += isWide(c.codePointAt(0)) ? 2 : 1;
  return characters * CHAR * size;
}

/** A text as it is shown: cut if it is very long. */
function shorten(text) {
  if (text.length <= LONGEST) return text;
  const characters = [...text];
  return characters.length <= LONGEST ? text : `${characters.slice(0, LONGEST - 1).join("")}…`;
}

/** A path without that of the group around. */
const relative = (path, scope) => (scope && path.startsWith(`${scope}.`) ? path.slice(scope.length + 1) : path);

const joined = (texts) => texts.filter(Boolean).join(" · ");
const equalShapes = (a, b) => a.length === b.length && a.every((size, i) => size === b[i]);

/** The first size; 1 where it is none, or not known. */
const channels = (shape) => (typeof shape[0] === "number" && shape[0] > 0 ? shape[0] : 1);

/** Half of a slab's width. */
export const slabHalf = (shape) => 3 + 2 * Math.log2(channels(shape));

/** What a label needs at the right of the axis. */
const labelWidth = (shape) => slabHalf(shape) + 8 + textWidth(shapeText(shape), SMALL);
