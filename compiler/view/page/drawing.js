// The drawing as the page works with it: nodes with names, and items with keys, parents, members and costs.
// The first half is what drawing.py and layout.py say of items, in JavaScript.

const FEW_ITEMS = 8; // a level of the net with fewer shows too little, as long as one group holds most of it

/** The lists of items that an item holds. */
export function childrenOf(item) {
  if (item.kind === "parallel") return item.branches;
  return item.items ? [item.items] : [];
}

/** The value that leaves an item: a node's number, or an input's. Null where several leave, or nothing does. */
export function exitOf(item) {
  if (item.kind === "op") return item.node;
  if (item.kind === "card") return item.nodes.at(-1);
  if (item.kind === "value") return item.value;
  if (item.kind === "input") return -1 - item.input;
  return item.kind === "parallel" || item.kind === "output" ? null : exitOf(item.items.at(-1));
}

/** The shape of a node's output, or of an input. */
export const shapeOf = (drawing, value) =>
  value < 0 ? drawing.shapes[drawing.inputs[-1 - value][1]] : drawing.nodes[value].shape;

/** The path of a node, or the name of an input. */
export const nameOf = (drawing, value) => (value < 0 ? drawing.inputs[-1 - value][0] : drawing.nodes[value].path);

/** The key of an item that is drawn as a box. */
export function keyOf(item, drawing) {
  if (item.kind === "input") return `in:${drawing.inputs[item.input][0]}`;
  if (item.kind === "output") return `out:${drawing.outputs[item.output][0]}`;
  if (item.kind === "value") return `value:${item.head}:${nameOf(drawing, item.value)}`;
  if (item.kind === "op") return `#${drawing.nodes[item.node].path}`;
  if (item.kind === "card") return item.id || `##${drawing.nodes[item.main].path}`;
  if (item.kind === "group") return item.id;
  return item.kind === "repeat" ? `${keyOf(item.items[0], drawing)}×` : "";
}

/** What a page shows open at first: the largest group, while its level has few items and it holds over half of the net. */
export function initiallyOpen(drawing) {
  const opened = new Set();
  let level = drawing.tree;
  while (level.filter((item) => item.kind !== "input" && item.kind !== "output").length < FEW_ITEMS) {
    const groups = level.filter((item) => item.kind === "group");
    const largest = groups.reduce((best, item) => (best && best.members.length >= item.members.length ? best : item), null);
    if (!largest || largest.members.length * 2 < drawing.nodes.length) break;
    opened.add(largest.id);
    level = largest.items;
  }
  return opened;
}

/** The keys of all groups and repeats with fewer than `depth` of them around. A repeat shows its first round. */
export function openToDepth(drawing, depth = Infinity) {
  const opened = new Set();
  const visit = (item, level) => {
    const around = item.kind === "group" || item.kind === "repeat";
    if (around && level >= depth) return;
    if (around) opened.add(item.key);
    const first = item.kind === "repeat" ? item.items[0] : item;
    for (const each of childrenOf(first).flat()) visit(each, level + (around ? 1 : 0));
  };
  for (const item of drawing.roots) visit(item, 0);
  return opened;
}

/** The keys of all groups and repeats, with the rounds of repeats one by one; with `cards` those of cards, too: all that can be open. */
export function unrolled(drawing, cards = false) {
  const opened = new Set();
  const visit = (item) => {
    if (item.kind === "group" || item.kind === "repeat" || (cards && item.kind === "card")) opened.add(item.key);
    if (item.kind === "repeat") opened.add(`${item.key}*`);
    childrenOf(item).flat().forEach(visit);
  };
  drawing.roots.forEach(visit);
  return opened;
}

// ---- reading the JSON

const COSTS = ["params", "macs", "activations", "bytes", "time_ms"];

/** A node's own detail, and what it shares with others, which stands once. */
function readDetail(details, number) {
  const { of: shared, ...own } = details[number] ?? {};
  return number == null ? null : { ...(details[shared] ?? {}), ...own };
}

function readNode(json, [path, op, family, title, shape, params, macs, activations, bytes, time_ms, places, detail]) {
  const cost = { params, macs, activations, bytes, time_ms: time_ms ?? 0 };
  return {
    path,
    op,
    family,
    title: json.titles[title],
    shape: json.shapes[shape],
    cost,
    places,
    detail: readDetail(json.details, detail),
  };
}

/** The sum of what some nodes cost. */
export function sumCosts(nodes, members) {
  const cost = Object.fromEntries(COSTS.map((name) => [name, 0]));
  for (const index of members) for (const name of COSTS) cost[name] += nodes[index].cost[name];
  return cost;
}

function membersOf(item) {
  if (item.kind === "op") return [item.node];
  return item.kind === "card"
    ? item.nodes
    : childrenOf(item)
        .flat()
        .flatMap((child) => child.members);
}

/** Gives an item its key, parent, members, cost and the shapes that flow in and out, and its own items theirs. Gives the shape that leaves. */
function prepare(drawing, item, parent, entering) {
  item.key = keyOf(item, drawing);
  item.parent = parent;
  for (const list of childrenOf(item)) prepareSeries(drawing, list, item, entering);
  if (item.kind === "card") {
    item.ops = item.nodes.map((node) => ({ kind: "op", node }));
    prepareSeries(drawing, item.ops, item, entering);
  }
  item.members = membersOf(item);
  item.cost = sumCosts(drawing.nodes, item.members);
  if (item.kind === "op" || item.kind === "card") for (const index of item.members) drawing.nodes[index].item = item;
  if (item.key) drawing.items.set(item.key, item);
  const exit = exitOf(item);
  item.shapeIn = entering;
  item.shapeOut = exit === null ? entering : shapeOf(drawing, exit);
  return item.shapeOut;
}

const prepareSeries = (drawing, items, parent, entering) =>
  items.reduce((shape, item) => prepare(drawing, item, parent, shape), entering);

function prepareHead(drawing, head) {
  const item = {
    kind: "head",
    id: head.path,
    key: `head:${head.path}`,
    parent: null,
    items: head.items,
    shapeIn: shapeOf(drawing, head.source),
  };
  item.shapeOut = prepareSeries(drawing, head.items, item, item.shapeIn);
  item.members = membersOf(item);
  item.cost = sumCosts(drawing.nodes, item.members);
  drawing.items.set(item.key, item);
}

/** The drawing of a page's JSON. `roots` are the items of the trunk and of all heads, `items` those that have keys. */
export function readDrawing(json) {
  const drawing = { ...json, nodes: json.nodes.map((node) => readNode(json, node)), items: new Map() };
  prepareSeries(drawing, drawing.tree, null, drawing.inputs.length ? drawing.shapes[drawing.inputs[0][1]] : []);
  for (const head of drawing.heads) prepareHead(drawing, head);
  drawing.outputs.forEach(([name, node], output) => {
    if (!drawing.items.has(`out:${name}`)) prepare(drawing, { kind: "output", output }, null, shapeOf(drawing, node)); // read on the way
  });
  drawing.roots = [...drawing.tree, ...drawing.heads.flatMap((head) => head.items)];
  return drawing;
}
