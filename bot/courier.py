"""The courier: delivers what the outbox owes to the channels, and the mails. `python -m bot.courier`.

At least once, in the order of the conversation, never dropped: a delivery is claimed for a while, tried,
and marked; a courier that is killed in between leaves it to be tried again.
"""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot import settings as settings_
from bot.channels.connector import Connector, Rejected, RetryLater
from bot.channels.mail import Mailbox, open_mailbox
from bot.channels.registry import open_connectors
from bot.database.base import utc_now
from bot.database.engine import Sessions, open_engine, open_sessions
from bot.messaging import mails, outbox, wakeup
from bot.messaging.mails import OwedMail
from bot.messaging.outbox import Owed
from bot.messaging.ready import check_database
from bot.ready import say_ready

POLL_SECONDS = 1.0
LEASE = timedelta(seconds=30)  # longer than any connector waits for its platform
LONGEST_DELAY_SECONDS = 600.0

Item = TypeVar("Item")

log = logging.getLogger("bot.courier")


def back_off(attempts: int) -> float:
    """Seconds before try number `attempts` + 1: 1, 2, 4, ... at most ten minutes."""
    return float(min(LONGEST_DELAY_SECONDS, 2 ** min(attempts, 20)))


@dataclass
class Courier:
    """Delivers up to `threads` conversations' lines at a time until `stop`."""

    sessions: Sessions
    signals: wakeup.Wakeup
    connectors: Mapping[str, Connector]
    mailbox: Mailbox
    threads: int = 8
    clock: Callable[[], datetime] = utc_now
    _stopping: threading.Event = field(default_factory=threading.Event)
    _free: threading.Semaphore = field(init=False)
    _down: bool = False

    def __post_init__(self) -> None:
        self._free = threading.Semaphore(self.threads)

    def run(self) -> None:
        """Work until `stop`, then finish what is being sent."""
        listener = self.signals.listen(wakeup.OUTBOX)
        try:
            with ThreadPoolExecutor(self.threads, "courier") as pool:
                while not self._stopping.is_set():
                    if not self._round(pool):
                        wakeup.wait(listener, POLL_SECONDS)
        finally:
            listener.close()

    def stop(self) -> None:
        self._stopping.set()
        self.signals.notify(wakeup.OUTBOX)

    def deliver_due(self) -> int:
        """Deliver what is due now, one after another, and return how many were tried."""
        owed, owed_mails = self._claim(self.threads)
        for item in owed:
            self._deliver(item)
        for mail in owed_mails:
            self._post(mail)
        return len(owed) + len(owed_mails)

    def _round(self, pool: ThreadPoolExecutor) -> bool:
        """Claim as much as there are free threads; True when something was found."""
        free = 0
        while free < self.threads and self._free.acquire(blocking=False):
            free += 1
        try:
            owed, owed_mails = self._claim(free) if free else ([], [])
        except DBAPIError as error:
            self._release(free)
            self._say_down(error)
            return False
        self._say_up()
        for item in owed:
            pool.submit(self._in_thread, self._deliver, item)
        for mail in owed_mails:
            pool.submit(self._in_thread, self._post, mail)
        self._release(free - len(owed) - len(owed_mails))
        return bool(owed or owed_mails)

    def _claim(self, limit: int) -> tuple[list[Owed], list[OwedMail]]:
        with self.sessions.begin() as session:
            owed = outbox.claim(session, limit=limit, now=self.clock(), lease=LEASE)
            left = limit - len(owed)
            owed_mails = mails.claim(session, limit=left, now=self.clock(), lease=LEASE) if left else []
        return owed, owed_mails

    def _release(self, count: int) -> None:
        for _ in range(count):
            self._free.release()

    def _in_thread(self, act: Callable[[Item], None], item: Item) -> None:
        try:
            act(item)
        except DBAPIError as error:  # the claim runs out, and it is tried again
            self._say_down(error)
        except Exception as error:  # the courier survives any one delivery
            log.exception("delivery: %s", type(error).__name__)
        finally:
            self._free.release()
            self.signals.notify(wakeup.OUTBOX)  # the next line of this conversation may go now

    def _deliver(self, owed: Owed) -> None:
        connector = self.connectors.get(owed.channel)
        if connector is None:
            delay = LONGEST_DELAY_SECONDS
            reason = f"channel {owed.channel} is not set up here"
            self._mark(lambda session: outbox.retry(session, owed.id, at=self._in(delay), reason=reason))
            return
        try:
            receipt = connector.send(owed.sender_id, owed.message, key=owed.id)
        except Rejected as error:
            reason = error.reason
            log.warning("delivery %s on %s rejected: %s", owed.id, owed.channel, reason)
            self._mark(lambda session: outbox.rejected(session, owed.id, reason=reason))
        except RetryLater as error:
            reason, delay = error.reason, error.after_seconds or back_off(owed.attempts)
            log.info("delivery %s on %s in %.0f s again: %s", owed.id, owed.channel, delay, reason)
            self._mark(lambda session: outbox.retry(session, owed.id, at=self._in(delay), reason=reason))
        else:
            id_ = receipt.external_id
            self._mark(lambda session: outbox.delivered(session, owed.id, external_id=id_, now=self.clock()))

    def _post(self, mail: OwedMail) -> None:
        try:
            self.mailbox.send(mail)
        except Rejected as error:
            log.warning("mail %s rejected: %s", mail.id, error.reason)
            self._mark(lambda session: mails.rejected(session, mail.id))
        except RetryLater as error:
            delay = error.after_seconds or back_off(mail.attempts)
            log.info("mail %s in %.0f s again: %s", mail.id, delay, error.reason)
            self._mark(lambda session: mails.retry(session, mail.id, at=self._in(delay)))
        else:
            self._mark(lambda session: mails.sent(session, mail.id, now=self.clock()))

    def _in(self, seconds: float) -> datetime:
        return self.clock() + timedelta(seconds=min(seconds, LONGEST_DELAY_SECONDS))

    def _mark(self, act: Callable[[Session], None]) -> None:
        with self.sessions.begin() as session:
            act(session)

    def _say_down(self, error: DBAPIError) -> None:
        if not self._down:
            self._down = True
            log.error("the database refuses: %s; trying again until it takes the work", str(error.orig).splitlines()[0])

    def _say_up(self) -> None:
        if self._down:
            self._down = False
            log.warning("the database is back")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = settings_.load()
        engine = open_engine(settings.database_url, pool_size=4)
        check_database(engine)
        connectors = open_connectors(settings.values)
        mailbox = open_mailbox(settings.smtp_url, settings.home, settings.mail_from)
        signals = wakeup.open_wakeup(engine, settings.home)
    except (settings_.SettingError, ConnectionError, ValueError) as error:
        print(f"courier cannot start: {error}", file=sys.stderr)
        return 1
    courier = Courier(open_sessions(engine), signals, connectors, mailbox)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: courier.stop())
    say_ready("courier")
    courier.run()
    for connector in connectors.values():
        connector.close()
    signals.close()
    engine.dispose()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
