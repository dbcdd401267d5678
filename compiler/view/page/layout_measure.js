// How large everything is, from the inside to the outside: layout_measure.py in JavaScript, function for function.
// layout.py tells the rules by which both come to the same numbers.

import { exitOf, keyOf, shapeOf } from "./drawing.js";
import {
  ARC_LANE,
  BESIDE,
  BOLD,
  END_GAP,
  FORK,
  GAP,
  HEADER,
  HEAD_GAP,
  LANE,
  LAYER_FAMILIES,
  PAD,
  SHORT_BRANCH,
  SMALL,
  TAG,
  TAP_DROP,
  TAP_GAP,
  TAP_LANE,
} from "./layout_pieces.js";
import {
  entryY,
  gapBefore,
  labelWidth,
  mainOf,
  makeColumn,
  makePiece,
  relative,
  shiftColumn,
  shorten,
  slabHalf,
  spanBar,
  textWidth,
} from "./layout_pieces.js";
import { findTaps } from "./layout_taps.js";
import { boxTexts, branchName, closedTexts, labelShape, repeatTitle } from "./layout_texts.js";

/** Measures one drawing with some of its items open. */
export class Measuring {
  constructor(drawing, opened) {
    this.drawing = drawing;
    this.opened = opened;
    this.taps = [...findTaps(drawing)];
  }

  /** The whole net. */
  measure() {
    const column = this.column(this.drawing.tree, "", null, { isTrunk: true, entered: false });
    const last = column.pieces.at(-1);
    // nothing reads on: an input that nothing reads has no line
    if (last?.type === "fan") for (const branch of last.order) [branch.outs, branch.label] = [[], null];
    return column;
  }

  // ---- columns

  /** A series. `scope` is the group around, `entering` the shape of what enters, `tellsEnd` when the shape that leaves is told. */
  column(items, scope, entering, { isTrunk = false, entered: isEntered = true, tellsEnd = "no" } = {}) {
    const hung = items.map((item) => this.takeTaps(item));
    const entered = isEntered && takesWhatEnters(items);
    const pieces = [];
    const shapes = [];
    let shape = entering;
    items.forEach((item, i) => {
      const followsFan = i > 0 && items[i - 1].kind === "parallel";
      pieces.push(this.piece(item, scope, shape, items[i + 1] ?? null, followsFan, entered || i > 0, isTrunk));
      const value = exitOf(item);
      shapes.push(shape);
      if (value !== null) shape = shapeOf(this.drawing, value);
    });
    for (let i = 1; i < items.length; i++) pieces[i].label = labelShape(items, shapes, i, this.drawing, isTrunk);
    let ending = tellsEnd === "changed" ? labelShape(items, shapes, items.length, this.drawing, isTrunk) : null;
    if (tellsEnd === "always" && items.length && exitOf(items.at(-1)) !== null) ending = shape;
    const column = this.stack(pieces, hung, scope, ending);
    column.entered = entered;
    return column;
  }

  /** Pieces on one axis, with what hangs on each at its left, and the shape of what leaves, if it is told. */
  stack(pieces, hung, scope, ending) {
    pieces.slice(1).forEach((piece, i) => {
      const before = pieces[i];
      if (before.type === "fan" && piece.shape === "bar")
        spanBar(
          piece,
          before.outs.map((x) => x - before.ax),
        );
    });
    let [left, right, y] = [0, 0, 0];
    pieces.forEach((piece, i) => {
      [left, right] = [Math.max(left, piece.ax), Math.max(right, piece.w - piece.ax)];
      if (piece.label) [left, right] = [Math.max(left, slabHalf(piece.label)), Math.max(right, labelWidth(piece.label))];
      if (i) y += gapBefore(pieces[i - 1], piece) + (hung[i - 1].length ? TAP_GAP : 0);
      piece.y = y;
      y += piece.h;
    });
    if (ending) [left, right] = [Math.max(left, slabHalf(ending)), Math.max(right, labelWidth(ending))];
    const column = makeColumn(pieces, left + right, y, left, ending);
    if (ending) {
      column.labelY = y + (hung.at(-1).length ? TAP_GAP : 0) + END_GAP / 2;
      column.h = column.labelY + END_GAP / 2;
    }
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
    const inner = this.column(tap.items, tap.framed ? tap.path : scope, shapeOf(this.drawing, tap.source), { tellsEnd: "always" });
    const unplaced = { tap, inner, x: 0, y: 0, fromY: 0, lane: null, entry: 0 };
    if (!tap.framed) return { ...unplaced, w: inner.w, h: inner.h };
    tap.title = relative(tap.title, scope);
    inner.outs = [];
    const title = textWidth(tap.title, BOLD) + 8 + textWidth(tap.sub, SMALL);
    const need = title + 2 * PAD + 14;
    const extra = Math.max(0, need - inner.w - 2 * PAD);
    inner.w += extra;
    inner.ax += extra / 2;
    shiftColumn(inner, extra / 2);
    const w = inner.w + 2 * PAD;
    return { ...unplaced, w, h: inner.h + HEADER + GAP - 4 + PAD, entry: entryY(PAD + inner.ax, title + 15, w - 8) };
  }

  /** What reads the value that leaves an item; each is taken once, by the outermost item that it leaves. */
  takeTaps(item) {
    const value = item.kind === "value" ? null : exitOf(item);
    const taken = this.taps.filter((tap) => tap.source === value);
    this.taps = this.taps.filter((tap) => tap.source !== value);
    return taken;
  }

  // ---- pieces

  /** Any item. */
  piece(item, scope, entering, after, followsFan, entered, isTrunk) {
    const isOpened = this.opened.has(keyOf(item, this.drawing));
    if (item.kind === "parallel") return this.fan(item, scope, entering, after, entered, isTrunk);
    if (item.kind === "arcs") return this.weave(item, scope, entering, isTrunk);
    if (item.kind === "group" && isOpened)
      return this.wrap(item, this.column(item.items, item.id, entering), relative(item.id, scope), item.block);
    if (item.kind === "repeat" && isOpened) return this.openRepeat(item, scope, entering);
    if (item.kind === "group" || item.kind === "repeat") return this.closed(item, scope, entering);
    if (item.kind === "card" && isOpened && !this.isMerge(item)) {
      const inner = this.column(item.ops, scope, entering);
      return this.wrap(item, inner, item.id ? relative(item.id, scope) : boxTexts(item, this.drawing)[0], "");
    }
    return this.box(item, followsFan);
  }

  /** An input, an output, an op or a card. */
  box(item, followsFan) {
    const key = keyOf(item, this.drawing);
    const [title, sub] = boxTexts(item, this.drawing);
    if (["input", "output", "value"].includes(item.kind)) {
      const w = Math.max(72, textWidth(title) + 2 * PAD);
      return makePiece({
        key,
        shape: item.kind === "output" ? "output" : "input",
        family: "other",
        title,
        w,
        h: 24,
        ax: w / 2,
        item,
      });
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

  /** A closed group or repeat: its name, its block, what is in it. */
  closed(item, scope, entering) {
    const rounds = item.kind === "repeat" ? item.items.length : 0;
    const first = rounds ? item.items[0] : item;
    const family = first.kind === "group" ? "group" : this.drawing.nodes[mainOf(first)].family;
    const [title, sub] = closedTexts(item, this.drawing, scope, entering, this.taps);
    const room = rounds ? 30 : 0;
    const w = Math.max(96, textWidth(title, BOLD) + 2 * PAD + 14 + room, textWidth(sub, SMALL) + 2 * PAD);
    const shape = rounds ? "stack" : "group";
    return makePiece({
      key: keyOf(item, this.drawing),
      shape,
      family,
      title,
      w,
      h: 40,
      ax: w / 2,
      item,
      sub,
      rounds,
    });
  }

  /** An open repeat: its first round stands for all, unless all are shown. */
  openRepeat(item, scope, entering) {
    const first = item.items[0];
    const [title, block] = [repeatTitle(item, this.drawing, scope), first.kind === "group" ? first.block : ""];
    if (this.opened.has(`${keyOf(item, this.drawing)}*`)) return this.wrap(item, this.column(item.items, scope, entering), title, block);
    const [shown, around] = first.kind === "group" ? [first.items, first.id] : [[first], scope];
    return this.wrap(item, this.column(shown, around, entering), title, block, item.items.length);
  }

  /** A frame with a header around a column. */
  wrap(item, inner, fullTitle, fullBlock, rounds = 0) {
    const [title, sub] = [shorten(fullTitle), shorten(fullBlock)];
    const badge = rounds ? 20 + 7 * String(rounds).length : 0;
    const need = textWidth(sub ? `${title}  ${sub}` : title, BOLD) + 44 + badge;
    const extra = Math.max(0, need - (inner.w + 2 * PAD));
    const left = PAD + extra / 2;
    const [w, h] = [inner.w + 2 * PAD + extra, inner.h + HEADER + 2 * GAP - 6];
    const header = 27 + textWidth(title, BOLD) + (sub ? 8 + textWidth(sub, SMALL) : 0);
    const key = keyOf(item, this.drawing);
    return makePiece({
      key,
      shape: "open",
      family: "group",
      title,
      w,
      h,
      ax: inner.ax + left,
      item,
      sub,
      rounds,
      inner,
      ix: left,
      iy: HEADER + GAP - 4,
      entry: entryY(left + inner.ax, header, w - 8 - badge),
    });
  }

  // ---- branches and arcs

  /** Branches. Into a circle, or where there is one branch only, the deepest is on the trunk and the others enter from the right. */
  fan(item, scope, entering, after, isEntered, isTrunk) {
    const branches = item.branches.map((items) => this.branch(items, scope, entering, isEntered, isTrunk));
    const deepest = branches[deepestBranch(item, this.drawing)];
    const sided = after !== null && (this.isCircle(after) || branches.length === 1);
    const order = sided ? [deepest, ...branches.filter((branch) => branch !== deepest)] : branches;
    if (sided) deepest.tag = null;
    const height = Math.max(...order.map((branch) => branch.h));
    const entered = isEntered && (item.skip || order.some((branch) => branch.entered));
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
    let skip = null;
    if (item.skip) {
      const reach = sided ? this.box(after, true).w / 2 + 16 : 0;
      skip = Math.max(x + LANE - 4, ax + reach);
      x = skip + 6;
    }
    const mains = sided ? 1 : order.length;
    const leaving = order.map((branch, i) => branch.outs.map((out) => at[i] + out));
    const [outs, sides] = [leaving.slice(0, mains).flat(), leaving.slice(mains).flat()];
    if (item.skip) (sided ? sides : outs).push(skip);
    const h = height + top + (after !== null ? GAP : 0);
    return { type: "fan", order, at, w: x, h, ax, top, height, outs, sides, skip, entered, y: 0, label: null };
  }

  /** One branch. The name of one short group without a block, or of one box, is a tag at its beginning and no frame. */
  branch(items, scope, entering, entered, isTrunk) {
    const only = items.length === 1 ? items[0] : null;
    const isPlain = only?.kind === "group" && !only.block && only.items.length <= SHORT_BRANCH;
    const column = isPlain
      ? this.column(only.items, only.id, entering, { entered, tellsEnd: "changed" })
      : this.column(items, scope, entering, { entered, isTrunk, tellsEnd: "changed" });
    const isBox = only?.kind === "op" || only?.kind === "card";
    if (!isPlain && (!isBox || this.opened.has(keyOf(only, this.drawing)))) return column;
    const name = branchName(only, this.drawing, scope);
    if (!name) return column;
    column.tag = only;
    column.tagText = name;
    column.w = Math.max(column.w, column.ax + 8 + textWidth(name, SMALL));
    return column;
  }

  /** What is not series-parallel: one column, its far edges in lanes at the right. */
  weave(item, scope, entering, isTrunk) {
    const inner = this.column(item.items, scope, entering, { isTrunk, entered: false });
    const near = new Set(item.edges.filter(([a, b]) => b - a === 1).map(([a]) => a));
    inner.pieces.forEach((piece, number) => {
      if (!near.has(number)) piece.label = null;
    });
    let lanes = 0;
    const far = [];
    const spanning = item.edges.filter(([a, b]) => b - a > 1).sort(([a, b], [c, d]) => b - a - (d - c));
    for (const [a, b] of spanning) {
      const taken = new Set(far.filter(([c, d]) => c < b && a < d).map(([, , lane]) => lane));
      let lane = 0;
      while (taken.has(lane)) lane += 1;
      lanes = Math.max(lanes, lane + 1);
      far.push([a, b, lane]);
    }
    const w = inner.w + lanes * ARC_LANE + 14;
    return {
      type: "weave",
      inner,
      far,
      near,
      w,
      h: inner.h + 2 * GAP,
      ax: inner.ax,
      leaves: exitOf(item) !== null,
      y: 0,
      label: null,
    };
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

/** Whether a series begins with something that reads what enters it, and not with values of its own. */
function takesWhatEnters(items) {
  const first = items[0];
  if (first?.kind === "input" || first?.kind === "value") return false;
  if (first?.kind === "parallel") return first.skip || first.branches.some(takesWhatEnters);
  return first?.kind === "arcs" ? first.edges.some(([a]) => a === 0) : true;
}

/** The branch that is on the trunk: the first of those with the most layers, and of these of those with the most nodes. */
function deepestBranch(item, drawing) {
  const depths = item.branches.map((items) => {
    const nodes = items.flatMap((each) => each.members);
    return [nodes.filter((i) => LAYER_FAMILIES.includes(drawing.nodes[i].family)).length, nodes.length];
  });
  return depths.reduce(
    (best, [layers, nodes], i) =>
      layers > depths[best][0] || (layers === depths[best][0] && nodes > depths[best][1]) ? i : best,
    0,
  );
}
