"""The first two questions of every skill that shows or changes what belongs to a customer.

A typed address only says where the code goes; what is answered is the same whether it has an account or not.
"""

import re

from actions import identity
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.forms import FormEnds, Problem, Step, Turn
from actions.rasa_actions.handoff_summary import summary_of

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", re.ASCII)
_CODE = re.compile(r"(?<!\d)\d(?:[ -]?\d){3,7}(?!\d)")


def typed_email(turn: Turn) -> str | None:
    found = _EMAIL.search(turn.call.text)
    return found.group().lower() if found else None


def typed_code(turn: Turn) -> str | None:
    found = _CODE.search(turn.call.text)
    return "".join(sign for sign in found.group() if sign.isdigit()) if found else None


class EmailStep(Step):
    """Where the code goes. Answered: the code is on its way, if there is such an account."""

    name = "email"

    def read(self, turn: Turn, *, asked: bool) -> str | Problem | None:
        call = turn.call
        resend = call.intent == "resend_code" and turn.asked == "code"
        address = typed_email(turn) or (turn.value("email") if resend else None)
        if address is None:
            return None
        turn.wish.pop("email", None)
        with call.services.sessions.begin() as session:
            sent = identity.request_code(
                session,
                conversation_id=call.conversation_id,
                address=address,
                language=call.language,
                request_id=call.message_id,
                now=call.now,
            )
        if sent.limited:
            handoff = button(call.pick("Talk to a person", "转人工"), "talk_to_person")
            raise FormEnds(Answer.response("utter_code_limited").buttons(handoff))
        turn.asked = None  # this message held the address, not the code
        turn.put("email", address)
        return None

    def ask(self, turn: Turn) -> Answer:
        return Answer.response("utter_ask_email")


class CodeStep(Step):
    name = "code"

    def read(self, turn: Turn, *, asked: bool) -> str | Problem | None:
        code = typed_code(turn) if asked else None
        if code is None:
            return None
        call = turn.call
        with call.services.sessions.begin() as session:
            check = identity.check_code(session, conversation_id=call.conversation_id, code=code, now=call.now)
        if check.kind == "ok":
            turn.customer_id = check.customer_id
            turn.said.append(Answer.response("utter_code_right"))
            turn.resume()
            return "right"
        if check.kind == "locked":
            summary = summary_of(call, tried="code_wrong")
            raise FormEnds(
                Answer.response("utter_code_locked").custom(handoff={"reason": "policy", "summary": summary})
            )
        if check.kind == "expired":
            return Problem(Answer.response("utter_code_expired"))
        return Problem(Answer.response("utter_code_wrong", left=check.attempts_left))

    def ask(self, turn: Turn) -> Answer:
        call = turn.call
        known = turn.value("email")
        question = (
            Answer.response("utter_code_sent", masked=masked(known))
            if known and not turn.said
            else Answer.response("utter_ask_code")
        )
        return question.buttons(
            button(call.pick("Send it again", "重新发送"), "resend_code"),
            button(call.pick("Never mind", "算了"), "never_mind"),
        )


def masked(address: str) -> str:
    """`anna@shop.example` -> `a***@shop.example`: what the customer typed, not what is on file."""
    name, _, domain = address.partition("@")
    return f"{name[:1]}***@{domain}"
