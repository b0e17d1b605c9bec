/* What the browser keeps between pages: one record and one key a message not yet delivered.
   Nothing is written before the visitor opens the chat. Where storage is forbidden, the page's own memory serves. */

export class Memory {
  #key;
  #fallback = new Map();

  constructor(key) { this.#key = key; }

  #read(key) {
    try { return localStorage.getItem(key) ?? this.#fallback.get(key) ?? null; } catch { return this.#fallback.get(key) ?? null; }
  }
  #write(key, value) {
    try { localStorage.setItem(key, value); } catch { this.#fallback.set(key, value); }
  }
  #remove(key) {
    this.#fallback.delete(key);
    try { localStorage.removeItem(key); } catch { /* forbidden: there is nothing to remove */ }
  }
  #keys() {
    let kept = [];
    try { kept = Object.keys(localStorage); } catch { /* forbidden */ }
    return [...new Set([...kept, ...this.#fallback.keys()])].filter((key) => key === this.#key || key.startsWith(`${this.#key}:`));
  }

  get record() {
    try { return JSON.parse(this.#read(this.#key)) || {}; } catch { return {}; }
  }
  update(changes) { this.#write(this.#key, JSON.stringify({ ...this.record, ...changes })); }

  // One key an entry: two tabs that both write never overwrite each other's.
  keep(entry) { this.#write(`${this.#key}:out:${entry.id}`, JSON.stringify(entry)); }
  release(id) { this.#remove(`${this.#key}:out:${id}`); }
  kept() {
    const entries = this.#keys().filter((key) => key.startsWith(`${this.#key}:out:`)).map((key) => {
      try { return JSON.parse(this.#read(key)); } catch { return null; }
    });
    return entries.filter(Boolean).sort((one, other) => one.at - other.at);
  }
  /** The conversation and what was still to be sent in it; the choice of language stays. */
  forgetVisitor() {
    for (const { id } of this.kept()) this.release(id);
    this.update({ visitor_token: null, seen: 0 });
  }
  clear() { for (const key of this.#keys()) this.#remove(key); }
}
