/* Writing to the customer, or a note to colleagues: drafts kept, nothing sent twice, nothing sent past unread words. */

import { el, icon } from "/widget/dom.js";
import { post } from "./api.js";
import { draft, keepDraft } from "./preferences.js";
import { words } from "./words.js";

const TYPING_EVERY_MS = 4_000;

export class Composer {
  #id = null;
  #mode = "reply";
  #requests = new Map(); // conversation:mode -> id of the text being sent, kept until it is sent
  #typedAt = 0;

  /** `position()` is the newest line the agent has had before their eyes. */
  constructor({ position }) {
    this.position = position;
    this.tabs = ["reply", "note"].map((mode) => el("button", { type: "button", role: "tab", id: `tab-${mode}`, "aria-controls": "write", onclick: () => this.mode(mode, true) }));
    this.input = el("textarea", { id: "write", rows: 2, dir: "auto", maxlength: 4000 });
    this.hint = el("p", { class: "hint" });
    this.problem = el("p", { class: "problem", role: "alert", hidden: true });
    this.button = el("button", { type: "submit", class: "primary" });
    this.node = el("form", { class: "composer" }, el("div", { role: "tablist", class: "tabs" }, ...this.tabs), this.problem, this.input,
      el("div", { class: "composer-foot" }, this.hint, this.button));
    this.node.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    this.node.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.mode(this.#mode === "reply" ? "note" : "reply", false, true);
    });
    this.input.addEventListener("input", () => { this.#grow(); keepDraft(this.#id, this.#mode, this.input.value); this.#typing(); });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.send();
    });
  }

  /** Whose conversation it is, and what stands below the field about it. */
  show(id, { name, hint }) {
    this.name = name;
    this.hint.textContent = this.#mode === "reply" ? hint : "";
    this.replyHint = hint;
    if (this.#id !== id) {
      this.#id = id;
      this.mode("reply");
    } else this.relabel();
  }
  mode(mode, focus = false, focusTab = false) {
    this.#mode = mode;
    this.input.value = draft(this.#id, mode);
    this.#say("");
    this.relabel();
    this.#grow();
    if (focus) this.input.focus();
    if (focusTab) this.tabs[mode === "reply" ? 0 : 1].focus();
  }
  relabel() {
    this.tabs.forEach((tab, index) => {
      const chosen = (index === 0) === (this.#mode === "reply");
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      tab.textContent = index ? words.note : words.reply;
    });
    const note = this.#mode === "note";
    this.node.classList.toggle("noting", note);
    this.input.placeholder = note ? words.notePlaceholder : words.replyTo(this.name || words.customer);
    this.input.setAttribute("aria-label", note ? words.note : words.replyTo(this.name || words.customer));
    this.button.replaceChildren(note ? words.keep : words.send, icon("send"));
    this.hint.textContent = note ? "" : this.replyHint || "";
  }

  async send() {
    const text = this.input.value.trim();
    if (!text || this.button.disabled) return;
    const [id, mode] = [this.#id, this.#mode];
    const key = `${id}:${mode}:${text}`;
    if (!this.#requests.has(key)) this.#requests.set(key, requestId());
    this.button.disabled = true;
    this.#say("");
    try {
      const body = { text, request_id: this.#requests.get(key), ...(mode === "reply" && { expected_position: this.position() }) };
      await post(`/conversations/${id}/${mode}`, body);
      this.#requests.delete(key);
      keepDraft(id, mode, "");
      if (this.#id === id && this.#mode === mode) this.input.value = "";
      this.#grow();
    } catch (refusal) {
      const reason = { newer_messages: words.newer, held_by_colleague: words.held(refusal.name), unreachable: words.unreachable }[refusal.code];
      if (this.#id === id) this.#say(reason || words.notSent + refusal.message);
    } finally {
      this.button.disabled = false;
      this.input.focus();
    }
  }
  #say(text) {
    this.problem.hidden = !text;
    this.problem.textContent = text;
  }
  #typing() {
    if (this.#mode !== "reply" || Date.now() - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = Date.now();
    post(`/conversations/${this.#id}/typing`).catch(() => {}); // a sign of typing is not worth a word about its failure
  }
  #grow() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight + 2, 220)}px`;
  }
}

function requestId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
