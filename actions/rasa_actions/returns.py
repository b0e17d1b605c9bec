"""Sending things back: return and exchange of what has arrived."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from actions.order_desk import lookup, returning
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.views import LineChange, LineView, OrderView
from actions.rasa_actions import wording
from actions.rasa_actions.changes import OrderChange
from actions.rasa_actions.forms import Step, Turn
from actions.rasa_actions.order_changes import (
    about,
    by,
    difference_words,
    method_choices,
    refunds_words,
    swaps_words,
)
from actions.rasa_actions.steps import Choice, ChoiceStep, ItemsStep, ReasonStep
from actions.rasa_actions.variant_step import VariantStep
from bot.database import policies

_TO_GIFT_CARD = r"gift ?card|礼品卡"
_TO_ORIGINAL = r"original|same|(?<!gift )(?<!gift)card|paypal|where it came|(?<!礼品)卡|原|同一"


def open_lines(order: OrderView) -> list[LineView]:
    """Lines that have arrived and are not wholly on their way back."""
    return [line for line in order.lines if line.delivered_at is not None and line.returned < line.quantity]


class SendBack(OrderChange):
    none = "utter_no_orders_to_return"

    def lines(self, turn: Turn) -> list[LineChange] | None:
        parts = turn.value("items")
        if not parts:
            return None
        return [
            LineChange(part["line_id"], part.get("quantity"), turn.value(f"variant_{part['line_id']}"))
            for part in parts
        ]


class ReturnOrder(SendBack):
    intent = "return_order"
    can = "return"

    def details(self, turn: Turn) -> Iterator[Step]:
        call = turn.call
        order = self.order(turn)
        yield ItemsStep(order, open_lines(order))
        with call.services.readers() as session:
            numbers = policies.load(session)
        yield ReasonStep("utter_ask_return_reason", numbers.texts("return_reasons"), call.language)
        cards = method_choices(turn, kinds=("gift_card",))
        if cards and "gift_card" in numbers.texts("refund_targets"):
            original = Choice("original", call.pick("The way I paid", "原付款方式"), _TO_ORIGINAL)
            others = [Choice(card.value, card.label, _TO_GIFT_CARD) for card in cards]
            yield ChoiceStep("target", "utter_ask_refund_target", [original, *others], words=r"refund|money|退款")

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        return returning.check_return_lines(
            session, *about(turn), self.lines(turn), turn.value("reason"), _target(turn), now=turn.call.now
        )

    def act(self, session: Session, turn: Turn, *, stepped_up: bool) -> Outcome:
        return returning.return_lines(
            session,
            *about(turn),
            self.lines(turn) or [],
            turn.value("reason"),
            _target(turn),
            **by(turn, stepped_up=stepped_up),
        )

    def terms_words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        language = turn.call.language
        fee = int(facts.get("fee_minor") or 0)
        return {
            "items": parts_words(facts),
            "refund_to": refunds_words(facts.get("refunds") or (), order.currency, language),
            "fee": wording.money(fee, order.currency),
            "label_days": str(facts.get("label_days", "–")),
            "condition": wording.of(wording.CONDITIONS, str(facts.get("condition", "any")), language),
        }


def _target(turn: Turn) -> str | None:
    target = turn.value("target")
    return None if target in (None, "original") else str(target)


def parts_words(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{part['quantity']} × {part['name']}" for part in facts.get("items") or ())


class ExchangeOrder(SendBack):
    intent = "exchange_order"
    can = "exchange"

    def details(self, turn: Turn) -> Iterator[Step]:
        order = self.order(turn)
        yield ItemsStep(order, open_lines(order))
        for part in turn.value("items") or ():
            line = next(line for line in order.lines if line.id == part["line_id"])
            yield VariantStep(line, order.currency)
        if self._costs_or_gives(turn):
            yield ChoiceStep("method", "utter_ask_difference_method", method_choices(turn), words=r"card|pay|付款|支付")

    def _costs_or_gives(self, turn: Turn) -> bool:
        """Whether money moves and there is more than one method it could move to or from."""
        with turn.call.services.readers() as session:
            terms = returning.check_exchange_lines(session, *about(turn), self.lines(turn), now=turn.call.now)
            methods = lookup.payment_methods(session, str(turn.customer_id))
        moves = isinstance(terms, Terms) and int(terms.facts.get("difference_minor") or 0) > 0
        return moves and len(methods) > 1

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        return returning.check_exchange_lines(
            session, *about(turn), self.lines(turn), turn.value("method"), now=turn.call.now
        )

    def act(self, session: Session, turn: Turn, *, stepped_up: bool) -> Outcome:
        return returning.exchange_lines(
            session, *about(turn), self.lines(turn) or [], turn.value("method"), **by(turn, stepped_up=stepped_up)
        )

    def terms_words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        return {
            "swaps": swaps_words(facts.get("items") or ()),
            "difference": difference_words(facts, turn.call.language),
            "label_days": str(facts.get("label_days", "–")),
        }
