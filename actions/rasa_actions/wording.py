"""Money, days, places and goods as people read them, in both languages."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from actions.order_desk.views import LineView, OrderView, PaymentMethodView
from retrieval import words_zh

SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "CNY": "¥"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STATUS = {
    "pending": ("received, not packed yet", "已下单，待打包"),
    "processing": ("being packed", "打包中"),
    "shipped": ("on its way", "运输中"),
    "delivered": ("delivered", "已送达"),
    "cancelled": ("cancelled", "已取消"),
    "packed": ("packed", "已打包"),
    "in_transit": ("on its way", "运输中"),
    "out_for_delivery": ("out for delivery today", "派送中"),
    "lost": ("lost by the carrier", "运输途中丢失"),
    "returned": ("on its way back to us", "退回中"),
    "requested": ("requested", "已申请"),
    "in_review": ("being looked at", "审核中"),
    "label_sent": ("label sent, waiting for your parcel", "已发退货标签，等待寄回"),
    "received": ("arrived with us", "已收到退货"),
    "refunded": ("refunded", "已退款"),
    "exchanged": ("exchanged", "已换货"),
    "refused": ("refused", "已拒绝"),
    "withdrawn": ("withdrawn", "已撤销"),
    "done": ("done", "已完成"),
}
SHIPPING = {
    "standard": ("standard", "标准配送"),
    "express": ("express", "快递加急"),
    "pickup": ("pickup in the shop", "到店自提"),
}
CONDITIONS = {
    "unused": ("unused", "未使用"),
    "tried_on": ("tried on only", "仅试穿"),
    "used": ("used", "已使用"),
    "any": ("any", "不限"),
}
PAYMENT = {
    "card": ("card", "银行卡"),
    "paypal": ("PayPal", "PayPal"),
    "alipay": ("Alipay", "支付宝"),
    "wechat_pay": ("WeChat Pay", "微信支付"),
    "gift_card": ("gift card", "礼品卡"),
}  # fmt: skip
REASONS = {
    "no_longer_needed": ("No longer needed", "不再需要"),
    "ordered_by_mistake": ("Ordered by mistake", "下错单了"),
    "found_cheaper": ("Found it cheaper", "别处更便宜"),
    "too_slow": ("Takes too long", "等待太久"),
    "wrong_size": ("Wrong size", "尺码不合适"),
    "not_as_described": ("Not as described", "与描述不符"),
    "damaged": ("Damaged or faulty", "损坏或有瑕疵"),
    "changed_mind": ("Changed my mind", "改变主意"),
    "arrived_late": ("Arrived too late", "送达太晚"),
    "other": ("Another reason", "其他原因"),
}


def of(table: Mapping[str, tuple[str, str]], key: str, language: str) -> str:
    """The word for a code; an unknown code is shown readable, not hidden."""
    words = table.get(key)
    return words[1 if language == "zh" else 0] if words else key.replace("_", " ")


def money(minor: int, currency: str = "EUR") -> str:
    sign = SIGNS.get(currency, f"{currency} ")
    return f"{'-' if minor < 0 else ''}{sign}{abs(minor) / 100:,.2f}"


def day(when: date | datetime | str | None, language: str) -> str:
    """A day without its year where it is plain: "12 Mar 2026", "2026年3月12日". None is a dash."""
    if when is None:
        return "–"
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if language == "zh":
        return f"{when.year}年{when.month}月{when.day}日"
    return f"{when.day} {MONTHS[when.month - 1]} {when.year}"


def options(values: Mapping[str, Any], language: str = "en") -> str:
    """ "L / black", "L / 黑色": colours that are common words are said in the customer's language."""
    return " / ".join(_option(str(value), language) for value in values.values())


def _option(value: str, language: str) -> str:
    if language != "zh":
        return value
    return words_zh.color(value)


def line(item: LineView, language: str, quantity: int | None = None) -> str:
    name = (item.name_zh if language == "zh" else None) or item.name
    shown = options(item.options, language)
    return f"{quantity or item.quantity} × {name}" + (f" ({shown})" if shown else "")


def called(part: Mapping[str, Any], order: OrderView, language: str) -> str:
    """The name of a part of `order` (facts name it in the shop's first language) in the customer's."""
    name = str(part["name"])
    return next((item.name_zh for item in order.lines if item.name == name and language == "zh"), None) or name


def called_all(names: Iterable[str], order: OrderView, language: str) -> list[str]:
    return [called({"name": name}, order, language) for name in names]


def goods(lines: Iterable[LineView], language: str, most: int = 3) -> str:
    lines = list(lines)
    shown = ", ".join(line(item, language) for item in lines[:most])
    return shown + (f" … +{len(lines) - most}" if len(lines) > most else "")


def address(place: Mapping[str, Any]) -> str:
    city = " ".join(str(place[part]) for part in ("postcode", "city") if place.get(part))
    parts = [place.get("name"), place.get("line1"), place.get("line2"), city, place.get("region"), place.get("country")]
    return ", ".join(str(part) for part in parts if part)


def payment_method(method: PaymentMethodView, language: str, currency: str = "EUR") -> str:
    name = method.brand or of(PAYMENT, method.kind, language)
    if method.last_four:
        name += f" •••• {method.last_four}"
    if method.balance_minor is not None:
        name += f" ({money(method.balance_minor, currency)})"
    return name


def order_card(order: OrderView, language: str, buttons: Iterable[Mapping[str, str]] = ()) -> dict[str, Any]:
    """An order as a card of the widget."""
    return {
        "kind": "order",
        "title": order.number,
        "text": f"{day(order.placed_at, language)} · {goods(order.lines, language)}",
        "price": money(order.total_minor, order.currency),
        "badge": of(STATUS, order.status, language),
        "buttons": [dict(button) for button in buttons],
    }
