"""The conversation tables as Core tables: the hot path writes rows, not objects."""

from typing import cast

from sqlalchemy import Table

from bot.database.conversation import Agent, Conversation, Handoff, InboxItem, Message, OutboxItem
from bot.database.shop import Mail

CONVERSATIONS = cast(Table, Conversation.__table__)
MESSAGES = cast(Table, Message.__table__)
INBOX = cast(Table, InboxItem.__table__)
OUTBOX = cast(Table, OutboxItem.__table__)
HANDOFFS = cast(Table, Handoff.__table__)
AGENTS = cast(Table, Agent.__table__)
MAILS = cast(Table, Mail.__table__)
