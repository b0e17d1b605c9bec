"""What the console needs from the process it runs in."""

from typing import Protocol

from bot.database.engine import Sessions
from bot.messaging.wakeup import Wakeup


class Services(Protocol):
    """`readers` only read; `wakeup` tells and hears of new lines."""

    @property
    def sessions(self) -> Sessions: ...

    @property
    def readers(self) -> Sessions: ...

    @property
    def wakeup(self) -> Wakeup: ...
