"""Reasons in the words of both languages for who reviews: what the trees found, and what each member thinks."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from actions.risk.types import Reason, Words, both

LEAST = 0.15  # log-odds a feature must add to be worth a sentence
# feature -> its name in both languages, and how a value is said:
# amount | span | count | times | yes | share | plain | bare
NAMED: dict[str, tuple[str, str, str]] = {
    "amount": ("the amount", "金额", "amount"),
    "dearest_item": ("the dearest item", "最贵的商品", "amount"),
    "amount_over_habit": ("the amount against the customer's usual one", "金额与该客户平时相比", "times"),
    "amount_over_most": ("the amount against the customer's highest one", "金额与该客户以往最高相比", "times"),
    "spent_day": ("what was ordered within a day", "一天内的下单金额", "amount"),
    "items": ("the number of items", "商品件数", "plain"),
    "account_age": ("the age of the account", "账户注册时长", "span"),
    "orders_before": ("the number of earlier orders", "以往订单数", "count"),
    "since_last_order": ("the time since the last order", "距上次下单", "span"),
    "orders_1h": ("orders within an hour", "一小时内的订单数", "count"),
    "orders_1d": ("orders within a day", "一天内的订单数", "count"),
    "orders_7d": ("orders within a week", "一周内的订单数", "count"),
    "since_password_or_email": ("the time since password or e-mail changed", "距上次修改密码或邮箱", "span"),
    "since_address_added": ("the time since an address was added", "距上次新增地址", "span"),
    "account_events_3d": ("changes of the account within three days", "三天内的账户变动次数", "count"),
    "new_device_signed_in": ("the time since a new device signed in", "距新设备登录", "span"),
    "device_customers": ("other customers on this device", "使用此设备的其他客户数", "count"),
    "device_orders_1h": ("orders from this device within an hour", "一小时内此设备的订单数", "count"),
    "device_orders_1d": ("orders from this device within a day", "一天内此设备的订单数", "count"),
    "device_orders_30d": ("orders from this device within a month", "一个月内此设备的订单数", "count"),
    "device_age": ("how long this device has been known", "此设备首次出现至今", "span"),
    "device_new": ("a device this customer never used", "该客户从未用过的设备", "yes"),
    "ip_customers": ("other customers from this network address", "使用此网络地址的其他客户数", "count"),
    "ip_orders_1d": ("orders from this network address within a day", "一天内此网络地址的订单数", "count"),
    "ip_new": ("a network address this customer never used", "该客户从未用过的网络地址", "yes"),
    "card_customers": ("other customers with this card", "使用此银行卡的其他客户数", "count"),
    "card_orders_1d": ("orders with this card within a day", "一天内此银行卡的订单数", "count"),
    "card_age": ("how long the card has been on file", "银行卡绑定时长", "span"),
    "card_new": ("a card this customer never used", "该客户从未用过的银行卡", "yes"),
    "card_is_card": ("payment by card", "用银行卡付款", "yes"),
    "cards_1d": ("cards tried within a day", "一天内尝试的银行卡数", "count"),
    "failed_1d": ("failed payments within a day", "一天内的付款失败次数", "count"),
    "address_customers": ("other customers at this place", "此地点的其他客户数", "count"),
    "address_customers_30d": ("other customers at this place within a month", "一个月内此地点的其他客户数", "count"),
    "address_orders_7d": ("orders to this place within a week", "一周内寄往此地点的订单数", "count"),
    "address_new": ("a place this customer never ordered to", "该客户从未寄过的地点", "yes"),
    "ship_is_not_bill": ("shipping and billing address differ", "收货地址与账单地址不同", "yes"),
    "ship_country_is_not_bill": ("shipping and billing country differ", "收货国家与账单国家不同", "yes"),
    "country_new": ("a country this customer never ordered to", "该客户从未寄过的国家", "yes"),
    "returns_share": ("the share of the ordered value that was asked back", "要求退回的金额占比", "share"),
    "returns_per_order": ("returns an order", "平均每单退货次数", "plain"),
    "returns_180d": ("returns within half a year", "半年内的退货次数", "count"),
    "faults_claimed": ("returns called damaged, wrong or late", "以损坏、错发或迟到为由的退货次数", "count"),
    "express": ("express shipping", "加急配送", "yes"),
    "night": ("placed at night", "夜间下单", "yes"),
    "hour_sin": ("the hour", "下单时刻", "bare"),
    "hour_cos": ("the hour", "下单时刻", "bare"),
    "weekend": ("placed at the weekend", "周末下单", "yes"),
    "session": ("the length of the visit", "访问时长", "span"),
    "pages": ("the pages looked at", "浏览页数", "count"),
}
MEMBERS = {
    "logistic": ("the linear model", "线性模型"),
    "lightgbm": ("the trees", "决策树"),
    "isolation_forest": ("how unusual it is", "异常程度"),
    "neighbours": ("the most alike orders", "最相似的订单"),
    "sequence": ("the order of events", "事件顺序"),
}
UNITS = ((86400, "day", "天"), (3600, "hour", "小时"), (60, "minute", "分钟"), (1, "second", "秒"))


def of_trees(
    contributions: NDArray[np.float64], names: Sequence[str], features: Mapping[str, float], *, most: int = 4
) -> list[Reason]:
    """The features that raised the score most. contributions: (features,) log-odds (TreeSHAP)."""
    order = np.argsort(-contributions)[:most]
    return [
        Reason(names[i], said(names[i], features[names[i]]), "lightgbm", round(float(contributions[i]), 3))
        for i in order
        if contributions[i] >= LEAST
    ]


def of_members(chances: Mapping[str, float], usual: float) -> list[Reason]:
    """One sentence a member that finds the order clearly riskier than usual."""
    return [
        Reason(f"member_{name}", _alone(name, chance, usual), name)
        for name, chance in sorted(chances.items(), key=lambda each: -each[1])
        if not math.isnan(chance) and chance >= 3 * usual
    ]


def _alone(name: str, chance: float, usual: float) -> Words:
    english, chinese = MEMBERS.get(name, (name, name))
    return both(
        f"{english} alone says {chance:.0%} (usual: {usual:.1%})", f"仅{chinese}给出 {chance:.0%}（平时：{usual:.1%}）"
    )


def said(name: str, value: float) -> Words:
    """A feature and its value in words."""
    english, chinese, how = NAMED.get(name, (name, name, "plain"))
    if math.isnan(value):
        return both(f"{english}: not known", f"{chinese}：未知")
    if how == "bare":
        return both(english, chinese)
    if how == "yes":
        return both(english, chinese) if value == 1.0 else both(f"not: {english}", f"非{chinese}")
    sayings: dict[str, Callable[[], Words]] = {
        "amount": lambda: _alike(f"{math.expm1(value) / 100:.2f}"),
        "span": lambda: span(math.expm1(value)),
        "count": lambda: _alike(f"{math.expm1(value):.0f}"),
        "times": lambda: both(f"{math.exp(value):.1f} times", f"{math.exp(value):.1f} 倍"),
        "share": lambda: _alike(f"{value:.0%}"),
        "plain": lambda: _alike(f"{value:.1f}".removesuffix(".0")),
    }
    shown = sayings[how]()
    return both(f"{english}: {shown['en']}", f"{chinese}：{shown['zh']}")


def span(seconds: float) -> Words:
    """Seconds in the unit a person would use."""
    if seconds >= 4 * 365 * 86400:
        return both("never or long ago", "从未或很久以前")
    for size, english, chinese in UNITS:
        if seconds >= size:
            number = round(seconds / size)
            return both(f"{number} {english}{'' if number == 1 else 's'}", f"{number} {chinese}")
    return both("none", "无")


def _alike(shown: str) -> Words:
    return both(shown, shown)
