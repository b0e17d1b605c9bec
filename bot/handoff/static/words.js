/* Every sentence of the console, in both languages. */

import { preference } from "./preferences.js";

const EN = {
  name: "English", console: "Service console", signIn: "Sign in", email: "E-mail", password: "Password", wrong: "Wrong e-mail address or password.",
  tooMany: "Too many failed tries. Please wait a quarter of an hour.", unreachable: "The server does not answer. Trying again…", signOut: "Sign out",
  waiting: "Waiting", mine: "Mine", colleagues: "With colleagues", bot: "With the assistant", search: "Find a customer", searchResults: "Found",
  nobodyWaits: "Nobody is waiting.", nothingMine: "You hold no conversation.", nothingFound: "Nobody found by this name or e-mail.", lists: "Conversations", results: "Search results",
  choose: "Choose a conversation", chooseHint: "Those who wait longest stand first. Press ? for the keyboard.",
  visitor: (id) => `Visitor ${id}`, justNow: "now", minutes: (n) => `${n} min`, hours: (n) => `${n} h`, days: (n) => `${n} d`, waits: (time) => `has waited ${time}`,
  takeOver: "Take over", takeFrom: (name) => `Take over from ${name}`, handBack: "Hand back", resolve: "Resolve", transfer: "Pass on", passTo: "Pass on to…",
  confirmHandBack: "Hand back to the assistant?", confirmResolve: "Mark as solved?", confirmTakeFrom: (name) => `${name} holds this conversation. Take it over?`, cancel: "Cancel",
  reply: "Reply", note: "Internal note", replyTo: (name) => `Reply to ${name}`, notePlaceholder: "Only colleagues read this…", send: "Send", keep: "Keep note",
  takesOver: "Sending takes the conversation over.", held: (name) => `${name} holds this conversation. You can read along and write notes.`, botHolds: "The assistant answers. Take over to write yourself.",
  queueHolds: "Waiting for a person. The assistant is silent.", youHold: "Yours; the assistant is silent.",
  newer: "Something new was written. Read it, then send again.", notSent: "Not sent: ", lineDown: "Connection lost. Trying again…",
  customer: "Customer", assistant: "Assistant", you: "You", team: "Team", noteBy: (name) => `Note by ${name}`, noteBadge: "internal",
  viewing: (names) => `${names} ${names.includes(",") ? "are" : "is"} looking too`, typing: "is writing…", pressed: "pressed a button", undelivered: "Not delivered: ",
  why: "Why people were called", wish: "Wish", tried: "What was tried", known: "Known", intents: "Understood last", lastMessage: "Last message", language: "Language", drafts: "Drafts refused", opened: "Called", ended: "Ended", members: "Members",
  reasons: { asked: "Asked for a person", not_understood: "Not understood twice", failure: "The assistant failed", risk_review: "Needs a risk review", policy: "Policy needs a person", complaint: "Complaint", agent: "Taken over by the team" },
  outcomes: { handed_back: "handed back", resolved: "solved" },
  details: "Customer and orders", unproven: "Not proven", unprovenHint: "This visitor has not signed in or entered a code. Tell them nothing about orders.", proven: "Proven",
  since: (date) => `customer since ${date}`, ordersCount: (n) => `${n} ${n === 1 ? "order" : "orders"}`, spent: "Spent", orders: "Orders", noOrders: "No orders yet.", ship: "Ships to", eta: (date) => `expected ${date}`,
  statuses: { pending: "paid", processing: "being packed", shipped: "on its way", delivered: "delivered", cancelled: "cancelled", packed: "packed", in_transit: "on its way", out_for_delivery: "arrives today", lost: "lost", returned: "returned", requested: "requested", in_review: "in review", label_sent: "label sent", received: "received", refunded: "refunded", exchanged: "exchanged", refused: "refused", withdrawn: "withdrawn" },
  kinds: { return: "Return", exchange: "Exchange" }, risk: "Risk", bands: { low: "low", review: "review", high: "high" }, score: "score",
  actions: { cancel: "Cancellation", cancel_after_shipping: "Cancellation after shipping", change_address: "Change of address", change_items: "Change of items", change_payment: "Change of payment", change_shipping: "Change of shipping", return: "Return", exchange: "Exchange", refund_without_return: "Refund without return", order: "Order" },
  names: { code_wrong: "one-time code, too many wrong entries", second_code_wrong: "second one-time code, too many wrong entries" },
  theme: "Light or dark", switchTo: "中文", switchLabel: "切换到中文", back: "Back to the list", close: "Close", keyboard: "Keyboard", shortcuts: "Single-key shortcuts",
  keys: [["j / k", "next, previous conversation"], ["c", "take over"], ["r", "write a reply"], ["n", "write a note"], ["/", "find a customer"], ["d", "customer and orders"], ["Enter", "send"], ["Shift + Enter", "new line"], ["Esc", "leave the field, close"], ["?", "this list"]],
  newWaiting: (n) => `${n} waiting`, taken: "You have taken over.", source: "Source", log: "Conversation", today: "Today", yesterday: "Yesterday", page: "Writes from", more: "more", offline: "You are offline.",
};
const ZH = {
  name: "中文", console: "客服工作台", signIn: "登录", email: "邮箱", password: "密码", wrong: "邮箱或密码不正确。",
  tooMany: "失败次数过多，请一刻钟后再试。", unreachable: "服务器没有响应，正在重试……", signOut: "退出登录",
  waiting: "等待中", mine: "我的", colleagues: "同事处理中", bot: "智能助手处理中", search: "查找客户", searchResults: "查找结果",
  nobodyWaits: "暂无等待的客户。", nothingMine: "您还没有接手会话。", nothingFound: "没有找到该姓名或邮箱的客户。", lists: "会话", results: "查找结果",
  choose: "请选择会话", chooseHint: "等待最久的排在最前。按 ? 查看快捷键。",
  visitor: (id) => `访客 ${id}`, justNow: "刚刚", minutes: (n) => `${n} 分钟`, hours: (n) => `${n} 小时`, days: (n) => `${n} 天`, waits: (time) => `已等待 ${time}`,
  takeOver: "接手", takeFrom: (name) => `从 ${name} 接手`, handBack: "交还助手", resolve: "标记解决", transfer: "转交", passTo: "转交给……",
  confirmHandBack: "交还给智能助手？", confirmResolve: "标记为已解决？", confirmTakeFrom: (name) => `${name} 正在处理此会话，确定要接手吗？`, cancel: "取消",
  reply: "回复", note: "内部备注", replyTo: (name) => `回复 ${name}`, notePlaceholder: "仅同事可见……", send: "发送", keep: "保存备注",
  takesOver: "发送即接手此会话。", held: (name) => `${name} 正在处理此会话，您可以查看并写备注。`, botHolds: "智能助手正在回复，接手后您可以亲自回复。",
  queueHolds: "正在等待人工，智能助手保持静默。", youHold: "由您处理，智能助手保持静默。",
  newer: "有新的消息，请阅读后再发送。", notSent: "未发送：", lineDown: "连接已断开，正在重新连接……",
  customer: "客户", assistant: "智能助手", you: "您", team: "客服团队", noteBy: (name) => `${name} 的备注`, noteBadge: "内部",
  viewing: (names) => `${names} 也在查看`, typing: "正在输入……", pressed: "点击了按钮", undelivered: "未送达：",
  why: "转人工的原因", wish: "诉求", tried: "已尝试", known: "已知信息", intents: "最近理解的意图", lastMessage: "最后一条消息", language: "语言", drafts: "被拒绝的草稿", opened: "转接时间", ended: "结束", members: "成员",
  reasons: { asked: "客户要求人工", not_understood: "连续两次未理解", failure: "助手出错", risk_review: "需要风险审核", policy: "政策要求人工处理", complaint: "投诉", agent: "团队主动接手" },
  outcomes: { handed_back: "已交还", resolved: "已解决" },
  details: "客户与订单", unproven: "未验证", unprovenHint: "该访客尚未登录或输入验证码，请勿透露任何订单信息。", proven: "已验证",
  since: (date) => `${date} 成为客户`, ordersCount: (n) => `${n} 个订单`, spent: "累计消费", orders: "订单", noOrders: "暂无订单。", ship: "收货地址", eta: (date) => `预计 ${date} 送达`,
  statuses: { pending: "已付款", processing: "备货中", shipped: "运输中", delivered: "已送达", cancelled: "已取消", packed: "已打包", in_transit: "运输中", out_for_delivery: "今日送达", lost: "丢失", returned: "已退回", requested: "已申请", in_review: "审核中", label_sent: "已寄退货单", received: "已收货", refunded: "已退款", exchanged: "已换货", refused: "已拒绝", withdrawn: "已撤销" },
  kinds: { return: "退货", exchange: "换货" }, risk: "风险", bands: { low: "低", review: "待审", high: "高" }, score: "分数",
  actions: { cancel: "取消订单", cancel_after_shipping: "发货后取消", change_address: "修改地址", change_items: "修改商品", change_payment: "更改付款方式", change_shipping: "更改配送方式", return: "退货", exchange: "换货", refund_without_return: "仅退款", order: "订单" },
  names: {
    affirm: "确认", ask_faq: "常见问题", bot_challenge: "询问是否机器人", cancel_order: "取消订单", cancel_return: "撤销退换货", change_address: "修改地址", change_items: "修改商品",
    change_language: "切换语言", change_payment: "更改付款方式", change_shipping: "更改配送方式", check_price: "询问价格", check_stock: "询问库存",
    chitchat: "闲聊", compare_products: "比较商品", complaint: "投诉", correct: "更正", create_account: "注册账户", delete_account: "注销账户",
    delivery_options: "配送方式", delivery_time: "配送时间", deny: "否认", edit_account: "修改资料", exchange_order: "换货", gift_card: "礼品卡",
    goodbye: "道别", greet: "问候", help: "求助", inform: "提供信息", invoice: "发票", more_results: "更多结果", never_mind: "放弃",
    newsletter: "邮件订阅", nlu_fallback: "未理解", not_for_me: "不合适", order_history: "订单记录", out_of_scope: "无关话题", password: "重置密码",
    payment_methods: "付款方式", payment_problem: "付款问题", product_question: "商品咨询", product_refine: "缩小范围", product_search: "查找商品",
    promotions: "优惠活动", recommend: "推荐商品", refund_policy: "退款政策", refund_status: "退款进度", reorder: "再次购买", resend_code: "重发验证码",
    return_order: "退货", review: "评价", size_fit: "尺码咨询", talk_to_person: "转人工", thanks: "致谢", track_order: "查询订单", warranty: "保修",
    order: "订单", order_number: "订单号", product: "商品", category: "类别", brand: "品牌", color: "颜色", size: "尺码", quantity: "数量",
    price_min: "最低价", price_max: "最高价", amount: "金额", date: "日期", postcode: "邮编", phone: "电话", payment_method: "付款方式",
    shipping_method: "配送方式", language: "语言", ordinal: "序号", in_stock: "有货", reason: "原因", before: "原来", after: "改为", name: "姓名",
    line1: "地址", line2: "地址补充", city: "城市", country: "国家", items: "商品", refund_minor: "退款", fee_minor: "费用", shipping_minor: "运费",
    total_minor: "总额", difference_minor: "差额", refunds: "退款", condition: "状况", kind: "类型", code_wrong: "验证码多次输错",
    second_code_wrong: "第二个验证码多次输错",
  },
  theme: "浅色或深色", switchTo: "EN", switchLabel: "Switch to English", back: "返回列表", close: "关闭", keyboard: "键盘", shortcuts: "单键快捷键",
  keys: [["j / k", "下一个、上一个会话"], ["c", "接手"], ["r", "写回复"], ["n", "写备注"], ["/", "查找客户"], ["d", "客户与订单"], ["Enter", "发送"], ["Shift + Enter", "换行"], ["Esc", "离开输入框、关闭"], ["?", "显示此列表"]],
  newWaiting: (n) => `${n} 位等待`, taken: "您已接手。", source: "来源", log: "对话", today: "今天", yesterday: "昨天", page: "来自页面", more: "更多", offline: "您已离线。",
};

export const LANGUAGES = { en: EN, zh: ZH };
let language = preference("language", /^zh/i.test(navigator.language) ? "zh" : "en");
export let words = LANGUAGES[language];

export function speak(next) {
  language = next;
  words = LANGUAGES[next];
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
}
export const spoken = () => language;

/** What a wish, a fact or a step of the assistant is called. */
export const named = (name) => words.names[name] || String(name).replace(/_minor$/, "").replaceAll("_", " ");
/** A sentence that is kept in both languages, in the one spoken; those of earlier days are plain text. */
export const told = (sentence) => (typeof sentence === "string" ? sentence : sentence[language]);
const locale = () => navigator.languages.find((tag) => tag.toLowerCase().startsWith(language)) || (language === "zh" ? "zh-CN" : "en-GB");

export const time = (iso) => new Date(iso).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" });
export const date = (iso) => new Date(iso).toLocaleDateString(locale(), { day: "numeric", month: "short", year: "numeric" });
export const money = (minor, currency) => new Intl.NumberFormat(locale(), { style: "currency", currency }).format(minor / 100);

/** How long ago, in the largest unit: "3 min". */
export function since(iso) {
  const minutes = Math.floor((Date.now() - new Date(iso)) / 60_000);
  if (minutes < 1) return words.justNow;
  if (minutes < 60) return words.minutes(minutes);
  if (minutes < 48 * 60) return words.hours(Math.floor(minutes / 60));
  return words.days(Math.floor(minutes / 1440));
}
export function day(iso) {
  const at = new Date(iso);
  const midnight = (value) => new Date(value.getFullYear(), value.getMonth(), value.getDate());
  const days = Math.round((midnight(new Date()) - midnight(at)) / 86_400_000);
  return days === 0 ? words.today : days === 1 ? words.yesterday : at.toLocaleDateString(locale(), { weekday: "long", day: "numeric", month: "long" });
}
