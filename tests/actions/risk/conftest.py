"""A small world of orders with planted frauds: several cards on one device, minutes after signing up."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from actions.risk.events import AccountSeen, OrderSeen, PaymentFailed, ReturnSeen, Seen

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def world() -> tuple[Seen, tuple[bool, ...]]:
    return make_world(400, seed=3)


def make_world(orders: int, *, seed: int) -> tuple[Seen, tuple[bool, ...]]:
    """Orders by time, and whether each is a fraud (every tenth)."""
    random = Random(seed)
    made: list[tuple[OrderSeen, bool]] = []
    accounts, returns, failures = [], [], []
    for number in range(orders):
        fraud = number % 10 == 0
        at = START + timedelta(hours=3 * number + random.random())
        customer = f"f{number}" if fraud else f"c{random.randrange(orders // 8)}"
        device = f"d-ring{number // 50}" if fraud else f"d{customer}"
        made.append((
            OrderSeen(
                id=f"o{number}", customer_id=customer, at=at,
                amount_minor=40000 if fraud else random.randrange(2000, 15000),
                account_created_at=at - timedelta(minutes=5) if fraud else START - timedelta(days=300),
                device=device, ip=device, address=f"1|{device}|de", bill_address=f"1|{customer}|de", country="DE",
                bill_country="GB" if fraud else "DE", card=f"k{customer}", card_kind="card",
                card_added_at=at - timedelta(minutes=2),
                express=fraud, session_seconds=60 if fraud else 600, pages=3 if fraud else 20, dearest_minor=9000,
            ),
            fraud,
        ))  # fmt: skip
        if fraud:
            accounts.append(AccountSeen(customer, at - timedelta(minutes=5), "created", device))
            failures.append(PaymentFailed(customer, at - timedelta(minutes=1), "kx"))
        elif number % 7 == 0:
            returns.append(ReturnSeen(customer, at + timedelta(days=9), 3000, "damaged"))
    seen = Seen(tuple(order for order, _ in made), tuple(accounts), tuple(returns), tuple(failures))
    return seen, tuple(fraud for _, fraud in made)
