// What is selected, from all sides: what it is, its shapes, its costs, its parts, and the lines that made it.

import { button, byId, html } from "./dom.js";
import { childrenOf, nameOf, sumCosts } from "./drawing.js";
import { explain, facts, section } from "./explanation.js";
import { METRICS, percent, shapeText, shortCost, shortText } from "./numbers.js";
import { seen, show } from "./picture.js";
import { boxesWith, goTo, goToNode, nodesOfLine, reveal, select, toggle, unroll } from "./selection.js";
import { goToLine } from "./source.js";
import { metric, state } from "./state.js";
import { canOpen, isOpen } from "./tree.js";

const LISTED = 60; // nodes of a line, parts of a block

function meter(share) {
  const part = html("span", { class: "part" });
  part.style.width = `${Math.min(100, 100 * share)}%`;
  return html("span", { class: "meter", "aria-hidden": "true" }, part);
}

/** The cells for a part of the whole. */
const shareCells = (share) => [html("td", { class: "number" }, percent(share)), html("td", { class: "wide" }, meter(share))];

/** The costs of something, each as a number and, but for the whole net, as a part of it. */
function costTable(cost, whole = false) {
  const { totals } = state.drawing;
  const known = Object.keys(METRICS).filter((name) => totals[name] !== undefined && cost[name] !== undefined);
  const rows = known.map((name) => {
    const share = totals[name] ? cost[name] / totals[name] : 0;
    const number = whole ? METRICS[name].exact(cost[name]) : shortCost(name, cost[name]);
    const cell = html("td", { class: "number", title: METRICS[name].exact(cost[name]) }, number);
    return html(
      "tr",
      { class: name === metric() ? "chosen" : null },
      html("th", { scope: "row" }, METRICS[name].name),
      cell,
      whole ? null : shareCells(share),
    );
  });
  return html("table", { class: "costs" }, html("tbody", {}, rows));
}

function placeButtons(node) {
  const { files } = state.drawing;
  return node.places.map(([file, line]) =>
    button(`${shortText(files[file][0])}:${line}`, () => goToLine(file, line), { class: "link", dir: "ltr" }),
  );
}

/** Which op a node is, in the colour of its family. */
function opChip(node) {
  return html("span", { class: `chip ${node.family}` }, node.op);
}

/** One node whole: its op, path, shape, what it costs if it is one of several, its details, and where it comes from. */
function nodeSection(node, alone) {
  const title = alone ? null : html("h3", { dir: "auto" }, opChip(node), ` ${shortText(node.title)}`);
  const rows = [
    ["path", html("code", { dir: "auto", title: node.path }, shortText(node.path))],
    ["gives", shapeText(node.shape)],
    node.places.length > 0 && ["from", placeButtons(node)],
  ];
  return [title, facts(rows), alone ? null : costTable(node.cost), explain(node.detail)];
}

function openButtons(item) {
  const box = seen().boxes.get(item.key);
  if (!canOpen(box)) return null;
  const several =
    item.kind === "repeat" && button(state.open.has(`${item.key}*`) ? "Fold rounds" : "Unroll rounds", () => unroll(item.key));
  return html(
    "p",
    { class: "actions" },
    button(isOpen(box) ? "Close" : "Open", () => toggle(item.key)),
    several,
  );
}

/** What an item is called: its path, and how often it is repeated. */
function partName(item) {
  const { inputs, outputs, nodes } = state.drawing;
  if (item.kind === "input") return inputs[item.input][0];
  if (item.kind === "output") return outputs[item.output][0];
  if (item.kind === "value") return nameOf(state.drawing, item.value);
  if (item.kind === "repeat") return `${partName(item.items[0])} ×${item.items.length}`;
  return item.id || nodes[item.kind === "op" ? item.node : item.main].path;
}

const flatParts = (items) =>
  items.flatMap((item) => (item.kind === "parallel" || item.kind === "arcs" ? flatParts(childrenOf(item).flat()) : [item]));

/** The parts of a block, those that cost most first. */
function partsSection(items) {
  const total = state.drawing.totals[metric()] || 1;
  const parts = flatParts(items)
    .filter((item) => item.members.length > 0)
    .sort((a, b) => (b.cost[metric()] ?? 0) - (a.cost[metric()] ?? 0));
  const rows = parts.slice(0, LISTED).map((item) => {
    const share = (item.cost[metric()] ?? 0) / total;
    const name = button(shortText(partName(item)), () => goToPart(item), { class: "link", dir: "auto", title: partName(item) });
    return html("tr", {}, html("th", { scope: "row" }, name), shareCells(share));
  });
  const rest = parts.length > LISTED && html("p", { class: "quiet" }, `and ${parts.length - LISTED} more`);
  return [section(`Parts by ${METRICS[metric()].name}`), html("table", { class: "costs parts" }, html("tbody", {}, rows)), rest];
}

function goToPart(item) {
  if (!seen().boxes.has(item.key)) reveal([item.members[0]]);
  if (seen().boxes.has(item.key)) goTo(item.key);
  else goToNode(item.members[0]);
}

function itemDetails(item) {
  const { nodes } = state.drawing;
  const box = seen().boxes.get(item.key);
  const main = item.kind === "op" ? nodes[item.node] : item.kind === "card" ? nodes[item.main] : null;
  const title = main ? main.title : partName(item);
  const block = item.block ?? item.items?.[0]?.block;
  const about = [item.id || main?.path, block, item.items ? `${item.members.length} nodes` : !main && item.kind].filter(Boolean);
  const flow = `${shapeText(item.shapeIn)} → ${shapeText(item.shapeOut)}`;
  const common = [
    html("h2", { dir: "auto" }, main && opChip(main), ` ${shortText(title)}`),
    html("p", { class: "quiet", dir: "auto" }, about.map(shortText).join(" · ")),
    html("p", { class: "flow", dir: "ltr" }, flow),
    box && openButtons(item),
    costTable(item.cost),
  ];
  if (item.kind === "op") return [...common, ...nodeSection(main, true)];
  if (item.kind === "card")
    return [...common, ...item.members.flatMap((node) => nodeSection(nodes[node], item.members.length === 1))];
  return item.items ? [...common, ...partsSection(item.items)] : common.slice(0, 3);
}

function lineDetails({ file, line }) {
  const { files, nodes } = state.drawing;
  const made = nodesOfLine({ file, line });
  const seenAlready = boxesWith(made);
  const closed = seenAlready.filter((box) => ["group", "stack"].includes(box.shape));
  const links = made.slice(0, LISTED).map((node) =>
    html(
      "li",
      {},
      button(shortText(nodes[node].path), () => goToNode(node), { class: "link", dir: "auto" }),
      html("span", { class: "quiet" }, ` ${shortText(nodes[node].title)}`),
    ),
  );
  const cost = sumCosts(nodes, made);
  return [
    html("h2", { dir: "auto" }, `${shortText(files[file][0])}:${line}`),
    html("p", { class: "quiet" }, made.length === 1 ? "makes one node" : `makes ${made.length} nodes`),
    closed.length > 0 &&
      html(
        "p",
        { class: "actions" },
        button(closed.length === 1 ? "Open the closed block" : `Open ${closed.length} closed blocks`, () => openHiding(made)),
      ),
    made.length > 0 && costTable(cost),
    html("ul", { class: "plain" }, links),
    made.length > LISTED && html("p", { class: "quiet" }, `and ${made.length - LISTED} more`),
  ];
}

function openHiding(made) {
  reveal(made);
  const [first] = boxesWith(made);
  if (first) show(first);
}

function netDetails() {
  const { name, summary, inputs, outputs, roots, shapes, totals } = state.drawing;
  const ins = inputs.map(([input, shape]) => [shortText(input), shapeText(shapes[shape])]);
  const outs = outputs.map(([output, , shape]) => [shortText(output), shapeText(shapes[shape])]);
  return [
    html("h2", { dir: "auto" }, shortText(name)),
    html("p", { class: "quiet", dir: "auto" }, shortText(summary)),
    costTable(totals, true),
    facts([
      ...ins.map(([input, shape]) => [`input ${input}`, shape]),
      ...outs.map(([output, shape]) => [`output ${output}`, shape]),
    ]),
    ...partsSection(roots),
  ];
}

/** Shows the selection, or the whole net where nothing is selected. */
export function showDetails() {
  const { selection, drawing } = state;
  const item = selection?.key !== undefined && drawing.items.get(selection.key);
  const shown = item ? itemDetails(item) : selection?.line ? lineDetails(selection) : netDetails();
  const back =
    selection &&
    button("×", () => select(null), {
      class: "close",
      "aria-label": "back to the whole net",
      title: "back to the whole net (Esc)",
    });
  const panel = byId("details");
  panel.replaceChildren(...[back, ...shown].flat(3).filter(Boolean));
  panel.scrollTop = 0;
  byId("drawer").textContent = panel.querySelector("h2").textContent.trim();
}
