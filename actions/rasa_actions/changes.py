"""The frame of every skill that changes an order: collect, check, read back, act, say what happened.

The order desk decides; this file only carries its terms and outcomes into words.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from actions import identity
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.views import OrderView
from actions.rasa_actions import wording
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.facts_words import in_words, refusal_words
from actions.rasa_actions.forms import AsksMore, FormEnds, Problem, Step, Turn, WishForm
from actions.rasa_actions.handoff_summary import summary_of
from actions.rasa_actions.steps import ConfirmStep, OrderStep, own_order
from actions.rasa_actions.verify import typed_code

# Refusals after which another skill is what the customer needs: code -> (intent, title en, title zh).
INSTEAD = {
    "already_shipped": ("return_order", "Return it when it arrives", "到货后退货"),
    "already_delivered": ("return_order", "Return it instead", "申请退货"),
    "not_delivered": ("track_order", "Where is it?", "查看物流"),
    "nothing_in_stock": ("product_search", "Look for something similar", "找类似商品"),
}

# The same wish by another name: what has not left is changed, what has arrived is exchanged.
OTHER_SKILL = {
    ("exchange_order", "not_delivered"): "change_items",
    ("change_items", "already_delivered"): "exchange_order",
}


class StepUpStep(Step):
    """A one-time code before a change that needs a second look. Never says why it is needed."""

    name = "second_code"

    def read(self, turn: Turn, *, asked: bool) -> str | Problem | None:
        call = turn.call
        if asked and call.intent == "resend_code":
            send_step_up(turn)
            return None
        code = typed_code(turn) if asked else None
        if code is None:
            return None
        with call.services.sessions.begin() as session:
            check = identity.check_code(session, conversation_id=call.conversation_id, code=code, now=call.now)
        if check.kind == "ok":
            return "right"
        if check.kind == "locked":
            summary = summary_of(call, tried="second_code_wrong")
            raise FormEnds(
                Answer.response("utter_code_locked").custom(handoff={"reason": "policy", "summary": summary})
            )
        if check.kind == "expired":
            send_step_up(turn)
            return Problem(Answer.response("utter_code_expired"))
        return Problem(Answer.response("utter_code_wrong", left=check.attempts_left))

    def ask(self, turn: Turn) -> Answer:
        call = turn.call
        return Answer.response("utter_ask_second_code").buttons(
            button(call.pick("Send it again", "重新发送"), "resend_code"),
            button(call.pick("Never mind", "算了"), "never_mind"),
        )


def send_step_up(turn: Turn) -> None:
    call = turn.call
    with call.services.sessions.begin() as session:
        sent = identity.request_step_up(
            session, conversation_id=call.conversation_id, request_id=call.message_id, now=call.now
        )
    if sent is None or sent.limited:
        raise FormEnds(Answer.response("utter_code_limited"))
    turn.wish["step_up_sent"] = True


class OrderChange(WishForm):
    """Subclasses say what is collected (`details`), how the desk is asked (`check`) and told (`act`)."""

    can: str  # what the order's state must allow, as in OrderView.can
    instead: str | None = None  # another `can` that serves the wish too (OTHER_SKILL)
    none: str = "utter_no_orders_for_this"

    def steps(self, turn: Turn) -> Iterator[Step]:
        yield self.order_step(turn)
        self.allowed(turn)
        yield from self.details(turn)
        yield ConfirmStep(self.read_back, self.intent)
        if turn.value("step_up_sent"):
            yield StepUpStep()

    def order_step(self, turn: Turn) -> OrderStep:
        return OrderStep(self.can, self.none, instead=self.instead)

    def details(self, turn: Turn) -> Iterator[Step]:
        """What has to be known besides the order."""
        yield from ()

    def check(self, session: Session, turn: Turn) -> Terms | Refusal:
        raise NotImplementedError

    def act(self, session: Session, turn: Turn, *, stepped_up: bool) -> Outcome:
        raise NotImplementedError

    def terms_words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        """What the read-back and the closing line may mention besides the desk's facts."""
        return {}

    def order(self, turn: Turn) -> OrderView:
        with turn.call.services.readers() as session:
            return own_order(session, turn)

    def allowed(self, turn: Turn) -> None:
        """Say no before asking for details where the order alone already decides: its state, a window that is over."""
        if list(turn.wish)[-1] != OrderStep.name:
            return
        with turn.call.services.readers() as session:
            answer = self.check(session, turn)
        if isinstance(answer, Refusal):
            other = OTHER_SKILL.get((self.intent, answer.code))
            if other is not None and answer.order is not None and self.instead in answer.order.can:
                raise FormEnds(Answer().slots(order_number=answer.order.number).followed_by(f"{other}_form"))
            raise FormEnds(self.refused(turn, answer.code, answer.facts, answer.order))

    def read_back(self, turn: Turn) -> Answer:
        with turn.call.services.readers() as session:
            answer = self.check(session, turn)
        if isinstance(answer, Refusal):
            raise FormEnds(self.refused(turn, answer.code, answer.facts, self.order(turn)))
        language = turn.call.language
        facts = self._words(turn, answer.order, answer.facts)
        return Answer.response(f"utter_confirm_{self.intent}", **facts).cards(
            [wording.order_card(answer.order, language)]
        )

    def finish(self, turn: Turn) -> Answer:
        call = turn.call
        with call.services.sessions.begin() as session:
            outcome = self.act(session, turn, stepped_up=turn.value("second_code") == "right")
        number = str(turn.value("order"))
        if outcome.kind == "step_up":
            send_step_up(turn)
            raise AsksMore(StepUpStep())
        if outcome.kind == "refused":
            return self.refused(turn, outcome.code, outcome.facts, outcome.order)
        if outcome.kind == "review":
            summary = summary_of(call, tried=self.intent, review=dict(outcome.for_agent))
            handoff = {"reason": "risk_review", "summary": summary}
            return Answer.response("utter_under_review", number=number).custom(handoff=handoff)
        order = outcome.order or self.order(turn)
        facts = self._words(turn, order, outcome.facts)
        return Answer.response(f"utter_{self.intent}_done", **facts).slots(order_number=number)

    def refused(self, turn: Turn, code: str, facts: Mapping[str, Any], order: OrderView | None) -> Answer:
        call = turn.call
        if order is not None and "items" in facts:
            facts = {**facts, "items": wording.called_all(facts["items"], order, call.language)}
        shown = refusal_words(facts, call.language, number=str(turn.value("order") or ""))
        answer = Answer.response(f"utter_refused_{code}", **shown).slots(order_number=turn.value("order"))
        if code == "not_delivered" and order is not None and "cancel" in order.can:
            answer = answer.buttons(
                button(call.pick("Cancel it", "取消订单"), "cancel_order", order_number=order.number)
            )
        elif code in ("already_returned", "one_per_order") and order is not None and "cancel_return" in order.can:
            title = call.pick("Withdraw what is open", "撤销现有申请")
            answer = answer.buttons(button(title, "cancel_return", order_number=order.number))
        elif code in INSTEAD:
            intent, en, zh = INSTEAD[code]
            answer = answer.buttons(button(call.pick(en, zh), intent))
        return answer.buttons(button(call.pick("Talk to a person", "转人工"), "talk_to_person"))

    def _words(self, turn: Turn, order: OrderView, facts: Mapping[str, Any]) -> dict[str, str]:
        language = turn.call.language
        return {
            "number": order.number,
            "goods": wording.goods(order.lines, language),
            "total": wording.money(order.total_minor, order.currency),
            **in_words(facts, language),
            **self.terms_words(turn, order, facts),
        }
