"""What the routes of the gateway are given; made once by the composition root."""

from dataclasses import dataclass
from pathlib import Path

from bot.database.engine import Sessions
from bot.messaging.wakeup import Wakeup


@dataclass(frozen=True)
class Services:
    """`sessions` write, `readers` only read. After a commit say so: `wakeup.notify(TRANSCRIPT, [conversation_id])`."""

    sessions: Sessions
    readers: Sessions
    wakeup: Wakeup
    secret: str  # signs visitor tokens and console cookies
    shop_secret: str  # the shop signs customer tokens with it
    shop_name: str
    shop_language: str
    public_url: str  # where customers and agents reach the gateway; https makes cookies Secure
    home: Path
    allowed_origins: tuple[str, ...] = ("*",)

    def __repr__(self) -> str:
        return f"Services({self.public_url})"  # no secrets in a traceback
