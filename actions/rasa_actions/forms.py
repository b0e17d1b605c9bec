"""A wish that needs several answers: one engine for all forms.

Rasa owns the loop (which form is active, what was asked, where it goes next); the form's `validate_` action,
here, reads the message, asks the next question, reads back and acts, so that a turn costs one call. The
domain's forms have no fixed slots: `steps` decides from what is already known. Everything a form has
collected is one slot, `wish`: `{"form": ..., step name: value, ...}`, in the order it was collected, so
that a correction drops what was built on it.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from rasa_sdk.events import EventType

from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.documents import answer_from_documents, looks_like_question
from actions.rasa_actions.handoff_summary import summary_of
from actions.rasa_actions.shop_action import ActionCall, Entity, ShopAction
from actions.rasa_actions.skills import ASIDES, LEAVING, VALUES, wish_label

SURE = 0.55  # confidence from which another skill's intent inside a form is a change of mind
VERY_SURE = 0.9  # the same while a free text is awaited
# Before a step's name in `requested_slot`: Rasa would say a response called utter_ask_<slot> by itself.
ASKED = "step:"


class FormEnds(Exception):
    """Raised by a step or by `finish`: the form ends here, with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("form ends")
        self.answer = answer


class AsksMore(Exception):
    """Raised by `finish`: it cannot act before one more question is answered."""

    def __init__(self, step: "Step") -> None:
        super().__init__(step.name)
        self.step = step


@dataclass(frozen=True)
class Problem:
    """A value was given but cannot be taken; `answer` says why, then the question comes again."""

    answer: Answer


@dataclass
class Turn:
    """One message inside a form."""

    call: ActionCall
    wish: dict[str, Any]
    asked: str | None  # the step whose question the customer saw last
    customer_id: str | None  # proven, or None
    said: list[Answer] = field(default_factory=list)  # goes before the next question
    changed: bool = False  # this message gave a value, or one that cannot be taken

    def value(self, name: str) -> Any:
        return self.wish.get(name)

    def put(self, name: str, value: Any, stays: str = "") -> None:
        """Keep a value and forget what was collected after an earlier one of the same step.

        Args:
            stays: regular expression of names that do not depend on this one and are kept.
        """
        if name in self.wish:
            names = list(self.wish)
            for later in names[names.index(name) + 1 :]:
                if not stays or not re.fullmatch(stays, later):
                    del self.wish[later]
        self.wish[name] = value

    def keep_first(self) -> None:
        """Before the proof: what the customer wanted, to be read again after it."""
        entities = [vars(entity) for entity in self.call.entities]
        self.wish["first"] = {"text": self.call.text, "entities": entities}

    def resume(self) -> None:
        """After the proof: the message that started the wish is read as if it had come now."""
        first = self.wish.pop("first", None) or {"text": "", "entities": []}
        entities = tuple(Entity(**entity) for entity in first["entities"])
        self.call = replace(self.call, text=first["text"], entities=entities, intent="inform")
        self.asked = None

    def drop(self, name: str) -> None:
        names = list(self.wish)
        for later in names[names.index(name) :]:
            del self.wish[later]


class Step:
    """One question of a form.

    `read` is tried on every message, asked or not, so that a correction is heard at any time: asked it may
    guess, not asked it takes only what is unmistakable.
    """

    name: str
    free = False  # the answer is any text
    mistaken_for: tuple[str, ...] = ()  # other wishes that an answer to this question may sound like
    stays = ""  # regular expression of later steps' names whose values do not depend on this one's
    words = ""  # regular expression of what a customer calls it: "no, the other address"

    def read(self, turn: Turn, *, asked: bool) -> Any:
        """The value (JSON), None, or a Problem."""
        raise NotImplementedError

    def ask(self, turn: Turn) -> Answer:
        raise NotImplementedError


class WishForm(ShopAction):
    """Subclasses give `intent`, `steps` and `finish`."""

    intent: str
    proven = True  # only for a proven customer
    given_up_by: tuple[str, ...] = ()  # wishes that undo this one: said inside it, they end it

    def name(self) -> str:
        return f"validate_{self.form}"

    @property
    def form(self) -> str:
        return f"{self.intent}_form"

    def steps(self, turn: Turn) -> Iterator[Step]:
        """In order; evaluated lazily, so that later steps may look at the values of earlier ones."""
        raise NotImplementedError

    def finish(self, turn: Turn) -> Answer:
        """Everything is known (and confirmed, where it changes something): do it and say so."""
        raise NotImplementedError

    def answer(self, call: ActionCall) -> Answer:
        starting = any(
            event.get("event") == "active_loop" and event.get("name") == self.form for event in call.since_message
        )
        wish = {"form": self.form} if starting else dict(call.slot("wish") or {"form": self.form})
        with self.services.readers() as session:
            customer = call.customer(session)
        asked = None if starting else str(call.slot("requested_slot") or "").removeprefix(ASKED)
        turn = Turn(call, wish, asked or None, customer.id if customer else None)
        try:
            return self._answer(turn, starting)
        except FormEnds as end:
            return self.ended(self._with_said(turn, end.answer))

    def _answer(self, turn: Turn, starting: bool) -> Answer:
        if starting and self.proven and turn.customer_id is None:
            turn.keep_first()
        returning = any(event.get("event") == "action_execution_rejected" for event in turn.call.since_message)
        if returning and not starting:  # a question in between was answered by a rule; ask ours again
            return self._go_on(turn, read=False)
        if not starting:
            aside = self._aside(turn)
            if aside is not None:
                return aside
        return self._go_on(turn, read=True)

    def _aside(self, turn: Turn) -> Answer | None:
        """What is no answer to our question: leaving, another wish, a question of the customer's own."""
        call, intent = turn.call, turn.call.intent
        if intent in ("never_mind", *self.given_up_by) and not self._sounds_like(turn, intent):
            return self.ended(
                Answer.response("utter_left_nothing_changed", wish=wish_label(self.intent, call.language))
            )
        if intent == "talk_to_person":
            handoff = {"reason": "asked", "summary": summary_of(call, tried=self.intent)}
            return self.ended(Answer.response("utter_handoff").custom(handoff=handoff))
        if intent in (*VALUES, "never_mind") or intent == self.intent or self._awaits_text(turn):
            return None
        if call.confidence < SURE:
            return None
        if intent in LEAVING and not self._sounds_like(turn, intent):
            left = Answer.response("utter_left_for_another", wish=wish_label(self.intent, call.language))
            return self.ended(left).followed_by(LEAVING[intent])
        if self._answered(turn):
            return None
        return Answer(rejected=True) if intent in ASIDES else None

    def _sounds_like(self, turn: Turn, intent: str) -> bool:
        """Whether what sounds like another wish is the answer we asked for: "use my Visa card", asked what pays."""
        step = next((step for step in self._all_steps(turn) if step.name == turn.asked), None)
        return step is not None and intent in step.mistaken_for and self._answered(turn)

    def _answered(self, turn: Turn) -> bool:
        """Whether the message holds what we asked for, though it sounds like a question from afar (a bare number)."""
        step = next((step for step in self._all_steps(turn) if step.name == turn.asked), None)
        if step is None or looks_like_question(turn.call.text):
            return False
        trial = copy.copy(turn)  # reading may note things in the wish
        trial.wish = dict(turn.wish)
        value = step.read(trial, asked=True)
        return value is not None and not (isinstance(value, Problem) and value.answer.replies)

    def _awaits_text(self, turn: Turn) -> bool:
        """Whether this message is the free text we asked for, whatever it sounds like."""
        step = next((step for step in self._all_steps(turn) if step.name == turn.asked), None)
        if step is None or not step.free or turn.call.text.startswith("/"):
            return False
        return not looks_like_question(turn.call.text) and turn.call.confidence < VERY_SURE

    def _all_steps(self, turn: Turn) -> Iterator[Step]:
        if self.proven and turn.customer_id is None:
            from actions.rasa_actions.verify import CodeStep, EmailStep

            yield EmailStep()
            yield CodeStep()
        yield from self.steps(turn)

    def _go_on(self, turn: Turn, *, read: bool) -> Answer:
        """Read what the message holds, step by step, and ask for the first thing that is missing."""
        heard = False
        for step in self._all_steps(turn):
            if read:
                value = step.read(turn, asked=step.name == turn.asked)
                if isinstance(value, Problem):
                    turn.said.append(value.answer)
                    turn.wish.pop(step.name, None)
                    heard = turn.changed = True
                elif value is not None and value != turn.value(step.name):
                    turn.put(step.name, value, step.stays)
                    heard = turn.changed = True
            if turn.value(step.name) is None:
                if read and not heard and turn.asked == step.name:
                    return self._not_heard(turn, step)
                return self._asking(turn, step)
        try:
            return self.ended(self._with_said(turn, self.finish(turn)))
        except AsksMore as more:
            return self._asking(turn, more.step)

    def _not_heard(self, turn: Turn, step: Step) -> Answer:
        """Nothing in the message was an answer: a correction without a value, a question, or not understood."""
        call = turn.call
        if call.intent == "correct" or (call.intent == "deny" and step.name == "confirmed"):
            again = self._corrected(turn)
            if again is not None:
                return again
        if step.name == "confirmed" and call.intent == self.intent and call.confidence >= SURE:
            return self._asking(turn, step)  # the wish once more, neither yes nor no
        if looks_like_question(call.text):
            found = answer_from_documents(call)
            if found is not None:
                turn.said.append(found)
                return self._asking(turn, step)
        if turn.wish.get("missed"):
            handoff = {"reason": "not_understood", "summary": summary_of(call, tried=self.intent)}
            return self.ended(Answer.response("utter_handoff_not_understood").custom(handoff=handoff))
        turn.said.append(Answer.response("utter_step_not_understood"))
        return self._asking(turn, step, missed=True)

    def _corrected(self, turn: Turn) -> Answer | None:
        for step in self._all_steps(turn):
            if step.words and turn.value(step.name) is not None and re.search(step.words, turn.call.text, re.I):
                turn.drop(step.name)
                return self._asking(turn, step)
        return None

    def _asking(self, turn: Turn, step: Step, *, missed: bool = False) -> Answer:
        question = step.ask(turn)
        turn.wish.pop("missed", None)
        wish = {**turn.wish, "missed": 1} if missed else turn.wish
        if missed:
            question = question.buttons(button(turn.call.pick("Talk to a person", "转人工"), "talk_to_person"))
        return self._with_said(turn, question).slots(wish=wish, requested_slot=ASKED + step.name)

    def _with_said(self, turn: Turn, answer: Answer) -> Answer:
        for said in reversed(turn.said):
            answer = said.then(answer)
        return answer

    def ended(self, answer: Answer) -> Answer:
        return answer.slots(wish=None, requested_slot=None).followed_by(answer.follow or "action_listen")

    def failed(self, answer: Answer) -> Answer:
        return self.ended(answer)

    def events(self, call: ActionCall, answer: Answer) -> list[EventType]:
        if answer.rejected:
            return []  # no slot set: Rasa itself rejects the form's execution and asks its rules
        return super().events(call, answer)
