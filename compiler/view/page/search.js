// Search over paths, titles and ops. A hit that is hidden is shown by opening what hides it.

import { announce, byId } from "./dom.js";
import { mark } from "./picture.js";
import { boxesWith, goToNode } from "./selection.js";
import { state } from "./state.js";

const field = byId("query");
const counter = byId("hits");
let found = [];
let at = -1;

const matches = (node, text) => [node.path, node.title, node.op].some((each) => each.toLowerCase().includes(text));

/** The nodes that match, of each box the first. */
function findNodes(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const { nodes } = state.drawing;
  const first = new Map(); // item → its first node that matches
  nodes.forEach((node, index) => matches(node, wanted) && !first.has(node.item) && first.set(node.item, index));
  return [...first.values()];
}

function showCount() {
  if (!field.value.trim()) counter.textContent = "";
  else counter.textContent = at < 0 ? String(found.length) : `${at + 1}/${found.length}`;
}

/** Marks the boxes with hits, anew after boxes have changed. */
export function markHits() {
  mark({ hit: new Set(boxesWith(found).map((box) => box.key)) });
}

function search() {
  found = findNodes(field.value);
  at = -1;
  markHits();
  showCount();
  if (field.value.trim()) announce(`${found.length} hits`);
}

/** Goes to the next hit, or the previous one by −1, round and round. */
export function goToHit(step) {
  if (!found.length) return;
  at = at < 0 ? (step > 0 ? 0 : found.length - 1) : (at + step + found.length) % found.length;
  goToNode(found[at], { focus: false });
  showCount();
  announce(`${at + 1} of ${found.length}: ${state.drawing.nodes[found[at]].path}`);
}

/** Ends the search. Says whether there was one. */
export function clearSearch() {
  if (!field.value) return false;
  field.value = "";
  search();
  return true;
}

/** Searches anew, in another drawing. */
export const searchAgain = search;

field.addEventListener("input", search);
byId("previous").addEventListener("click", () => goToHit(-1));
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  goToHit(1);
});
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.shiftKey) return;
  event.preventDefault();
  goToHit(-1);
});
