"""The customer beside the conversation: who they are proven to be, their orders, returns and risk decisions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from bot.database.conversation import Conversation
from bot.database.shop import Customer, Order, ReturnRequest, RiskDecision

ORDERS_SHOWN = 10
DECISIONS_SHOWN = 10


def panel(session: Session, conversation_id: str) -> dict[str, Any]:
    """`customer` is None for a visitor who has proven nothing: then there is nothing an agent may read out."""
    conversation = session.get(Conversation, conversation_id)
    customer = session.get(Customer, conversation.customer_id) if conversation and conversation.customer_id else None
    if conversation is None or customer is None or customer.deleted_at is not None:
        return {"customer": None, "orders": [], "risk": []}
    orders = session.scalars(
        select(Order)
        .where(Order.customer_id == customer.id)
        .options(selectinload(Order.lines), selectinload(Order.shipments))
        .order_by(Order.placed_at.desc())
        .limit(ORDERS_SHOWN)
    ).all()
    count, spent = session.execute(
        select(func.count(), func.coalesce(func.sum(Order.total_minor), 0)).where(
            Order.customer_id == customer.id, Order.status != "cancelled"
        )
    ).one()
    return {
        "customer": {
            "id": customer.id,
            "name": customer.name,
            "email": customer.email,
            "phone": customer.phone,
            "language": customer.language,
            "since": _iso(customer.created_at),
            "addresses": customer.addresses[:1],
            "orders": count,
            "spent_minor": spent,
            "currency": orders[0].currency if orders else "EUR",
            "proven_at": _iso(conversation.proven_at),
        },
        "orders": _orders(session, orders),
        "risk": _risk(session, customer.id, orders),
    }


def _orders(session: Session, orders: Sequence[Order]) -> list[dict[str, Any]]:
    ids = [order.id for order in orders]
    returns: dict[str, list[dict[str, Any]]] = {}
    for made in session.scalars(select(ReturnRequest).where(ReturnRequest.order_id.in_(ids))):
        returns.setdefault(made.order_id, []).append(
            {"number": made.number, "kind": made.kind, "status": made.status, "refund_minor": made.refund_minor}
        )
    return [_order(order, returns.get(order.id, [])) for order in orders]


def _order(order: Order, returns: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "number": order.number,
        "status": order.status,
        "placed_at": _iso(order.placed_at),
        "total_minor": order.total_minor,
        "currency": order.currency,
        "shipping_method": order.shipping_method,
        "ship_to": order.ship_to,
        "lines": [
            {
                "name": line.name,
                "options": line.options,
                "quantity": line.quantity,
                "price_minor": line.price_minor,
            }
            for line in order.lines
        ],
        "shipments": [
            {
                "carrier": shipment.carrier,
                "tracking": shipment.tracking,
                "status": shipment.status,
                "eta": _iso(shipment.eta),
                "delivered_at": _iso(shipment.delivered_at),
            }
            for shipment in order.shipments
        ],
        "returns": returns,
    }


def _risk(session: Session, customer_id: str, orders: Sequence[Order]) -> list[dict[str, Any]]:
    numbers = {order.id: order.number for order in orders}
    decisions = session.scalars(
        select(RiskDecision)
        .where(RiskDecision.customer_id == customer_id)
        .order_by(RiskDecision.at.desc())
        .limit(DECISIONS_SHOWN)
    )
    return [
        {
            "order": numbers.get(decision.order_id or ""),
            "action": decision.action,
            "band": decision.band,
            "score": decision.score,
            "reasons": decision.reasons,
            "model_version": decision.model_version,
            "at": _iso(decision.at),
        }
        for decision in decisions
    ]


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
