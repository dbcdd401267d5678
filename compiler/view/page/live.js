// A page that follows its spec while it is edited: each message brings the drawing of what was saved, or what is wrong with it.

import { announce, byId, html } from "./dom.js";
import { replaceDrawing } from "./main.js";
import { state } from "./state.js";
import { goToLine } from "./source.js";

const problems = html("section", { id: "problems", "aria-label": "diagnostics", hidden: true });

/** The line of a diagnostic in the files that are shown, or null. */
function placeOf({ file, line }) {
  const at = state.drawing.files.findIndex(([name]) => name === file || file?.endsWith(`/${name}`));
  return at >= 0 && line ? [at, line] : null;
}

function problemElement(diagnostic) {
  const { severity, code, message, file, line, column, help, text } = diagnostic;
  const where = file ? [file, line, column].filter(Boolean).join(":") : "";
  const place = html("button", { type: "button", class: "link", dir: "ltr" }, where);
  place.addEventListener("click", () => placeOf(diagnostic) && goToLine(...placeOf(diagnostic)));
  const title = html("p", {}, html("b", { class: severity }, `${severity}[${code}]`), `: ${message} `, where && place);
  return html(
    "li",
    { dir: "auto" },
    title,
    text && html("pre", { dir: "ltr" }, text),
    help && html("p", { class: "quiet" }, `help: ${help}`),
  );
}

function showProblems(diagnostics, broken) {
  problems.hidden = diagnostics.length === 0;
  problems.replaceChildren(html("ul", {}, diagnostics.map(problemElement)));
  document.body.classList.toggle("broken", broken);
  if (diagnostics.length) announce(`${diagnostics.length} diagnostics: ${diagnostics[0].message}`);
}

function receive({ data }) {
  const { drawing, diagnostics } = JSON.parse(data);
  if (drawing) replaceDrawing(drawing);
  showProblems(diagnostics ?? [], !drawing);
}

function showConnection(connected) {
  document.body.classList.toggle("cut-off", !connected);
  byId("summary").dataset.state = connected ? "" : "not connected; trying again";
}

/** Follows the stream of events at the page's own address. */
export function startLive() {
  document.querySelector("header").append(problems);
  const events = new EventSource(document.documentElement.dataset.live);
  events.addEventListener("message", receive);
  events.addEventListener("open", () => showConnection(true));
  events.addEventListener("error", () => showConnection(false));
}

startLive();
