// From a drawing to boxes, edges and labels with their places, as layout.py does it in Python; a test holds the two equal.

import { Measuring } from "./layout_measure.js";
import { Placing } from "./layout_place.js";

/** Where everything of a drawing is, with the groups, repeats and cards of these keys open. */
export function layOut(drawing, opened) {
  const layout = new Placing(drawing).place(new Measuring(drawing, opened).measure());
  for (const edge of layout.edges) [edge.top, edge.bottom] = heights(edge.path);
  return layout;
}

/** The heights between which a path runs, by what its M and V say, with room for its corners. */
function heights(path) {
  const downs = path.slice(path.indexOf(" ") + 1).split("V").map(parseFloat);
  return [Math.min(...downs) - 12, Math.max(...downs) + 12];
}
