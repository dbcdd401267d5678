// Where everything goes, from the outside to the inside, and the edges: layout_place.py in JavaScript, function for function.

import { keyOf } from "./drawing.js";
import { GAP, HEADER } from "./layout_pieces.js";

const MARGIN = 16;
const STRAIGHT = 0.5; // two x that differ by less are one

/** Collects the boxes, edges and labels of one drawing. */
export class Placing {
  constructor(drawing) {
    this.drawing = drawing;
    this.boxes = [];
    this.edges = [];
    this.labels = [];
  }

  /** The whole net. */
  place(column) {
    this.placeColumn(column, MARGIN, MARGIN);
    const [width, height] = [Math.ceil(column.w + 2 * MARGIN), Math.ceil(column.h + 2 * MARGIN)];
    return { width, height, boxes: this.boxes, edges: this.edges, labels: this.labels };
  }

  /** Adds an edge. */
  draw(path, arrow = true, kind = "") {
    this.edges.push({ path, arrow, kind });
  }

  // ---- columns

  /** A column at its left top. In a weave only `near` pieces have an edge to the next. */
  placeColumn(column, x, y, near = null) {
    const cx = x + column.ax;
    column.pieces.forEach((piece, i) => {
      this.placePiece(piece, column.pieces[i + 1] ?? null, cx, y);
      if (i && (near === null || near.has(i))) this.connect(column.pieces[i - 1], piece, cx, y);
    });
    if (column.h > column.tail) for (const out of column.outs) this.draw(line(x + out, y + column.tail, y + column.h), false);
    if (column.label !== null) {
      if (!column.outs.length) this.draw(line(cx, y + column.tail, y + column.labelY), false);
      this.labels.push({ x: tenth(cx), y: tenth(y + column.labelY), shape: column.label });
    }
    for (const beside of column.beside) this.placeBeside(beside, cx, x, y);
  }

  /** A piece of a column whose axis is at `cx` and whose top is at `y`. */
  placePiece(piece, after, cx, y) {
    if (piece.type === "fan") this.placeFan(piece, after, cx, y);
    else if (piece.type === "weave") this.placeWeave(piece, cx - piece.ax, y + piece.y);
    else this.placeBox(piece, cx - piece.ax, y + piece.y);
  }

  /** The edge from a piece to the next one, which a fan's merge has already. */
  connect(before, piece, cx, y) {
    if (before.type === "fan" || (piece.type === "fan" && !piece.entered)) return;
    const [top, bottom] = [y + before.y + before.h, y + piece.y];
    this.draw(line(cx, top, bottom), piece.type === "piece");
    if (piece.label !== null) this.labels.push({ x: tenth(cx), y: tenth((top + bottom) / 2), shape: piece.label });
  }

  /** A box, and what it holds. */
  placeBox(piece, x, y) {
    const { key, shape, family, title, sub, rounds, item } = piece;
    const [left, top, w, h, labelWidth] = [tenth(x), tenth(y), tenth(piece.w), tenth(piece.h), tenth(piece.labelWidth)];
    this.boxes.push({ key, x: left, y: top, w, h, labelWidth, shape, family, title, sub, rounds, item });
    if (piece.inner === null) return;
    this.placeInner(piece.inner, x + piece.ix, y + piece.iy, y + piece.entry, y + piece.h);
  }

  /** What a frame holds, with an edge from its upper side, or from below its title, and one to its lower side. */
  placeInner(column, x, y, top, bottom) {
    const { pieces, entered, outs } = column;
    if (pieces.length && entered) this.draw(line(x + column.ax, top, y), pieces[0].type === "piece");
    this.placeColumn(column, x, y);
    for (const out of pieces.length ? outs : []) this.draw(line(x + out, y + column.h, bottom), false);
  }

  /** A head in its frame or an output, and the line from the axis to it. */
  placeBeside(beside, cx, x, y) {
    const [left, top, tap] = [x + beside.x, y + beside.y, beside.tap];
    const axis = left + (beside.w - beside.inner.w) / 2 + beside.inner.ax;
    const start = y + beside.fromY;
    let path = `M${number(cx)} ${number(start - 7)}V${number(start - 6)}q0 6 -6 6`;
    if (beside.lane !== null) path += `H${number(x + beside.lane + 6)}q-6 0 -6 6V${number(top - 16)}q0 6 -6 6`;
    this.draw(`${path}H${number(axis + 6)}q-6 0 -6 6V${number(top)}`, true, tap.framed ? "tap" : "");
    if (!tap.framed) {
      this.placeColumn(beside.inner, left, top);
      return;
    }
    const place = { x: tenth(left), y: tenth(top), w: tenth(beside.w), h: tenth(beside.h), labelWidth: 0 };
    const item = this.drawing.items.get(tap.key) ?? null;
    this.boxes.push({ key: tap.key, ...place, shape: "head", family: "other", title: tap.title, sub: tap.sub, rounds: 0, item });
    const innerLeft = left + (beside.w - beside.inner.w) / 2;
    this.placeInner(beside.inner, innerLeft, top + HEADER + GAP - 4, top + beside.entry, top + beside.h);
  }

  // ---- branches

  /** The branches of a fan with their forks and joins; `after` is what merges them. `y` is the top of the column. */
  placeFan(fan, after, cx, y) {
    const [x, top] = [cx - fan.ax, y + fan.y];
    const fork = top + (fan.top ? Math.min(fan.top - 8, 7) : 0);
    const bottom = after === null ? top + fan.h : y + after.y;
    let side = 0;
    fan.order.forEach((branch, i) => {
      const at = fan.at[i];
      const left = x + at;
      const branchTop = top + fan.top + (branch.entered ? (fan.height - branch.h) / 2 : 0);
      this.placeColumn(branch, left, branchTop);
      if (branch.tag !== null) this.placeTag(branch, left + branch.ax + 5, branchTop - 15);
      if (branch.entered) this.fork(cx, top, fork, left + branch.ax, branchTop, branch);
      for (const out of branch.outs) {
        if (fan.sides.some((lane) => Math.abs(at + out - lane) < STRAIGHT)) {
          this.enter(`M${number(left + out)} ${number(branchTop + branch.h)}`, left + out, after, cx, bottom, side, fan);
          side += 1;
        } else this.join(left + out, branchTop + branch.h, after, cx, bottom);
      }
    });
    if (fan.skip === null) return;
    const lane = x + fan.skip;
    const path = `M${number(cx)} ${number(top)}V${number(fork - 5)}q0 5 5 5H${number(lane - 8)}q8 0 8 8`;
    if (fan.sides.length) this.enter(path, lane, after, cx, bottom, side, fan, "skip");
    else this.draw(`${path}V${number(bottom)}`, after !== null, "skip");
  }

  /** The name of a branch. */
  placeTag(branch, x, y) {
    const key = `tag:${keyOf(branch.tag, this.drawing)}`;
    const place = { x: tenth(x), y: tenth(y), w: 10, h: 10, labelWidth: 0 };
    this.boxes.push({
      key,
      ...place,
      shape: "tag",
      family: "other",
      title: branch.tagText,
      sub: "",
      rounds: 0,
      item: branch.tag,
    });
  }

  /** The edge from the trunk to a branch. */
  fork(cx, top, fork, axis, branchTop, branch) {
    this.draw(stepAside(cx, top, fork, axis, branchTop), branch.pieces[0].type === "piece");
  }

  /** The edge from the end of a branch to its merge from above, or to where an outer merge takes it. */
  join(x, y, after, cx, bottom) {
    if (after === null) this.draw(line(x, y, bottom), false);
    else if (Math.abs(x - cx) < STRAIGHT || after.shape === "bar") this.draw(line(x, y, bottom));
    else this.draw(elbow(x, y, cx, bottom));
  }

  /** An edge in a lane at the right that enters a merge from its right side; the inner lanes enter higher. */
  enter(path, x, after, cx, top, side, fan, kind = "side") {
    const right = cx + after.w - after.ax;
    if (after.shape === "bar" && x < right) {
      this.draw(`${path}V${number(top)}`, true, kind);
      return;
    }
    const y = top + (after.h * (side + 1)) / (fan.sides.length + 1);
    this.draw(`${path}V${number(y - 8)}q0 8 -8 8H${number(right)}`, true, kind);
  }

  // ---- arcs

  /** A column of arcs: near edges on the axis, the others in lanes at the right. */
  placeWeave(weave, x, y) {
    const { inner, far, near } = weave;
    const cx = x + weave.ax;
    this.placeColumn(inner, x, y + GAP, near);
    if (near.has(0)) this.draw(line(cx, y, y + GAP), inner.pieces[0].type === "piece");
    if (weave.leaves) this.draw(line(cx, y + weave.h - GAP, y + weave.h), false);
    const into = new Map();
    for (const [, b, lane] of far) into.set(b, [...(into.get(b) ?? []), lane]);
    const sources = new Set(far.map(([a]) => a));
    for (const [a, b, lane] of far) {
      const laneX = x + inner.w + 10 + lane * 12;
      const target = inner.pieces[b - 1];
      const slots = into.get(b).length + (sources.has(b) ? 1 : 0) + 1;
      const slot = into.get(b).filter((other) => other >= lane).length;
      const end = y + GAP + target.y + (target.h * slot) / slots;
      let path = `M${number(cx)} ${number(y)}q0 6 6 6`;
      if (a) {
        const source = inner.pieces[a - 1];
        const entering = into.get(a)?.length ?? 0;
        const start = y + GAP + source.y + (source.h * (entering + 1)) / (entering + 2);
        path = `M${number(cx + source.w - source.ax)} ${number(start)}`;
      }
      this.draw(
        `${path}H${number(laneX - 6)}q6 0 6 6V${number(end - 6)}q0 6 -6 6H${number(cx + target.w - target.ax)}`,
        true,
        "skip",
      );
    }
  }
}

/** A vertical line. */
const line = (x, y, end) => `M${number(x)} ${number(y)}V${number(end)}`;

/** Down, across at a level, and down again. */
function stepAside(x, y, level, endX, endY) {
  if (Math.abs(endX - x) < STRAIGHT) return line(x, y, endY);
  const q = Math.min(5, Math.abs(endX - x) / 2);
  const s = endX > x ? 1 : -1;
  return (
    `M${number(x)} ${number(y)}V${number(level - q)}q0 ${number(q)} ${number(s * q)} ${number(q)}H${number(endX - s * q)}` +
    `q${number(s * q)} 0 ${number(s * q)} ${number(q)}V${number(endY)}`
  );
}

/** Down, across and down again. */
function elbow(x, y, endX, endY) {
  const middle = (y + endY) / 2;
  const s = endX > x ? 1 : -1;
  const q = Math.min(6, Math.abs(endX - x) / 2, Math.abs(endY - y) / 2);
  return (
    `M${number(x)} ${number(y)}V${number(middle - q)}q0 ${number(q)} ${number(s * q)} ${number(q)}H${number(endX - s * q)}` +
    `q${number(s * q)} 0 ${number(s * q)} ${number(q)}V${number(endY)}`
  );
}

/** A number rounded to tenths, halves up. */
export const tenth = (value) => Math.floor(value * 10 + 0.5) / 10;

/** A number in a path. */
const number = (value) => String(tenth(value));
