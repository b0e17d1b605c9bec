/* Elements and icons made through the DOM alone: no markup strings, so text of customers is never parsed. */

/** An element with properties (`class`, `text`, `on…` listeners, attributes; null and false are left out) and children. */
export function el(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const PATHS = {
  close: ["M6 6l12 12M18 6 6 18"],
  send: ["M12 19V5", "m5.5 11.5 6.5-6.5 6.5 6.5"],
  document: ["M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8l-5-5Z", "M14 3v5h5", "M9 13h6M9 17h4"],
  parcel: ["m12 3 8 4.5v9L12 21l-8-4.5v-9L12 3Z", "m4 7.5 8 4.5 8-4.5M12 12v9", "m8 5.2 8 4.6"],
  previous: ["m14.5 6-6 6 6 6"],
  next: ["m9.5 6 6 6-6 6"],
  down: ["M12 5v14", "m6 13 6 6 6-6"],
  retry: ["M20 12a8 8 0 1 1-2.3-5.6L20 8.5", "M20 4v4.5h-4.5"],
  person: ["M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z", "M4.5 20.5a7.5 7.5 0 0 1 15 0"],
  assistant: ["M12 3.5v3", "M6.5 6.5h11a2.5 2.5 0 0 1 2.5 2.5v7a2.5 2.5 0 0 1-2.5 2.5h-11A2.5 2.5 0 0 1 4 16V9a2.5 2.5 0 0 1 2.5-2.5Z", "M9 11.5v1.5M15 11.5v1.5"],
  language: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z", "M3.2 12h17.6", "M12 3c2.5 2.6 3.7 5.6 3.7 9s-1.2 6.4-3.7 9c-2.5-2.6-3.7-5.6-3.7-9s1.2-6.4 3.7-9Z"],
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const attributes = { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": 1.8,
    "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true", focusable: "false" };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  for (const d of PATHS[name]) svg.appendChild(document.createElementNS(space, "path")).setAttribute("d", d);
  return svg;
}
