"""Features know the past and nothing else."""

from dataclasses import fields, replace
from datetime import timedelta
from random import Random

import numpy as np
import pytest

from actions.risk import features, sequence
from actions.risk.events import OrderSeen, Seen, address_key
from actions.risk.history import History


def upto(seen: Seen, at) -> Seen:
    return Seen(*(tuple(each for each in getattr(seen, field.name) if each.at < at) for field in fields(Seen)))


def shuffled(seen: Seen, seed: int) -> Seen:
    parts = []
    for field in fields(Seen):
        events = list(getattr(seen, field.name))
        Random(seed).shuffle(events)
        parts.append(tuple(events))
    return Seen(*parts)


def test_the_future_changes_no_feature_and_no_sequence(world) -> None:
    seen, _ = world
    everything = History(seen)
    for order in seen.orders[::13]:
        past = History(upto(seen, order.at))
        assert np.array_equal(features.vector(order, past), features.vector(order, everything), equal_nan=True)
        assert sequence.tokens(order, past) == sequence.tokens(order, everything)


@pytest.mark.parametrize("seed", [1, 2])
def test_shuffling_events_and_inventing_a_future_changes_nothing(world, seed: int) -> None:
    seen, _ = world
    order = seen.orders[200]
    invented = tuple(
        replace(each, id=f"new{each.id}", at=order.at + timedelta(days=1), device=order.device, card=order.card)
        for each in seen.orders
    )
    mixed = shuffled(replace(seen, orders=seen.orders + invented), seed)
    assert np.array_equal(features.vector(order, History(seen)), features.vector(order, History(mixed)), equal_nan=True)


def test_what_happens_at_the_same_moment_is_not_the_past(world) -> None:
    seen, _ = world
    order = seen.orders[200]
    twin = replace(order, id="twin")
    with_twin = History(replace(seen, orders=(*seen.orders, twin)))
    assert np.array_equal(features.vector(order, History(seen)), features.vector(order, with_twin), equal_nan=True)


def test_the_past_does_change_features(world) -> None:
    seen, _ = world
    order = seen.orders[200]
    earlier = replace(order, id="earlier", at=order.at - timedelta(minutes=10), customer_id="other")
    before = dict(zip(features.NAMES, features.vector(order, History(seen)), strict=True))
    after = dict(
        zip(features.NAMES, features.vector(order, History(replace(seen, orders=(*seen.orders, earlier)))), strict=True)
    )
    assert after["device_customers"] > before["device_customers"]
    assert after["card_customers"] > before["card_customers"]


def test_no_name_language_sex_or_age_can_reach_a_feature() -> None:
    known = {field.name for field in fields(OrderSeen)}
    assert not known & {"name", "language", "sex", "gender", "age", "birthday", "email"}


def test_one_place_has_one_key_however_it_is_written() -> None:
    one = address_key({"line1": "Linden weg 3", "postcode": "10115", "country": "DE"})
    assert one == address_key({"line1": "lindenWEG 3 ", "postcode": "10115", "country": "de", "name": "x"})
    assert address_key({}) is None
