// The buttons of the header, the keys, and the side panel.

import { byId, html } from "./dom.js";
import { showDetails } from "./details.js";
import { openToDepth } from "./drawing.js";
import { METRICS, percent, shortCost, shortText } from "./numbers.js";
import { redraw, refit, seen, zoomTo } from "./picture.js";
import { refreshSelection } from "./selection.js";
import { keepAddress, limitZoom, openAtFirst, state } from "./state.js";
import { drawStrip } from "./strip.js";

const STEP = 1.25;
const NARROWEST = 240; // CSS pixels of the side panel

/** The keys, for the help and in the order in which it tells them. */
const KEYS = [
  ["↑ ↓", "walk through the boxes in reading order"],
  ["→", "open, or go inside"],
  ["←", "close, or go out"],
  ["Enter", "open or close"],
  ["u", "unroll the rounds of a repeat, or fold them"],
  ["Home End", "first and last box"],
  ["/", "search; Enter and Shift+Enter go through the hits"],
  ["n N", "next and previous hit"],
  ["a", "open all"],
  ["o", "overview"],
  ["+ − 0", "zoom in, out, back"],
  ["h", "next cost as heat"],
  ["t", "light or dark"],
  ["y", "side panel"],
  ["Esc", "end the search, the selection, this help"],
  ["?", "this help"],
];

/** Opens exactly these blocks. */
export function openOnly(open) {
  state.open = open;
  redraw();
  refreshSelection();
  keepAddress();
}

export const openAll = () => openOnly(openToDepth(state.drawing));
export const openFirst = () => openOnly(openAtFirst(state.drawing));

/** Shows the name, the summary and the totals of the drawing. */
export function showHeader() {
  const { name, summary, totals } = state.drawing;
  document.title = name;
  byId("name").textContent = shortText(name);
  byId("name").title = name;
  byId("summary").textContent = shortText(summary);
  byId("summary").title = summary;
  const costs = Object.keys(METRICS).filter((metric) => totals[metric] !== undefined);
  const told = costs.map((metric) =>
    html(
      "span",
      { title: METRICS[metric].exact(totals[metric]) },
      html("b", {}, shortCost(metric, totals[metric])),
      ` ${METRICS[metric].name}`,
    ),
  );
  byId("totals").replaceChildren(...told);
  const choices = costs
    .filter((metric) => totals[metric])
    .map((metric) => html("option", { value: metric }, `Heat: ${METRICS[metric].short ?? METRICS[metric].name}`));
  byId("heat").replaceChildren(html("option", { value: "" }, "No heat"), ...choices);
  showHeat();
}

/** Colours the boxes by the cost that is chosen, and says what the colours mean. */
export function showHeat() {
  const { heat } = state;
  byId("heat").value = heat;
  byId("picture").classList.toggle("hot", heat !== "");
  const legend = byId("legend");
  legend.hidden = heat === "";
  if (!heat || !seen().layout) return;
  const steps = [0, 1, 2, 3, 4, 5].map((level) => html("i", { class: `heat${level}` }));
  legend.replaceChildren("0", ...steps, percent(seen().peak));
  legend.title = `share of the net's ${METRICS[heat].name}, on a scale of square roots`;
}

/** Chooses a cost, "" for none. */
export function chooseHeat(heat) {
  state.heat = heat;
  redrawInPlace();
  showHeat();
  showDetails();
  keepAddress();
}

function redrawInPlace() {
  const first = seen().layout.boxes[0].key;
  redraw({ anchor: first });
}

export function nextHeat() {
  const choices = [...byId("heat").options].map((option) => option.value);
  chooseHeat(choices[(choices.indexOf(state.heat) + 1) % choices.length]);
}

/** Takes the theme of the state: "" is the system's. */
export function showTheme() {
  const root = document.documentElement;
  if (state.theme) root.dataset.theme = state.theme;
  else delete root.dataset.theme;
  drawStrip();
}

export function toggleTheme() {
  const dark = state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  state.theme = dark ? "light" : "dark";
  showTheme();
  keepAddress();
}

/** Zooms by a factor, around a point of the window; 0 is back to 100 %. */
export function zoomBy(factor, x, y) {
  zoomTo(factor ? limitZoom(state.zoom * factor) : 1, x, y);
  showZoom();
  keepAddress();
}

export const zoomIn = () => zoomBy(STEP);
export const zoomOut = () => zoomBy(1 / STEP);

export function showZoom() {
  byId("zoom").textContent = `${Math.round(100 * state.zoom)} %`;
}

/** Opens or closes the help. */
export function toggleHelp() {
  const help = byId("help");
  if (help.open) help.close();
  else help.showModal();
}

function fillHelp() {
  const rows = KEYS.map(([keys, text]) =>
    html(
      "tr",
      {},
      html(
        "th",
        { scope: "row" },
        keys.split(" ").map((key) => html("kbd", {}, key)),
      ),
      html("td", {}, text),
    ),
  );
  const close = html("form", { method: "dialog" }, html("button", {}, "Close"));
  const mouse =
    "A click opens a block, or shows a layer. Ctrl and the wheel, or two fingers, zoom. A line of YAML shows its boxes, a box its lines.";
  byId("help").replaceChildren(html("h2", {}, "Keys"), html("table", {}, html("tbody", {}, rows)), html("p", {}, mouse), close);
}

/** Shows or hides the side panel, which is a drawer on a narrow screen. */
export function toggleSide() {
  const narrow = matchMedia("(max-width: 760px)").matches;
  const body = document.body.classList;
  if (narrow) byId("drawer").setAttribute("aria-expanded", body.toggle("drawn"));
  else body.toggle("alone");
  refit();
}

function widen(width) {
  const most = innerWidth - 2 * NARROWEST;
  document.body.style.setProperty("--side", `${Math.max(NARROWEST, Math.min(most, width))}px`);
  refit();
}

function dragSplitter(event) {
  if (event.type === "pointermove" && !event.target.hasPointerCapture(event.pointerId)) return;
  event.target.setPointerCapture(event.pointerId);
  if (event.type === "pointermove") widen(innerWidth - event.clientX);
}

function stepSplitter(event) {
  const step = { ArrowLeft: 24, ArrowRight: -24 }[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  widen(byId("side").getBoundingClientRect().width + step);
}

const PRESSED = {
  overview: openFirst,
  all: openAll,
  smaller: zoomOut,
  larger: zoomIn,
  zoom: () => zoomBy(0),
  theme: toggleTheme,
  ask: toggleHelp,
  drawer: toggleSide,
};

/** Connects the controls. */
export function startControls() {
  for (const [id, press] of Object.entries(PRESSED)) byId(id).addEventListener("click", () => press());
  byId("heat").addEventListener("change", (event) => chooseHeat(event.target.value));
  const splitter = byId("splitter");
  splitter.addEventListener("pointerdown", dragSplitter);
  splitter.addEventListener("pointermove", dragSplitter);
  splitter.addEventListener("keydown", stepSplitter);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawStrip);
  new ResizeObserver(() => seen().layout && refit()).observe(byId("view"));
  fillHelp();
}
