"""The sequence member: how a customer's last events follow each other, as two Markov chains (fraud, honest).

The score is the mean log-likelihood ratio of the steps. A chain of counts rather than a recurrent network: with a few
hundred frauds it has what they can teach, needs no second framework in the action server, answers in microseconds,
and says which step was odd.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from actions.risk.events import AccountSeen, OrderSeen, PaymentFailed, ReturnSeen
from actions.risk.history import History

Floats = NDArray[np.float64]
LAST = 12  # events looked at, the order itself included
GAPS = (10 * 60, 3600, 86400, 14 * 86400)  # seconds: at once, within the hour, the day, two weeks, longer
SIZES = (3000, 12000, 30000)  # minor units
KINDS = ("start", "created", "signed_in", "credentials", "address", "method", "other", "return", "failed", "order0",
         "order1", "order2", "order3")  # fmt: skip
TOKENS = len(KINDS) * (len(GAPS) + 1)
ACCOUNT = {
    "created": "created",
    "signed_in": "signed_in",
    "password_changed": "credentials",
    "email_changed": "credentials",
    "address_added": "address",
    "payment_method_added": "method",
}


def tokens(order: OrderSeen, history: History) -> tuple[int, ...]:
    """The customer's last events before the order, and the order, as numbers below `TOKENS`."""
    events: list[AccountSeen | OrderSeen | ReturnSeen | PaymentFailed] = []
    customer, at = order.customer_id, order.at
    events += [each for each in history.by_customer.before(customer, at)[-LAST - 1 :] if each.id != order.id]
    events += history.accounts.before(customer, at)[-LAST:]
    events += history.returns.before(customer, at)[-LAST:]
    events += history.failures.before(customer, at)[-LAST:]
    events.sort(key=lambda each: (each.at, kind_of(each)))
    found, last = [token("start", None)], None
    for event in [*events, order][-LAST:]:
        gap = None if last is None else (event.at - last).total_seconds()
        found.append(token(kind_of(event), gap))
        last = event.at
    return tuple(found)


def kind_of(event: AccountSeen | OrderSeen | ReturnSeen | PaymentFailed) -> str:
    if isinstance(event, OrderSeen):
        return f"order{sum(event.amount_minor >= size for size in SIZES)}"
    if isinstance(event, AccountSeen):
        return ACCOUNT.get(event.kind, "other")
    return "return" if isinstance(event, ReturnSeen) else "failed"


def token(kind: str, gap: float | None) -> int:
    """A kind of event and the seconds since the one before (None: it is the first)."""
    bucket = len(GAPS) if gap is None else sum(gap > limit for limit in GAPS)
    return KINDS.index(kind) * (len(GAPS) + 1) + bucket


@dataclass(frozen=True)
class Markov:
    """`ratio[a, b]`: log of how much likelier step a -> b is among frauds; smoothed towards b's own share."""

    ratio: Floats

    def score(self, sequences: Sequence[Sequence[int]]) -> Floats:
        """(rows,): the mean over the steps, the last one (the order itself) counted twice."""
        return np.array([self._one(sequence) for sequence in sequences], dtype=float)

    def _one(self, sequence: Sequence[int]) -> float:
        steps = [float(self.ratio[a, b]) for a, b in pairwise(sequence)]
        if not steps:
            return math.nan
        return (sum(steps) + steps[-1]) / (len(steps) + 1)

    @classmethod
    def fit(cls, sequences: Sequence[Sequence[int]], happened: NDArray[np.bool_], *, strength: float = 8.0) -> "Markov":
        """Count steps in each class; `strength` steps of the class's average are added to each row."""
        logs = [_log_steps([s for s, y in zip(sequences, happened, strict=True) if y == label], strength)
                for label in (True, False)]  # fmt: skip
        return cls(logs[0] - logs[1])


def _log_steps(sequences: Sequence[Sequence[int]], strength: float) -> Floats:
    counts = np.zeros((TOKENS, TOKENS))
    for sequence in sequences:
        np.add.at(counts, (sequence[:-1], sequence[1:]), 1.0)
    share = (counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * TOKENS)
    smoothed = counts + strength * share[None, :]
    return np.asarray(np.log(smoothed / smoothed.sum(axis=1, keepdims=True)))
