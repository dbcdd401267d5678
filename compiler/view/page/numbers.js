// Costs and shapes as people read them.

/** What a box can cost: the place in a node's record, its name, a short one for the choice of heat, and its whole number. */
export const METRICS = {
  macs: { name: "MACs", exact: (n) => grouped(n) },
  params: { name: "parameters", exact: (n) => grouped(n) },
  activations: { name: "activations", exact: (n) => grouped(n) },
  bytes: { name: "bytes of all outputs", short: "bytes", exact: (n) => `${grouped(n)} bytes: what all steps give, for one image` },
  time_ms: { name: "time", exact: (n) => `${rounded(n)} ms` },
};

const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
const rounded = (n) => (n >= 100 ? n.toFixed(0) : n.toPrecision(3));
const SIZES = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** 13,004,888 as "13.0 M"; a number below 1,000 as it is. */
export function shortCount(n) {
  const [size, letter] = SIZES.find(([least]) => n >= least * 0.9995) ?? [1, ""];
  return letter ? `${rounded(n / size)} ${letter}` : String(n);
}

/** A cost with its unit: "98.5 MB", "1.20 ms", "4.09 G". */
export function shortCost(metric, n) {
  if (metric === "time_ms") return `${rounded(n)} ms`;
  const text = shortCount(n);
  return metric === "bytes" ? (n < 1000 ? `${text} B` : `${text}B`) : text;
}

/** A share of the whole as per cent. */
export function percent(share) {
  if (share === 0) return "0 %";
  return share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
}

/** [64, 112, 112] as "64×112×112". */
export const shapeText = (shape) => (shape.length ? shape.join("×") : "scalar");

const LONGEST_SHOWN = 160; // characters; browsers take seconds to break a word of thousands

/** A text as it is shown beside the picture: the middle of a very long one is left out. */
export function shortText(text) {
  const characters = text.length > LONGEST_SHOWN ? [...text] : [];
  if (characters.length <= LONGEST_SHOWN) return text;
  return `${characters.slice(0, LONGEST_SHOWN / 2).join("")}…${characters.slice(-LONGEST_SHOWN / 2).join("")}`;
}
