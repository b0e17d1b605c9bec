/* The console: signed in or not, the three columns, the live line, the keyboard. */

import { el, icon } from "/widget/dom.js";
import { get, post, whenSignedOut } from "./api.js";
import { customerPanel } from "./customer.js";
import { keyboard } from "./dialogs.js";
import { Lists } from "./lists.js";
import { prefer, preference } from "./preferences.js";
import { Thread } from "./thread.js";
import { speak, spoken, words } from "./words.js";

speak(spoken());
let desk = null;

function theme(next) {
  if (next) prefer("theme", next);
  const wish = preference("theme", "auto");
  const dark = wish === "dark" || (wish === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  return dark;
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());
theme();

function tools() {
  const other = spoken() === "zh" ? "en" : "zh";
  return [
    el("button", { type: "button", class: "plain", "aria-label": words.switchLabel, lang: other === "zh" ? "zh-CN" : "en", onclick: () => { prefer("language", other); speak(other); draw(); } }, words.switchTo),
    el("button", { type: "button", class: "icon", "aria-label": words.theme, onclick: () => theme(theme() ? "light" : "dark") }, el("span", { class: "half", "aria-hidden": "true" })),
  ];
}

function signIn() {
  desk?.stop();
  desk = null;
  const email = el("input", { type: "email", id: "email", name: "email", autocomplete: "username", required: true });
  const password = el("input", { type: "password", id: "password", name: "password", autocomplete: "current-password", required: true });
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const button = el("button", { type: "submit", class: "primary" }, words.signIn);
  const form = el("form", { class: "sign-in" }, el("img", { src: "/console/icon.svg", alt: "", width: 48, height: 48 }), el("h1", {}, words.console), problem,
    el("label", { for: "email" }, words.email), email, el("label", { for: "password" }, words.password), password, button, el("div", { class: "tools" }, ...tools()));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    problem.hidden = true;
    try {
      begin(await post("/sign-in", { email: email.value, password: password.value }));
    } catch (refusal) {
      problem.textContent = { wrong_password: words.wrong, too_many_tries: words.tooMany, unreachable: words.unreachable }[refusal.code] || refusal.message;
      problem.hidden = false;
      button.disabled = false;
      password.select();
    }
  });
  document.title = words.console;
  document.body.replaceChildren(el("div", { class: "gate" }, form));
  email.focus();
}

class Desk {
  #source = null;
  #timer = null;
  #failures = 0;

  constructor(me) {
    this.me = me;
    this.lists = new Lists((id) => this.open(id));
    this.thread = new Thread(me, { saw: (id, position) => this.lists.saw(id, position), back: () => this.back(), details: () => this.details() });
    this.panel = el("aside", { class: "panel" });
    this.empty = el("main", { class: "nothing" });
    this.line = el("p", { class: "line-down", role: "status", hidden: true });
    this.columns = el("div", { class: "columns" }, this.lists.node, this.thread.node, this.empty, this.panel);
    this.keys = (event) => this.#key(event);
    document.addEventListener("keydown", this.keys);
    this.wake = () => { if (!document.hidden && this.#source?.readyState !== EventSource.OPEN) this.connect(); };
    document.addEventListener("visibilitychange", this.wake);
    addEventListener("online", this.wake);
    this.draw();
    this.connect();
    const id = decodeURIComponent(location.hash.slice(1));
    if (id) this.open(id);
  }
  stop() {
    clearTimeout(this.#timer);
    this.#source?.close();
    document.removeEventListener("keydown", this.keys);
    document.removeEventListener("visibilitychange", this.wake);
    removeEventListener("online", this.wake);
  }

  draw() {
    this.panel.setAttribute("aria-label", words.details);
    this.empty.replaceChildren(el("h1", {}, words.choose), el("p", {}, words.chooseHint));
    document.body.replaceChildren(
      el("header", { class: "top" }, el("img", { src: "/console/icon.svg", alt: "", width: 28, height: 28 }), el("span", { class: "top-title" }, words.console), this.line,
        el("div", { class: "tools" }, el("button", { type: "button", class: "icon", "aria-label": words.keyboard, onclick: keyboard }, "?"), ...tools(),
          el("span", { class: "me" }, this.me.name), el("button", { type: "button", class: "plain", onclick: () => this.signOut() }, words.signOut))),
      this.columns);
    this.lists.relabel();
    this.thread.redraw();
    if (this.data) this.#panel();
    this.#place();
  }
  #place() {
    this.empty.hidden = Boolean(this.thread.id);
    this.columns.dataset.shows = this.thread.id ? "thread" : "lists";
  }

  async open(id) {
    this.lists.current = id;
    history.replaceState(null, "", `#${id}`);
    try {
      const answer = await this.thread.open(id);
      if (!answer) return;
      this.page = answer.conversation.page;
    } catch (refusal) {
      if (refusal.code === "no_conversation") this.back();
      return;
    }
    this.#place();
    this.connect();
    await this.#customer(id);
  }
  async #customer(id) {
    const data = await get(`/conversations/${id}/customer`).catch(() => null);
    if (!data || this.thread.id !== id) return;
    this.data = data;
    this.#panel();
  }
  #panel() {
    this.panel.replaceChildren(el("div", { class: "panel-head" }, el("h2", {}, words.details),
      el("button", { type: "button", class: "icon panel-close", "aria-label": words.close, onclick: () => this.details() }, icon("close"))), ...customerPanel(this.data, this.page));
  }
  back() {
    this.thread.close();
    this.lists.current = null;
    this.data = null;
    this.panel.replaceChildren();
    history.replaceState(null, "", location.pathname);
    this.columns.classList.remove("with-details");
    this.#place();
    this.connect();
    this.lists.body.querySelector(".entry")?.focus();
  }
  details() {
    const open = this.columns.classList.toggle("with-details");
    (open ? this.panel.querySelector("button") : this.thread.detailsButton)?.focus();
  }

  // ---- the live line: resumes after the last position on screen -----------------------------------------------

  connect() {
    clearTimeout(this.#timer);
    this.#source?.close();
    const { id, lastPosition } = this.thread;
    const source = new EventSource(`/api/console/events?${id ? `conversation=${id}&after=${lastPosition}` : ""}`);
    this.#source = source;
    const on = (name, act) => source.addEventListener(name, (event) => { if (this.#source === source && this.thread.id === id) act(JSON.parse(event.data)); });
    source.onopen = () => { this.#failures = 0; this.#down(false); };
    source.onerror = () => {
      if (this.#source !== source) return;
      source.close(); // our own back-off, with jitter, and the cursor in the address
      this.#down(true);
      get("/me").catch(() => {}); // signed out meanwhile? then the page says so
      const pause = Math.min(15_000, 700 * 2 ** this.#failures++) * (0.5 + Math.random() / 2);
      this.#timer = setTimeout(() => this.connect(), pause);
    };
    on("lists", (lists) => { this.lists.data = lists; });
    on("line", (line) => this.thread.add(line));
    on("viewers", (names) => this.thread.setViewers(names));
    on("typing", () => this.thread.setTyping());
    on("state", (state) => {
      const proven = state.customer_id !== (this.data?.customer?.id ?? null);
      this.page = state.page;
      this.thread.setState(state);
      if (proven || this.data) this.#customer(id);
    });
  }
  #down(down) {
    this.line.hidden = !down;
    this.line.textContent = down ? (navigator.onLine ? words.lineDown : words.offline) : "";
  }
  async signOut() {
    await post("/sign-out").catch(() => {});
    signIn();
  }

  // ---- the keyboard -------------------------------------------------------------------------------------------

  #key(event) {
    if (document.querySelector("dialog[open]")) return;
    const writing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Escape") {
      if (writing) event.target.blur();
      else if (this.columns.classList.contains("with-details")) this.details();
      else if (this.thread.id && matchMedia("(max-width: 899.98px)").matches) this.back();
      return;
    }
    if (writing || event.ctrlKey || event.metaKey || event.altKey || !preference("shortcuts", true)) return;
    const act = {
      j: () => this.#step(1), k: () => this.#step(-1), "/": () => this.lists.search.focus(), "?": () => keyboard(),
      c: () => this.thread.id && this.thread.takeOver(), r: () => this.thread.id && this.thread.composer.mode("reply", true),
      n: () => this.thread.id && this.thread.composer.mode("note", true), d: () => this.thread.id && this.details(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
  #step(by) {
    const id = this.lists.neighbour(by);
    if (id && id !== this.thread.id) this.open(id);
  }
}

function begin(me) {
  desk?.stop();
  desk = new Desk(me);
}
function draw() {
  if (desk) desk.draw();
  else signIn();
}

whenSignedOut(signIn);
get("/me").then(begin, (refusal) => {
  if (refusal.code === "unreachable") setTimeout(() => location.reload(), 3000);
  signIn();
});
