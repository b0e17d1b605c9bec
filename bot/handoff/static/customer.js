/* The customer beside the conversation: proven or not, their orders, returns and what the risk model said. */

import { el, icon } from "/widget/dom.js";
import { date, money, told, words } from "./words.js";

export function customerPanel(data, page) {
  const where = page?.url ? el("p", { class: "where" }, `${words.page} `, el("span", { class: "url" }, page.title || page.url)) : null;
  if (!data.customer) {
    return [el("div", { class: "unproven" }, icon("person"), el("div", {}, el("strong", {}, words.unproven), el("p", {}, words.unprovenHint))), where].filter(Boolean);
  }
  return [person(data.customer), where, ...orders(data), ...risk(data)].filter(Boolean);
}

function person(customer) {
  const address = customer.addresses[0];
  return el("section", { class: "person" },
    el("div", { class: "person-head" }, el("span", { class: "face tone2", "aria-hidden": "true" }, [...customer.name][0].toUpperCase()),
      el("div", {}, el("h3", {}, customer.name), el("p", { class: "quiet" }, words.since(date(customer.since)))),
      el("span", { class: "tag proven" }, words.proven)),
    el("dl", { class: "figures" },
      el("div", {}, el("dt", {}, words.orders), el("dd", {}, String(customer.orders))),
      el("div", {}, el("dt", {}, words.spent), el("dd", {}, money(customer.spent_minor, customer.currency)))),
    el("p", { class: "contact" }, customer.email), customer.phone ? el("p", { class: "contact" }, customer.phone) : null,
    address ? el("p", { class: "contact quiet" }, written(address)) : null);
}

const written = (address) => [address.line1, address.line2, [address.postcode, address.city].filter(Boolean).join(" "), address.country].filter(Boolean).join(", ");

function orders({ orders: list, risk: decisions }) {
  return [el("h3", { class: "panel-title" }, words.orders),
    ...(list.length ? list.map((order, index) => one(order, decisions, index === 0)) : [el("p", { class: "quiet" }, words.noOrders)])];
}

function one(order, decisions, open) {
  const worst = decisions.find((decision) => decision.order === order.number && decision.band !== "low");
  const shipment = order.shipments[0];
  return el("details", { class: "order", open },
    el("summary", {},
      el("span", { class: "order-number" }, order.number),
      el("span", { class: `tag status ${order.status}` }, words.statuses[order.status] || order.status),
      worst ? el("span", { class: `tag band ${worst.band}` }, `${words.risk}: ${words.bands[worst.band]}`) : null,
      el("span", { class: "order-total" }, money(order.total_minor, order.currency))),
    el("div", { class: "order-body" },
      el("p", { class: "quiet" }, date(order.placed_at)),
      el("ul", { class: "order-lines" }, ...order.lines.map((line) => el("li", {},
        el("span", {}, `${line.quantity} × ${line.name}`, options(line.options)), el("span", { class: "amount" }, money(line.price_minor * line.quantity, order.currency))))),
      shipment ? el("p", { class: "shipment" }, icon("parcel"), el("span", {}, `${shipment.carrier} ${shipment.tracking} · ${words.statuses[shipment.status] || shipment.status}`,
        shipment.eta && !shipment.delivered_at ? ` · ${words.eta(date(shipment.eta))}` : "")) : null,
      ...order.returns.map((made) => el("p", { class: "shipment" }, icon("retry"),
        el("span", {}, `${words.kinds[made.kind] || made.kind} ${made.number} · ${words.statuses[made.status] || made.status} · ${money(made.refund_minor, order.currency)}`))),
      el("p", { class: "quiet" }, `${words.ship}: ${written(order.ship_to)}`)));
}

const options = (given) => {
  const values = Object.values(given || {});
  return values.length ? el("span", { class: "quiet" }, ` ${values.join(", ")}`) : "";
};

function risk({ risk: decisions }) {
  if (!decisions.length) return [];
  return [el("h3", { class: "panel-title" }, words.risk),
    ...decisions.map((decision) => el("section", { class: `decision ${decision.band}` },
      el("p", { class: "decision-head" }, el("span", { class: `tag band ${decision.band}` }, words.bands[decision.band]),
        el("span", {}, `${words.actions[decision.action] || decision.action}${decision.order ? ` ${decision.order}` : ""}`),
        el("span", { class: "quiet" }, `${words.score} ${decision.score.toFixed(2)} · ${date(decision.at)}`)),
      el("ul", {}, ...decision.reasons.map((reason) => el("li", {}, told(reason.words))))))];
}
