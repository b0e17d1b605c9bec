/* The conversations at the side: who waits (longest first), mine, colleagues', the assistant's. */

import { el, icon } from "/widget/dom.js";
import { get } from "./api.js";
import { since, words } from "./words.js";

const LATE_MINUTES = 3; // what waits longer is marked: satisfaction falls sharply from here
const SECTIONS = ["waiting", "mine", "colleagues", "bot"];

export class Lists {
  #data = { waiting: [], mine: [], colleagues: [], bot: [] };
  #found = null;
  #current = null;
  #seen = new Map(); // conversation -> last position on screen
  #known = null; // conversations already announced

  constructor(open) {
    this.open = open;
    this.search = el("input", { type: "search", autocomplete: "off", spellcheck: "false" });
    this.body = el("div", { class: "sections" });
    this.said = el("p", { class: "unseen", role: "status" });
    this.node = el("nav", { class: "lists" }, el("div", { class: "search" }, icon("person"), this.search), this.body, this.said);
    let timer = null;
    this.search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => this.#look(), 200); });
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { this.search.value = ""; this.#look(); this.search.blur(); }
      if (event.key === "ArrowDown") this.body.querySelector(".entry")?.focus();
    });
    this.body.addEventListener("keydown", (event) => {
      const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!move || !event.target.classList.contains("entry")) return;
      const all = [...this.body.querySelectorAll(".entry")];
      all[all.indexOf(event.target) + move]?.focus();
      event.preventDefault();
    });
    this.relabel();
    setInterval(() => this.#ages(), 15_000);
  }
  relabel() {
    this.node.setAttribute("aria-label", words.lists);
    this.search.placeholder = words.search;
    this.search.setAttribute("aria-label", words.search);
    this.draw();
  }

  set data(value) {
    this.#data = value;
    const waiting = new Set(value.waiting.map((row) => row.id));
    const fresh = this.#known && [...waiting].some((id) => !this.#known.has(id));
    if (fresh) this.said.textContent = words.newWaiting(waiting.size);
    this.#known = waiting;
    document.title = `${waiting.size ? `(${waiting.size}) ` : ""}${words.console}`;
    this.draw();
  }
  set current(id) {
    this.#current = id;
    this.draw();
  }
  saw(id, position) {
    if ((this.#seen.get(id) || 0) >= position) return;
    this.#seen.set(id, position);
    this.body.querySelector(`[data-id="${CSS.escape(id)}"]`)?.classList.remove("news");
  }
  rows() { return this.#found || SECTIONS.flatMap((name) => this.#data[name]); }
  row(id) { return this.rows().find((row) => row.id === id); }
  /** The conversation `step` further down than the open one. */
  neighbour(step) {
    const rows = this.rows();
    const at = rows.findIndex((row) => row.id === this.#current);
    return rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1)]?.id;
  }

  async #look() {
    const text = this.search.value.trim();
    this.#found = text ? (await get(`/search?q=${encodeURIComponent(text)}`).catch(() => ({ found: [] }))).found : null;
    this.draw();
  }

  draw() {
    const focused = this.body.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const sections = this.#found
      ? [this.#section("results", words.results, this.#found, words.nothingFound)]
      : SECTIONS.filter((name) => this.#data[name].length || name === "waiting" || name === "mine")
        .map((name) => this.#section(name, words[name], this.#data[name], { waiting: words.nobodyWaits, mine: words.nothingMine }[name]));
    this.body.replaceChildren(...sections);
    if (focused) this.body.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
  #section(name, title, rows, empty) {
    return el("section", { class: `section ${name}` },
      el("h2", {}, title, el("span", { class: "number" }, String(rows.length))),
      rows.length ? el("ul", {}, ...rows.map((row) => el("li", {}, this.#entry(row)))) : el("p", { class: "empty" }, empty));
  }
  #entry(row) {
    const name = row.customer_name || words.visitor(row.visitor);
    const age = row.holder === "queue" ? row.waiting_since : row.last_at;
    const late = row.holder === "queue" && Date.now() - new Date(row.waiting_since) > LATE_MINUTES * 60_000;
    const news = row.holder === "agent" && row.last_author === "customer" && row.last_position > (this.#seen.get(row.id) || 0) && row.id !== this.#current;
    return el("button", {
      type: "button", class: `entry${row.id === this.#current ? " current" : ""}${news ? " news" : ""}`, "data-id": row.id,
      "aria-current": row.id === this.#current ? "true" : null, onclick: () => this.open(row.id),
    },
    el("span", { class: `face tone${parseInt(row.visitor, 16) % 6}`, "aria-hidden": "true" }, [...name][0].toUpperCase()),
    el("span", { class: "entry-body" },
      el("span", { class: "entry-head" }, el("span", { class: "entry-name" }, name),
        el("span", { class: `age${late ? " late" : ""}`, "data-at": age, "data-waits": row.holder === "queue" || null }, since(age))),
      el("span", { class: "entry-text" }, row.last_text || "…"),
      el("span", { class: "tags" },
        row.reason && row.holder !== "bot" ? el("span", { class: `tag ${row.reason}` }, words.reasons[row.reason] || row.reason) : null,
        row.agent_name && row.holder === "agent" ? el("span", { class: "tag" }, row.agent_name) : null,
        el("span", { class: "tag quiet" }, row.channel), el("span", { class: "tag quiet" }, row.language === "zh" ? "中文" : "EN"))));
  }
  #ages() {
    for (const node of this.body.querySelectorAll(".age")) {
      node.textContent = since(node.dataset.at);
      if ("waits" in node.dataset) node.classList.toggle("late", Date.now() - new Date(node.dataset.at) > LATE_MINUTES * 60_000);
    }
  }
}
