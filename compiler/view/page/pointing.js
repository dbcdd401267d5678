// What the mouse, a finger and the keys do in the picture.

import { byId } from "./dom.js";
import { nextHeat, openAll, openFirst, toggleHelp, toggleSide, toggleTheme, zoomBy, zoomIn, zoomOut } from "./controls.js";
import { seen, view } from "./picture.js";
import { clearSearch, goToHit } from "./search.js";
import { focusOn, goTo, select, toggle, unroll } from "./selection.js";
import { state } from "./state.js";
import { canOpen, isOpen, isWalked, standingOf } from "./tree.js";

/** Whether a press on a box opens or closes it: a closed block anywhere, an open one on its lid. A card opens by a second press. */
function opens(box, target) {
  if (!canOpen(box) || box.item.kind === "card") return isOpen(box) && target.closest(".lid, .title, .chevron") !== null;
  return !isOpen(box) || target.closest(".lid, .title, .chevron") !== null;
}

const pressedBox = (event) => seen().boxes.get(event.target.closest?.("[data-key]")?.dataset.key);

function press(event) {
  const box = pressedBox(event);
  if (!box) return;
  if (box.item) select({ key: box.item.key });
  if (event.target.closest(".badge")) unroll(box.key);
  else if (opens(box, event.target)) toggle(box.key);
  if (isWalked(box)) focusOn(box.key);
}

function pressTwice(event) {
  const box = pressedBox(event);
  if (box?.item?.kind === "card" && canOpen(box) && !isOpen(box)) toggle(box.key);
}

const walked = () => seen().layout.boxes.filter(isWalked);
const focused = () => document.activeElement?.dataset?.key ?? state.selection?.key;

function walk(step) {
  const boxes = walked();
  const at = boxes.findIndex((box) => box.key === focused());
  const next = Math.min(boxes.length - 1, Math.max(0, at + step));
  visit(boxes[next].key);
}

function visit(key) {
  if (!seen().boxes.get(key).item) select(null);
  goTo(key);
}

function goInside(box) {
  if (canOpen(box) && !isOpen(box)) open(box.key);
  else if (box) visit(standingOf(seen().layout).get(box.key)?.children[0] ?? box.key);
}

function goOut(box) {
  if (canOpen(box) && isOpen(box)) open(box.key);
  else if (box) visit(standingOf(seen().layout).get(box.key)?.parent?.key ?? box.key);
}

function open(key) {
  toggle(key);
  focusOn(key);
}

function escape() {
  if (!clearSearch()) select(null);
}

function searchField() {
  byId("query").focus();
  byId("query").select();
}

const here = () => seen().boxes.get(focused());

// keys that work everywhere but in fields, and those of the picture alone
const EVERYWHERE = {
  "/": searchField,
  "?": toggleHelp,
  Escape: escape,
  a: openAll,
  o: openFirst,
  "+": zoomIn,
  "=": zoomIn,
  "-": zoomOut,
  0: () => zoomBy(0),
  h: nextHeat,
  t: toggleTheme,
  y: toggleSide,
  n: () => goToHit(1),
  N: () => goToHit(-1),
};
const IN_PICTURE = {
  ArrowDown: () => walk(1),
  ArrowUp: () => walk(-1),
  ArrowRight: () => goInside(here()),
  ArrowLeft: () => goOut(here()),
  Home: () => walk(-Infinity),
  End: () => walk(Infinity),
  Enter: () => open(focused()),
  " ": () => open(focused()),
  u: () => here()?.item?.kind === "repeat" && unroll(here().key),
};

function pressKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const field = event.target.matches("input, select");
  if (field && event.key === "Escape") view.focus();
  if (field && event.key !== "Escape") return;
  const inPicture = event.target === document.body || view.contains(event.target);
  const act = EVERYWHERE[event.key] ?? (inPicture ? IN_PICTURE[event.key] : undefined);
  if (!act) return;
  event.preventDefault();
  act();
}

function turnWheel(event) {
  if (!event.ctrlKey) return;
  event.preventDefault();
  const { left, top } = view.getBoundingClientRect();
  zoomBy(Math.exp(-event.deltaY / 300), event.clientX - left, event.clientY - top);
}

let pinch = null; // the distance of two fingers

function pinchMove(event) {
  if (event.touches.length !== 2) {
    pinch = null;
    return;
  }
  event.preventDefault();
  const [a, b] = event.touches;
  const distance = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  const { left, top } = view.getBoundingClientRect();
  if (pinch) zoomBy(distance / pinch, (a.clientX + b.clientX) / 2 - left, (a.clientY + b.clientY) / 2 - top);
  pinch = distance;
}

/** Listens to mouse, touch and keys. */
export function startPointing() {
  view.addEventListener("click", press);
  view.addEventListener("dblclick", pressTwice);
  view.addEventListener("wheel", turnWheel, { passive: false });
  for (const name of ["touchstart", "touchmove", "touchend"]) view.addEventListener(name, pinchMove, { passive: false });
  document.addEventListener("keydown", pressKey);
}
