"""Conversation tables: the transcript, the inbox, the outbox, handoffs, agents (DESIGN.md section 4)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.database.base import Base, new_id, utc_now


class Conversation(Base):
    """One sender on one channel; a lease on it is the right to answer its messages, in order."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("channel", "sender_id"),
        Index("ix_conversations_holder", "holder"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    channel: Mapped[str]
    sender_id: Mapped[str]
    customer_id: Mapped[str | None]  # proven (signed token or one-time code), never typed
    proven_at: Mapped[datetime | None]
    language: Mapped[str] = mapped_column(default="en")  # en | zh
    holder: Mapped[str] = mapped_column(default="bot")  # bot | queue | agent
    agent_id: Mapped[str | None] = mapped_column(ForeignKey("agents.id"))
    next_position: Mapped[int] = mapped_column(default=1)
    lease_token: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    opened_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_message_at: Mapped[datetime] = mapped_column(default=utc_now)
    # Wishes of one message that wait until the form of the first is done: parses, oldest first.
    waiting_wishes: Mapped[list[Any]] = mapped_column(default=list)
    context: Mapped[dict[str, Any]] = mapped_column(default=dict)  # page the widget stands on, locale, profile name


class Message(Base):
    """One line of the transcript. Append-only; `position` counts from 1 within the conversation."""

    __tablename__ = "messages"

    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    author: Mapped[str]  # customer | bot | agent | system
    kind: Mapped[str] = mapped_column(default="message")  # message | note (agents only) | event
    agent_id: Mapped[str | None]
    # {text, buttons, cards, picture, payload, attachments, source}; keys as in bot/messaging/messages.py
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class InboxItem(Base):
    """A customer's message that is owed an answer. unique(channel, external_id) makes delivery idempotent."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("channel", "external_id"),
        UniqueConstraint("conversation_id", "position"),
        Index("ix_inbox_status_next_try_at", "status", "next_try_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    position: Mapped[int]
    channel: Mapped[str]
    external_id: Mapped[str]
    status: Mapped[str] = mapped_column(default="ready")  # ready | done | dead
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime] = mapped_column(default=utc_now)
    error: Mapped[str | None] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(default=utc_now)
    done_at: Mapped[datetime | None]


class OutboxItem(Base):
    """A line of the transcript owed to a channel; the courier delivers it."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("conversation_id", "position"),
        Index("ix_outbox_status_next_try_at", "status", "next_try_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    position: Mapped[int]
    inbox_id: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="owed")  # owed | delivered | rejected
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime] = mapped_column(default=utc_now)
    external_id: Mapped[str | None]
    error: Mapped[str | None] = mapped_column(Text)
    delivered_at: Mapped[datetime | None]


class Handoff(Base):
    """One stay of a conversation with people: opened, claimed, closed."""

    __tablename__ = "handoffs"
    __table_args__ = (Index("ix_handoffs_conversation_id", "conversation_id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    reason: Mapped[str]  # asked | not_understood | failure | risk_review | policy | complaint
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    opened_at: Mapped[datetime] = mapped_column(default=utc_now)
    agent_id: Mapped[str | None] = mapped_column(ForeignKey("agents.id"))
    claimed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]  # handed_back | resolved


class Agent(Base):
    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    role: Mapped[str] = mapped_column(default="agent")  # agent | owner
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class AgentSession(Base):
    """A signed-in console. Only hashes are stored: a stolen database signs nobody in."""

    __tablename__ = "agent_sessions"

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id"))
    csrf_token: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime]


class AuditEntry(Base):
    """Who did what in the console, and when."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(default=utc_now)
    agent_id: Mapped[str | None]
    action: Mapped[str]
    target: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
