// What the compiler explains of a node: its fields, the arithmetic of its shapes and costs, and what it becomes. What is not known by
// name here is shown as it is.

import { html } from "./dom.js";
import { shapeText, shortText } from "./numbers.js";

/** The title of a section of the details. */
export const section = (text) => html("h3", {}, text);

/** A table of names and what they are. */
export const facts = (rows) =>
  html(
    "dl",
    {},
    rows.filter(Boolean).map(([name, value]) => [html("dt", {}, name), html("dd", { dir: "auto" }, value)]),
  );

const isList = (value) => Array.isArray(value);
const isText = (value) => typeof value === "string";
const isTable = (value) => value !== null && typeof value === "object" && !isList(value);
const isGiven = (value) => value !== null && value !== "" && !(typeof value === "object" && Object.keys(value).length === 0);
const worded = (key) => shortText(key.replace(/_/g, " "));
const list = (rows) =>
  html(
    "ul",
    {},
    rows.map((row) => html("li", { dir: "auto" }, row)),
  );

/** A value of any form: texts, numbers, lists and tables of them. */
function anyValue(value) {
  if (isTable(value)) return facts(Object.entries(value).map(([name, inner]) => [worded(name), anyValue(inner)]));
  if (!isList(value)) return shortText(String(value));
  return value.every((each) => typeof each === "number") ? shapeText(value) : list(value.map(anyValue));
}

/** A value in a line, as code has it. */
function inLine(value) {
  if (isList(value)) return `[${value.map(inLine).join(", ")}]`;
  return isTable(value)
    ? `{${Object.entries(value)
        .map(([name, inner]) => `${name}: ${inLine(inner)}`)
        .join(", ")}}`
    : shortText(String(value));
}

/** Workings [name, terms, result, note]: "height = (224 + 2·3 − 7) // 2 + 1 = 112". */
const workings = (rows) =>
  list(
    rows.map(([name, terms, result, note]) => [
      `${inLine(name)} = ${terms === String(result) ? "" : `${inLine(terms)} = `}${inLine(result)}`,
      note && html("span", { class: "quiet" }, ` ${inLine(note)}`),
    ]),
  );

/** Tensors [name, shape, terms, elements]. */
const tensors = (rows) =>
  list(
    rows.map(
      ([name, shape, terms, elements, kind]) =>
        `${inLine(name)} ${shapeText(shape)}: ${inLine(terms)} = ${inLine(elements)}${kind ? `, ${inLine(kind)}` : ""}`,
    ),
  );

/** Nodes of ONNX [name behind the path, op type, inputs, attributes]. */
const onnxNodes = (rows) =>
  list(
    rows.map(([name, type, , attributes]) => [
      html("b", {}, inLine(type)),
      ` ${inLine(name)} `,
      isGiven(attributes) && inLine(attributes),
    ]),
  );

/** Values of a file [name, shape or null, element type]. */
const values = (rows) =>
  list(
    rows.map(([name, shape, kind]) => [inLine(name), shape && ` ${shapeText(shape.map(inLine))}`, kind && `, ${inLine(kind)}`]),
  );

const passes = (rows) => list(rows.map(([pass, text]) => [html("b", {}, inLine(pass)), ` ${inLine(text)}`]));
const frames = (rows) =>
  list(
    rows.map(({ kind, name, bindings }) => `${inLine(kind)} ${inLine(name)}${isGiven(bindings) ? ` ${inLine(bindings)}` : ""}`),
  );
const attributes = (value) => facts(Object.entries(value).map(([name, inner]) => [worded(name), inLine(inner)]));
const code = (text) => html("code", {}, inLine(text));

// the sections in their order; each has the key, its title, and how it is shown if it has the expected form
const SECTIONS = [
  ["operator", "Operator", isText, code],
  ["name", "Name in the file", isText, code],
  ["fields", "Attributes", isTable, attributes],
  ["attributes", "Attributes", isTable, attributes],
  ["shape", "Shape", isList, workings],
  ["tensors", "Parameters", isList, tensors],
  ["costs", "Cost", isList, workings],
  ["receptive_field", "Receptive field", isTable, attributes],
  ["torch", "PyTorch", isText, code],
  ["onnx", "ONNX", isList, onnxNodes],
  ["reads", "Reads", isList, values],
  ["weights", "Weights and constants", isList, values],
  ["gives", "Gives", isList, values],
  ["passes", "Passes", isList, passes],
  ["frames", "Expanded from", isList, frames],
];
const TOLD_ELSEWHERE = ["path", "source", "op", "inputs", "output", "shares", "aux", "input_names", "flattens"];

function shown(value, fits, write) {
  try {
    return fits(value) ? write(value) : anyValue(value);
  } catch {
    return anyValue(value); // a list of another form
  }
}

/** The sections of a node's details, those that are known first. */
export function explain(detail) {
  const given = Object.keys(detail ?? {}).filter((key) => isGiven(detail[key]) && !TOLD_ELSEWHERE.includes(key));
  const known = SECTIONS.filter(([key]) => given.includes(key));
  const others = given.filter((key) => !known.some(([name]) => name === key)).map((key) => [key, worded(key), () => false]);
  return [...known, ...others].map(([key, title, fits, write]) => [
    section(title),
    html("div", { class: "detail" }, shown(detail[key], fits, write)),
  ]);
}
