"""Reviews: of what was bought and has arrived, one a product, changeable."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk import lookup
from actions.order_desk.days import day
from actions.order_desk.outcomes import Outcome, Refusal
from actions.order_desk.views import LineView
from bot.database import policies
from bot.database.shop import Review


def reviewable(session: Session, customer_id: str, *, limit: int = 5) -> list[LineView]:
    """What the customer could review now, newest first, each product once."""
    reviewed = set(session.scalars(select(Review.product_id).where(Review.customer_id == customer_id)))
    found: dict[str, LineView] = {}
    for order in lookup.orders_of(session, customer_id, limit=20, statuses=("delivered", "shipped")):
        for line in order.lines:
            if line.delivered_at is not None and line.product_id not in reviewed:
                found.setdefault(line.product_id, line)
    return list(found.values())[:limit]


def check_review(session: Session, customer_id: str, product_id: str, *, now: datetime) -> Refusal | None:
    """Why this product cannot be reviewed by this customer now; None when it can."""
    arrived = [
        line.delivered_at
        for order in lookup.orders_of(session, customer_id, limit=200)
        for line in order.lines
        if line.product_id == product_id and line.delivered_at is not None
    ]
    if not arrived:
        return Refusal("not_bought")
    from_ = min(arrived) + timedelta(days=policies.load(session).integer("review_after_days"))
    return Refusal("too_early", {"from_day": day(from_)}) if now < from_ else None


def review(
    session: Session, customer_id: str, product_id: str, stars: int, text: str | None, *, now: datetime
) -> Outcome:
    """Keep the review; a second one for the same product replaces the first. facts: product_id, stars."""
    if not 1 <= stars <= 5:
        return Outcome("refused", "stars_not_valid", None, {"stars": stars})
    refusal = check_review(session, customer_id, product_id, now=now)
    if refusal is not None:
        return Outcome("refused", refusal.code, None, refusal.facts)
    query = select(Review).where(Review.customer_id == customer_id, Review.product_id == product_id)
    row = session.scalars(query).one_or_none()
    facts = {"product_id": product_id, "stars": stars}
    if row is not None and (row.stars, row.text) == (stars, text):
        return Outcome("already_done", "reviewed", None, facts)
    if row is None:
        session.add(Review(customer_id=customer_id, product_id=product_id, stars=stars, text=text, at=now))
    else:
        row.stars, row.text, row.at = stars, text, now
    session.flush()
    return Outcome("done", "reviewed", None, facts)
