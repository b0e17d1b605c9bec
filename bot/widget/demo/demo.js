/* The demo shop around the widget: a first page, categories, products, help texts, and being one of its customers. */

import { el } from "/widget/dom.js";
import { rich } from "/widget/text.js";

const WORDS = {
  en: {
    hero: "Made for rain, ridges and long evenings.", under: "A demo shop around a real service desk. Open the chat and ask: where an order is, what fits, what the policy says.",
    ask: "Ask us", guest: "Just looking", as: (name) => `Signed in: ${name}`, popular: "From every shelf", from: "from", out: "Out of stock", few: "Few left", add: "Ask about this product", mailbox: "Mailbox", noMail: "No mail yet. Codes and labels arrive here.",
    close: "Close", back: "All products", variants: "Sizes and colours", stock: (n) => (n > 5 ? "in stock" : n > 0 ? `${n} left` : "out of stock"), missing: "There is no such page.", about: "A demo: the products, customers and orders are invented, the service desk is not.",
    put: "Add to cart", cart: (n) => (n ? `Cart, ${n}` : "Cart"), empty: "The cart is empty.", take: "Remove", goes: "What goes with it?",
    customer: "Be a demo customer", orders: "Try these orders", off: "off", language: "Switch the shop to Chinese",
    categories: { tents: "Tents", sleeping_bags: "Sleeping bags", backpacks: "Backpacks", jackets: "Jackets", shoes: "Shoes", cooking: "Cooking", lighting: "Lighting", navigation: "Navigation", climbing: "Climbing", cycling: "Cycling", furniture: "Furniture", kitchen: "Kitchen", bedding: "Bedding", decor: "Decor", garden: "Garden" },
  },
  zh: {
    hero: "为风雨、山脊与漫长的夜晚而生。", under: "这是一家演示商店，客服是真的。打开右下角的对话框，问问订单到哪了、哪款合适、政策怎么说。",
    ask: "联系客服", guest: "随便看看", as: (name) => `已登录：${name}`, popular: "各类精选", from: "起价", out: "缺货", few: "库存不多", add: "咨询此商品", mailbox: "邮箱", noMail: "还没有邮件。验证码和退货单会送到这里。",
    close: "关闭", back: "全部商品", variants: "尺码与颜色", stock: (n) => (n > 5 ? "有货" : n > 0 ? `仅剩 ${n} 件` : "缺货"), missing: "没有这个页面。", about: "演示：商品、客户和订单都是虚构的，客服系统是真实的。",
    put: "加入购物车", cart: (n) => (n ? `购物车 ${n}` : "购物车"), empty: "购物车是空的。", take: "移除", goes: "有什么可以搭配的？",
    customer: "选择演示客户", orders: "可以问这些订单", off: "优惠", language: "切换到英文",
    categories: { tents: "帐篷", sleeping_bags: "睡袋", backpacks: "背包", jackets: "外套", shoes: "鞋", cooking: "炊具", lighting: "照明", navigation: "导航", climbing: "攀岩", cycling: "骑行", furniture: "家具", kitchen: "厨房", bedding: "寝具", decor: "装饰", garden: "花园" },
  },
};
const $ = (id) => document.getElementById(id);
const kept = (name) => { try { return sessionStorage.getItem(name) || ""; } catch { return ""; } };
const keep = (name, value) => { try { sessionStorage.setItem(name, value); } catch { /* the page still works */ } };

let language = kept("demo-language") || (/^zh/i.test(navigator.language) ? "zh" : "en");
let shop = null;
let customer = kept("demo-customer");
let cart = JSON.parse(kept("demo-cart") || "[]"); // [{ id, name, name_zh }]

const get = async (path) => { const response = await fetch(path); return response.ok ? response.json() : null; };
const money = (minor, currency) => new Intl.NumberFormat(language === "zh" ? "zh-CN" : "en-GB", { style: "currency", currency }).format(minor / 100);
const named = (thing) => (language === "zh" && thing.name_zh) || thing.name;

function tile(product) {
  const w = WORDS[language];
  return el("a", { class: "tile", href: `/products/${product.id}` },
    el("img", { src: product.picture, alt: "", width: 400, height: 400, loading: "lazy" }),
    el("span", { class: "tile-brand" }, product.brand), el("span", { class: "tile-name" }, named(product)),
    el("span", { class: "tile-price" }, product.list_price_minor ? el("s", {}, money(product.list_price_minor, product.currency)) : null,
      el("b", { class: product.list_price_minor ? "sale" : null }, money(product.price_minor, product.currency)), product.in_stock ? null : el("i", {}, w.out)));
}

function home() {
  const w = WORDS[language];
  const promotion = shop.promotions[0];
  const mine = shop.customers.find((one) => one.id === customer);
  const numbers = Object.entries(mine?.orders || {});
  return [
    el("section", { class: "hero" }, el("div", {},
      promotion ? el("p", { class: "promotion" }, (language === "zh" && promotion.title_zh) || promotion.title) : null,
      el("h1", {}, w.hero), el("p", {}, w.under), el("button", { type: "button", class: "call", onclick: () => kefu("open") }, w.ask)), scene()),
    mine && numbers.length ? el("section", { class: "orders" }, el("h2", {}, w.orders), el("p", {}, ...numbers.map(([state, number]) => el("span", { class: "order" }, el("b", {}, number), ` ${state.replaceAll("_", " ")}`)))) : null,
    el("section", {}, el("h2", {}, w.popular), el("div", { class: "grid" }, ...shop.products.map(tile))),
  ];
}

/** Hills at dusk, drawn here: no picture to fetch. */
function scene() {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 600 380");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("preserveAspectRatio", "xMidYMax slice");
  for (const [name, attributes] of [
    ["circle", { cx: 440, cy: 120, r: 46, class: "sun" }], ["path", { d: "M0 300 130 150l70 80 90-130 150 190 60-70 100 110v50H0Z", class: "far" }],
    ["path", { d: "M0 330 90 260l80 60 120-110 130 120 80-50 100 70v30H0Z", class: "near" }], ["path", { d: "M236 330 292 232l58 98Z", class: "tent" }],
    ["path", { d: "M292 232l-16 98h34Z", class: "door" }], ["path", { d: "M0 330h600v50H0Z", class: "ground" }],
  ]) {
    const node = svg.appendChild(document.createElementNS(space, name));
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  }
  return svg;
}

function productPage(product) {
  const w = WORDS[language];
  const about = (language === "zh" && product.description_zh) || product.description;
  return [el("a", { class: "back", href: `/category/${product.category}` }, `← ${w.categories[product.category] || product.category}`),
    el("section", { class: "product" }, el("img", { src: product.picture, alt: named(product), width: 400, height: 400 }),
      el("div", {}, el("p", { class: "tile-brand" }, product.brand), el("h1", {}, named(product)), el("p", { class: "price" }, product.list_price_minor ? el("s", {}, money(product.list_price_minor, product.currency)) : null, money(product.price_minor, product.currency)),
        ...rich(about), el("button", { type: "button", class: "call", onclick: () => kefu("send", language === "zh" ? `${named(product)} 怎么样？` : `Tell me about the ${product.name}`) }, w.add),
        el("button", { type: "button", class: "call quiet", onclick: () => fill([...cart.filter((one) => one.id !== product.id), { id: product.id, name: product.name, name_zh: product.name_zh }]) }, w.put),
        el("h2", {}, w.variants), el("ul", { class: "variants" }, ...product.variants.map((variant) => el("li", {},
          el("span", {}, Object.values(variant.options).join(", ") || variant.sku), el("span", { class: variant.stock ? "" : "gone" }, w.stock(variant.stock))))))) ];
}

async function draw() {
  const w = WORDS[language];
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  const page = $("page");
  const [, kind, one, two] = location.pathname.split("/");
  $("about").textContent = w.about;
  $("language").textContent = language === "zh" ? "EN" : "中文";
  $("language").setAttribute("aria-label", w.language);
  if (!shop) { page.replaceChildren(el("p", { class: "missing" }, w.missing)); return; }
  $("shop").textContent = shop.name;
  $("categories").replaceChildren(...shop.categories.map((slug) => el("a", { href: `/category/${slug}`, "aria-current": kind === "category" && one === slug ? "page" : null }, w.categories[slug] || slug)));
  $("who-label").textContent = w.customer;
  $("who").replaceChildren(new Option(w.guest, ""), ...shop.customers.map((each) => new Option(each.name, each.id, false, each.id === customer)));
  $("mail").textContent = w.mailbox;
  $("mail").hidden = false;
  showCart();
  let nodes = null;
  if (!kind) nodes = home();
  else if (kind === "category") nodes = await get(`/api/demo/category/${one}`).then((found) => found && [el("h1", {}, w.categories[one] || one), el("div", { class: "grid" }, ...found.products.map(tile))]);
  else if (kind === "products") nodes = await get(`/api/demo/products/${one}`).then((found) => found && productPage(found));
  else if (kind === "help") nodes = await get(`/api/demo/help/${one}/${two}`).then((found) => found && [el("article", { class: "help" }, el("h1", {}, found.title), ...paragraphs(found.body))]);
  page.replaceChildren(...(nodes || [el("p", { class: "missing" }, w.missing)]).filter(Boolean));
  document.querySelector("kefu-chat")?.setAttribute("product", kind === "products" ? one : "");
}
/** Help texts are Markdown with headings; the rest is what chat messages may hold too. */
const paragraphs = (body) => body.split(/\n(?=#+ )/).flatMap((part) => {
  const [, marks, title, rest] = part.match(/^(#+) (.*)\n?([^]*)$/) || [];
  return marks ? [el("h2", {}, title), ...rich(rest)] : rich(part);
});

/** The widget is told what is in the cart, as a shop's own page would tell it. */
function fill(things) {
  cart = things;
  keep("demo-cart", JSON.stringify(cart));
  showCart();
}
function showCart() {
  $("cart").textContent = WORDS[language].cart(cart.length);
  $("cart").hidden = false;
  document.querySelector("kefu-chat")?.setAttribute("cart", cart.map((one) => one.id).join(","));
}
function openCart() {
  const w = WORDS[language];
  const box = $("cart-box");
  const drop = (one) => { fill(cart.filter((other) => other !== one)); box.close(); openCart(); };
  const ask = () => { box.close(); kefu("send", w.goes); };
  box.replaceChildren(...[el("h2", { id: "cart-title" }, w.cart(0)),
    ...(cart.length ? cart.map((one) => el("article", { class: "in-cart" }, el("a", { href: `/products/${one.id}` }, named(one)), el("button", { type: "button", onclick: () => drop(one) }, w.take))) : [el("p", {}, w.empty)]),
    cart.length ? el("button", { type: "button", class: "call", onclick: ask }, w.goes) : null,
    el("button", { type: "button", class: "call quiet", onclick: () => box.close() }, w.close)].filter(Boolean));
  box.showModal();
}

async function signIn(id) {
  customer = id;
  keep("demo-customer", id);
  if (!id) { kefu("identify", null); return; }
  const response = await fetch(`/api/demo/sign-in/${encodeURIComponent(id)}`, { method: "POST" });
  if (response.ok) kefu("identify", (await response.json()).customer_token);
}
async function mailbox() {
  const w = WORDS[language];
  const { mails } = (await get("/api/demo/mails")) || { mails: [] };
  $("mailbox").replaceChildren(el("h2", { id: "mailbox-title" }, w.mailbox),
    ...(mails.length ? mails.map((mail) => el("article", {}, el("h3", {}, mail.subject), el("p", { class: "to" }, mail.to), el("p", { class: "mail-body" }, mail.body))) : [el("p", {}, w.noMail)]),
    el("button", { type: "button", class: "call", onclick: () => $("mailbox").close() }, w.close));
  $("mailbox").showModal();
}

$("who").addEventListener("change", async (event) => { await signIn(event.target.value); draw(); });
$("mail").addEventListener("click", mailbox);
$("cart").addEventListener("click", openCart);
$("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  keep("demo-language", language);
  kefu("setLocale", language);
  draw();
});
kefu("setLocale", language);
shop = await get("/api/demo/shop");
if (customer) await signIn(customer);
await draw();
