// The picture in its scrolling window: what changes is joined to what is there, boxes far from the window are not drawn,
// and the box that was pressed stays where it is.

import { carriesHeat, drawBox, drawEdge, drawTensor, shareOf } from "./boxes.js";
import { byId, svg, wantsStillness } from "./dom.js";
import { layOut } from "./layout.js";
import { metric, state } from "./state.js";
import { describeBox } from "./tree.js";

const CULLED_FROM = 300; // boxes: below it all are drawn
const MOVED_UP_TO = 1500; // boxes: above it nothing is animated

export const view = byId("view"); // what scrolls
const boxLayer = svg("g", { class: "boxes" });
const edgeLayer = svg("g", { class: "edges", "aria-hidden": "true" });
const root = svg("svg", { id: "picture", class: "picture", role: "tree" }, boxLayer, edgeLayer);
const elements = new Map(); // key → the element of a box that is drawn
const listeners = [];
let layout = null;
let boxes = new Map(); // key → box of the layout
let marks = { selected: new Set(), related: new Set(), hit: new Set() };
let origin = { x: 0, y: 0 }; // where the picture begins in what scrolls, in CSS pixels
let whole = false; // for print: nothing is culled
let drawnAt = 0;
let peak = 1;

view.append(root);

/** The layout that is shown, its boxes by key, and the largest share of the cost among them. */
export const seen = () => ({ layout, boxes, peak, elements });

/** Calls back after each new layout and each scroll. */
export const afterDrawing = (listener) => listeners.push(listener);

/** CSS pixels for one unit of the layout: the zoom, and the size of text that the browser is set to. */
export const scale = () => (state.zoom * parseFloat(getComputedStyle(document.documentElement).fontSize)) / 16;

const axisOf = (box) => box.x + box.w / 2;
const offset = () => ({ x: origin.x - view.scrollLeft, y: origin.y - view.scrollTop });

/** Where a point of the layout is in the window. */
function locate(x, y) {
  const { x: left, y: top } = offset();
  return { x: left + x * scale(), y: top + y * scale() };
}

/** Scrolls so that the layout begins at `left`, `top` of the window; where nothing is left to scroll, the picture moves instead. */
function settle(left, top) {
  origin = { x: Math.max(0, left), y: Math.max(0, top) };
  const [right, bottom] = [Math.max(0, -left) + view.clientWidth, Math.max(0, -top) + view.clientHeight];
  root.style.left = `${origin.x}px`;
  root.style.top = `${origin.y}px`;
  const [width, height] = [layout.width * scale(), layout.height * scale()];
  spacer.style.width = `${Math.max(origin.x + width, left < 0 ? right : 0)}px`;
  spacer.style.height = `${Math.max(origin.y + height, top < 0 ? bottom : 0)}px`;
  view.scrollLeft = Math.max(0, -left);
  view.scrollTop = Math.max(0, -top);
}

const spacer = document.createElement("div");
view.append(spacer);

/** Where the picture lies by itself: in the middle if it is narrower than the window, its trunk in the middle if it is wider. */
function restingPlace(top) {
  const spare = view.clientWidth - layout.width * scale();
  return [spare > 0 ? spare / 2 : Math.max(spare, Math.min(0, view.clientWidth / 2 - axisOf(layout.boxes[0]) * scale())), top];
}

function resize() {
  root.setAttribute("viewBox", `0 0 ${layout.width} ${layout.height}`);
  root.setAttribute("width", layout.width * scale());
  root.setAttribute("height", layout.height * scale());
}

/** Lays out what is open and draws it. The box `anchor` stays where it is in the window; without one the picture comes to rest. */
export function redraw({ anchor = null, keepScroll = false } = {}) {
  const before = { boxes, at: layout && offset() };
  const held = layout && boxes.get(anchor);
  const place = held && locate(axisOf(held), held.y);
  const top = layout && keepScroll ? offset().y : 0;
  layout = layOut(state.drawing, state.open);
  boxes = new Map(layout.boxes.map((box) => [box.key, box]));
  const now = held && boxes.get(anchor);
  resize();
  if (now) settle(place.x - axisOf(now) * scale(), place.y - now.y * scale());
  else settle(...restingPlace(top));
  drawVisible(now && before, anchor);
  root.setAttribute("aria-label", `${state.drawing.name}: ${layout.boxes.length} boxes`);
}

/** The picture at another zoom; the point `x`, `y` of the window stays where it is. */
export function zoomTo(zoom, x = view.clientWidth / 2, y = view.clientHeight / 2) {
  const { x: left, y: top } = offset();
  const [across, down] = [(x - left) / scale(), (y - top) / scale()];
  state.zoom = zoom;
  resize();
  const [restLeft] = restingPlace(0);
  const wide = layout.width * scale() > view.clientWidth;
  settle(wide ? x - across * scale() : restLeft, Math.min(0, y - down * scale()));
  drawVisible();
}

/** After the window has another size. */
export function refit() {
  settle(...restingPlace(offset().y));
  drawVisible();
}

/** Whether something between two heights of the layout is near the window. */
function nearby() {
  if (whole || layout.boxes.length < CULLED_FROM) return () => true;
  const height = view.clientHeight / scale();
  const top = -offset().y / scale();
  return (from, to) => to > top - 1.5 * height && from < top + 2.5 * height;
}

function wanted() {
  const near = nearby();
  const focused = document.activeElement?.dataset?.key;
  return layout.boxes.filter((box) => near(box.y, box.y + box.h) || box.key === focused || marks.selected.has(box.key));
}

function findPeak() {
  const total = state.drawing.totals[metric()];
  return Math.max(...layout.boxes.map((box) => (carriesHeat(box) ? shareOf(box, total, metric()) : 0)), 1e-9);
}

function drawVisible(before = null, anchor = null) {
  const animated = before && layout.boxes.length < MOVED_UP_TO && !wantsStillness();
  drawnAt = view.scrollTop;
  peak = findPeak();
  const kept = wanted();
  const keys = new Set(kept.map((box) => box.key));
  for (const [key, element] of elements) if (!keys.has(key)) drop(key, element);
  const moved = joinBoxes(kept, animated ? before : null, anchor);
  if (!boxLayer.querySelector('[tabindex="0"]')) boxLayer.firstElementChild?.setAttribute("tabindex", 0); // where the tab key enters
  drawEdges();
  if (animated) move(moved);
  for (const listener of listeners) listener();
}

function drop(key, element) {
  element.remove();
  elements.delete(key);
}

const shift = (x, y) => `translate(${x}px,${y}px)`;

/** Joins boxes to their elements, in reading order, and gives those that move with their boxes. */
function joinBoxes(kept, before, anchor) {
  const moved = [];
  const total = state.drawing.totals[metric()];
  let previous = null;
  for (const box of kept) {
    const old = before?.boxes.get(box.key);
    const fresh = !elements.has(box.key);
    const element = elements.get(box.key) ?? begin(box);
    complete(element, box, shareOf(box, total, metric()));
    if (before && box.key !== anchor) {
      element.style.transition = "none";
      if (fresh) element.classList.add("new");
      if (old && !fresh) element.style.transform = from(old, before.at);
      moved.push([element, box]);
    }
    if (!before || fresh || box.key === anchor) element.style.transform = shift(box.x, box.y);
    const place = previous ? previous.nextSibling : boxLayer.firstChild;
    if (place !== element) boxLayer.insertBefore(element, place);
    previous = element;
  }
  return moved;
}

/** Where a box was in the window, as a place in the new layout. */
function from(old, at) {
  const { x, y } = offset();
  return shift(old.x + (at.x - x) / scale(), old.y + (at.y - y) / scale());
}

function begin(box) {
  const element = svg("g", { "data-key": box.key });
  elements.set(box.key, element);
  return element;
}

function complete(element, box, share) {
  const { kinds, parts } = drawBox(box, share, peak);
  const signature = JSON.stringify([kinds, box.title, box.sub, box.w, box.h, box.rounds, share, peak]);
  if (element.signature !== signature) element.replaceChildren(...parts);
  element.signature = signature;
  const marked = Object.keys(marks).filter((mark) => marks[mark].has(box.key));
  element.setAttribute("class", [kinds, ...marked].join(" "));
  describeBox(element, box, layout);
}

function move(moved) {
  edgeLayer.classList.add("waiting");
  root.getBoundingClientRect(); // the browser takes the old places before it gets the new ones
  requestAnimationFrame(() => {
    for (const [element, box] of moved) {
      element.style.transition = "";
      element.style.transform = shift(box.x, box.y);
      element.classList.remove("new");
    }
    edgeLayer.classList.remove("waiting");
  });
}

function drawEdges() {
  const near = nearby();
  const edges = layout.edges.filter((edge) => near(edge.top, edge.bottom));
  const labels = layout.labels.filter((label) => near(label.y - 10, label.y + 10));
  edgeLayer.replaceChildren(...edges.flatMap(drawEdge), ...labels.map(drawTensor));
}

/** Marks boxes, by keys: those selected, those with nodes of the selection, and those with hits of the search. */
export function mark(changes) {
  marks = { ...marks, ...changes };
  for (const [key, element] of elements) {
    for (const [kind, keys] of Object.entries(marks)) element.classList.toggle(kind, keys.has(key));
    element.setAttribute("aria-selected", marks.selected.has(key));
  }
}

/** Scrolls a box into the window, if it is not there already. */
export function show(box) {
  const { x, y } = locate(box.x, box.y);
  const [width, height] = [box.w * scale(), Math.min(box.h * scale(), 60)];
  const inside = x >= 0 && y >= 0 && x + Math.min(width, view.clientWidth) <= view.clientWidth && y + height <= view.clientHeight;
  if (inside) return;
  const left = view.scrollLeft + x + width / 2 - view.clientWidth / 2;
  const top = view.scrollTop + y - view.clientHeight / 3;
  view.scrollTo({ left, top, behavior: wantsStillness() || Math.abs(y) > 3 * view.clientHeight ? "instant" : "smooth" });
}

/** Draws the element of a box that may be culled, and gives it. */
export function bring(key) {
  if (!elements.has(key) && boxes.has(key)) {
    show(boxes.get(key));
    drawVisible();
  }
  return elements.get(key);
}

function followScroll() {
  if (layout.boxes.length >= CULLED_FROM && Math.abs(view.scrollTop - drawnAt) > 0.7 * view.clientHeight) drawVisible();
  else for (const listener of listeners) listener();
}

/** Draws all of it at its own size, for print, or goes back to what is near the window. */
export function drawWhole(all) {
  whole = all;
  drawVisible();
}

view.addEventListener("scroll", () => requestAnimationFrame(followScroll), { passive: true });
