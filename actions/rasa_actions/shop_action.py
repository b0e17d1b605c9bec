"""The one `run` of all actions: it never raises outward, never blocks the server, never takes for ever.

A custom action that raises is swallowed by Rasa and the customer hears nothing (RASA-NOTES.md section 9),
so every failure here becomes an apology and a person.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from sqlalchemy.orm import Session

from actions import identity
from actions.rasa_actions.answer import Answer
from actions.rasa_actions.failures import FAILURES
from actions.rasa_actions.handoff_summary import summary_of
from actions.rasa_actions.services import Services
from bot.database.shop import Customer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entity:
    name: str
    value: Any
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class ActionCall:
    """One message as an action sees it, taken from the tracker Rasa sent."""

    services: Services
    conversation_id: str
    message_id: str  # inbox id: the request id of every change
    text: str
    language: str  # en | zh
    intent: str
    confidence: float
    entities: tuple[Entity, ...]
    slots: Mapping[str, Any]
    now: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parse: Mapping[str, Any] = field(default_factory=dict)  # the whole parse: wishes, reply_draft, ranking
    events: Sequence[Mapping[str, Any]] = ()
    active_loop: str | None = None

    @classmethod
    def of(cls, services: Services, tracker: Tracker) -> "ActionCall":
        message = tracker.latest_message or {}
        metadata = message.get("metadata") or {}
        intent = message.get("intent") or {}
        return cls(
            services=services,
            conversation_id=tracker.sender_id,
            message_id=str(metadata.get("message_id") or message.get("message_id") or ""),
            text=str(message.get("text") or ""),
            language="zh" if tracker.slots.get("language") == "zh" else "en",
            intent=str(intent.get("name") or "nlu_fallback"),
            confidence=float(intent.get("confidence") or 0.0),
            entities=tuple(_entities(message.get("entities") or ())),
            slots=tracker.slots,
            now=services.clock(),
            metadata=metadata,
            parse=message,
            events=tracker.events,
            active_loop=tracker.active_loop_name,
        )

    def slot(self, name: str) -> Any:
        return self.slots.get(name)

    def all(self, name: str) -> list[Any]:
        """Values of the entity in this message, in the order written."""
        return [entity.value for entity in self.entities if entity.name == name]

    def one(self, name: str) -> Any | None:
        values = self.all(name)
        return values[0] if values else None

    def customer(self, session: Session) -> Customer | None:
        """Who this is, proven; from the conversation's row, never from a slot or a typed address."""
        return identity.customer_of(session, self.conversation_id, now=self.now)

    def pick(self, en: str, zh: str) -> str:
        return zh if self.language == "zh" else en

    @property
    def pressed(self) -> bool:
        """True when a button was pressed, whatever its title; else the words were typed."""
        return self.text.startswith("/") or any(
            entity.get("extractor") == "button" for entity in self.parse.get("entities") or ()
        )

    @property
    def since_message(self) -> list[Mapping[str, Any]]:
        """Events of this turn, after the customer's message."""
        turn: list[Mapping[str, Any]] = []
        for event in reversed(self.events):
            if event.get("event") == "user":
                break
            turn.append(event)
        return turn[::-1]


def _entities(items: Sequence[Mapping[str, Any]]) -> Iterator[Entity]:
    for item in items:
        yield Entity(str(item.get("entity")), item.get("value"), item.get("start") or 0, item.get("end") or 0)


class ShopAction(Action):  # type: ignore[misc]  # rasa_sdk ships no types
    """Subclasses say their `name` and `answer`; `answer` is plain blocking code and may raise."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def answer(self, call: ActionCall) -> Answer:
        raise NotImplementedError

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> list[EventType]:
        call = ActionCall.of(self.services, tracker)
        answer = await self._guarded(self.answer, call)
        for reply in answer.replies:
            dispatcher.utter_message(
                response=reply.response,
                text=reply.text,
                buttons=[dict(button) for button in reply.buttons],
                json_message=dict(reply.custom),
                **reply.facts,
            )
        return self.events(call, answer)

    def events(self, call: ActionCall, answer: Answer) -> list[EventType]:
        events: list[EventType] = [SlotSet(name, value) for name, value in answer.slot_values.items()]
        # Naming action_listen spares Rasa a prediction; inside a form the form must come again. "" leaves it to rules.
        follow = answer.follow if answer.follow is not None else (None if call.active_loop else "action_listen")
        return [*events, FollowupAction(follow)] if follow else events

    async def _guarded(self, answer: Callable[[ActionCall], Answer], call: ActionCall) -> Answer:
        """The answer, or what a customer is told instead. A thread, so that the server is never blocked."""
        loop = asyncio.get_running_loop()
        try:
            async with self.services.gate.entered():
                return await asyncio.wait_for(
                    loop.run_in_executor(self.services.threads, answer, call), self.services.budget_seconds
                )
        except TimeoutError:
            log.error("%s: message %s took over %s s", self.name(), call.message_id, self.services.budget_seconds)
        except Exception as error:
            known = FAILURES.get(type(error))
            if known is not None:
                return self.failed(Answer.response(known))
            log.exception("%s: message %s failed", self.name(), call.message_id)
        return self.failed(
            Answer.response("utter_action_failed").custom(
                handoff={"reason": "failure", "summary": summary_of(call, tried=self.name())}
            )
        )

    def failed(self, answer: Answer) -> Answer:
        """What is left to do after a failure; a form also ends."""
        return answer
