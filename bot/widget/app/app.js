/* The chat panel: put together here, opened and closed by the loader's launcher. */

import { readable } from "./colour.js";
import { Connection } from "./connection.js";
import { el, icon } from "./dom.js";
import { Log } from "./log.js";
import { Memory } from "./memory.js";
import { CSS } from "./style.js";
import { WORDS } from "./words.js";

const MOST_CHARACTERS = 4000;
const CART_LIMIT = 20; // products of the cart that are told
const TYPING_MS = 10_000; // a sign of typing that is not renewed goes out
const PHONE = "(max-width: 479.98px)";
const GROUNDS = { light: [255, 255, 255], dark: [24, 26, 31] };

/** Called once by the loader with its element; returns what the element's methods call. */
export function mount(host) {
  return new Panel(host);
}

class Panel {
  isOpen = false;
  #unread = 0;
  #state = { holder: "bot", agent: null };
  #status = "connecting";
  #typingTimer = null;
  #lastSeen = 0;

  constructor(host) {
    this.host = host;
    this.memory = new Memory(host.storageKey);
    this.language = this.memory.record.language || host.language;
    this.listeners = new AbortController();
    this.#build();
    this.setLocale(this.language, { tell: false });
    this.#watchTheme();
    if (this.memory.record.visitor_token) this.#connect();
  }
  get words() { return WORDS[this.language]; }

  // ---- drawing ------------------------------------------------------------------------------------------------

  #build() {
    const style = new CSSStyleSheet();
    style.replaceSync(CSS);
    this.tint = new CSSStyleSheet();
    const root = this.host.shadowRoot;
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, style, this.tint];

    this.log = new Log({
      server: this.host.server, words: this.words, language: this.language, greeting: this.host.getAttribute("greeting"),
      press: (button) => this.#submit(button.title, button.payload),
      start: (text) => this.#submit(text),
      retry: (id) => this.connection?.retry(id),
      discard: (id) => { this.#giveBack(id); this.connection?.discard(id); },
    });
    this.logo = el("span", { class: "logo", "aria-hidden": "true" });
    this.heading = el("h2", { id: "title" });
    this.subtitle = el("p", { class: "subtitle", role: "status" });
    this.languageButton = el("button", { type: "button", class: "header-button text", onclick: () => this.#switchLanguage() });
    this.closeButton = el("button", { type: "button", class: "header-button", onclick: () => this.close() }, icon("close"));
    this.notice = el("div", { class: "notice", role: "status", hidden: true });
    this.input = el("textarea", { rows: 1, id: "text", autocomplete: "off", enterkeyhint: "send", dir: "auto", "aria-describedby": "count" });
    this.sendButton = el("button", { type: "submit", class: "send", disabled: true }, icon("send"));
    this.count = el("div", { class: "count", id: "count", role: "status", hidden: true });
    this.form = el("form", { class: "composer", novalidate: true }, el("div", { class: "field" }, this.input, this.sendButton), this.count);
    this.panel = el("div", { class: "panel", part: "panel", role: "dialog", "aria-labelledby": "title", tabindex: -1, hidden: true },
      el("header", {}, this.logo, el("div", { class: "titles" }, this.heading, this.subtitle), this.languageButton, this.closeButton),
      this.log.node, this.notice, this.form);
    root.append(this.panel);

    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.#submit(this.input.value); });
    this.input.addEventListener("input", () => this.#measure());
    this.input.addEventListener("keydown", (event) => {
      // Enter that chooses a word of an input method is not the end of the message.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#submit(this.input.value);
    });
    this.panel.addEventListener("keydown", (event) => this.#key(event));
    const { signal } = this.listeners;
    window.visualViewport?.addEventListener("resize", () => this.#fitKeyboard(), { signal });
    document.addEventListener("visibilitychange", () => this.#read(), { signal });
  }

  setLocale(language, { tell = true } = {}) {
    const changed = this.language !== language;
    this.language = language;
    const { words } = this;
    this.host.labelLanguage = language;
    this.host.unread = this.#unread;
    this.panel.lang = language === "zh" ? "zh-CN" : "en";
    this.closeButton.setAttribute("aria-label", words.close);
    this.languageButton.replaceChildren(words.switchLanguage);
    this.languageButton.setAttribute("aria-label", words.switchLabel);
    this.languageButton.lang = language === "zh" ? "en" : "zh-CN";
    this.input.placeholder = words.placeholder;
    this.input.setAttribute("aria-label", words.label);
    this.sendButton.setAttribute("aria-label", words.send);
    Object.assign(this.log.context, { words, language });
    this.log.redraw();
    this.#title();
    this.#show();
    this.#measure();
    if (changed && tell && this.connection) {
      this.memory.update({ language });
      this.connection.tell("/api/widget/language", { language }).catch(() => {}); // said again with the next session
    }
  }
  #switchLanguage() {
    this.setLocale(this.language === "zh" ? "en" : "zh");
  }
  #title() {
    this.heading.textContent = this.host.getAttribute("title") || this.shop || this.words.title;
  }

  repaint() {
    const rgb = this.host.brand.rgb;
    const dark = this.panel.classList.contains("dark");
    this.tint.replaceSync(`.panel { --accent: ${dark ? readable(rgb, GROUNDS.dark, 8) : readable(rgb, GROUNDS.light, 5.5)}; }`);
  }
  #watchTheme() {
    const prefers = matchMedia("(prefers-color-scheme: dark)");
    const apply = () => {
      const wish = this.host.getAttribute("theme");
      this.panel.classList.toggle("dark", wish === "dark" || (wish !== "light" && prefers.matches));
      this.repaint();
    };
    prefers.addEventListener("change", apply, { signal: this.listeners.signal });
    this.themeWatch = new MutationObserver(apply);
    this.themeWatch.observe(this.host, { attributes: true, attributeFilter: ["theme"] });
    apply();
  }

  // ---- opening and closing ------------------------------------------------------------------------------------

  open() {
    if (this.isOpen) return;
    this.isOpen = true;
    this.panel.hidden = false;
    this.host.expanded = true;
    this.#connect();
    this.memory.update({ language: this.language }); // the first thing stored, by the visitor's own act
    this.panel.setAttribute("aria-modal", String(matchMedia(PHONE).matches));
    this.#fitKeyboard();
    this.log.toEnd();
    // On a touch screen the keyboard would cover what there is to read.
    (matchMedia("(pointer: coarse)").matches ? this.panel : this.input).focus({ preventScroll: true });
    this.#read();
    this.host.emit("open");
  }
  close() {
    if (!this.isOpen) return;
    const inside = this.host.shadowRoot.activeElement;
    this.isOpen = false;
    this.panel.hidden = true;
    this.host.expanded = false;
    if (inside || matchMedia(PHONE).matches) this.host.launcher.focus({ preventScroll: true });
    this.host.emit("close");
  }
  #key(event) {
    if (event.key === "Escape" && !event.isComposing) {
      event.stopPropagation();
      this.close();
    } else if (event.key === "Tab" && matchMedia(PHONE).matches) {
      // Full screen: what lies behind must not be reached.
      const all = [...this.panel.querySelectorAll("a[href], button:not(:disabled), textarea, [tabindex='0']")].filter((node) => node.offsetParent);
      const edge = event.shiftKey ? all[0] : all.at(-1);
      if (this.host.shadowRoot.activeElement !== edge && this.host.shadowRoot.activeElement !== this.panel) return;
      event.preventDefault();
      (event.shiftKey ? all.at(-1) : all[0])?.focus();
    }
  }
  /** The on-screen keyboard covers the page without resizing it; the panel ends where the visible part does. */
  #fitKeyboard() {
    const view = window.visualViewport;
    const covered = view && matchMedia(PHONE).matches ? Math.max(0, innerHeight - view.height - view.offsetTop) : 0;
    this.panel.style.setProperty("--keyboard", `${Math.round(covered)}px`);
    if (covered) this.log.toEnd();
  }

  // ---- the line -----------------------------------------------------------------------------------------------

  /** Where the customer is: what "this one" means, and what goes with what is in the cart. */
  #page() {
    const product = this.host.getAttribute("product");
    const cart = (this.host.getAttribute("cart") || "").split(",").map((id) => id.trim()).filter(Boolean).slice(0, CART_LIMIT);
    return {
      url: location.origin + location.pathname,
      title: document.title.slice(0, 200),
      ...(product && { product_id: product }),
      ...(cart.length && { cart }),
    };
  }

  #connect() {
    if (this.connection) return;
    const token = this.host.getAttribute("customer-token");
    if (token) this.#someoneElse(customerOf(token));
    this.connection = new Connection({
      server: this.host.server,
      memory: this.memory,
      context: () => ({
        page: this.#page(),
        language: this.language,
        customerToken: this.host.getAttribute("customer-token"),
      }),
      on: {
        session: (answer) => {
          this.shop = answer.shop?.name;
          this.#title();
          this.#follow(answer.language);
          this.host.emit("ready", { conversation: answer.conversation_id });
        },
        history: (messages) => this.#history(messages),
        message: (message) => this.#message(message),
        typing: (data) => this.#typing(data),
        holder: (state) => this.#holder(state),
        status: (status, seconds) => this.#says(status, seconds),
        outbox: () => this.#outbox(),
      },
    });
    this.#outbox();
    this.connection.start();
  }
  #submit(text, payload) {
    const written = text.trim();
    if (!written || [...written].length > MOST_CHARACTERS) return;
    this.#connect();
    this.connection.send({ text: written, payload });
    if (!payload && this.input.value.trim() === written) {
      this.input.value = "";
      this.#measure();
    }
    if (!matchMedia("(pointer: coarse)").matches) this.input.focus({ preventScroll: true });
  }
  /** A message the server refused goes back into the field, where it can be shortened. */
  #giveBack(id) {
    const entry = this.connection?.outbox.find((one) => one.id === id);
    if (entry && !entry.payload && !this.input.value) this.input.value = entry.text;
    this.#measure();
    this.input.focus({ preventScroll: true });
  }
  /** Another customer than before at this browser, or one who signed out: they must not meet each other's conversation. */
  #someoneElse(customer) {
    const before = this.memory.record.customer || null;
    if (before && before !== customer) {
      if (this.connection) this.connection.startAfresh();
      else this.memory.forgetVisitor();
    }
    this.memory.update({ customer });
  }
  async identify(token) {
    const customer = token ? customerOf(token) : null;
    if (!this.connection) return; // the session will be opened with the token
    this.#someoneElse(customer);
    if (token) await this.connection.identify(token);
  }

  #history(messages) {
    this.#lastSeen = this.memory.record.seen || 0;
    this.log.setHistory(messages);
    const named = messages.findLast((message) => message.agent_name);
    if (named) this.#named(named.agent_name);
    this.#outbox();
    this.#unread = messages.filter((message) => this.#counts(message) && message.position > this.#lastSeen).length;
    this.#read();
  }
  #message(message) {
    if (message.agent_name) this.#named(message.agent_name);
    this.log.add(message);
    if (message.author !== "customer") clearTimeout(this.#typingTimer);
    if (this.#counts(message)) this.#unread += 1;
    this.#read();
    this.host.emit("message", message);
  }
  #counts(message) { return message.author !== "customer" && message.kind !== "event"; }
  /** What is on screen counts as read; otherwise the launcher says how much is not. */
  #read() {
    if (this.isOpen && !document.hidden) {
      this.#unread = 0;
      if (this.log.lastPosition > this.#lastSeen) this.memory.update({ seen: (this.#lastSeen = this.log.lastPosition) });
    }
    this.host.unread = this.#unread;
    this.host.emit("unread", this.#unread);
  }
  #typing(data) {
    clearTimeout(this.#typingTimer);
    const stopped = data.on === false || data.typing === false;
    this.log.setTyping(stopped ? null : this.#state.holder === "agent" ? this.#state.agent || this.words.team : this.words.assistant);
    if (!stopped) this.#typingTimer = setTimeout(() => this.log.setTyping(null), TYPING_MS);
  }
  #holder(state) {
    if (state.language) this.#follow(state.language);
    if (!state.holder) return;
    this.#state = { holder: state.holder, agent: state.agent_name || this.#state.agent };
    this.#show();
  }
  /** Who of the team wrote last: their name stands in the head while they hold the conversation. */
  #named(name) {
    this.#state.agent = name;
    this.#show();
  }
  /** The conversation's language as the server holds it: the customer may simply have begun to write in it. */
  #follow(language) {
    if (WORDS[language] && language !== this.language) {
      this.setLocale(language, { tell: false });
      this.memory.update({ language });
    }
  }

  // ---- what is said about the line ----------------------------------------------------------------------------

  #says(status, seconds = 0) {
    if (status === "online") this.#up = true;
    if (status === "reconnecting" || status === "offline") this.#up = false;
    if (this.#status === "limited" && status === "online") return; // the wait goes on
    if (status === "free") status = this.#up ? "online" : "connecting";
    this.#status = status;
    clearInterval(this.countdown);
    if (status === "limited") {
      this.seconds = seconds;
      this.countdown = setInterval(() => { this.seconds = Math.max(1, this.seconds - 1); this.#show(); }, 1000);
    }
    this.#show();
    this.#outbox();
  }
  #up = false;
  #everUp = false;
  #show() {
    const { words } = this;
    const status = this.#status;
    this.#everUp ||= status === "online";
    const notice = { offline: words.offline, limited: words.limited(this.seconds), reconnecting: this.#everUp ? words.reconnecting : words.failedToStart }[status] || "";
    if (this.notice.textContent !== notice) this.notice.textContent = notice;
    this.notice.hidden = !notice;
    this.notice.dataset.kind = status;
    const { holder, agent } = this.#state;
    const about = status === "connecting" && this.connection ? words.connecting
      : holder === "agent" ? words.withPerson(agent || words.team) : holder === "queue" ? words.waiting : words.answersAtOnce;
    if (this.subtitle.textContent !== about) this.subtitle.textContent = about;
    this.logo.replaceChildren(holder === "agent" && agent ? el("b", {}, [...agent][0].toUpperCase()) : icon(holder === "agent" ? "person" : "assistant"));
    this.panel.dataset.holder = holder;
    this.panel.dataset.line = status;
  }
  #outbox() {
    if (!this.connection) return;
    const { words } = this;
    const waiting = this.#status === "offline" || this.#status === "reconnecting" || this.#status === "limited";
    this.log.setOutbox(this.connection.outbox, (entry) =>
      entry.refused ? words.refused : entry.position ? words.sent : waiting ? words.kept : words.sending);
  }
  #measure() {
    const { input, words } = this;
    input.style.height = "auto";
    if (input.scrollHeight) input.style.height = `${Math.min(input.scrollHeight, 132)}px`;
    const length = [...input.value.trim()].length;
    const over = length - MOST_CHARACTERS;
    this.sendButton.disabled = !length || over > 0;
    this.count.hidden = over < -400;
    this.count.classList.toggle("over", over > 0);
    this.count.textContent = this.count.hidden ? "" : over > 0 ? words.tooLong(over) : `${length} / ${MOST_CHARACTERS}`;
    input.setAttribute("aria-invalid", String(over > 0));
  }
  send(text) { this.#submit(String(text)); }

  /** Nothing of this visit stays in the browser. */
  shutdown() {
    this.close();
    clearTimeout(this.#typingTimer);
    clearInterval(this.countdown);
    this.listeners.abort();
    this.themeWatch.disconnect();
    this.connection?.stop();
    this.memory.clear();
  }
}

/** Whose token it is, read without checking: the server checks; here it only tells two people at one browser apart. */
function customerOf(token) {
  try {
    return String(JSON.parse(atob(token.split(".")[0].replace(/-/g, "+").replace(/_/g, "/"))).customer_id);
  } catch {
    return token;
  }
}
