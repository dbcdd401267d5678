// The strip beside the picture: the cost along the depth, and the window on it, which can be pressed and dragged.

import { carriesHeat, shareOf } from "./boxes.js";
import { byId } from "./dom.js";
import { afterDrawing, scale, seen, view } from "./picture.js";
import { metric, state } from "./state.js";

const strip = byId("strip");
const INSET = 5;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

/** The lines of the layout's height that one pixel of the strip stands for, and back. */
const pace = () => strip.clientHeight / Math.max(seen().layout.height, view.clientHeight / scale());

/** The height of the layout at the top of the window. */
const windowTop = () => (view.getBoundingClientRect().top - view.firstElementChild.getBoundingClientRect().top) / scale();

function drawCosts(pen, width) {
  const { layout, peak } = seen();
  const total = state.drawing.totals[metric()];
  const [hot, cold] = [colour("--cost"), colour("--line")];
  const step = pace();
  for (const box of layout.boxes.filter(carriesHeat)) {
    const share = shareOf(box, total, metric()) / peak;
    pen.fillStyle = share > 0.0005 ? hot : cold;
    pen.fillRect(INSET, box.y * step, Math.max(2, (width - 2 * INSET) * share), Math.max(1, box.h * step - 0.5));
  }
}

function drawWindow(pen, width) {
  pen.fillStyle = colour("--window");
  pen.strokeStyle = colour("--muted");
  const height = Math.max(8, (view.clientHeight / scale()) * pace());
  const top = windowTop() * pace();
  pen.fillRect(0, top, width, height);
  pen.strokeRect(0.5, top + 0.5, width - 1, height - 1);
}

/** Draws the strip. */
export function drawStrip() {
  const { clientWidth: width, clientHeight: height } = strip;
  if (!width || !height || !seen().layout) return;
  const density = devicePixelRatio || 1;
  strip.width = width * density;
  strip.height = height * density;
  const pen = strip.getContext("2d");
  pen.scale(density, density);
  drawCosts(pen, width);
  drawWindow(pen, width);
}

function follow(event) {
  if (event.buttons === 0 && event.type !== "pointerdown") return;
  strip.setPointerCapture(event.pointerId);
  const height = (event.offsetY / pace()) * scale();
  view.scrollTop += height - windowTop() * scale() - view.clientHeight / 2;
}

strip.addEventListener("pointerdown", follow);
strip.addEventListener("pointermove", follow);
afterDrawing(drawStrip);
