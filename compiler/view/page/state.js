// What is open, what is selected and how it is looked at. The address keeps it, so that a reload or a link shows the same.

import { initiallyOpen, openToDepth, unrolled } from "./drawing.js";
import { METRICS } from "./numbers.js";

const FIRST = { ...document.documentElement.dataset }; // what `archc view` was asked for: theme, heat, depth

/** What is open at first. */
export const openAtFirst = (drawing) =>
  FIRST.depth === undefined ? initiallyOpen(drawing) : openToDepth(drawing, Number(FIRST.depth));

/** `drawing` is what is shown; `selection` is null, {key} of a box, or {file, line} of the source. `theme` is "", "light" or "dark". */
export const state = { drawing: null, open: new Set(), selection: null, heat: "", theme: "", zoom: 1 };

export const ZOOM = { least: 0.1, most: 4 };
export const limitZoom = (zoom) => Math.min(ZOOM.most, Math.max(ZOOM.least, zoom || 1));

const equal = (a, b) => a.size === b.size && [...a].every((key) => b.has(key));
const listed = (keys) => [...keys].map(encodeURIComponent).join(",");

function openText({ drawing, open }) {
  if (equal(open, openAtFirst(drawing))) return null;
  if (equal(open, openToDepth(drawing))) return "*";
  return equal(open, unrolled(drawing)) ? "**" : listed(open);
}

/** The state as the part of the address behind `#`; what is as at first is left out. */
export function addressOf(current) {
  const { selection, zoom } = current;
  const theme = current.theme === (FIRST.theme ?? "") ? null : current.theme;
  const heat = current.heat === (FIRST.heat ?? "") ? null : current.heat || "none";
  const selected = selection && (selection.key !== undefined ? `=${selection.key}` : `${selection.file}:${selection.line}`);
  const parts = { open: openText(current), select: selected, heat, theme, zoom: zoom === 1 ? null : zoom.toFixed(2) };
  const given = Object.entries(parts).filter(([, value]) => value !== null && value !== "");
  return given.map(([name, value]) => `${name}=${name === "open" ? value : encodeURIComponent(value)}`).join("&");
}

/** Keeps the state in the address. Where the browser refuses, the page works on without. */
export function keepAddress() {
  const kept = addressOf(state);
  try {
    history.replaceState(null, "", kept ? `#${kept}` : location.pathname + location.search);
  } catch {
    // a sandboxed frame has no history
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function readOpen(text, drawing) {
  if (text === undefined) return openAtFirst(drawing);
  if (text === "*") return openToDepth(drawing);
  if (text === "**") return unrolled(drawing);
  const known = unrolled(drawing, true);
  return new Set(
    text
      .split(",")
      .map(decoded)
      .filter((key) => known.has(key)),
  );
}

function readSelection(text, drawing) {
  if (text.startsWith("=")) return drawing.items.has(text.slice(1)) ? { key: text.slice(1) } : null;
  const [, file, line] = /^(\d{1,6}):(\d{1,9})$/.exec(text) ?? [];
  return drawing.files[file] ? { file: +file, line: +line } : null;
}

/** Takes from an address what fits the drawing, and the first state for the rest. */
export function readAddress(address, drawing) {
  const pairs = address
    .replace(/^#/, "")
    .split("&")
    .map((part) => [part.split("=")[0], part.slice(part.indexOf("=") + 1)]);
  const given = new Map(pairs);
  const heat = decoded(given.get("heat") ?? FIRST.heat ?? "");
  const theme = given.get("theme");
  state.drawing = drawing;
  state.open = readOpen(given.get("open"), drawing);
  state.selection = readSelection(decoded(given.get("select") ?? ""), drawing);
  state.heat = Object.hasOwn(METRICS, heat) && drawing.totals[heat] ? heat : "";
  state.theme = theme === "light" || theme === "dark" ? theme : (FIRST.theme ?? "");
  state.zoom = limitZoom(Number(given.get("zoom")));
}

/** The cost that boxes and the strip show: the one chosen as heat, or MACs. */
export const metric = () => state.heat || "macs";
