/* Lines of a conversation as the console draws them, and why people were called. */

import { el, icon } from "/widget/dom.js";
import { plain, rich, safeUrl } from "/widget/text.js";
import { day, money, named, time, told, words } from "./words.js";

const GROUP_MS = 10 * 60_000;

/** The nodes of one line, given the line drawn before it. */
export function drawn(line, before, name) {
  const nodes = [];
  const newDay = !before || new Date(before.at).toDateString() !== new Date(line.at).toDateString();
  if (newDay) nodes.push(el("div", { class: "day" }, el("span", {}, day(line.at))));
  if (line.author === "system" || line.kind === "event") {
    nodes.push(el("div", { class: "event" }, line.text, el("span", { class: "at" }, time(line.at))));
    return nodes;
  }
  const note = line.kind === "note";
  const joined = !newDay && before && before.author === line.author && before.kind === line.kind && before.agent_id === line.agent_id
    && new Date(line.at) - new Date(before.at) < GROUP_MS;
  const who = note ? words.noteBy(line.agent_name || words.team) : line.author === "customer" ? name : line.author === "agent" ? line.agent_name || words.team : words.assistant;
  nodes.push(el("article", { class: `line ${note ? "note" : line.author}${joined ? " joined" : ""}`, "data-position": line.position },
    joined ? null : el("header", { class: "line-head" }, el("span", { class: "who" }, who), note ? el("span", { class: "tag internal" }, words.noteBadge) : null, el("time", { datetime: line.at }, time(line.at))),
    joined ? el("span", { class: "unseen" }, `${who}: `) : null,
    line.text ? el("div", { class: "text", dir: "auto" }, ...(line.author === "customer" || note ? plain(line.text) : rich(line.text))) : null,
    line.picture ? picture(line.picture) : null,
    line.cards.length ? el("div", { class: "cards" }, ...line.cards.map(card)) : null,
    line.buttons.length ? el("div", { class: "offered" }, ...line.buttons.map((button) => el("span", { class: "tag quiet" }, button.title))) : null,
    line.pressed ? el("p", { class: "aside" }, words.pressed) : null,
    source(line.source),
    line.undelivered ? el("p", { class: "aside bad" }, words.undelivered, line.undelivered) : null));
  return nodes;
}

function picture(address) {
  const url = safeUrl(address);
  return url ? el("img", { class: "picture", src: url, alt: "", loading: "lazy" }) : null;
}
function card(given) {
  const url = given.picture && safeUrl(given.picture.startsWith("/") || /^https?:/.test(given.picture) ? given.picture : `/pictures/${given.picture}`);
  return el("div", { class: "card" }, url ? el("img", { src: url, alt: "", loading: "lazy", onerror: (event) => event.target.remove() }) : icon(given.kind === "document" ? "document" : "parcel"),
    el("div", {}, el("strong", {}, given.title), el("span", { class: "quiet" }, [given.price, given.badge].filter(Boolean).join(" · ") || given.text?.split("\n")[0] || "")));
}

/** Where the bot took its words from: the response, the passage, the draft and why it was refused. */
function source(given) {
  const { request_id: _, ...shown } = given || {};
  if (!Object.keys(shown).length) return null;
  const head = shown.response || shown.title || shown.source || shown.kind || words.source;
  const rest = Object.entries(shown).filter(([, value]) => value !== head);
  if (!rest.length) return el("p", { class: "aside" }, String(head));
  return el("details", { class: "aside" }, el("summary", {}, String(head)), el("dl", {}, ...pairs(rest)));
}
function pairs(entries) {
  return entries.flatMap(([name, value]) => [el("dt", {}, named(name)), el("dd", {}, said(value))]);
}
function said(value, currency) {
  if (Array.isArray(value)) return value.map((each) => said(each, currency)).join(", ");
  if (value && typeof value === "object") return facts(value, currency).join(" · ");
  return String(value);
}
/** "name: value" of each fact; amounts in minor units as money, where the currency is known. */
const facts = (given, currency = given.currency) => Object.entries(given).filter(([name, value]) => name !== "currency" && value !== null)
  .map(([name, value]) => `${named(name)}: ${name.endsWith("_minor") && currency ? money(value, currency) : said(value, currency)}`);

/** Why the bot gave up: reason, wish, what was tried, what is known, what was understood last, drafts it refused. */
export function reasons(handoff, lines) {
  if (!handoff) return null;
  const { wish, tried, known, intents, language: _, last_message: last, review, ...more } = handoff.summary || {};
  const refused = lines.flatMap((line) => line.source?.refused_because || line.source?.draft?.refused_because || []);
  const rows = [
    wish && [words.wish, named(wish)],
    tried && [words.tried, named(tried)],
    known && Object.keys(known).length && [words.known, tags(facts(known))],
    review && [words.risk, reviewed(review)],
    intents?.length && [words.intents, tags(intents.map(named))],
    last && [words.lastMessage, `“${last}”`],
    refused.length && [words.drafts, tags(refused.slice(-3).map((reason) => said(reason)))],
    ...Object.entries(more).filter(([, value]) => value !== null && value !== "").map(([name, value]) => [named(name), said(value)]),
  ].filter(Boolean);
  const title = words.reasons[handoff.reason] || handoff.reason;
  const head = [el("span", { class: `tag ${handoff.reason}` }, title), el("span", { class: "quiet" }, `${words.opened} ${time(handoff.opened_at)}`),
    handoff.outcome ? el("span", { class: "quiet" }, words.outcomes[handoff.outcome] || handoff.outcome) : null].filter(Boolean);
  if (!rows.length) return el("div", { class: "why" }, el("div", { class: "why-head" }, ...head));
  return el("details", { class: "why", open: !handoff.closed_at && innerHeight > 640 && innerWidth > 900 },
    el("summary", { class: "why-head", "aria-label": `${words.why}: ${title}` }, ...head),
    el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, ...[value].flat())])));
}

const tags = (texts) => texts.map((text) => el("span", { class: "tag quiet" }, text));

/** What was to be done, and why it waits for a person. */
function reviewed({ action, order_number: order, amount_minor: amount, currency, band, score, reasons: because, wish }) {
  return [el("span", { class: `tag band ${band}` }, words.bands[band]),
    el("span", {}, [`${words.actions[action] || named(action)} ${order}`, currency && money(amount, currency), `${words.score} ${score.toFixed(2)}`].filter(Boolean).join(" · ")),
    ...tags(facts(wish || {}, currency)),
    el("ul", {}, ...because.map((reason) => el("li", {}, told(reason))))];
}
