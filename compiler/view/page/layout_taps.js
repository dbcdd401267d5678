// What stands beside a column: layout_taps.py in JavaScript, function for function.

import { childrenOf } from "./drawing.js";
import { shorten } from "./layout_pieces.js";

/** Everything that stands beside a column. */
export function* findTaps(drawing) {
  const inSeries = new Set(
    [drawing.tree, ...drawing.heads.map((head) => head.items)].flatMap((items) => [...outputItems(items)]),
  );
  for (const [k, [name, node]] of drawing.outputs.entries()) {
    if (!inSeries.has(k))
      yield { key: `out:${name}`, path: name, source: node, items: [drawing.items.get(`out:${name}`)], title: "", sub: "", framed: false };
  }
  for (const { path, weight, source, items } of drawing.heads) {
    let [title, sub] = ["", ""];
    if (weight !== null) {
      title = shorten(path);
      sub = `training only, loss × ${shortWeight(weight)}`;
    }
    yield { key: `head:${path}`, path, source, items, title, sub, framed: title !== "" };
  }
}

/** The outputs that stand in a series, or in one inside of it. */
function* outputItems(items) {
  for (const item of items) {
    if (item.kind === "output") yield item.output;
    for (const inner of childrenOf(item)) yield* outputItems(inner);
  }
}

/** A weight with six digits, as Python's `:g` writes it. */
function shortWeight(weight) {
  const size = Math.abs(weight);
  if (size !== 0 && (size < 1e-4 || size >= 1e6))
    return weight
      .toExponential(5)
      .replace(/\.?0*e/, "e")
      .replace(/e([+-])(\d)$/, "e$10$2");
  return String(Number(weight.toPrecision(6)));
}
