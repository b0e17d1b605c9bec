/* Small questions in a dialog of the browser's own: focus kept inside, Escape closes, focus returned. */

import { el } from "/widget/dom.js";
import { prefer, preference } from "./preferences.js";
import { words } from "./words.js";

function show(...children) {
  const dialog = el("dialog", {}, ...children);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.showModal();
  return dialog;
}

/** A yes or no. */
export function ask(question, yes) {
  return new Promise((resolve) => {
    let answer = false;
    const dialog = show(el("p", { id: "question" }, question), el("div", { class: "dialog-foot" },
      el("button", { type: "button", onclick: () => dialog.close() }, words.cancel),
      el("button", { type: "button", class: "primary", autofocus: true, onclick: () => { answer = true; dialog.close(); } }, yes)));
    dialog.setAttribute("aria-labelledby", "question");
    dialog.addEventListener("close", () => resolve(answer));
  });
}

/** One of several; null when none was chosen. */
export function choose(title, options) {
  return new Promise((resolve) => {
    let answer = null;
    const dialog = show(el("p", { id: "question" }, title), el("div", { class: "options" },
      ...options.map(([value, label]) => el("button", { type: "button", onclick: () => { answer = value; dialog.close(); } }, label))),
    el("div", { class: "dialog-foot" }, el("button", { type: "button", onclick: () => dialog.close() }, words.cancel)));
    dialog.setAttribute("aria-labelledby", "question");
    dialog.addEventListener("close", () => resolve(answer));
  });
}

/** The keyboard, and the switch that turns single keys off (they get in the way of speech input). */
export function keyboard() {
  const on = el("input", { type: "checkbox", checked: preference("shortcuts", true), onchange: () => prefer("shortcuts", on.checked) });
  const dialog = show(el("h2", { id: "question" }, words.keyboard),
    el("dl", { class: "keys" }, ...words.keys.flatMap(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])),
    el("label", { class: "check" }, on, words.shortcuts),
    el("div", { class: "dialog-foot" }, el("button", { type: "button", class: "primary", autofocus: true, onclick: () => dialog.close() }, words.close)));
  dialog.setAttribute("aria-labelledby", "question");
}
