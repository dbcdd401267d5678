// Elements are made and texts are set, never parsed: whatever a spec calls its layers stays text.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function finish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element of HTML with its attributes and children; children that are null or false are left out. */
export const html = (tag, attributes = {}, ...children) => finish(document.createElement(tag), attributes, children);

/** An element of SVG, made in the same way. */
export const svg = (tag, attributes = {}, ...children) => finish(document.createElementNS(SVG, tag), attributes, children);

/** A button with a text or an icon; `press` is called when it is pressed. */
export function button(content, press, attributes = {}) {
  const made = html("button", { type: "button", ...attributes }, content);
  made.addEventListener("click", press);
  return made;
}

/** Tells a screen reader what has changed. */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** Whether whoever looks wants no movement. */
export const wantsStillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
