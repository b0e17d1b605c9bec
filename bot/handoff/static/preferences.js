/* What this browser remembers of its agent: theme, language, shortcuts, and drafts by conversation. */

const KEY = "kefu-console";

function read() {
  try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch { return {}; }
}
export function preference(name, fallback) { return read()[name] ?? fallback; }
export function prefer(name, value) {
  try { localStorage.setItem(KEY, JSON.stringify({ ...read(), [name]: value })); } catch { /* storage may be forbidden */ }
}

/** A draft outlives a reload and a change of conversation; sent or emptied, it is gone. */
export function draft(conversation, mode) {
  try { return sessionStorage.getItem(`${KEY}:${conversation}:${mode}`) || ""; } catch { return ""; }
}
export function keepDraft(conversation, mode, text) {
  try {
    if (text) sessionStorage.setItem(`${KEY}:${conversation}:${mode}`, text);
    else sessionStorage.removeItem(`${KEY}:${conversation}:${mode}`);
  } catch { /* the page itself still holds it */ }
}
