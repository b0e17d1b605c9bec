/* Cards of a message: products side by side, an order, documents as a list of sources. */

import { el, icon } from "./dom.js";
import { rich, safeUrl } from "./text.js";

/** Where a picture lies: an absolute address, a path of the gateway, or a name below /pictures/. */
export function pictureUrl(picture, server) {
  if (/^(https?:)?\/\//i.test(picture)) return safeUrl(picture);
  return safeUrl(picture.startsWith("/") ? server + picture : `${server}/pictures/${picture}`);
}

export function picture(address, server, alt = "") {
  const url = pictureUrl(address, server);
  if (!url) return null;
  const frame = el("div", { class: "picture" });
  frame.append(el("img", { src: url, alt, loading: "lazy", decoding: "async", onerror: () => frame.remove() }));
  return frame;
}

/** A button that goes back to the dialogue, or a link where it opens a page. */
export function action(button, { words, press, className }) {
  const url = button.url && safeUrl(button.url);
  if (url) {
    return el("a", { class: className, href: url, target: "_blank", rel: "noopener noreferrer", "aria-label": `${button.title} (${words.opensNew})` }, button.title);
  }
  return press ? el("button", { type: "button", class: className, onclick: () => press(button) }, button.title) : null;
}

/**
 * All cards of one message. `press(button)` sends a button's payload; null leaves such buttons out (history is inert).
 */
export function cards(list, context) {
  const documents = list.filter((card) => card.kind === "document");
  const others = list.filter((card) => card.kind !== "document");
  return [
    others.length === 1 ? single(others[0], context) : others.length > 1 ? carousel(others, context) : null,
    documents.length ? el("ul", { class: "documents" }, ...documents.map((card) => el("li", {}, document_(card, context)))) : null,
  ].filter(Boolean);
}

function document_(card, { words }) {
  const url = card.url && safeUrl(card.url);
  const parts = [icon("document"), el("span", { class: "document-text" }, el("span", { class: "document-title" }, card.title),
    card.text ? el("span", { class: "document-about" }, card.text) : null)];
  if (!url) return el("div", { class: "document" }, ...parts);
  return el("a", { class: "document", href: url, target: "_blank", rel: "noopener noreferrer", "aria-label": `${words.document}: ${card.title} (${words.opensNew})` }, ...parts);
}

function body(card, context) {
  const { words, server, press } = context;
  const url = card.url && safeUrl(card.url);
  const title = el("h3", { class: "card-title" }, url ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, card.title) : card.title);
  const buttons = (card.buttons || []).map((button) => action(button, { words, press, className: "card-button" })).filter(Boolean);
  return [
    card.picture ? picture(card.picture, server) : null,
    el("div", { class: "card-body" },
      card.kind === "order" ? el("div", { class: "card-kind" }, icon("parcel"), words.order) : null,
      el("div", { class: "card-head" }, title, card.badge ? el("span", { class: "card-badge" }, card.badge) : null),
      card.text ? el("div", { class: "card-text" }, ...rich(card.text)) : null,
      card.price ? el("div", { class: "card-price" }, card.price) : null,
      buttons.length ? el("div", { class: "card-buttons" }, ...buttons) : null),
  ].filter(Boolean);
}

const single = (card, context) => el("article", { class: `card ${card.kind === "order" ? "order" : "product"} alone` }, ...body(card, context));

/** Cards in a row: arrow keys, Home and End move between them; "2 of 5" says where one is. */
function carousel(list, context) {
  const { words } = context;
  const slides = list.map((card, index) => el("article", {
    class: `card ${card.kind === "order" ? "order" : "product"}`, role: "group", tabindex: index ? -1 : 0,
    "aria-roledescription": "slide", "aria-label": `${words.position(index + 1, list.length)}: ${card.title}`,
  }, ...body(card, context)));
  const track = el("div", { class: "track" }, ...slides);
  const count = el("span", { class: "count", "aria-hidden": "true" }, words.position(1, list.length));
  const previous = el("button", { type: "button", class: "step", "aria-label": words.previous, disabled: true }, icon("previous"));
  const next = el("button", { type: "button", class: "step", "aria-label": words.next }, icon("next"));
  let current = 0;

  const mark = (index) => {
    current = index;
    slides.forEach((slide, at) => { slide.tabIndex = at === index ? 0 : -1; });
    count.textContent = words.position(index + 1, slides.length);
    previous.disabled = index === 0;
    next.disabled = index === slides.length - 1;
  };
  const show = (index, focus) => {
    const wanted = Math.min(Math.max(index, 0), slides.length - 1);
    mark(wanted);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    // Measured from the first card, so that it holds in both writing directions; the page itself never scrolls.
    track.scrollTo({ left: slides[wanted].offsetLeft - slides[0].offsetLeft, behavior: calm ? "auto" : "smooth" });
    if (focus) slides[wanted].focus({ preventScroll: true });
  };
  previous.addEventListener("click", () => show(current - 1));
  next.addEventListener("click", () => show(current + 1));
  track.addEventListener("keydown", (event) => {
    const forward = getComputedStyle(track).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    const back = forward === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
    const wanted = { [forward]: current + 1, [back]: current - 1, Home: 0, End: slides.length - 1 }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    show(wanted, true);
  });
  track.addEventListener("focusin", (event) => {
    const at = slides.indexOf(event.target.closest(".card"));
    if (at >= 0 && at !== current) mark(at);
  });
  track.addEventListener("scrollend", () => {
    const from = Math.abs(track.scrollLeft);
    const distances = slides.map((slide) => Math.abs(Math.abs(slide.offsetLeft - slides[0].offsetLeft) - from));
    const atEnd = Math.abs(track.scrollWidth - track.clientWidth - from) < 2;
    if (!atEnd) mark(distances.indexOf(Math.min(...distances)));
    previous.disabled = from < 2;
    next.disabled = atEnd;
  });
  return el("section", { class: "carousel", "aria-roledescription": "carousel", "aria-label": words.carousel }, track,
    el("div", { class: "steps" }, previous, count, next));
}
