/* What the widget itself says, in both languages. Sentences of the shop come from the server. */

export const WORDS = {
  en: {
    title: "Customer service", assistant: "Assistant", you: "You", team: "Service team",
    answersAtOnce: "Answers at once", withPerson: (name) => `${name} is with you`, waiting: "Waiting for a colleague",
    connecting: "Connecting…", reconnecting: "Connection lost. Trying again…",
    offline: "You are offline. What you write is kept here and sent when you are back.",
    limited: (seconds) => `That was quick! Sending goes on in ${seconds} s.`,
    failedToStart: "The chat cannot be reached at the moment. Trying again…",
    tooLong: (over) => `Too long by ${over} ${over === 1 ? "character" : "characters"}. Please shorten it.`,
    refused: "Not sent", retry: "Try again", discard: "Discard", sending: "Sending…", sent: "Sent", kept: "Waiting for the connection",
    placeholder: "Write a message…", label: "Your message", send: "Send", close: "Close chat", switchLanguage: "中文", switchLabel: "切换到中文",
    log: "Conversation", typing: (name) => `${name} is writing`, newMessages: "New messages", earlier: "Earlier messages",
    today: "Today", yesterday: "Yesterday", carousel: "Suggestions", position: (n, of) => `${n} of ${of}`, previous: "Previous", next: "Next",
    choices: "Quick answers", order: "Order", document: "Document", opensNew: "opens in a new tab",
    greeting: "Hello! How can I help?", about: "You are writing with an automatic assistant. Ask for a person at any time.",
    starters: ["Where is my order?", "Help me find a product", "I want to return something", "Talk to a person"],
  },
  zh: {
    title: "在线客服", assistant: "智能助手", you: "您", team: "客服团队",
    answersAtOnce: "即时回复", withPerson: (name) => `${name} 正在为您服务`, waiting: "正在等待人工客服",
    connecting: "正在连接……", reconnecting: "连接已断开，正在重新连接……",
    offline: "您已离线。您输入的内容会保存在这里，联网后自动发送。",
    limited: (seconds) => `发送得有点快，${seconds} 秒后继续发送。`,
    failedToStart: "暂时无法连接客服，正在重试……",
    tooLong: (over) => `超出 ${over} 个字，请缩短后再发送。`,
    refused: "未发送", retry: "重试", discard: "删除", sending: "发送中……", sent: "已发送", kept: "等待网络连接",
    placeholder: "请输入消息……", label: "您的消息", send: "发送", close: "关闭在线客服", switchLanguage: "EN", switchLabel: "Switch to English",
    log: "对话", typing: (name) => `${name}正在输入`, newMessages: "新消息", earlier: "更早的消息",
    today: "今天", yesterday: "昨天", carousel: "推荐", position: (n, of) => `第 ${n} 项，共 ${of} 项`, previous: "上一个", next: "下一个",
    choices: "快捷回复", order: "订单", document: "文档", opensNew: "在新标签页中打开",
    greeting: "您好！有什么可以帮您？", about: "您正在与智能助手对话，随时可以要求人工客服。",
    starters: ["我的订单到哪了？", "帮我找商品", "我想退货", "转人工客服"],
  },
};

/** The locale dates are written in: the browser's own variant of the language where it has one. */
export function locale(language) {
  const own = navigator.languages?.find((tag) => tag.toLowerCase().startsWith(language));
  return own || (language === "zh" ? "zh-CN" : "en-GB");
}
