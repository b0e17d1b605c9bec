"""Campaigns counted from what happened, in a real database."""

from datetime import timedelta

from actions.recommendation.campaign_source import campaign_counts, outcomes
from actions.recommendation.shop_source import LiveShop
from bot.database import conversation, shop
from tests.actions.recommendation.test_shop_source import NOW, sessions  # noqa: F401  # a fixture


def note(session, kind, product="lamp", *, customer="ann", visitor=None, days=1.0, **context):
    at = NOW - timedelta(days=days)
    session.add(
        shop.Interaction(
            customer_id=customer, visitor_id=visitor, product_id=product, kind=kind, at=at, context=context
        )
    )


def order(session, product, *, days, quantity=1, id="o9", status="pending"):
    session.add(shop.Order(id=id, number=f"K-{id}", customer_id="ann", status=status,
                           placed_at=NOW - timedelta(days=days), subtotal_minor=1000, total_minor=1000,
                           ship_to={}))  # fmt: skip
    session.flush()
    session.add(shop.OrderLine(id=f"l-{id}", order_id=id, position=1, product_id=product, sku=f"{product}-1",
                               name=product, price_minor=1000, quantity=quantity))  # fmt: skip


def promotion(session, id="sale", **values):
    session.add(
        shop.Promotion(
            id=id, title=id, category="tents", starts_at=NOW - timedelta(days=30), ends_at=NOW + timedelta(days=1),
            **values,
        )
    )  # fmt: skip


def test_cards_shown_clicked_and_bought_after_the_click_are_counted(sessions):  # noqa: F811
    with sessions.begin() as session:
        promotion(session, percent=10)
        for days in (3, 2, 1):
            note(session, "shown", days=days, campaign="sale")
        note(session, "click", days=2, campaign="sale")
        note(session, "click", days=2)  # of no campaign
        order(session, "lamp", days=1, quantity=3)
    with sessions() as session:
        count = campaign_counts(session)["sale"]
    assert (count.shown, count.clicked, count.converted) == (3, 1, 1)
    assert (count.turnover_minor, count.spent_minor) == (3000, 300)


def test_orders_before_the_click_long_after_it_or_cancelled_do_not_count(sessions):  # noqa: F811
    with sessions.begin() as session:
        promotion(session)
        note(session, "click", days=10, campaign="sale")
        order(session, "lamp", days=11, id="early")
        order(session, "lamp", days=1, id="late")
        order(session, "lamp", days=9, id="gone", status="cancelled")
    with sessions() as session:
        assert campaign_counts(session)["sale"].converted == 0


def test_a_visitor_who_signs_in_and_buys_counts_for_the_card_clicked_before(sessions):  # noqa: F811
    with sessions.begin() as session:
        promotion(session)
        session.add(conversation.Conversation(id="c1", channel="web", sender_id="v1", customer_id="ann"))
        note(session, "click", customer=None, visitor="c1", days=2, campaign="sale")
        order(session, "lamp", days=1)
    with sessions() as session:
        assert campaign_counts(session)["sale"].converted == 1


def test_a_campaign_whose_budget_is_spent_by_its_own_conversions_says_so(sessions):  # noqa: F811
    with sessions.begin() as session:
        promotion(session, percent=50, budget_minor=400)
        note(session, "click", days=2, campaign="sale")
        order(session, "lamp", days=1)
    campaign = LiveShop(sessions).campaigns(NOW)[0]
    assert (campaign.budget_minor, campaign.spent_minor) == (400, 500)


def test_cards_seen_and_an_opt_out_are_in_the_past(sessions):  # noqa: F811
    with sessions.begin() as session:
        note(session, "shown", campaign="sale")
        note(session, "shown", days=2, campaign="sale")
    past = LiveShop(sessions).past("ann", None)
    assert (past.campaigns_shown, past.no_promotions) == ({"sale": 2}, False)
    with sessions.begin() as session:
        note(session, "no_promotions", customer=None, visitor="v2")
    assert LiveShop(sessions).past("ann", "v2").no_promotions


def test_the_bandit_is_told_what_each_arm_showed_and_what_was_clicked(sessions):  # noqa: F811
    with sessions.begin() as session:
        told = {"group": "few", "place": "chat", "arm": "alike", "propensity": 0.4}
        for _ in range(5):
            note(session, "shown", **told)
        note(session, "click", **told)
        note(session, "shown", days=120, **told)  # too old
        note(session, "shown")  # before there was a bandit
    with sessions() as session:
        found = outcomes(session, NOW)
    assert [(one.group, one.kind, one.arm, one.shown, one.clicked) for one in found] == [("few", "chat", "alike", 5, 1)]
