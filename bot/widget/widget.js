/* Kefu chat: the loader. One script tag; the application itself comes on the first intent to use it.
 *
 *   <script async src="https://chat.example/widget.js" data-color="#0b6e4f" data-language="en"></script>
 *
 * Attributes (data- on the script, or plain on <kefu-chat>): server, color, position (end|start), theme (auto|light|dark),
 * language (en|zh), title, greeting, customer-token, product (the id shown), cart (ids, with commas), auto (false: place
 * <kefu-chat> yourself).
 * Calls made before this file has arrived are kept by the stub
 *   window.kefu = window.kefu || function () { (kefu.q = kefu.q || []).push(arguments); };
 */
(() => {
  "use strict";
  if (customElements.get("kefu-chat")) return; // the tag was put in twice

  const script = document.currentScript;
  const ATTRIBUTES = ["server", "color", "position", "theme", "language", "title", "greeting", "customer-token", "product", "cart"];
  const HERE = new URL(".", script?.src || document.baseURI).href.replace(/\/$/, "");
  const LABELS = {
    en: { open: "Open chat", close: "Close chat", unread: (n) => `Open chat, ${n} unread ${n === 1 ? "message" : "messages"}` },
    zh: { open: "打开在线客服", close: "关闭在线客服", unread: (n) => `打开在线客服，${n} 条未读消息` },
  };
  const CSS = `
    :host { --kefu-color: #0b6e4f; --kefu-on-color: #fff; --kefu-offset: 20px; --kefu-z: 2147483000;
      all: initial; position: static; font-family: system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC",
      "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif; }
    :host([hidden]) { display: none; }
    .launcher { position: fixed; z-index: var(--kefu-z); inset-block-end: calc(var(--kefu-offset) + env(safe-area-inset-bottom, 0px));
      inset-inline-end: calc(var(--kefu-offset) + env(safe-area-inset-right, 0px)); inline-size: 60px; block-size: 60px;
      border: 0; padding: 0; border-radius: 50%; background: var(--kefu-color); color: var(--kefu-on-color); cursor: pointer;
      display: grid; place-items: center; box-shadow: 0 1px 2px #0003, 0 8px 24px #00000038; transition: transform .16s ease, box-shadow .16s ease; }
    :host([position="start"]) .launcher { inset-inline: calc(var(--kefu-offset) + env(safe-area-inset-left, 0px)) auto; }
    .launcher:hover { transform: translateY(-2px); box-shadow: 0 2px 4px #0003, 0 12px 30px #00000045; }
    .launcher:active { transform: scale(.96); }
    .launcher:focus-visible { outline: 3px solid var(--kefu-color); outline-offset: 3px; }
    .launcher svg { inline-size: 28px; block-size: 28px; grid-area: 1 / 1; transition: opacity .16s ease, transform .2s ease; }
    .launcher .shut, .launcher[aria-expanded="true"] .talk { opacity: 0; transform: rotate(-45deg) scale(.7); }
    .launcher[aria-expanded="true"] .shut { opacity: 1; transform: none; }
    .badge { position: absolute; inset-block-start: -3px; inset-inline-end: -3px; min-inline-size: 22px; block-size: 22px; box-sizing: border-box;
      padding-inline: 6px; border-radius: 11px; background: #c81e1e; color: #fff; font: 700 12px/22px inherit; font-family: inherit;
      text-align: center; box-shadow: 0 0 0 2px #fff; }
    .badge[hidden] { display: none; }
    @media (max-width: 479.98px) { .launcher[aria-expanded="true"] { display: none; } }
    @media (prefers-reduced-motion: reduce) { .launcher, .launcher svg { transition: none; } }
    @media print { :host { display: none; } }`;

  /** A stylesheet made through the object model, which a strict Content Security Policy allows. */
  function sheet(css) {
    const made = new CSSStyleSheet();
    made.replaceSync(css);
    return made;
  }

  function icon(className, ...paths) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", fill: "none", stroke: "currentColor",
      "stroke-width": "1.9", "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true", class: className })) {
      svg.setAttribute(name, value);
    }
    for (const d of paths) svg.appendChild(document.createElementNS(svg.namespaceURI, "path")).setAttribute("d", d);
    return svg;
  }

  /** The page's brand colour, and black or white on it, whichever reads better (WCAG relative luminance). */
  function onColor(color, root) {
    const probe = root.appendChild(document.createElement("i"));
    probe.style.color = "#0b6e4f";
    probe.style.color = color; // an unknown colour leaves the default standing
    const rgb = (getComputedStyle(probe).color.match(/[\d.]+/g) || []).slice(0, 3).map(Number);
    probe.remove();
    const [r, g, b] = rgb.map((value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    return { rgb, color: `rgb(${rgb.join(" ")})`, on: 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 ? "#fff" : "#111" };
  }

  class KefuChat extends HTMLElement {
    static observedAttributes = ["color", "language"];
    #app = null;
    #unread = 0;
    listeners = new Map();

    connectedCallback() {
      if (this.shadowRoot) return;
      const root = this.attachShadow({ mode: "open" });
      this.theme = sheet(":host {}"); // custom properties computed from the attributes
      root.adoptedStyleSheets = [sheet(CSS), this.theme];
      this.launcher = document.createElement("button");
      this.launcher.type = "button";
      this.launcher.className = "launcher";
      this.launcher.setAttribute("part", "launcher");
      this.launcher.setAttribute("aria-haspopup", "dialog");
      this.badge = document.createElement("span");
      this.badge.className = "badge";
      this.badge.setAttribute("aria-hidden", "true");
      this.launcher.append(
        icon("talk", "M21 11.5a8.4 8.4 0 0 1-8.5 8.2 8.9 8.9 0 0 1-3.9-.9L3 20.5l1.9-4.9a7.9 7.9 0 0 1-.9-3.9 8.4 8.4 0 0 1 8.5-8.2A8.4 8.4 0 0 1 21 11.5Z", "M9 11.6h.01M12.5 11.6h.01M16 11.6h.01"),
        icon("shut", "m6 9 6 6 6-6"), this.badge);
      root.append(this.launcher);
      this.launcher.addEventListener("click", () => this.toggle());
      for (const intent of ["pointerenter", "focus"]) this.launcher.addEventListener(intent, () => this.load(), { once: true });
      this.attributeChangedCallback("color");
      this.expanded = false;
      // A visitor who has opened the chat before gets the messages that came meanwhile; nobody else costs a request.
      if (this.known()) (window.requestIdleCallback || setTimeout)(() => this.load());
    }

    attributeChangedCallback(name) {
      if (!this.theme) return;
      if (name === "color") {
        this.brand = onColor(this.getAttribute("color") || "", this.shadowRoot);
        this.theme.replaceSync(this.hasAttribute("color") ? `:host { --kefu-color: ${this.brand.color}; --kefu-on-color: ${this.brand.on}; }` : ":host {}");
        this.#app?.repaint();
      } else {
        this.#label();
        this.#app?.setLocale(this.language);
      }
    }

    get server() { return (this.getAttribute("server") || HERE).replace(/\/$/, ""); }
    get language() {
      const wish = this.getAttribute("language") || document.documentElement.lang || navigator.language || "en";
      return /^zh/i.test(wish) ? "zh" : "en";
    }
    get storageKey() { return `kefu:${this.server}`; }
    known() {
      try { return localStorage.getItem(this.storageKey) !== null; } catch { return false; } // storage may be forbidden
    }

    set expanded(value) {
      this.launcher.setAttribute("aria-expanded", String(value));
      this.#label();
    }
    set unread(count) {
      this.#unread = count;
      this.#label();
    }
    #label() {
      const words = LABELS[this.labelLanguage || this.language];
      const open = this.launcher.getAttribute("aria-expanded") === "true";
      this.launcher.setAttribute("aria-label", open ? words.close : this.#unread ? words.unread(this.#unread) : words.open);
      this.badge.hidden = open || !this.#unread;
      this.badge.textContent = this.#unread > 99 ? "99+" : String(this.#unread);
    }

    /** The application, loaded once; a failed load may be tried again. */
    load() {
      this.loading ||= import(`${HERE}/widget/app.js`).then((module) => (this.#app = module.mount(this)))
        .catch((error) => { this.loading = null; throw error; });
      return this.loading;
    }
    emit(event, detail) {
      for (const listener of this.listeners.get(event) || []) listener(detail);
      this.dispatchEvent(new CustomEvent(`kefu-${event}`, { detail }));
    }

    async open() { (await this.load()).open(); }
    async close() { this.#app?.close(); }
    async toggle() { const app = await this.load(); app.isOpen ? app.close() : app.open(); }
    /** Who is signed in at the shop: the token its server signed, or null when they sign out. */
    async identify(token) {
      if (token) this.setAttribute("customer-token", token);
      else this.removeAttribute("customer-token");
      if (this.#app || this.known()) await (await this.load()).identify(token || null);
    }
    async setLocale(language) { this.setAttribute("language", language); }
    async send(text) { const app = await this.load(); app.open(); app.send(text); }
    on(event, listener) {
      if (!this.listeners.has(event)) this.listeners.set(event, new Set());
      this.listeners.get(event).add(listener);
      return () => this.listeners.get(event).delete(listener);
    }
    off(event, listener) { this.listeners.get(event)?.delete(listener); }
    /** End the visit: streams closed, everything stored in the browser removed, the element gone. */
    async shutdown() {
      if (this.known() || this.#app) (await this.load()).shutdown();
      this.remove();
    }
  }
  customElements.define("kefu-chat", KefuChat);

  const VERBS = ["open", "close", "toggle", "identify", "setLocale", "send", "on", "off", "shutdown"];
  const waiting = [...(window.kefu?.q || [])];
  let element = null;
  const kefu = (verb, ...given) => {
    if (!VERBS.includes(verb)) throw new TypeError(`kefu: unknown call ${JSON.stringify(verb)}; known: ${VERBS.join(", ")}`);
    return element ? element[verb](...given) : void waiting.push([verb, ...given]);
  };
  for (const verb of VERBS) kefu[verb] = (...given) => kefu(verb, ...given);
  window.kefu = kefu;

  function place() {
    element = document.querySelector("kefu-chat");
    if (!element && script?.dataset.auto !== "false") {
      element = document.createElement("kefu-chat");
      for (const name of ATTRIBUTES) {
        const value = script?.dataset[name.replace(/-(.)/g, (_, letter) => letter.toUpperCase())];
        if (value) element.setAttribute(name, value);
      }
      document.body.append(element);
    }
    if (element) for (const call of waiting.splice(0)) kefu(...call);
  }
  if (document.body) place();
  else document.addEventListener("DOMContentLoaded", place);
})();
