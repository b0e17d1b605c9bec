"""A tracker store whose turn 200 costs what turn 5 costs: one row a conversation, the last turns of it.

Rasa's SQL store reads and replays every event of the session for each message (12 ms at turn 5, 316 ms at turn
300). Here a conversation is one row: the events of its last turns, in front of them what the earlier ones came to
(slots, the active form). Our own transcript keeps the words; Rasa needs only its state.

A conversation belongs to one process (turns hashes its id), so the process keeps the trackers it served lately and
reads the row only for others. A turn that failed is forgotten here and read again from the row.
"""

import asyncio
import collections
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from rasa.core.lock_store import InMemoryLockStore
from rasa.core.tracker_store import SerializedTrackerAsText, TrackerStore
from rasa.shared.core.events import (
    ActionExecuted,
    ActiveLoop,
    SessionStarted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker

KEPT_TURNS = 6  # user messages kept as events; rules look back one or two
TRIM_AT_TURNS = 12  # trimming replays, so it is done every sixth turn
KEPT_TRACKERS = 2_000  # in memory, at some 40 KB each


def trimmed(events, slots, turns=KEPT_TURNS):
    """The events from the `turns`-th last user message on, preceded by the state that the earlier ones left."""
    starts = [index for index, event in enumerate(events) if isinstance(event, UserUttered)]
    if len(starts) <= turns:
        return events
    cut = starts[-turns]
    earlier = DialogueStateTracker.from_events("", events[:cut], slots)
    at = events[cut].timestamp
    before = [ActionExecuted("action_session_start", timestamp=at), SessionStarted(timestamp=at)]
    before += [SlotSet(name, slot.value, timestamp=at) for name, slot in earlier.slots.items() if slot.has_been_set]
    before += [ActiveLoop(earlier.active_loop_name, timestamp=at)] if earlier.active_loop_name else []
    return [*before, ActionExecuted("action_listen", timestamp=at), *events[cut:]]


def since_session_start(events):
    """Events of the current session, with the action that opened it."""
    for index in range(len(events) - 1, -1, -1):
        if isinstance(events[index], SessionStarted):
            opened_by_action = index > 0 and isinstance(events[index - 1], ActionExecuted)
            return events[index - 1 if opened_by_action else index :]
    return events


class CappedTrackerStore(TrackerStore, SerializedTrackerAsText):
    """endpoints.yml: `tracker_store: {type: rasa_tracker.CappedTrackerStore, url: sqlite:///...}`."""

    def __init__(self, domain=None, url=None, event_broker=None, **kwargs):
        url = url or os.environ.get("KEFU_TRACKER_URL", "sqlite:///dialogue.db")
        if url.startswith(("postgresql+psycopg://", "postgres://")):
            url = "postgresql://" + url.split("://", 1)[1]  # this environment has psycopg2
        self.engine = _engine(url)
        table = sa.Table(
            "dialogue_trackers",
            sa.MetaData(),
            sa.Column("conversation_id", sa.String(64), primary_key=True),
            sa.Column("events", sa.Text, nullable=False),
            sa.Column("saved_at", sa.Float, nullable=False),
        )
        table.create(self.engine, checkfirst=True)
        name = self.engine.dialect.name
        self._write = sa.text(
            "INSERT INTO dialogue_trackers (conversation_id, events, saved_at) VALUES (:id, :events, :at) "
            "ON CONFLICT (conversation_id) DO UPDATE SET events = excluded.events, saved_at = excluded.saved_at"
        )
        self._read = sa.text("SELECT events FROM dialogue_trackers WHERE conversation_id = :id")
        self._trackers = collections.OrderedDict()
        # SQLite has one writer anyway; PostgreSQL is a network away, so several turns may wait at once
        self._threads = ThreadPoolExecutor(1 if name == "sqlite" else 4, thread_name_prefix="tracker")
        super().__init__(domain, event_broker, **kwargs)

    async def retrieve(self, sender_id):
        tracker = self._trackers.get(sender_id)
        if tracker is not None:
            self._trackers.move_to_end(sender_id)
            return tracker
        text = await self._in_thread(self._select, sender_id)
        if text is None:
            return None
        tracker = DialogueStateTracker.from_dict(sender_id, json.loads(text), self.domain.slots)
        self._keep(tracker)
        return tracker

    async def retrieve_full_tracker(self, conversation_id):
        return await self.retrieve(conversation_id)

    async def save(self, tracker):
        events = since_session_start(list(tracker.events))
        turns = sum(isinstance(event, UserUttered) for event in events)
        if turns > TRIM_AT_TURNS or len(events) < len(tracker.events):
            kept = trimmed(events, self.domain.slots)
            tracker = DialogueStateTracker.from_events(tracker.sender_id, kept, self.domain.slots)
            events = tracker.events
        text = f"[{','.join(map(_text_of, events))}]"
        await self._in_thread(self._upsert, tracker.sender_id, text)
        self._keep(tracker)

    async def keys(self):
        return await self._in_thread(self._ids)

    def forget(self, conversation_id):
        """Drop the copy in memory: its turn failed half way, the row is the truth."""
        self._trackers.pop(conversation_id, None)

    def _keep(self, tracker):
        self._trackers[tracker.sender_id] = tracker
        self._trackers.move_to_end(tracker.sender_id)
        while len(self._trackers) > KEPT_TRACKERS:
            self._trackers.popitem(last=False)

    async def _in_thread(self, function, *args):
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def _select(self, conversation_id):
        with self.engine.connect() as connection:
            return connection.execute(self._read, {"id": conversation_id}).scalar()

    def _upsert(self, conversation_id, text):
        with self.engine.begin() as connection:
            connection.execute(self._write, {"id": conversation_id, "events": text, "at": time.time()})

    def _ids(self):
        with self.engine.connect() as connection:
            return [row[0] for row in connection.execute(sa.text("SELECT conversation_id FROM dialogue_trackers"))]


def _text_of(event):
    """The event as JSON, made when it is first saved: an event is never changed after that."""
    text = event.__dict__.get("_text")
    if text is None:
        text = event.__dict__["_text"] = json.dumps(event.as_dict(), ensure_ascii=True)
    return text


def _engine(url):
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_size=4, max_overflow=2, pool_pre_ping=True)
    engine = sa.create_engine(
        url,
        poolclass=sa.pool.QueuePool,
        pool_size=2,
        connect_args={"check_same_thread": False, "timeout": 30},
    )

    @sa.event.listens_for(engine, "connect")
    def pragmas(connection, record):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


class ConversationLocks(InMemoryLockStore):
    """Waiters are woken in order; the stock store polls once a second."""

    def __init__(self, endpoint_config=None):
        super().__init__()
        self._locks = {}  # conversation id -> [lock, holders and waiters]

    def lock(self, conversation_id, lock_lifetime=60, wait_time_in_seconds=0):
        return _Held(self._locks, conversation_id)


class _Held:
    def __init__(self, locks, conversation_id):
        self.locks, self.id = locks, conversation_id

    async def __aenter__(self):
        entry = self.locks.setdefault(self.id, [asyncio.Lock(), 0])
        entry[1] += 1
        try:
            await entry[0].acquire()
        except BaseException:
            self._leave(entry)
            raise

    async def __aexit__(self, *error):
        entry = self.locks[self.id]
        entry[0].release()
        self._leave(entry)

    def _leave(self, entry):
        entry[1] -= 1
        if not entry[1]:
            self.locks.pop(self.id, None)
