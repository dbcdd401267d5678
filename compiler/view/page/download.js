// The picture as a file of SVG, and on paper: all of it, with its colours written out.

import { drawBox, drawEdge, drawTensor, shareOf } from "./boxes.js";
import { byId, svg } from "./dom.js";
import { drawWhole, seen } from "./picture.js";
import { metric, state } from "./state.js";

/** The rules of the style sheet that are about the picture, with values in place of variables, which other readers of SVG do not know. */
function pictureRules() {
  const values = getComputedStyle(document.documentElement);
  const rules = [...document.styleSheets[0].cssRules].filter((rule) => rule.selectorText?.includes(".picture"));
  const text = rules.map((rule) => rule.cssText).join("\n");
  return text.replace(/var\((--[\w-]+)\)/g, (_, name) => values.getPropertyValue(name).trim());
}

/** What is open as one SVG. */
export function pictureText() {
  const { layout, peak } = seen();
  const { name, summary, totals } = state.drawing;
  const { width, height } = layout;
  const boxes = layout.boxes.map((box) => {
    const { kinds, parts } = drawBox(box, shareOf(box, totals[metric()], metric()), peak);
    const kept = parts.filter((part) => !part.classList.contains("reach"));
    return svg("g", { class: kinds, transform: `translate(${box.x},${box.y})` }, kept);
  });
  const content = svg(
    "g",
    { class: state.heat ? "picture hot" : "picture" },
    boxes,
    layout.edges.flatMap(drawEdge),
    layout.labels.map(drawTensor),
  );
  for (const reach of content.querySelectorAll(".reach")) reach.remove();
  const paper = svg("rect", {
    width,
    height,
    fill: getComputedStyle(document.documentElement).getPropertyValue("--background").trim(),
  });
  const root = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" },
    svg("title", {}, `${name}: ${summary}`),
    svg("style", {}, pictureRules()),
    paper,
    content,
  );
  return new XMLSerializer().serializeToString(root);
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([pictureText()], { type: "image/svg+xml" }));
  link.download = `${state.drawing.name}.svg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Connects the button, and draws the whole picture when it is printed. */
export function startDownload() {
  byId("download").addEventListener("click", download);
  addEventListener("beforeprint", () => drawWhole(true));
  addEventListener("afterprint", () => drawWhole(false));
}
