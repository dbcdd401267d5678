// The YAML beside the picture: each line knows its nodes, and a selection shows by which lines it was made.

import { byId, html } from "./dom.js";
import { shortText } from "./numbers.js";
import { selectLine } from "./selection.js";
import { state } from "./state.js";

const panel = byId("source");
const lineOf = new Map(); // "file:line" → element
let marked = [];
let current = null;

const TOKEN = /^(\s*(?:- )?\{?)([\w$.-]+)(:)(?=\s|$)/;

/** A line with its key and its comment set apart. A comment starts at a # behind white space, outside of quotes. */
function coloured(text) {
  const quoted = /^(?:[^#"']|"[^"]*"|'[^']*'|(?<=\S)#)*/.exec(text)[0];
  const [code, comment] = [quoted, text.slice(quoted.length)];
  const [, before, key, colon] = TOKEN.exec(code) ?? [];
  const start = key ? [before, html("b", {}, key), colon, code.slice(before.length + key.length + 1)] : [code];
  return [...start, comment && html("i", {}, comment)];
}

function lineElement(file, line, text) {
  const attributes = {
    class: "line",
    role: "option",
    "aria-selected": "false",
    "data-n": line,
    "data-at": `${file}:${line}`,
    id: `line-${file}-${line}`,
  };
  const element = html("div", attributes, coloured(text), text ? null : " ");
  lineOf.set(`${file}:${line}`, element);
  return element;
}

function fileElement([name, text], file) {
  const lines = text.replace(/\n$/, "").split(/\r\n|[\r\n]/);
  const list = html("div", { class: "lines", role: "listbox", tabindex: 0, "aria-label": name, dir: "ltr" });
  list.append(...lines.map((line, index) => lineElement(file, index + 1, line)));
  return [html("h2", { dir: "auto", title: name }, shortText(name)), list];
}

/** Shows the files of the drawing. */
export function showSource() {
  lineOf.clear();
  current = null;
  panel.replaceChildren(...state.drawing.files.flatMap(fileElement));
  for (const [at, used] of usedLines()) lineOf.get(at)?.classList.toggle("used", used > 0);
}

function usedLines() {
  const counts = new Map();
  for (const node of state.drawing.nodes)
    for (const [file, line] of node.places) counts.set(`${file}:${line}`, (counts.get(`${file}:${line}`) ?? 0) + 1);
  return counts;
}

function scrollTo(element) {
  const { top, height } = panel.getBoundingClientRect();
  const at = element.getBoundingClientRect().top;
  if (at < top + 30 || at > top + height - 40) panel.scrollTop += at - top - height / 3;
}

/** Marks the lines that made the nodes: strongly those that made all of them, or the line that is itself selected. */
export function markLines(nodes, selection, scroll) {
  for (const element of marked) {
    element.classList.remove("all", "some");
    element.setAttribute("aria-selected", "false");
  }
  const counts = new Map();
  for (const node of nodes)
    for (const place of new Set(state.drawing.nodes[node].places.map(([file, line]) => `${file}:${line}`)))
      counts.set(place, (counts.get(place) ?? 0) + 1);
  const strong = selection?.line ? (at) => at === `${selection.file}:${selection.line}` : (at) => counts.get(at) === nodes.length;
  if (selection?.line) counts.set(`${selection.file}:${selection.line}`, nodes.length);
  marked = [...counts.keys()].filter((at) => lineOf.has(at)).map((at) => markLine(lineOf.get(at), strong(at)));
  const first = marked.find((element) => element.classList.contains("all")) ?? marked[0];
  if (scroll && first) scrollTo(first);
}

function markLine(element, all) {
  element.classList.add(all ? "all" : "some");
  element.setAttribute("aria-selected", all);
  return element;
}

/** Selects a line as if it was pressed, and shows it. */
export function goToLine(file, line) {
  const element = lineOf.get(`${file}:${line}`);
  if (!element) return;
  step(element);
  scrollTo(element);
  selectLine(file, line);
}

function step(element) {
  current?.classList.remove("current");
  current = element;
  element.classList.add("current");
  element.parentElement.setAttribute("aria-activedescendant", element.id);
}

function pressLine(event) {
  const element = event.target.closest(".line");
  if (!element || String(getSelection())) return; // text was marked, to be copied
  step(element);
  selectLine(...element.dataset.at.split(":").map(Number));
}

const WAYS = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" };

function walkLines(event) {
  const list = event.target.closest(".lines");
  if (!list || event.ctrlKey || event.metaKey || event.altKey) return;
  const here = list.contains(current) ? current : null;
  if (WAYS[event.key]) {
    const next = here ? here[WAYS[event.key]] : list.firstElementChild;
    if (next) step(next);
    if (next) scrollTo(next);
  } else if ((event.key === "Enter" || event.key === " ") && here) selectLine(...here.dataset.at.split(":").map(Number));
  else return;
  event.preventDefault();
  event.stopPropagation();
}

panel.addEventListener("click", pressLine);
panel.addEventListener("keydown", walkLines);
