// The page from its first breath: the drawing, the state that the address keeps, and what connects the parts.

import { showHeader, showHeat, showTheme, showZoom, startControls } from "./controls.js";
import { byId } from "./dom.js";
import { startDownload } from "./download.js";
import { readDrawing, unrolled } from "./drawing.js";
import { afterDrawing, redraw } from "./picture.js";
import { startPointing } from "./pointing.js";
import { markHits, searchAgain } from "./search.js";
import { refreshSelection, select } from "./selection.js";
import { showSource } from "./source.js";
import { keepAddress, readAddress, state } from "./state.js";

function showAll({ keepScroll = false } = {}) {
  showHeader();
  showTheme();
  showZoom();
  showSource();
  redraw({ keepScroll });
  showHeat();
  select(state.selection);
}

/** Shows another drawing in place of this one; what is open, selected and scrolled to stays, as far as the new one has it. */
export function replaceDrawing(json) {
  const drawing = readDrawing(json);
  const known = unrolled(drawing, true);
  state.drawing = drawing;
  state.open = new Set([...state.open].filter((key) => known.has(key)));
  if (state.selection?.key !== undefined && !drawing.items.has(state.selection.key)) state.selection = null;
  if (state.heat && !drawing.totals[state.heat]) state.heat = "";
  showAll({ keepScroll: true });
  searchAgain();
}

function start() {
  readAddress(location.hash, readDrawing(JSON.parse(byId("drawing").textContent)));
  startControls();
  startPointing();
  startDownload();
  showAll();
  afterDrawing(markHits);
  addEventListener("hashchange", () => {
    readAddress(location.hash, state.drawing);
    showAll({ keepScroll: true });
    refreshSelection();
    keepAddress();
  });
}

start();
