"""Changing an order that has not left: cancel, address, items, payment, shipping."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from actions.order_desk import addresses, cancelling, items, lookup, payments, reordering, shipping
from actions.order_desk.change import By
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.views import LineChange, OrderView
from actions.rasa_actions import wording
from actions.rasa_actions.address_step import AddressStep
from actions.rasa_actions.answer import Answer
from actions.rasa_actions.changes import OrderChange
from actions.rasa_actions.forms import Step, Turn
from actions.rasa_actions.method_step import MethodStep, methods_on_file
from actions.rasa_actions.named_lines import lines_named
from actions.rasa_actions.steps import MOST_SHOWN, Choice, ChoiceStep, ItemsStep, OrderStep, ReasonStep
from actions.rasa_actions.variant_step import VariantStep
from bot.database import policies


def by(turn: Turn, *, stepped_up: bool) -> By:
    """Who asks, for the order desk's audit and the assessor."""
    call = turn.call
    return {
        "request_id": call.message_id,
        "actor": f"customer:{turn.customer_id}",
        "now": call.now,
        "assess": call.services.assess,
        "stepped_up": stepped_up,
        "text": call.text,
    }


def about(turn: Turn) -> tuple[str, str]:
    """The two arguments every function of the order desk starts with."""
    return str(turn.customer_id), str(turn.value("order"))


def refunds_words(refunds: Sequence[Mapping[str, Any]], currency: str, language: str) -> str:
    """Where money goes back: "€129.00 to Visa •••• 4242 (about 7 working days)"."""
    parts = []
    for refund in refunds:
        name = method_words(refund, language)
        amount, days = wording.money(int(refund["amount_minor"]), currency), int(refund.get("working_days") or 0)
        if language == "zh":
            parts.append(f"{amount} 退回{name}（{f'约 {days} 个工作日' if days else '立即到账'}）")
        else:
            parts.append(f"{amount} to {name} ({f'about {days} working days' if days else 'at once'})")
    return ("；" if language == "zh" else ", ").join(parts) or wording.money(0, currency)


def method_words(facts: Mapping[str, Any], language: str) -> str:
    name = str(facts.get("brand") or wording.of(wording.PAYMENT, str(facts.get("kind")), language))
    return f"{name} •••• {facts['last_four']}" if facts.get("last_four") else name


def difference_words(facts: Mapping[str, Any], language: str) -> str:
    """What a change costs or gives back, as a sentence; nothing changes in price: says that."""
    currency = str(facts.get("currency") or "EUR")
    minor = int(facts.get("difference_minor") or 0)
    zh = language == "zh"
    if minor > 0:
        charge = facts.get("charge") or {}
        paid_with = method_words(charge, language) if charge.get("kind") else ""
        amount = wording.money(minor, currency)
        if zh:
            return f"需补差价 {amount}" + (f"，从{paid_with}支付" if paid_with else "") + "。"
        return f"This costs {amount} more" + (f", charged to {paid_with}" if paid_with else "") + "."
    if minor < 0:
        back = refunds_words(facts.get("refunds") or (), currency, language)
        return f"退还差价：{back}。" if zh else f"You get back {back}."
    return "价格不变。" if zh else "The price stays the same."


def method_choices(turn: Turn, *, kinds: Sequence[str] | None = None) -> list[Choice]:
    """The payment methods on file as choices, by id."""
    call = turn.call
    with call.services.readers() as session:
        methods = lookup.payment_methods(session, str(turn.customer_id))
    return [
        Choice(method.id, wording.payment_method(method, call.language), _method_pattern(method))
        for method in methods
        if kinds is None or method.kind in kinds
    ]


def _method_pattern(method: Any) -> str:
    words = [word for word in (method.last_four, method.brand) if word]
    words += {
        "paypal": ["pay ?pal", "贝宝"],
        "gift_card": ["gift ?card", "礼品卡"],
        "alipay": ["ali ?pay", "支付宝"],
        "wechat_pay": ["we ?chat", "微信"],
        "card": ["credit card", "debit card", r"\bmy card\b", "信用卡", "银行卡"],
    }.get(method.kind, [])
    return "|".join(words)


_PART = re.compile(r"\b(only|just|remove|part|keep|rest)\b|只|仅|其他|保留|部分|去掉", re.I)


class CancelOrder(OrderChange):
    intent = "cancel_order"
    can = "cancel"

    def details(self, turn: Turn) -> Iterator[Step]:
        order = self.order(turn)
        if _PART.search(turn.call.text) and "whole_told" not in turn.wish:
            named = lines_named(turn.call.text, order.lines)
            if named and len(named.chosen) < len(order.lines):
                turn.said.append(Answer.response("utter_cancel_whole_only"))
                turn.wish["whole_told"] = True
        with turn.call.services.readers() as session:
            reasons = policies.load(session).texts("cancel_reasons")
        yield ReasonStep("utter_ask_cancel_reason", reasons, turn.call.language)

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        return cancelling.check_cancel(session, *about(turn), turn.value("reason"))

    def act(self, session: Session, turn: Turn, *, stepped_up: bool) -> Outcome:
        return cancelling.cancel(session, *about(turn), turn.value("reason"), **by(turn, stepped_up=stepped_up))

    def terms_words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        return {"refund_to": refunds_words(facts.get("refunds") or (), order.currency, turn.call.language)}


class ChangeAddress(OrderChange):
    intent = "change_address"
    can = "change_address"

    def details(self, turn: Turn) -> Iterator[Step]:
        yield AddressStep(self.order(turn).ship_to)

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        return addresses.check_change_address(session, *about(turn), turn.value("address"))

    def act(self, session: Session, turn: Turn, *, stepped_up: bool) -> Outcome:
        return addresses.change_address(session, *about(turn), turn.value("address"), **by(turn, stepped_up=stepped_up))

    def terms_words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        return {
            "address": wording.address(facts.get("after") or order.ship_to),
            "difference": difference_words(facts, turn.call.language),
        }


class ChangeItems(OrderChange):
    """Other variants of what was ordered; one confirmation for all lines, as the shop allows it once."""

    intent = "change_items"
    can = "change_items"
    instead = "exchange"

    def details(self, turn: Turn) -> Iterator[Step]:
        order = self.order(turn)
        yield ItemsStep(order, order.lines, swapping=True)
        yield from variant_steps(turn, order)
        yield from difference_steps(turn, order, self.check_with)

    def check_with(self, session: Session, turn: Turn, method_id: str) -> Terms | Refusal:
        return items.check_change_items(session, *about(turn), self.changes(turn), method_id)

    def changes(self, turn: Turn) -> list[LineChange] | None:
        parts = turn.value("items")
        if not parts:
            return None
        return [
            LineChange(part["line_id"], part.get("quantity"), turn.value(f"variant_{part['line_id']}"))
            for part in parts
        ]

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        return items.check_change_items(session, *about(turn), self.changes(turn), turn.value("method"))

    def act(self, session: Session, turn: Turn, *, stepped_up: bool) -> Outcome:
        changes = self.changes(turn) or []
        return items.change_items(
            session, *about(turn), changes, turn.value("method"), **by(turn, stepped_up=stepped_up)
        )

    def terms_words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        return {
            "swaps": swaps_words(facts.get("items") or (), order, turn.call.language),
            "difference": difference_words(facts, turn.call.language),
        }


def variant_steps(turn: Turn, order: OrderView) -> Iterator[Step]:
    """One question for each line that is to be swapped."""
    chosen = [line for part in turn.value("items") or () for line in order.lines if line.id == part["line_id"]]
    for line in chosen:
        yield VariantStep(line, order.currency, [other for other in chosen if other is not line])


def difference_steps(
    turn: Turn, order: OrderView, check: Callable[[Session, Turn, str], Terms | Refusal]
) -> Iterator[Step]:
    """What pays, or gets, the difference, when there is one and more than one method it could be."""
    minor = _difference_minor(turn, order)
    if minor == 0:
        return
    methods = methods_on_file(turn)
    originals = [payment.method.id for payment in order.payments if payment.method is not None]
    words = wording.money(abs(minor), order.currency)
    response = "utter_ask_difference_method" if minor > 0 else "utter_ask_difference_target"
    with turn.call.services.readers() as session:
        step = MethodStep(
            "method",
            response,
            methods,
            lambda id_: check(session, turn, id_),
            originals=originals,
            difference=words,
        )
    if step.allowed:
        yield step


def _difference_minor(turn: Turn, order: OrderView) -> int:
    """What the chosen variants cost more (or less, below zero) than what was bought."""
    total = 0
    with turn.call.services.readers() as session:
        for part in turn.value("items") or ():
            line = next(line for line in order.lines if line.id == part["line_id"])
            wanted = turn.value(f"variant_{line.id}")
            for variant in lookup.variants_of(session, line.product_id):
                if variant.sku == wanted:
                    total += (variant.price_minor - line.price_minor) * (part.get("quantity") or line.quantity)
    return total


def swaps_words(parts: Sequence[Mapping[str, Any]], order: OrderView, language: str) -> str:
    """ "1 × Fjell jacket: M / red → L / red"."""
    return ", ".join(
        f"{part['quantity']} × {wording.called(part, order, language)}: "
        f"{wording.options(part['before'], language)} → {wording.options(part['after'], language)}"
        for part in parts
    )


class ChangePayment(OrderChange):
    intent = "change_payment"
    can = "change_payment"

    def details(self, turn: Turn) -> Iterator[Step]:
        with turn.call.services.readers() as session:
            found = payments.check_change_payment(session, *about(turn))
        current = {method["payment_method_id"] for method in found.facts.get("before", ())}
        others = [choice for choice in method_choices(turn) if {choice.value} != current]
        words, none = r"card|pay|method|付款|支付|卡", "utter_no_payment_method"
        yield ChoiceStep("method", "utter_ask_payment_method", others, words=words, none=none)

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        return payments.check_change_payment(session, *about(turn), turn.value("method"))

    def act(self, session: Session, turn: Turn, *, stepped_up: bool) -> Outcome:
        return payments.change_payment(session, *about(turn), turn.value("method"), **by(turn, stepped_up=stepped_up))

    def terms_words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        return {
            "method": method_words(facts.get("after") or {}, turn.call.language),
            "refund_to": refunds_words(facts.get("refunds") or (), order.currency, turn.call.language),
        }


class ChangeShipping(OrderChange):
    intent = "change_shipping"
    can = "change_shipping"

    def details(self, turn: Turn) -> Iterator[Step]:
        language = turn.call.language
        with turn.call.services.readers() as session:
            found = shipping.check_change_shipping(session, *about(turn))
        offered = found.facts.get("offered", ()) if isinstance(found, Terms) else ()
        currency = str(found.facts.get("currency") or "EUR")
        choices = [
            Choice(
                each["method"],
                wording.of(wording.SHIPPING, each["method"], language)
                + f" · {wording.money(each['fee_minor'], currency)}",
                SHIPPING_WORDS.get(each["method"], each["method"]),
            )
            for each in offered
            if each["method"] != found.facts.get("before")
        ]
        words, none = r"shipping|delivery|配送|快递", "utter_no_shipping_method"
        yield ChoiceStep("shipping", "utter_ask_shipping_method", choices, words=words, none=none)

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        return shipping.check_change_shipping(session, *about(turn), turn.value("shipping"))

    def act(self, session: Session, turn: Turn, *, stepped_up: bool) -> Outcome:
        return shipping.change_shipping(
            session, *about(turn), turn.value("shipping"), **by(turn, stepped_up=stepped_up)
        )

    def terms_words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        language = turn.call.language
        return {
            "shipping": wording.of(wording.SHIPPING, str(facts.get("after") or order.shipping_method), language),
            "least_days": str(facts.get("least_days", "–")),
            "most_days": str(facts.get("most_days", "–")),
            "difference": difference_words(facts, language),
        }


SHIPPING_WORDS = {
    "standard": r"standard|normal|regular|cheap|标准|普通",
    "express": r"express|fast|quick|next.day|overnight|加急|特快|快一点|快点|次日",
    "pickup": r"pick ?-?up|collect|in (the )?(shop|store)|自提|自取|到店",
}


_CANCELLED = re.compile(r"\b(?:un-?)?cancel|取消", re.I)


class CancelledStep(OrderStep):
    """Which of the cancelled orders, where there are any."""

    def __init__(self) -> None:
        super().__init__("reorder", "utter_no_orders_for_this")

    def candidates(self, turn: Turn, can: str | None = "") -> list[OrderView]:
        with turn.call.services.readers() as session:
            found = lookup.orders_of(session, str(turn.customer_id), limit=MOST_SHOWN, statuses=("cancelled",))
        return found or super().candidates(turn, can)


class Reorder(OrderChange):
    """The same again at today's prices: a new order, so it is read back like any change."""

    intent = "reorder"
    can = "reorder"

    def order_step(self, turn: Turn) -> OrderStep:
        if turn.asked is None and OrderStep.name not in turn.wish and _CANCELLED.search(turn.call.text):
            turn.said.append(Answer.response("utter_cancelled_stays"))
            turn.wish["revives"] = True
        return CancelledStep() if turn.value("revives") else super().order_step(turn)

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        return reordering.check_reorder(session, *about(turn))

    def act(self, session: Session, turn: Turn, *, stepped_up: bool) -> Outcome:
        return reordering.reorder(session, *about(turn), **by(turn, stepped_up=stepped_up))

    def terms_words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        language = turn.call.language
        missing = ", ".join(wording.called_all(facts.get("missing") or (), order, language))
        left_out = turn.call.pick(f" Not available right now: {missing}.", f"目前无货：{missing}。") if missing else ""
        return {
            "items": ", ".join(
                f"{part['quantity']} × {wording.called(part, order, language)}" for part in facts.get("items") or ()
            ),
            "left_out": left_out,
            "method": method_words(facts.get("charge") or {}, language),
            "address": wording.address(facts.get("ship_to") or order.ship_to),
            "new_number": str(facts.get("new_number") or ""),
        }
