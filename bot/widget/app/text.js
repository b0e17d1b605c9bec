/* Text as text: paragraphs, lists, **bold**, `code` and links become elements; everything else stays the characters it is. */

import { el } from "./dom.js";

const LINK = /\[([^\]\n]{1,200})\]\(([^()\s]{1,2000})\)|(https?:\/\/[^\s<>"'，。；！？、）】」]+[^\s<>"'，。；！？、）】」.,;:!?)\]])|\*\*([^*\n]+)\*\*|`([^`\n]+)`/g;
const BULLET = /^\s*[-*•]\s+(.*)$/;
const NUMBER = /^\s*\d{1,3}[.)、]\s*(.*)$/;

/** The address if it is one a customer may follow (http, https, mailto, tel, or a path of this site), else null. */
export function safeUrl(address, base = document.baseURI) {
  try {
    const url = new URL(address, base);
    return ["http:", "https:", "mailto:", "tel:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A link that opens beside the chat and tells the other page nothing. */
export function link(address, ...children) {
  const url = safeUrl(address);
  return url ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children) : el("span", {}, ...children);
}

function inline(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(LINK)) {
    nodes.push(text.slice(from, found.index));
    from = found.index + found[0].length;
    const [, label, target, bare, bold, code] = found;
    if (label) nodes.push(safeUrl(target) ? link(target, label) : found[0]);
    else if (bare) nodes.push(link(bare, bare.replace(/^https?:\/\//, "")));
    else if (bold) nodes.push(el("strong", {}, ...inline(bold)));
    else nodes.push(el("code", { text: code }));
  }
  nodes.push(text.slice(from));
  return nodes.filter((node) => node !== "");
}

/** A message's text as elements: a list where lines look like one, a paragraph for each block of other lines. */
export function rich(text) {
  const blocks = [];
  let open = null; // {kind, node}
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const bullet = line.match(BULLET);
    const number = bullet ? null : line.match(NUMBER);
    const kind = bullet ? "ul" : number ? "ol" : line.trim() ? "p" : null;
    if (kind === null) { open = null; continue; }
    if (open?.kind !== kind) {
      open = { kind, node: el(kind) };
      if (kind === "ol") open.node.start = parseInt(line.trim(), 10);
      blocks.push(open.node);
    } else if (kind === "p") {
      open.node.append(el("br"));
    }
    if (kind === "p") open.node.append(...inline(line));
    else open.node.append(el("li", {}, ...inline((bullet || number)[1])));
  }
  return blocks;
}

/** What a customer wrote: their characters and line breaks, links made pressable, nothing else interpreted. */
export function plain(text) {
  return [el("p", { class: "as-written" }, text)];
}
