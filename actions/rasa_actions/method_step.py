"""Which way of paying: what the shop allows here is offered; what it does not is answered with the reason."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from actions.order_desk import lookup
from actions.order_desk.outcomes import Refusal, Terms
from actions.order_desk.views import PaymentMethodView
from actions.rasa_actions import wording
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.facts_words import refusal_words
from actions.rasa_actions.forms import Problem, Step, Turn
from actions.rasa_actions.steps import spoken_position

ORIGINAL = "original"
_WAY_BACK = re.compile(
    r"\b(original|same)\b|the way i paid|where it came|what i paid with|原(支付|付款|路)?|同一|原来", re.I
)
KIND_WORDS = {
    "paypal": r"pay ?pal|贝宝",
    "gift_card": r"gift ?(?:card|voucher)|礼品卡|购物卡",
    "alipay": r"ali ?pay|支付宝",
    "wechat_pay": r"we ?chat|微信",
    "card": r"credit ?card|debit ?card|bank ?card|信用卡|银行卡|(?<!gift )(?<!gift)(?<!礼品)(?<!购物)(?:\bcard\b|卡)",
}
BRANDS = r"visa|master ?card|amex|american express|maestro|union ?pay|银联"


class MethodStep(Step):
    """A method on file by what the customer calls it; the value is its id, or `original`.

    Args:
        check: what the order desk says to a method's id.
        originals: the methods that paid for the order; with `way_back` they are offered as one choice.
    """

    mistaken_for = ("change_payment", "refund_status", "product_search")
    words = r"card|pay|method|refund|money|付款|支付|退款|卡"

    def __init__(
        self,
        name: str,
        response: str,
        methods: Sequence[PaymentMethodView],
        check: Callable[[str], Terms | Refusal],
        *,
        originals: Sequence[str] = (),
        way_back: bool = False,
        **facts: str,
    ) -> None:
        self.name = name
        self.response = response
        self.methods = methods
        self.originals = originals
        self.way_back = way_back
        self.facts = facts
        self.answers = {method.id: check(method.id) for method in methods}

    @property
    def allowed(self) -> list[PaymentMethodView]:
        return [method for method in self.methods if isinstance(self.answers[method.id], Terms)]

    @property
    def default(self) -> str | None:
        """What is taken without asking, when there is nothing to choose."""
        others = [method.id for method in self.allowed if method.id not in self.originals]
        if self.way_back:
            return None if others else ORIGINAL
        ids = [method.id for method in self.allowed]
        return ids[0] if len(ids) == 1 else None

    def read(self, turn: Turn, *, asked: bool) -> str | Problem | None:
        call = turn.call
        settled = turn.value(self.name) is not None
        picked = call.one("choice")
        choices = [value for value, _ in self._choices(turn)]
        if asked and picked in choices:
            return str(picked)
        if settled and call.intent not in ("correct", "inform", "deny", "affirm"):
            return None
        spoken = self._spoken(turn, asked)
        if spoken is not None:
            return spoken
        place = spoken_position(turn, len(choices)) if asked else None
        if place is not None:
            return choices[place]
        return None if settled or asked else self.default

    def _spoken(self, turn: Turn, asked: bool) -> str | Problem | None:
        text = turn.call.text
        back = _WAY_BACK.search(text) and (asked or re.search(r"\bpa(y|id)|refund|money|原", text, re.I))
        if self.way_back and back:
            return ORIGINAL
        named = self._named(text, asked)
        if isinstance(named, str):
            words = refusal_words({}, turn.call.language)
            return Problem(Answer.response(named, **words))
        return None if named is None else self._taken(turn, named)

    def _named(self, text: str, asked: bool) -> PaymentMethodView | str | None:
        """The one method the text calls; the response that says why none is; None when it calls none, or several."""
        digits = [method for method in self.methods if method.last_four and method.last_four in text]
        if len(digits) == 1:
            return digits[0]
        brand = re.search(BRANDS, text, re.I)
        if brand:
            said = re.sub(r"\W", "", brand.group()).lower()
            own = [each for each in self.methods if re.sub(r"\W", "", each.brand or "").lower() == said]
            return own[0] if len(own) == 1 else None if own else "utter_refused_payment_method_unknown"
        for kind, pattern in KIND_WORDS.items():
            bare = kind == "card" and re.search(r"credit|debit|bank|my card|信用|银行|我的卡", text, re.I) is None
            if bare and not asked:
                continue  # "the camera with an SD card"
            if re.search(pattern, text, re.I):
                own = [method for method in self.methods if method.kind == kind]
                usable = [method for method in own if method in self.allowed]
                if len(own) == 1 or len(usable) == 1:
                    return (usable or own)[0]
                if own:
                    return None
                return "utter_refused_payment_method_unknown"
        return None

    def _taken(self, turn: Turn, method: PaymentMethodView) -> str | Problem:
        answer = self.answers[method.id]
        if isinstance(answer, Terms):
            return ORIGINAL if self.way_back and method.id in self.originals else method.id
        number = str(turn.value("order") or "")
        words = refusal_words(answer.facts, turn.call.language, number=number)
        return Problem(Answer.response(f"utter_refused_{answer.code}", **words))

    def _choices(self, turn: Turn) -> list[tuple[str, str]]:
        """(value, label) of what is offered."""
        call = turn.call
        found = [
            (method.id, wording.payment_method(method, call.language, self._currency(method)))
            for method in self.allowed
            if not (self.way_back and method.id in self.originals)
        ]
        if self.way_back:
            found.insert(0, (ORIGINAL, call.pick("The way I paid", "原付款方式")))
        return found

    def _currency(self, method: PaymentMethodView) -> str:
        answer = self.answers[method.id]
        facts: Mapping[str, Any] = answer.facts
        return str(facts.get("currency") or "EUR")

    def ask(self, turn: Turn) -> Answer:
        buttons = [button(label, "inform", choice=value) for value, label in self._choices(turn)]
        return Answer.response(self.response, **self.facts).buttons(*buttons)


def methods_on_file(turn: Turn) -> list[PaymentMethodView]:
    with turn.call.services.readers() as session:
        return lookup.payment_methods(session, str(turn.customer_id))
