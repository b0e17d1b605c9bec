"""What campaigns did, counted from the database: shown, clicked, bought; what their budgets have paid; bandit rewards.

A card shown or clicked is an interaction whose context names the campaign. A purchase counts for a campaign when a
customer orders the product within `DAYS` after clicking its card.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from actions.recommendation.bandit import Outcome
from bot.database import conversation, shop
from bot.database.engine import Sessions

DAYS = 7  # between a click and the order it counts for
REWARD_DAYS = 90  # of lists the bandit learns from
COUNTED_ORDERS = ("pending", "processing", "shipped", "delivered")


@dataclass(frozen=True)
class Count:
    """One campaign. `spent_minor` is the discount its conversions were given."""

    campaign: str
    shown: int = 0
    clicked: int = 0
    converted: int = 0
    turnover_minor: int = 0
    spent_minor: int = 0


def campaign_counts(session: Session) -> dict[str, Count]:
    """Every campaign with at least one card shown."""
    name = shop.Interaction.context["campaign"].as_string()
    rows = session.execute(
        select(name, shop.Interaction.kind, func.count())
        .where(name.is_not(None), shop.Interaction.kind.in_(("shown", "click")))
        .group_by(name, shop.Interaction.kind)
    ).all()
    times = {(campaign, kind): count for campaign, kind, count in rows}
    bought = _conversions(session)
    percent = {row.id: row.percent or 0 for row in session.scalars(select(shop.Promotion))}
    return {
        campaign: Count(
            campaign,
            times.get((campaign, "shown"), 0),
            times.get((campaign, "click"), 0),
            len(bought.get(campaign, {})),
            sum(bought.get(campaign, {}).values()),
            sum(bought.get(campaign, {}).values()) * percent.get(campaign, 0) // 100,
        )
        for campaign in sorted({campaign for campaign, _ in times})
    }


def _conversions(session: Session) -> dict[str, dict[str, int]]:
    """campaign -> order line -> what was paid for it. A line counts once, for the card clicked last."""
    name = shop.Interaction.context["campaign"].as_string()
    # a visitor may have signed in after the click: the conversation then names the customer
    who = func.coalesce(shop.Interaction.customer_id, conversation.Conversation.customer_id)
    rows = session.execute(
        select(name, shop.Interaction.at, shop.OrderLine, shop.Order.placed_at)
        .select_from(shop.Interaction)
        .outerjoin(conversation.Conversation, conversation.Conversation.id == shop.Interaction.visitor_id)
        .join(shop.Order, shop.Order.customer_id == who)
        .join(
            shop.OrderLine,
            (shop.OrderLine.order_id == shop.Order.id) & (shop.OrderLine.product_id == shop.Interaction.product_id),
        )
        .where(
            shop.Interaction.kind == "click",
            name.is_not(None),
            shop.Order.status.in_(COUNTED_ORDERS),
            shop.Order.placed_at >= shop.Interaction.at,
        )
        .order_by(shop.Interaction.at)
    ).all()
    last: dict[str, tuple[str, int]] = {}
    for campaign, clicked_at, line, placed_at in rows:
        if placed_at - clicked_at <= timedelta(days=DAYS):
            last[line.id] = (campaign, line.price_minor * line.quantity)
    found: dict[str, dict[str, int]] = {}
    for line_id, (campaign, paid) in last.items():
        found.setdefault(campaign, {})[line_id] = paid
    return found


class Rewards:
    """The bandit's outcomes from the database, for `online.OnlineLearning`."""

    def __init__(self, readers: Sessions) -> None:
        self._readers = readers

    def look(self) -> list[Outcome]:
        with self._readers() as session:
            return outcomes(session, datetime.now(UTC))


def outcomes(session: Session, now: datetime) -> list[Outcome]:
    """What each arm of the bandit showed and what of it was clicked, of the last `REWARD_DAYS`."""
    arm = shop.Interaction.context["arm"].as_string()
    rows = session.execute(
        select(shop.Interaction.kind, shop.Interaction.context).where(
            shop.Interaction.at >= now - timedelta(days=REWARD_DAYS),
            shop.Interaction.kind.in_(("shown", "click")),
            arm.is_not(None),
        )
    ).all()
    times: Counter[tuple[str, str, str, str]] = Counter(
        (str(context.get("group")), str(context.get("place")), str(context["arm"]), kind) for kind, context in rows
    )
    return [
        Outcome(group, kind, name, times[group, kind, name, "shown"], times[group, kind, name, "click"])
        for group, kind, name in sorted({key[:3] for key in times})
    ]
