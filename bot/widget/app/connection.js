/* The line to the server: session, what we send (never lost, never twice) and what comes (by position, nothing skipped). */

import { readEvents } from "./stream.js";

const BACK_OFF_MS = { first: 800, most: 30_000 };
const POLL_MS = 3_000; // where streams do not get through (some proxies hold them back)
const STREAMS_BEFORE_POLLING = 3;
const HIDDEN_MS = 60_000; // a hidden page gives its stream back: browsers allow six connections a host
const TIMEOUT_MS = 15_000;

/** An answer that is no success; `status` 0 when there was no answer at all. */
class Refusal extends Error {
  constructor(status, code, retryAfter) {
    super(`refused: ${status} ${code}`);
    Object.assign(this, { status, code, retryAfter });
  }
}

export class Connection {
  #memory; #server; #context; #on;
  #token = null; #conversation = null; #last = 0; #lastThere = 0; #historyRead = false; #sessionMade = null;
  #stopped = false; #drop = null; #wakeUp = null; #draining = false; #limitTimer = null;
  #failures = 0; #dryStreams = 0;
  outbox = []; // {id, text, payload, at, after, position?, refused?: code}

  /**
   * `context()` gives {page, language, customerToken}; `on` is a map of listeners:
   * session(answer), history(messages), message(message), typing(data), holder(data), status(name, seconds), outbox().
   */
  constructor({ server, memory, context, on }) {
    this.#server = server;
    this.#memory = memory;
    this.#context = context;
    this.#on = on;
    this.outbox = memory.kept().filter((entry) => !entry.position);
    this.#token = memory.record.visitor_token || null;
  }

  start() {
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    addEventListener("online", () => this.wake(), { signal });
    addEventListener("offline", () => { this.#on.status("offline"); this.#drop?.abort(); }, { signal });
    addEventListener("pageshow", () => this.wake(), { signal });
    document.addEventListener("visibilitychange", () => this.#visibility(), { signal });
    this.#run();
  }
  stop() {
    this.#stopped = true;
    this.listeners?.abort();
    this.#drop?.abort();
    this.#wakeUp?.();
    clearTimeout(this.#limitTimer);
    clearTimeout(this.#hiddenTimer);
  }

  /** Something changed for the better (network back, page shown): do not wait out the back-off. */
  wake() {
    this.#failures = 0;
    this.#wakeUp?.();
    this.#drain();
  }

  #hiddenTimer = null;
  #visibility() {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) this.#hiddenTimer = setTimeout(() => this.#drop?.abort(), HIDDEN_MS);
    else if (Date.now() - this.#heardAt > 20_000) { this.#drop?.abort(); this.wake(); } // slept: the stream may be a ghost
    else this.wake();
  }

  // ---- what we send -------------------------------------------------------------------------------------------

  /** Keep the message, show it, deliver it as soon as possible. Its id makes a second delivery harmless. */
  send({ text, payload }) {
    const entry = { id: uuid(), text, payload, at: Date.now(), after: this.#last };
    this.outbox.push(entry);
    this.#memory.keep(entry);
    this.#on.outbox();
    this.#drain();
  }
  retry(id) {
    const entry = this.outbox.find((one) => one.id === id);
    if (entry) delete entry.refused;
    this.#on.outbox();
    this.#drain();
  }
  discard(id) {
    this.outbox = this.outbox.filter((entry) => entry.id !== id);
    this.#memory.release(id);
    this.#on.outbox();
  }

  async #drain() {
    if (this.#draining || this.#stopped) return;
    this.#draining = true; // one at a time: they arrive in the order they were written
    try {
      for (let entry; (entry = this.outbox.find((one) => !one.position && !one.refused)); this.#on.outbox()) {
        await this.#session();
        const { page } = this.#context();
        const { position } = await this.#call("POST", "/api/widget/messages",
          { id: entry.id, text: entry.text, ...(entry.payload && { payload: entry.payload }), page });
        entry.position = position;
        this.#memory.release(entry.id);
        this.#settle(entry, position);
      }
    } catch (error) {
      this.#cannotSend(error);
    } finally {
      this.#draining = false;
    }
  }
  #cannotSend(error) {
    const entry = this.outbox.find((one) => !one.position && !one.refused);
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 429) {
      const seconds = Math.max(1, error.retryAfter || 5);
      this.#on.status("limited", seconds);
      this.#limitTimer = setTimeout(() => { this.#on.status("free"); this.#drain(); }, seconds * 1000);
    } else if (entry && error.path === "/api/widget/messages" && [400, 413, 422].includes(error.status)) {
      entry.refused = error.code; // trying again would be refused again; the visitor decides
      this.#memory.keep(entry);
      this.#on.outbox();
      setTimeout(() => this.#drain());
    } else if (!this.#stopped) {
      setTimeout(() => this.#drain(), this.#pause()); // no answer, or a server that is restarting: ours to repeat
    }
  }
  /** The delivered message is in the transcript already when the stream was faster than the answer. */
  #settle(entry, position) {
    if (position <= this.#last) this.outbox = this.outbox.filter((one) => one !== entry);
    if (entry.position) this.#on.sent?.(entry);
  }
  /** The pending copy of a customer's message that has arrived in the transcript; gone from the outbox. */
  #claim(message) {
    const own = this.outbox.find((entry) => entry.position === message.position)
      || this.outbox.find((entry) => !entry.position && entry.after < message.position && entry.text === message.text);
    if (!own) return;
    if (own.position) this.#memory.release(own.id);
    // Not answered yet: it stays in the queue (the same id changes nothing at the server), only its picture goes.
    if (own.position) this.outbox = this.outbox.filter((entry) => entry !== own);
    else own.shown = true;
    this.#on.outbox();
  }

  // ---- what comes ---------------------------------------------------------------------------------------------

  #heardAt = Date.now();
  async #run() {
    this.#on.status("connecting");
    while (!this.#stopped) {
      const before = this.#heardAt;
      try {
        await this.#session();
        if (!this.#historyRead) {
          const { messages, ...state } = await this.#everything();
          this.#historyRead = true;
          this.#on.history(messages);
          this.#on.holder(state);
          this.#up();
          this.#drain();
        }
        if (this.#dryStreams < STREAMS_BEFORE_POLLING) await this.#stream();
        else await this.#poll();
      } catch (error) {
        if (error.status === 401) this.#forgetSession();
      }
      if (this.#stopped) return;
      if (document.hidden) await this.#sleep(HIDDEN_MS * 5); // woken by visibilitychange
      else if (navigator.onLine === false) { this.#on.status("offline"); await this.#sleep(BACK_OFF_MS.most); }
      else if (this.#dryStreams < STREAMS_BEFORE_POLLING) {
        if (this.#heardAt === before) this.#on.status("reconnecting");
        await this.#sleep(this.#pause());
      }
    }
  }
  /** The whole transcript, page by page. */
  async #everything() {
    const messages = [];
    for (;;) {
      const answer = await this.#call("GET", `/api/widget/messages?after=${this.#last}`);
      for (const message of answer.messages) this.#note(message);
      messages.push(...answer.messages);
      if (!answer.messages.length || this.#last >= this.#lastThere) return { ...answer, messages };
    }
  }
  async #stream() {
    this.#drop = new AbortController();
    let opened = false;
    try {
      const bytes = await readEvents(`${this.#server}/api/widget/events?after=${this.#last}`, {
        headers: { Authorization: `Bearer ${this.#token}` },
        signal: this.#drop.signal,
        onOpen: () => { opened = true; this.#up(); this.#drain(); },
        onBytes: () => { this.#heardAt = Date.now(); },
        onEvent: (event) => this.#event(event),
      });
      this.#dryStreams = bytes ? 0 : this.#dryStreams + 1;
    } catch (error) {
      // Opened and then silent: something on the way swallows the stream. Not opened: the network, no reason to poll.
      if (opened && error.name === "AbortError" && !document.hidden && this.#heardAt < Date.now() - 30_000) this.#dryStreams += 1;
      throw error;
    }
  }
  async #poll() {
    for (let round = 0; round < 20 && !this.#stopped && !document.hidden; round++) {
      const { messages, ...state } = await this.#call("GET", `/api/widget/messages?after=${this.#last}`);
      this.#up();
      for (const message of messages) this.#receive(message);
      this.#on.holder(state);
      await this.#sleep(POLL_MS);
    }
    this.#dryStreams = STREAMS_BEFORE_POLLING - 1; // look now and then whether a stream gets through again
  }
  #event({ event, data }) {
    let value;
    try { value = JSON.parse(data); } catch { return; } // a broken event is not worth the conversation
    if (event === "message") this.#receive(value);
    else if (event === "typing") this.#on.typing(value);
    else if (event === "holder") this.#on.holder(value);
  }
  #receive(message) {
    if (!(message.position > this.#last)) return; // a stream that resumes may repeat
    this.#note(message);
    this.#on.message(message);
  }
  #note(message) {
    this.#last = Math.max(this.#last, message.position);
    if (message.author === "customer") this.#claim(message);
  }
  #up() {
    this.#failures = 0;
    this.#heardAt = Date.now();
    this.#on.status("online");
  }

  // ---- the session --------------------------------------------------------------------------------------------

  #session() {
    this.#sessionMade ||= this.#open().catch((error) => { this.#sessionMade = null; throw error; });
    return this.#sessionMade;
  }
  async #open() {
    const { page, language, customerToken } = this.#context();
    const wish = { page, language, ...(this.#token && { visitor_token: this.#token }) };
    let answer;
    try {
      answer = await this.#call("POST", "/api/widget/session", { ...wish, ...(customerToken && { customer_token: customerToken }) });
    } catch (error) {
      // The shop's token is wrong or has expired: go on unproven rather than not at all.
      if (error.status !== 401 || !customerToken) throw error;
      answer = await this.#call("POST", "/api/widget/session", wish);
    }
    this.#adopt(answer);
    return answer;
  }
  #adopt(answer) {
    if (this.#conversation && this.#conversation !== answer.conversation_id) this.#begin();
    this.#conversation = answer.conversation_id;
    this.#token = answer.visitor_token;
    this.#lastThere = answer.last_position || 0;
    this.#memory.update({ visitor_token: this.#token });
    this.#on.session(answer);
  }
  /** The visitor has signed in at the shop; someone else than before gets a conversation of their own. */
  async identify(customerToken) {
    let answer;
    try {
      await this.#session();
      answer = await this.#call("POST", "/api/widget/identify", { customer_token: customerToken });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#forgetSession(); // the next message opens it anew, and that carries the token too
      return;
    }
    const other = this.#conversation !== answer.conversation_id;
    this.#adopt(answer);
    if (other) this.wake();
  }
  #forgetSession() {
    this.#sessionMade = null;
  }
  /** Another conversation than before: read it from its beginning. */
  #begin() {
    this.#last = 0;
    this.#historyRead = false;
    this.#drop?.abort();
  }
  /** Someone else sits at this browser: nothing of the visitor before may be seen or written to. */
  startAfresh() {
    this.#memory.forgetVisitor();
    this.outbox = [];
    this.#token = null;
    this.#conversation = null;
    this.#forgetSession();
    this.#begin();
    this.wake();
  }
  async tell(path, body) {
    await this.#session();
    return this.#call("POST", path, body);
  }

  async #call(method, path, body) {
    const headers = { ...(body && { "Content-Type": "application/json" }) };
    if (this.#token && path !== "/api/widget/session") headers.Authorization = `Bearer ${this.#token}`;
    let response;
    try {
      response = await fetch(this.#server + path, { method, headers, body: body && JSON.stringify(body), cache: "no-store",
        keepalive: method === "POST", signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch {
      throw Object.assign(new Refusal(0, "unreachable"), { path });
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    if (response.status === 401) this.#forgetSession();
    throw Object.assign(new Refusal(response.status, answer.error?.code || "refused", Number(response.headers.get("Retry-After")) || 0), { path });
  }

  // ---- waiting ------------------------------------------------------------------------------------------------

  /** Exponential, with full jitter on the upper half, so that a thousand widgets do not come back in one second. */
  #pause() {
    const span = Math.min(BACK_OFF_MS.most, BACK_OFF_MS.first * 2 ** this.#failures++);
    return span * (0.5 + Math.random() / 2);
  }
  #sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wakeUp = () => { clearTimeout(timer); resolve(); };
    });
  }
}

function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID(); // only on https and localhost
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
