"""Sending things back: return and exchange of what has arrived, and keeping it after all."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from actions.order_desk import lookup, returning, withdrawing
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.views import LineChange, LineView, OrderView
from actions.rasa_actions import wording
from actions.rasa_actions.changes import OrderChange
from actions.rasa_actions.forms import Step, Turn
from actions.rasa_actions.method_step import MethodStep, methods_on_file
from actions.rasa_actions.order_changes import (
    about,
    by,
    difference_steps,
    difference_words,
    refunds_words,
    swaps_words,
    variant_steps,
)
from actions.rasa_actions.steps import Choice, ChoiceStep, ItemsStep, ReasonStep
from bot.database import policies


def open_lines(order: OrderView) -> list[LineView]:
    """Lines that have arrived and are not wholly on their way back."""
    return [line for line in order.lines if line.delivered_at is not None and line.returned < line.quantity]


class SendBack(OrderChange):
    none = "utter_no_orders_to_return"
    given_up_by = ("cancel_return",)

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
            reasons = policies.load(session).texts("return_reasons")
        if reasons:
            yield ReasonStep("utter_ask_return_reason", reasons, call.language)
        target = self._target_step(turn, order)
        if target is not None:
            yield target

    def _target_step(self, turn: Turn, order: OrderView) -> MethodStep | None:
        """Where the money goes; None when the return is refused anyway."""
        originals = [payment.method.id for payment in order.payments if payment.method is not None]
        methods = methods_on_file(turn)
        with turn.call.services.readers() as session:
            if not isinstance(self.check_with(session, turn, None), Terms):
                return None
            return MethodStep(
                "target",
                "utter_ask_refund_target",
                methods,
                lambda id_: self.check_with(session, turn, id_),
                originals=originals,
                way_back=True,
            )

    def check_with(self, session: Session, turn: Turn, method_id: str | None) -> Terms | Refusal:
        return returning.check_return_lines(
            session, *about(turn), self.lines(turn), turn.value("reason"), method_id, now=turn.call.now
        )

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        return self.check_with(session, turn, _target(turn))

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
        condition = str(facts.get("condition", "any"))
        return {
            "items": parts_words(facts, order, language),
            "refund_to": refunds_words(facts.get("refunds") or (), order.currency, language),
            "fee": wording.money(fee, order.currency) if fee else turn.call.pick("free", "免费"),
            "label_days": str(facts.get("label_days", "–")),
            "condition": "" if condition == "any" else self._condition(turn, condition),
        }

    def _condition(self, turn: Turn, code: str) -> str:
        words = wording.of(wording.CONDITIONS, code, turn.call.language)
        return turn.call.pick(f" The items should be {words}.", f"商品需保持{words}。")


def _target(turn: Turn) -> str | None:
    target = turn.value("target")
    return None if target in (None, "original") else str(target)


def parts_words(facts: Mapping[str, Any], order: OrderView, language: str) -> str:
    parts = facts.get("items") or ()
    return ", ".join(f"{part['quantity']} × {wording.called(part, order, language)}" for part in parts)


class ExchangeOrder(SendBack):
    intent = "exchange_order"
    can = "exchange"
    instead = "change_items"

    def details(self, turn: Turn) -> Iterator[Step]:
        order = self.order(turn)
        yield ItemsStep(order, open_lines(order), swapping=True)
        yield from variant_steps(turn, order)
        yield from difference_steps(turn, order, self.check_with)

    def check_with(self, session: Session, turn: Turn, method_id: str) -> Terms | Refusal:
        return returning.check_exchange_lines(session, *about(turn), self.lines(turn), method_id, now=turn.call.now)

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
            "swaps": swaps_words(facts.get("items") or (), order, turn.call.language),
            "difference": difference_words(facts, turn.call.language),
            "label_days": str(facts.get("label_days", "–")),
        }


class CancelReturn(OrderChange):
    """What was to go back is kept. Of several open returns in one order the customer says which."""

    intent = "cancel_return"
    can = "cancel_return"
    none = "utter_no_open_return"

    def details(self, turn: Turn) -> Iterator[Step]:
        order, language = self.order(turn), turn.call.language
        awaited = [each for each in order.returns if each.status in lookup.AWAITED]
        if len(awaited) > 1:
            choices = [
                Choice(
                    each.number, f"{each.number} · {parts_words({'items': each.lines}, order, language)}", each.number
                )
                for each in awaited
            ]
            yield ChoiceStep("return_number", "utter_ask_which_return", choices, words=r"return|exchange|退|换")

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        return withdrawing.check_withdraw(session, *about(turn), turn.value("return_number"))

    def act(self, session: Session, turn: Turn, *, stepped_up: bool) -> Outcome:
        number = turn.value("return_number")
        return withdrawing.withdraw(session, *about(turn), number, **by(turn, stepped_up=stepped_up))

    def terms_words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        call = turn.call
        back = refunds_words(facts["refunds"], order.currency, call.language) if facts.get("refunds") else ""
        return {
            "items": parts_words(facts, order, call.language),
            "refund": back and call.pick(f" You get back {back}.", f"退还{back}。"),
        }
