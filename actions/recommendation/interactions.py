"""Behaviour as arrays: who did what with which product, when. What every member learns from and is asked with.

Members are asked with an `Asker`, not with a customer's number, so a customer who came a minute ago, and one whose last
click is a second old, are served by the same call as one of the training data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

# how much an event says about a taste; "shown" alone says nothing, "not_for_me" is obeyed by the filters
KIND_WEIGHTS: Mapping[str, float] = {"view": 1.0, "click": 1.5, "cart": 3.0, "purchase": 5.0}
DAY = 86_400.0

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


class SharedRows(Exception):
    """Training data holds rows of the test data; `count` says how many."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"training and test interactions share {count} rows; scores would flatter. Split them first "
            "(`leave_last_out`, `split_by_time`)"
        )
        self.count = count


@dataclass(frozen=True)
class Event:
    """One thing a customer did. `at` is seconds since 1970."""

    customer: str
    product: str
    kind: str
    at: float


@dataclass(frozen=True)
class Interactions:
    """Events by number, ordered by customer and time.

    `customers` and `items` name the numbers; the arrays (events,) hold one event each.
    """

    customers: tuple[str, ...]
    items: tuple[str, ...]
    customer: Ints
    item: Ints
    weight: Floats
    at: Floats
    bought: np.ndarray[Any, np.dtype[np.bool_]]

    def __len__(self) -> int:
        return len(self.customer)

    @property
    def item_number(self) -> dict[str, int]:
        return {id: number for number, id in enumerate(self.items)}

    def matrix(self, *, binary: bool = False) -> sparse.csr_matrix:
        """(customers, items) sums of weights, or ones."""
        weight = np.ones(len(self)) if binary else self.weight
        shape = (len(self.customers), len(self.items))
        held = sparse.csr_matrix((weight, (self.customer, self.item)), shape=shape, dtype=np.float32)
        held.sum_duplicates()
        if binary:
            held.data[:] = 1.0
        return held

    def askers(self, *, now: float | None = None) -> list["Asker"]:
        """One asker a customer, in the order of `customers`."""
        ends = np.searchsorted(self.customer, np.arange(len(self.customers) + 1))
        made = []
        for start, end in pairwise(ends):
            when = now if now is not None else (float(self.at[end - 1]) if end > start else 0.0)
            made.append(
                Asker(self.item[start:end], self.weight[start:end], self.at[start:end], when, self.bought[start:end])
            )
        return made

    def rows(self, chosen: np.ndarray[Any, np.dtype[Any]]) -> "Interactions":
        """The chosen events (a mask or numbers), the same names."""
        return Interactions(
            self.customers,
            self.items,
            self.customer[chosen],
            self.item[chosen],
            self.weight[chosen],
            self.at[chosen],
            self.bought[chosen],
        )


@dataclass(frozen=True)
class Asker:
    """Whom to recommend to: what they did, oldest first, and what the conversation is about.

    Arrays are (events,). `seeds` are products talked about now; `now` is seconds since 1970.
    """

    items: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weights: Floats = field(default_factory=lambda: np.zeros(0))
    at: Floats = field(default_factory=lambda: np.zeros(0))
    now: float = 0.0
    bought: np.ndarray[Any, np.dtype[np.bool_]] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    seeds: tuple[int, ...] = ()

    @property
    def known(self) -> bool:
        """True when there is anything to go by."""
        return bool(len(self.items) or self.seeds)

    def with_seeds(self, weight: float = 5.0) -> "Asker":
        """The seeds appended as if they had been done just now."""
        if not self.seeds:
            return self
        count = len(self.seeds)
        return Asker(
            np.concatenate([self.items, np.array(self.seeds, dtype=np.int64)]),
            np.concatenate([self.weights, np.full(count, weight)]),
            np.concatenate([self.at, np.full(count, self.now)]),
            self.now,
            np.concatenate([self.bought, np.zeros(count, dtype=bool)]),
        )


def interactions(
    events: Iterable[Event], items: Sequence[str], *, weights: Mapping[str, float] = KIND_WEIGHTS
) -> Interactions:
    """Number and sort the events; kinds without a weight and products not in `items` are left out."""
    number = {id: position for position, id in enumerate(items)}
    kept = [event for event in events if event.kind in weights and event.product in number]
    kept.sort(key=lambda event: event.at)
    customers = tuple(sorted({event.customer for event in kept}))
    row = {id: position for position, id in enumerate(customers)}
    customer = np.array([row[event.customer] for event in kept], dtype=np.int64)
    order = np.argsort(customer, kind="stable")
    return Interactions(
        customers,
        tuple(items),
        customer[order],
        np.array([number[event.product] for event in kept], dtype=np.int64)[order],
        np.array([weights[event.kind] for event in kept], dtype=np.float64)[order],
        np.array([event.at for event in kept], dtype=np.float64)[order],
        np.array([event.kind == "purchase" for event in kept], dtype=bool)[order],
    )


def history_matrix(
    askers: Sequence[Asker], items: int, *, half_life_days: float | None = None, power: float = 1.0
) -> sparse.csr_matrix:
    """(askers, items) what each did, newer events counting more when a half-life is given.

    Args:
        power: applied to the summed weight of an item; 0.5 tempers repeats.
    """
    starts = np.cumsum([0, *(len(asker.items) for asker in askers)])
    columns = np.concatenate([asker.items for asker in askers]) if askers else np.zeros(0, dtype=np.int64)
    values = [
        asker.weights
        * (1.0 if half_life_days is None else 0.5 ** (np.maximum(asker.now - asker.at, 0) / (half_life_days * DAY)))
        for asker in askers
    ]
    data = np.concatenate(values) if values else np.zeros(0)
    held = sparse.csr_matrix((data, columns, starts), shape=(len(askers), items), dtype=np.float32)
    held.sum_duplicates()
    if power != 1.0:
        held.data = held.data**power
    return held


def split_by_time(data: Interactions, share: float) -> tuple[Interactions, Interactions]:
    """Events before and after the moment that leaves `share` of them to the second part."""
    moment = np.quantile(data.at, 1 - share)
    return data.rows(data.at <= moment), data.rows(data.at > moment)


def leave_last_out(data: Interactions) -> tuple[Interactions, Ints, Ints]:
    """All but the last event of every customer with at least two; (rest, customers, their last items)."""
    ends = np.searchsorted(data.customer, np.arange(len(data.customers) + 1))
    sizes = np.diff(ends)
    held = np.flatnonzero(sizes >= 2)
    last = ends[1:][held] - 1
    mask = np.ones(len(data), dtype=bool)
    mask[last] = False
    return data.rows(mask), held, data.item[last]


def refuse_shared(train: Interactions, test: Interactions) -> None:
    """Raise when the same customer did the same with the same product at the same time in both.

    Raises:
        SharedRows: some rows are in both.
    """
    one, other = _keys(train), _keys(test)
    shared = len(one & other)
    if shared:
        raise SharedRows(shared)


def _keys(data: Interactions) -> set[tuple[str, str, float]]:
    return {
        (data.customers[customer], data.items[item], at)
        for customer, item, at in zip(data.customer.tolist(), data.item.tolist(), data.at.tolist(), strict=True)
    }
