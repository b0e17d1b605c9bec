/* One conversation: who holds it, why it is here, what was said, what can be done. */

import { el, icon } from "/widget/dom.js";
import { get, post } from "./api.js";
import { Composer } from "./composer.js";
import { ask, choose } from "./dialogs.js";
import { drawn, reasons } from "./lines.js";
import { words } from "./words.js";

const READ_MS = 700; // a line counts as read when it has been on screen for so long
const NEAR_END_PX = 120;

export class Thread {
  #id = null;
  #lines = [];
  #read = 0;
  #me;
  #conversation = null;
  #handoffs = [];

  /** `saw(id, position)`, `back()`, `details()` are called on what the agent does. */
  constructor(me, { saw, back, details }) {
    this.#me = me;
    this.saw = saw;
    this.composer = new Composer({ position: () => this.#read });
    this.title = el("h1", {});
    this.state = el("p", { class: "state" });
    this.viewers = el("span", { class: "viewers", role: "status" });
    this.actions = el("div", { class: "actions" });
    this.backButton = el("button", { type: "button", class: "icon back", onclick: back }, icon("previous"));
    this.detailsButton = el("button", { type: "button", class: "icon details", onclick: details }, icon("person"));
    this.why = el("div", { class: "why-place" });
    this.log = el("div", { class: "log", role: "log", "aria-live": "polite", "aria-relevant": "additions", tabindex: 0 });
    this.typing = el("p", { class: "typing", role: "status" });
    this.node = el("main", { class: "thread", hidden: true },
      el("header", { class: "thread-head" }, this.backButton, el("div", { class: "thread-title" }, this.title, this.state), this.viewers, this.actions, this.detailsButton),
      this.why, this.log, this.typing, this.composer.node);
    document.addEventListener("visibilitychange", () => this.#look());
    // Whoever reads the end keeps reading the end when the log becomes lower (a longer draft, a turned phone).
    let atEnd = true;
    this.log.addEventListener("scroll", () => { atEnd = this.#nearEnd(); }, { passive: true });
    new ResizeObserver(() => { if (atEnd) this.log.scrollTop = this.log.scrollHeight; }).observe(this.log);
  }

  async open(id) {
    this.#id = id;
    this.node.hidden = false;
    const answer = await get(`/conversations/${id}`);
    if (this.#id !== id) return null; // another one was chosen meanwhile
    this.#lines = answer.lines;
    this.#conversation = answer.conversation;
    this.#handoffs = answer.handoffs;
    this.#read = 0;
    this.viewers.textContent = "";
    this.#typingOver();
    this.redraw();
    this.log.scrollTop = this.log.scrollHeight;
    this.#seen(this.lastPosition); // all of it was drawn at once; what comes from now on has to be noticed
    return answer;
  }
  close() {
    this.#id = null;
    this.node.hidden = true;
  }
  get id() { return this.#id; }
  get lastPosition() { return this.#lines.at(-1)?.position || 0; }
  get name() { return this.#conversation?.customer_name || words.visitor(this.#conversation?.visitor || ""); }

  redraw() {
    if (!this.#conversation) return;
    const atEnd = this.#nearEnd();
    this.log.setAttribute("aria-label", words.log);
    this.log.setAttribute("aria-live", "off"); // drawn anew, not newly said
    this.log.replaceChildren(...this.#lines.flatMap((line, index) => drawn(line, this.#lines[index - 1], this.name)));
    requestAnimationFrame(() => this.log.setAttribute("aria-live", "polite"));
    if (atEnd) this.log.scrollTop = this.log.scrollHeight;
    this.backButton.setAttribute("aria-label", words.back);
    this.detailsButton.setAttribute("aria-label", words.details);
    this.why.replaceChildren(...[reasons(this.#handoffs[0], this.#lines)].filter(Boolean));
    this.#head();
  }

  // ---- what comes ---------------------------------------------------------------------------------------------

  add(line) {
    if (line.position <= this.lastPosition) return;
    const atEnd = this.#nearEnd();
    const before = this.#lines.at(-1);
    this.#lines.push(line);
    const nodes = drawn(line, before, this.name);
    for (const node of nodes) node.classList.add("fresh");
    this.log.append(...nodes);
    if (atEnd || (line.author === "agent" && line.agent_id === this.#me.id)) this.log.scrollTop = this.log.scrollHeight;
    if (line.author !== "customer") this.#typingOver();
    this.#look();
  }
  async setState(conversation) {
    const changed = conversation.holder !== this.#conversation.holder || conversation.agent_id !== this.#conversation.agent_id;
    const renamed = conversation.customer_name !== this.#conversation.customer_name;
    this.#conversation = conversation;
    if (renamed) this.redraw();
    else this.#head();
    if (!changed) return;
    const { handoffs } = await get(`/conversations/${conversation.id}`).catch(() => ({ handoffs: this.#handoffs }));
    if (conversation.id !== this.#id) return;
    this.#handoffs = handoffs;
    this.why.replaceChildren(...[reasons(this.#handoffs[0], this.#lines)].filter(Boolean));
  }
  setViewers(names) {
    this.viewers.textContent = names.length ? words.viewing(names.join(", ")) : "";
  }
  setTyping() {
    clearTimeout(this.typingTimer);
    this.typing.textContent = this.#conversation?.holder === "bot" ? `${words.assistant} ${words.typing}` : "";
    this.typingTimer = setTimeout(() => this.#typingOver(), 10_000);
  }
  #typingOver() {
    this.typing.textContent = "";
  }

  /** A new line is read when it has stood on a visible screen for a moment; each line has its own moment. */
  #look() {
    if (document.hidden || !this.#id) return;
    const [id, position] = [this.#id, this.lastPosition];
    setTimeout(() => {
      if (id === this.#id && !document.hidden) this.#seen(position);
    }, READ_MS);
  }
  #seen(position) {
    this.#read = Math.max(this.#read, position);
    this.log.dataset.read = this.#read;
    this.saw(this.#id, this.#read);
  }
  #nearEnd() { return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_END_PX; }

  // ---- who holds it, and what can be done ---------------------------------------------------------------------

  #head() {
    const { holder, agent_id: agentId, agent_name: agentName, channel, language } = this.#conversation;
    const mine = holder === "agent" && agentId === this.#me.id;
    const colleague = holder === "agent" && !mine;
    this.title.textContent = this.name;
    const about = mine ? words.youHold : colleague ? words.held(agentName) : holder === "queue" ? words.queueHolds : words.botHolds;
    this.state.textContent = `${channel} · ${language === "zh" ? "中文" : "English"} · ${about}`;
    this.node.dataset.holder = mine ? "me" : holder;
    this.composer.show(this.#id, { name: this.name, hint: mine ? "" : colleague ? about : words.takesOver });
    const button = (label, act, className = "") => el("button", { type: "button", class: className, onclick: act }, label);
    const focused = this.actions.contains(document.activeElement);
    this.actions.replaceChildren(...(mine
      ? [button(words.transfer, () => this.transfer()), button(words.handBack, () => this.end("hand-back", words.confirmHandBack)), button(words.resolve, () => this.end("resolve", words.confirmResolve), "primary")]
      : [button(colleague ? words.takeFrom(agentName) : words.takeOver, () => this.takeOver(), holder === "queue" ? "primary" : "")]));
    if (focused) this.actions.querySelector("button")?.focus();
  }
  async takeOver() {
    const { id, holder, agent_id: agentId, agent_name: agentName } = this.#conversation;
    if (holder === "agent" && agentId === this.#me.id) return;
    if (holder !== "agent") await this.#do(`/conversations/${id}/claim`);
    else if (await ask(words.confirmTakeFrom(agentName), words.takeOver)) await this.#do(`/conversations/${id}/transfer`, { to: this.#me.id });
    this.composer.input.focus();
  }
  async end(step, question) {
    if (await ask(question, step === "resolve" ? words.resolve : words.handBack)) await this.#do(`/conversations/${this.#id}/${step}`);
  }
  async transfer() {
    const { colleagues } = await get("/colleagues");
    const others = colleagues.filter((one) => one.id !== this.#me.id);
    const to = await choose(words.passTo, others.map((one) => [one.id, one.name]));
    if (to) await this.#do(`/conversations/${this.#id}/transfer`, { to });
  }
  async #do(path, body) {
    try {
      await post(path, body);
    } catch (refusal) {
      this.state.textContent = words.notSent + (refusal.code === "held_by_colleague" ? words.held(refusal.name) : refusal.message);
    }
  }
}
