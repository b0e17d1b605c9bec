"""Everything seen, ready to be asked "what was known just before this moment".

Every question takes a moment and looks strictly before it, by bisection in lists sorted by time. So what happens later,
or in which order events were added, cannot change an answer.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from actions.risk.events import AccountSeen, OrderSeen, PaymentFailed, ReturnSeen, Seen

E = TypeVar("E", bound=OrderSeen | AccountSeen | ReturnSeen | PaymentFailed)


class Timeline(Generic[E]):
    """Events of one kind under a key, by time."""

    def __init__(self, pairs: Iterable[tuple[str | None, E]]) -> None:
        found: dict[str, list[E]] = defaultdict(list)
        for key, event in pairs:
            if key is not None:
                found[key].append(event)
        for events in found.values():
            events.sort(key=_order)
        self._events: dict[str, list[E]] = dict(found)
        self._times = {key: [event.at.timestamp() for event in events] for key, events in found.items()}

    def before(self, key: str | None, at: datetime, *, seconds: float | None = None) -> Sequence[E]:
        """Events under the key strictly before `at`, at most so many seconds old, oldest first."""
        if key is None or key not in self._times:
            return ()
        times, moment = self._times[key], at.timestamp()
        last = bisect_left(times, moment)
        first = 0 if seconds is None else bisect_left(times, moment - seconds, 0, last)
        return self._events[key][first:last]


class History:
    """Timelines by customer, device, network address, card and address."""

    def __init__(self, seen: Seen) -> None:
        self.by_customer = Timeline((each.customer_id, each) for each in seen.orders)
        self.by_device = Timeline((each.device, each) for each in seen.orders)
        self.by_ip = Timeline((each.ip, each) for each in seen.orders)
        self.by_card = Timeline((each.card, each) for each in seen.orders)
        self.by_address = Timeline((each.address, each) for each in seen.orders)
        self.accounts = Timeline((each.customer_id, each) for each in seen.accounts)
        self.returns = Timeline((each.customer_id, each) for each in seen.returns)
        self.failures = Timeline((each.customer_id, each) for each in seen.failures)


def _order(event: OrderSeen | AccountSeen | ReturnSeen | PaymentFailed) -> tuple[float, str, str]:
    """By time; events of one moment in an order of their own, whatever order they came in."""
    names = (str(getattr(event, name, "")) for name in ("kind", "device", "card", "reason"))
    return event.at.timestamp(), str(getattr(event, "id", "")), "|".join(names)
