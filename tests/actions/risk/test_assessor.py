"""The live assessor: equal to training, with reasons, and never silently low."""

import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from actions.risk import features, reading, rules, sequence
from actions.risk.assessor import Assessor
from actions.risk.history import History
from actions.risk.members import Table
from actions.risk.types import RiskRequest
from bot.database.shop import CustomerEvent
from tests.actions.order_desk.conftest import HAMBURG, NOW, shop  # noqa: F401  (a fixture)


def request(order_id: str, action: str = "cancel", **more) -> RiskRequest:
    return RiskRequest(action, "ada", order_id, 11000, more.pop("at", NOW), "m1", **more)


def test_the_live_features_equal_those_of_training(shop) -> None:  # noqa: F811
    with shop.sessions() as session:
        labelled = reading.everything(session)
        history = History(labelled.seen)
        for order in labelled.seen.orders:
            asked = RiskRequest("cancel", order.customer_id, order.id, 0, order.at, "m")
            live, seen = reading.around(session, asked)
            assert np.array_equal(features.vector(live, History(seen)), features.vector(order, history), equal_nan=True)
            assert sequence.tokens(live, History(seen)) == sequence.tokens(order, history)


def test_without_a_model_everything_is_reviewed(shop, tmp_path: Path) -> None:  # noqa: F811
    assessor = Assessor.load(tmp_path / "risk")
    with shop.sessions() as session:
        found = assessor.assess(session, request("K-1001"))
    assert (found.band, found.model_version) == ("review", "none")
    assert "kefu train risk" in found.reasons[0].words["en"]


def test_a_damaged_model_is_no_model(shop, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "risk").mkdir()
    (tmp_path / "risk" / "manifest.json").write_text("{")
    with shop.sessions() as session:
        assert Assessor.load(tmp_path / "risk").assess(session, request("K-1001")).band == "review"


def test_an_order_that_is_not_there_is_reviewed(shop, tmp_path: Path) -> None:  # noqa: F811
    with shop.sessions() as session:
        assert Assessor.load(tmp_path).assess(session, request("K-0")).band == "review"


def test_a_change_is_judged_as_the_order_would_be(shop) -> None:  # noqa: F811
    with shop.sessions() as session:
        asked, _ = reading.around(session, request("K-1001", "change_address", new_address=HAMBURG))
        paid, _ = reading.around(session, request("K-1001", "change_payment", payment_method_id="ada-gift"))
    assert asked.address == "20095|hafenstr.9|de"
    assert (asked.at, paid.card, paid.card_kind) == (NOW, "ada-gift", "gift_card")


def facts(shop, asked: RiskRequest, amount: int) -> rules.Facts:  # noqa: F811
    with shop.sessions() as session:
        order, seen = reading.around(session, asked)
        named = dict(zip(features.NAMES, map(float, features.vector(order, History(seen))), strict=True))
        return rules.Facts(asked, named, amount, reading.limits(session))


def test_a_new_address_after_a_new_password_is_reviewed_and_dear_ones_stopped(shop) -> None:  # noqa: F811
    with shop.sessions.begin() as session:
        session.add(
            CustomerEvent(
                customer_id="ada", kind="password_changed", actor="customer:ada", request_id="x",
                at=NOW - timedelta(hours=2),
            )
        )  # fmt: skip
    asked = request("K-1001", "change_address", new_address=HAMBURG)
    band, reasons = rules.applied(facts(shop, asked, 11000))
    assert (band, [each.code for each in reasons]) == ("review", ["account_taken_over"])
    assert rules.applied(facts(shop, asked, 99000))[0] == "high"


def test_an_old_customer_who_changes_a_word_meets_no_rule(shop) -> None:  # noqa: F811
    assert rules.applied(facts(shop, request("K-1001"), 11000)) == ("low", ())


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.code)
def test_no_rule_says_fraud(rule: rules.Rule) -> None:
    assert "fraud" not in rule.words
    assert rule.band in ("review", "high")


def test_members_answer_one_order_in_milliseconds(world) -> None:
    from actions.risk import model

    seen, frauds = world
    history = History(seen)
    table = Table(features.matrix(seen.orders, history), [sequence.tokens(order, history) for order in seen.orders])
    fitted = model.fit(table, np.array(frauds), [order.customer_id for order in seen.orders], features.NAMES)
    one = table.take(np.array([5]))
    fitted.model.probabilities(one)
    spent = []
    for _ in range(20):
        began = time.process_time()
        fitted.model.probabilities(one)
        spent.append(time.process_time() - began)
    assert np.percentile(spent, 95) < 0.03
