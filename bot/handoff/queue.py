"""Who holds a conversation, and what people say in it.

One row has one holder. Taking over is compare-and-set and ends the bot's lease, so a turn that is still running is
refused at its end: the bot never speaks while a person holds the conversation.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.database.conversation import Agent, Conversation, Handoff, Message
from bot.handoff import audit, words
from bot.handoff.agents import AgentView
from bot.messaging import handoffs, outbox, transcript
from bot.messaging.messages import OutboundMessage
from bot.messaging.plain_text import TEXT_LIMIT, clean

REPEATS_REMEMBERED = 50  # lines back in which a repeated reply is recognised


class QueueError(Exception):
    """A step is refused; `code` is for the page, the message for its reader."""

    code = "refused"


class NoSuchConversation(QueueError):
    code = "no_conversation"


class HeldByColleague(QueueError):
    """Another agent holds it; `name` is whom to ask."""

    code = "held_by_colleague"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} holds this conversation")
        self.name = name


class NotHeld(QueueError):
    code = "not_held"


class NewerMessages(QueueError):
    """Something was said that the agent has not seen; the reply was not sent. `position` is the newest line."""

    code = "newer_messages"

    def __init__(self, position: int) -> None:
        super().__init__("new messages have come since; read them before you send")
        self.position = position


class BadText(QueueError):
    code = "bad_text"


@dataclass(frozen=True)
class Sent:
    position: int
    repeated: bool = False


def claim(session: Session, conversation_id: str, agent: AgentView, *, now: datetime) -> None:
    """`agent` takes the conversation from the queue or from the bot; the customer is told who is there.

    Claimed already by the same agent: nothing changes.

    Raises:
        NoSuchConversation, HeldByColleague
    """
    conversation = _locked(session, conversation_id)
    if conversation.holder == "agent":
        _refuse_colleague(session, conversation, agent)
        return
    handoffs.claim(session, conversation_id, agent.id, now=now)
    _tell(session, conversation, words.joined(agent.name, conversation.language), agent.id, now)
    audit.record(session, "claimed", now=now, agent_id=agent.id, target=conversation_id)


def reply(
    session: Session,
    conversation_id: str,
    agent: AgentView,
    text: str,
    *,
    expected_position: int,
    request_id: str,
    now: datetime,
) -> Sent:
    """Say `text` to the customer. Every human reply takes ownership.

    Args:
        expected_position: the newest line the agent has on screen.
        request_id: made by the page; the same one again says nothing twice.

    Raises:
        NoSuchConversation, HeldByColleague, BadText
        NewerMessages: the customer, the bot or a colleague has said something after `expected_position`.
    """
    text = _checked(text)
    _locked(session, conversation_id)
    before = _said_before(session, conversation_id, agent.id, request_id)
    if before is not None:
        return Sent(before, repeated=True)
    newest = _newest_unseen(session, conversation_id, expected_position)
    if newest is not None:
        raise NewerMessages(newest)
    claim(session, conversation_id, agent, now=now)
    message = OutboundMessage(text=text, source={"request_id": request_id})
    return Sent(outbox.say(session, conversation_id, "agent", message, now=now, agent_id=agent.id))


def note(
    session: Session, conversation_id: str, agent: AgentView, text: str, *, request_id: str, now: datetime
) -> Sent:
    """Write something only colleagues read. It changes no ownership. Raises NoSuchConversation, BadText."""
    text = _checked(text)
    _locked(session, conversation_id)
    before = _said_before(session, conversation_id, agent.id, request_id)
    if before is not None:
        return Sent(before, repeated=True)
    body = {"text": text, "source": {"request_id": request_id}}
    position = transcript.append(session, conversation_id, "agent", body, now=now, kind="note", agent_id=agent.id)
    return Sent(position)


def hand_back(session: Session, conversation_id: str, agent: AgentView, *, now: datetime) -> None:
    """The bot answers again from the next message on; the customer is told. Raises as `resolve`."""
    _close(session, conversation_id, agent, "handed_back", now)


def resolve(session: Session, conversation_id: str, agent: AgentView, *, now: datetime) -> None:
    """The wish is met; whatever the customer writes next goes to the bot.

    Raises:
        NoSuchConversation, HeldByColleague
        NotHeld: no person holds it.
    """
    _close(session, conversation_id, agent, "resolved", now)


def transfer(session: Session, conversation_id: str, agent: AgentView, to_id: str, *, now: datetime) -> None:
    """Give it to a colleague, or (`to_id` = oneself) take it from one.

    Raises:
        NoSuchConversation
        NotHeld: no person holds it, or the colleague has no active account.
    """
    conversation = _locked(session, conversation_id)
    to = session.get(Agent, to_id)
    if to is None or not to.active:
        raise NotHeld("this colleague has no active account")
    if conversation.holder != "agent":
        raise NotHeld("nobody holds this conversation; claim it instead")
    if conversation.agent_id == to_id:
        return
    before = conversation.agent_id
    conversation.agent_id = to_id
    session.execute(
        update(Handoff)
        .where(Handoff.conversation_id == conversation_id, Handoff.closed_at.is_(None))
        .values(agent_id=to_id)
    )
    session.flush()
    _tell(session, conversation, words.transferred(to.name, conversation.language), to.id, now)
    detail = {"from": before, "to": to_id}
    audit.record(session, "transferred", now=now, agent_id=agent.id, target=conversation_id, detail=detail)


def _close(session: Session, conversation_id: str, agent: AgentView, outcome: str, now: datetime) -> None:
    conversation = _locked(session, conversation_id)
    if conversation.holder != "agent":
        raise NotHeld("no person holds this conversation")
    _refuse_colleague(session, conversation, agent)
    handoffs.close(session, conversation_id, outcome, now=now)
    sentence = words.resolved if outcome == "resolved" else words.handed_back
    _tell(session, conversation, sentence(agent.name, conversation.language), agent.id, now)
    audit.record(session, outcome, now=now, agent_id=agent.id, target=conversation_id)


def _locked(session: Session, conversation_id: str) -> Conversation:
    query = select(Conversation).where(Conversation.id == conversation_id).with_for_update()
    conversation = session.scalar(query.execution_options(populate_existing=True))
    if conversation is None:
        raise NoSuchConversation(f"no conversation {conversation_id}")
    return conversation


def _refuse_colleague(session: Session, conversation: Conversation, agent: AgentView) -> None:
    if conversation.agent_id == agent.id:
        return
    name = session.scalar(select(Agent.name).where(Agent.id == conversation.agent_id))
    raise HeldByColleague(name or "a colleague")


def _tell(session: Session, conversation: Conversation, text: str, agent_id: str, now: datetime) -> None:
    outbox.say(session, conversation.id, "system", OutboundMessage(text=text), now=now, agent_id=agent_id)


def _newest_unseen(session: Session, conversation_id: str, expected: int) -> int | None:
    """The newest line said to or by the customer after `expected`. Our own marks (system) do not count."""
    newest: int | None = session.scalar(
        select(func.max(Message.position)).where(
            Message.conversation_id == conversation_id,
            Message.position > expected,
            Message.kind == "message",
            Message.author != "system",
        )
    )
    return newest


def _said_before(session: Session, conversation_id: str, agent_id: str, request_id: str) -> int | None:
    for line in transcript.last(session, conversation_id, REPEATS_REMEMBERED, notes=True):
        if line.agent_id == agent_id and line.body.get("source", {}).get("request_id") == request_id:
            return line.position
    return None


def _checked(text: str) -> str:
    text = clean(text).strip()
    if not text:
        raise BadText("there is nothing to send")
    if len(text) > TEXT_LIMIT:
        raise BadText(f"the text has {len(text)} characters; at most {TEXT_LIMIT} are sent")
    return text
