/* The conversation on screen: groups by author, days, cards, quick answers of the last turn, what is still being sent. */

import { action, cards, picture } from "./cards.js";
import { el, icon } from "./dom.js";
import { plain, rich } from "./text.js";
import { locale } from "./words.js";

const PAGE = 60; // messages drawn at once; older ones on request
const NEAR_END_PX = 80;
const GROUP_MS = 10 * 60_000;

export class Log {
  #messages = [];
  #outbox = [];
  #from = 0; // index of the first message drawn
  #live = 0; // messages up to this position are history: their card buttons are inert
  #typing = null;
  #problem = () => "";

  /** `press(button)`, `retry(id)`, `discard(id)`, `start(text)` are what a visitor may do in here. */
  constructor(context) {
    this.context = context; // {words, language, server, greeting, press, retry, discard, start}
    this.list = el("div", { class: "log", role: "log", "aria-live": "polite", "aria-relevant": "additions", tabindex: 0 });
    this.pending = el("div", { class: "pending" });
    this.typing = el("div", { class: "typing", "aria-hidden": "true", hidden: true }, el("span", { class: "avatar" }, icon("assistant")),
      el("span", { class: "dots" }, el("i"), el("i"), el("i")));
    this.scroller = el("div", { class: "scroller" }, this.list, this.pending, this.typing);
    this.more = el("button", { type: "button", class: "new-messages", hidden: true, onclick: () => this.toEnd(true) });
    this.status = el("div", { class: "unseen", role: "status" });
    this.node = el("div", { class: "middle" }, this.scroller, this.more, this.status);
    this.scroller.addEventListener("scroll", () => { if (this.#nearEnd()) this.more.hidden = true; }, { passive: true });
  }

  setHistory(messages) {
    this.#messages = messages;
    this.#from = Math.max(0, messages.length - PAGE);
    const lastOwn = messages.findLast((message) => message.author === "customer");
    this.#live = lastOwn?.position || 0;
    this.redraw();
    this.toEnd();
  }
  get empty() { return !this.#messages.length && !this.#outbox.length; }
  get lastPosition() { return this.#messages.at(-1)?.position || 0; }

  add(message) {
    const follow = this.#nearEnd() || message.author === "customer";
    const before = this.#messages.at(-1);
    this.#messages.push(message);
    this.list.querySelector(".welcome .starters")?.remove();
    this.list.append(...this.#drawn(message, before));
    this.setTyping(null);
    this.#wilt();
    if (follow) this.toEnd();
    else this.#offerEnd();
  }
  setOutbox(entries, problem) {
    this.#outbox = entries.filter((entry) => !entry.shown);
    this.#problem = problem;
    this.#drawPending();
    this.#wilt();
    if (this.#outbox.length) this.toEnd();
  }
  /** Someone is writing, or (null) nobody. The dots are for the eye; the sentence is said once. */
  setTyping(name) {
    if (name === this.#typing) return;
    const follow = this.#nearEnd();
    this.#typing = name;
    this.typing.hidden = !name;
    this.status.textContent = name ? this.context.words.typing(name) : "";
    if (name && follow) this.toEnd();
  }

  /** Everything anew: another language, earlier messages. Not announced: nothing was said. */
  redraw() {
    const { words } = this.context;
    this.list.setAttribute("aria-live", "off");
    this.list.setAttribute("aria-label", words.log);
    this.more.replaceChildren(words.newMessages, icon("down"));
    const shown = this.#messages.slice(this.#from);
    const nodes = shown.flatMap((message, index) => this.#drawn(message, shown[index - 1]));
    const earlier = this.#from > 0 && el("button", { type: "button", class: "earlier", onclick: () => this.#showEarlier() }, words.earlier);
    this.list.replaceChildren(...(earlier ? [earlier] : [this.#welcome()]), ...nodes);
    this.#drawPending();
    this.#wilt();
    requestAnimationFrame(() => this.list.setAttribute("aria-live", "polite"));
  }
  #showEarlier() {
    const height = this.scroller.scrollHeight - this.scroller.scrollTop;
    this.#from = Math.max(0, this.#from - PAGE);
    this.redraw();
    this.scroller.scrollTop = this.scroller.scrollHeight - height; // what was in view stays in view
    this.list.focus({ preventScroll: true });
  }

  #welcome() {
    const { words, greeting, start } = this.context;
    return el("div", { class: "welcome" }, el("p", { class: "greeting" }, greeting || words.greeting), el("p", { class: "about" }, words.about),
      this.empty ? el("div", { class: "starters" }, ...words.starters.map((text) =>
        el("button", { type: "button", class: "choice", onclick: () => start(text) }, text))) : null);
  }

  #drawn(message, before) {
    const { words, server, language } = this.context;
    const nodes = [];
    const at = new Date(message.at);
    if (!before || new Date(before.at).toDateString() !== at.toDateString()) nodes.push(el("div", { class: "day" }, el("span", {}, this.#day(at))));
    if (message.kind === "event" || message.author === "system") {
      nodes.push(el("div", { class: "event" }, message.text));
      return nodes;
    }
    const own = message.author === "customer";
    const name = own ? words.you : message.agent_name || (message.author === "agent" ? words.team : words.assistant);
    const joined = before && before.author === message.author && before.agent_name === message.agent_name && before.kind !== "event"
      && at - new Date(before.at) < GROUP_MS && nodes.length === 0;
    const press = message.position > this.#live ? (button) => this.context.press(button) : null;
    const content = el("div", { class: "content" },
      joined ? null : el("div", { class: "meta", "aria-hidden": "true" }, own ? null : el("span", { class: "name" }, name), this.#time(at, language)),
      el("span", { class: "unseen" }, `${name}: `),
      message.text ? el("div", { class: "bubble", dir: "auto" }, ...(own ? plain(message.text) : rich(message.text))) : null,
      message.picture ? picture(message.picture, server) : null,
      ...(message.cards?.length ? cards(message.cards, { words, server, press }) : []),
      message.buttons?.length ? this.#choices(message) : null);
    nodes.push(el("div", { class: `message ${message.author}${joined ? " joined" : ""}` },
      own ? null : el("span", { class: "avatar", "aria-hidden": "true" }, joined ? null : this.#face(message, name)), content));
    return nodes;
  }
  #face(message, name) {
    if (message.author !== "agent") return icon("assistant");
    return message.agent_name ? el("b", {}, [...name][0].toUpperCase()) : icon("person");
  }
  #choices(message) {
    const { words, press } = this.context;
    const row = el("div", { class: "choices", role: "group", "aria-label": words.choices },
      ...message.buttons.map((button) => action(button, { words, press, className: "choice" })).filter(Boolean));
    row.position = message.position;
    return row;
  }
  /** Quick answers live in the last turn only, and vanish once one is pressed or something is written. */
  #wilt() {
    const lastOwn = this.#messages.findLast((message) => message.author === "customer")?.position || 0;
    const answered = this.#outbox.length ? Infinity : lastOwn;
    for (const row of this.list.querySelectorAll(".choices")) {
      if (row.position < answered) row.remove();
    }
    if (!this.empty) this.list.querySelector(".welcome .starters")?.remove();
  }

  #drawPending() {
    const { words, retry, discard } = this.context;
    this.pending.replaceChildren(...this.#outbox.map((entry) => {
      const problem = this.#problem(entry);
      return el("div", { class: `message customer pending-message${entry.refused ? " refused" : ""}` }, el("div", { class: "content" },
        el("div", { class: "bubble", dir: "auto" }, ...plain(entry.text)),
        el("div", { class: "delivery" }, problem, entry.refused ? el("button", { type: "button", class: "plain", onclick: () => retry(entry.id) }, words.retry) : null,
          entry.refused ? el("button", { type: "button", class: "plain", onclick: () => discard(entry.id) }, words.discard) : null)));
    }));
  }

  #time(at, language) {
    return el("time", { datetime: at.toISOString() }, at.toLocaleTimeString(locale(language), { hour: "2-digit", minute: "2-digit" }));
  }
  #day(at) {
    const { words, language } = this.context;
    const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
    const days = Math.round((midnight(new Date()) - midnight(at)) / 86_400_000);
    if (days === 0) return words.today;
    if (days === 1) return words.yesterday;
    return at.toLocaleDateString(locale(language), { weekday: "long", day: "numeric", month: "long", ...(days > 300 && { year: "numeric" }) });
  }

  #nearEnd() { return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < NEAR_END_PX; }
  #offerEnd() { this.more.hidden = false; }
  toEnd(smooth = false) {
    this.more.hidden = true;
    const calm = !smooth || matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: calm ? "auto" : "smooth" });
  }
}
