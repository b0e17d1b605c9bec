"""The customer's own account: open, change, close; password, newsletter, reviews."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from actions.order_desk import accounts, lookup, reviewing
from actions.order_desk.outcomes import Outcome, Refusal
from actions.order_desk.views import CustomerView, LineView
from actions.rasa_actions import wording
from actions.rasa_actions.address_step import AddressStep
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.facts_words import refusal_words
from actions.rasa_actions.forms import FormEnds, Step, Turn, WishForm
from actions.rasa_actions.spoken import named
from actions.rasa_actions.steps import Choice, ChoiceStep, ConfirmStep, TextStep, names_of
from actions.rasa_actions.verify import typed_email

_PHONE = re.compile(r"\+?\d[\d /()-]{5,18}\d")
_EMAIL_WORDS = re.compile(r"e-?mail|邮箱|邮件地址", re.I)  # the proof of identity: only a person changes it
_STARS = re.compile(r"(?<!\d)([1-5])(?!\d)|([一二两三四五])\s*(?:颗)?星|\b(one|two|three|four|five)\b", re.I)
_STAR_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5,
}  # fmt: skip


def refusal(turn: Turn, code: str, facts: Mapping[str, Any]) -> Answer:
    return Answer.response(f"utter_refused_{code}", **refusal_words(facts, turn.call.language)).buttons(
        button(turn.call.pick("Talk to a person", "转人工"), "talk_to_person")
    )


def customer_view(turn: Turn) -> CustomerView:
    with turn.call.services.readers() as session:
        return lookup.customer(session, str(turn.customer_id))


class NewEmailStep(Step):
    """An address typed for a new account or a password; it proves nothing."""

    name = "address_typed"

    def __init__(self, response: str) -> None:
        self.response = response

    def read(self, turn: Turn, *, asked: bool) -> str | None:
        return typed_email(turn)

    def ask(self, turn: Turn) -> Answer:
        return Answer.response(self.response)


class CreateAccount(WishForm):
    intent = "create_account"
    proven = False

    def steps(self, turn: Turn) -> Iterator[Step]:
        if turn.customer_id is not None:
            raise FormEnds(Answer.response("utter_already_account"))
        yield TextStep("name", "utter_ask_name", most=80)
        yield NewEmailStep("utter_ask_new_email")
        yield ConfirmStep(self.read_back, self.intent)

    def read_back(self, turn: Turn) -> Answer:
        facts = {"name": turn.value("name"), "email": turn.value("address_typed")}
        return Answer.response("utter_confirm_create_account", **facts)

    def finish(self, turn: Turn) -> Answer:
        call = turn.call
        with call.services.sessions.begin() as session:
            outcome = accounts.create_account(
                session,
                name=str(turn.value("name")),
                email=str(turn.value("address_typed")),
                language=call.language,
                request_id=call.message_id,
                now=call.now,
            )
        if outcome.kind == "refused":
            return refusal(turn, outcome.code, outcome.facts)
        return Answer.response("utter_create_account_done", email=turn.value("address_typed"))


class Password(WishForm):
    """A link to a new password, to the account's own address; the answer is the same for every address."""

    intent = "password"
    proven = False

    def steps(self, turn: Turn) -> Iterator[Step]:
        if turn.customer_id is None:
            yield NewEmailStep("utter_ask_password_email")

    def finish(self, turn: Turn) -> Answer:
        call = turn.call
        address = turn.value("address_typed") or customer_view(turn).email
        with call.services.sessions.begin() as session:
            accounts.send_password_link(
                session, str(address), language=call.language, request_id=call.message_id, now=call.now
            )
        return Answer.response("utter_password_link_sent")


PARTS = {
    "name": ("name", "姓名", r"\bname\b|姓名|名字"),
    "phone": ("phone number", "电话号码", r"phone|mobile|telephone|电话|手机"),
    "address": ("default address", "默认地址", r"address|street|move|地址|搬家"),
}


class PhoneStep(TextStep):
    free = False

    def __init__(self) -> None:
        super().__init__("phone", "utter_ask_new_phone", words=PARTS["phone"][2])

    def read(self, turn: Turn, *, asked: bool) -> str | None:
        found = _PHONE.search(turn.call.text)
        return found.group().strip() if found else None


class EditAccount(WishForm):
    intent = "edit_account"

    def steps(self, turn: Turn) -> Iterator[Step]:
        call = turn.call
        if turn.value("part") is None and _EMAIL_WORDS.search(call.text):
            raise FormEnds(Answer.response("utter_email_by_person"))
        choices = [Choice(part, call.pick(en, zh), words) for part, (en, zh, words) in PARTS.items()]
        yield ChoiceStep("part", "utter_ask_account_part", choices)
        part = turn.value("part")
        if part == "name":
            yield TextStep("name", "utter_ask_new_name", most=80)
        elif part == "phone":
            yield PhoneStep()
        else:
            customer = customer_view(turn)
            yield AddressStep(customer.addresses[0] if customer.addresses else {"name": customer.name})
        yield ConfirmStep(self.read_back, self.intent)

    def read_back(self, turn: Turn) -> Answer:
        before, after = self._values(turn)
        return Answer.response("utter_confirm_edit_account", part=self._part(turn), before=before, after=after)

    def _part(self, turn: Turn) -> str:
        en, zh, _ = PARTS[str(turn.value("part"))]
        return turn.call.pick(en, zh)

    def _values(self, turn: Turn) -> tuple[str, str]:
        customer, part = customer_view(turn), str(turn.value("part"))
        if part == "address":
            before = wording.address(customer.addresses[0]) if customer.addresses else "–"
            return before, wording.address({"name": customer.name, **turn.value("address")})
        return str(getattr(customer, part) or "–"), str(turn.value(part))

    def finish(self, turn: Turn) -> Answer:
        call, part = turn.call, str(turn.value("part"))
        _, after = self._values(turn)
        changes: dict[str, Any] = {part: turn.value(part)}
        with call.services.sessions.begin() as session:
            outcome = accounts.edit_account(
                session,
                str(turn.customer_id),
                request_id=call.message_id,
                actor=f"customer:{turn.customer_id}",
                now=call.now,
                **changes,
            )
        if outcome.kind == "refused":
            return Answer.response("utter_account_unchanged")
        return Answer.response("utter_edit_account_done", part=self._part(turn), after=after)


class DeleteAccount(WishForm):
    intent = "delete_account"

    def steps(self, turn: Turn) -> Iterator[Step]:
        yield ConfirmStep(self.read_back, self.intent)

    def read_back(self, turn: Turn) -> Answer:
        with turn.call.services.readers() as session:
            found = accounts.check_delete_account(session, str(turn.customer_id), now=turn.call.now)
        if isinstance(found, Outcome):
            raise FormEnds(refusal(turn, found.code, found.facts))
        day = wording.day(str(found["erased_on"]), turn.call.language)
        answer = Answer.response("utter_confirm_delete_account", day=day)
        lost = int(found.get("gift_cards_minor") or 0)
        if lost:
            return Answer.response("utter_gift_cards_lost", amount=wording.money(lost)).then(answer)
        return answer

    def finish(self, turn: Turn) -> Answer:
        call = turn.call
        with call.services.sessions.begin() as session:
            outcome = accounts.delete_account(
                session,
                str(turn.customer_id),
                request_id=call.message_id,
                actor=f"customer:{turn.customer_id}",
                now=call.now,
            )
        if outcome.kind == "refused":
            return refusal(turn, outcome.code, outcome.facts)
        return Answer.response("utter_delete_account_done", day=wording.day(outcome.facts["erased_on"], call.language))


class Newsletter(WishForm):
    intent = "newsletter"

    def steps(self, turn: Turn) -> Iterator[Step]:
        call = turn.call
        choices = [
            Choice("off", call.pick("Unsubscribe", "退订"), r"unsub|stop|cancel|off\b|no more|退订|取消|不要|不想"),
            Choice("on", call.pick("Subscribe", "订阅"), r"(?<!un)\bsub|sign (me )?up|join|(?<!退)订阅(?!.*取消)"),
        ]
        yield ChoiceStep("wanted", "utter_ask_newsletter", choices)
        yield ConfirmStep(lambda turn: Answer.response(f"utter_confirm_newsletter_{turn.value('wanted')}"), self.intent)

    def finish(self, turn: Turn) -> Answer:
        call, wanted = turn.call, turn.value("wanted") == "on"
        with call.services.sessions.begin() as session:
            accounts.newsletter(
                session,
                str(turn.customer_id),
                wanted=wanted,
                request_id=call.message_id,
                actor=f"customer:{turn.customer_id}",
                now=call.now,
            )
        return Answer.response("utter_newsletter_on" if wanted else "utter_newsletter_off")


class ReviewedStep(Step):
    """Which of the things that arrived; the value is `{product_id, name}`."""

    name = "product"

    def __init__(self, lines: list[LineView]) -> None:
        self.lines = lines

    def read(self, turn: Turn, *, asked: bool) -> dict[str, str] | None:
        if turn.value(self.name) is not None:
            return None
        call = turn.call
        picked = call.one("product") or (call.one("choice") if asked else None)
        places = [place for place, line in enumerate(self.lines) if line.product_id == picked]
        places = places or named(call.text, [names_of(line) for line in self.lines])
        if len(places) != 1 and not (len(self.lines) == 1 and not asked):
            return None
        line = self.lines[places[0] if places else 0]
        return {"product_id": line.product_id, "name": (line.name_zh if call.language == "zh" else None) or line.name}

    def ask(self, turn: Turn) -> Answer:
        name = "name_zh" if turn.call.language == "zh" else "name"
        buttons = [button(getattr(line, name) or line.name, "inform", choice=line.product_id) for line in self.lines]
        return Answer.response("utter_ask_review_product").buttons(*buttons)


class StarsStep(Step):
    name = "stars"

    def read(self, turn: Turn, *, asked: bool) -> int | None:
        picked = str(turn.call.one("choice") or "")
        if asked and picked.isdecimal() and 1 <= int(picked) <= 5:
            return int(picked)
        found = _STARS.search(turn.call.text) if asked or re.search(r"stars?|星", turn.call.text) else None
        if found is None:
            return None
        word = next(group for group in found.groups() if group)
        return int(word) if word.isdecimal() else _STAR_WORDS[word.lower()]

    def ask(self, turn: Turn) -> Answer:
        buttons = [button("★" * stars, "inform", choice=str(stars)) for stars in range(5, 0, -1)]
        return Answer.response("utter_ask_stars", name=turn.value("product")["name"]).buttons(*buttons)


class ReviewTextStep(TextStep):
    def read(self, turn: Turn, *, asked: bool) -> str | None:
        if asked and (turn.call.intent == "deny" or turn.call.one("choice") == "no_text"):
            return ""
        return super().read(turn, asked=asked)


class Review(WishForm):
    intent = "review"

    def steps(self, turn: Turn) -> Iterator[Step]:
        call = turn.call
        with call.services.readers() as session:
            lines = reviewing.reviewable(session, str(turn.customer_id))
        if not lines and turn.value("product") is None:
            raise FormEnds(Answer.response("utter_nothing_to_review"))
        yield ReviewedStep(lines)
        with call.services.readers() as session:
            refused = reviewing.check_review(
                session, str(turn.customer_id), turn.value("product")["product_id"], now=call.now
            )
        if isinstance(refused, Refusal):
            raise FormEnds(refusal(turn, refused.code, refused.facts))
        yield StarsStep()
        only_stars = button(call.pick("Only the stars", "只打星"), "inform", choice="no_text")
        yield ReviewTextStep("text", "utter_ask_review_text", buttons=[only_stars])
        yield ConfirmStep(self.read_back, self.intent)

    def read_back(self, turn: Turn) -> Answer:
        text = f"“{turn.value('text')}”" if turn.value("text") else ""
        facts = {"name": turn.value("product")["name"], "stars": "★" * int(turn.value("stars")), "words": text}
        return Answer.response("utter_confirm_review", **facts)

    def finish(self, turn: Turn) -> Answer:
        call, product = turn.call, turn.value("product")
        with call.services.sessions.begin() as session:
            outcome = reviewing.review(
                session,
                str(turn.customer_id),
                product["product_id"],
                int(turn.value("stars")),
                turn.value("text") or None,
                now=call.now,
            )
        if outcome.kind == "refused":
            return refusal(turn, outcome.code, outcome.facts)
        return Answer.response("utter_review_done", name=product["name"])
