"""The one way an order is changed: lock it, was it done before, check, assess the risk, do it, note who and why.

Everything happens in the caller's transaction: it is done whole or not at all. The order's row is locked first
(`FOR UPDATE` on PostgreSQL; on SQLite the transaction began with the write lock), so two requests at once queue, and
the second sees what the first did. unique(request_id, kind, order_id) stands behind that.
"""

import hashlib
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk import lookup
from actions.order_desk.outcomes import Assess, Facts, OrderNotFound, Outcome, Refusal, Terms
from actions.order_desk.views import OrderView
from actions.risk.types import RiskAssessment, RiskRequest, both, undecided
from bot.database import policies
from bot.database.policies import Policies
from bot.database.shop import Order, OrderEvent, RiskDecision

log = logging.getLogger(__name__)
# What a mailbox cannot vouch for: the goods are gone. A one-time code does not help there, a person decides.
NO_STEP_UP = ("cancel_after_shipping", "refund_without_return")
BANDS = ("low", "review", "high")


class By(TypedDict):
    """Who asks for a change, and when.

    request_id: the message's id; the same one twice changes nothing twice.
    actor: "customer:<id>", "agent:<id>" or "system". Only a customer's wish is assessed: people decide themselves.
    assess: the assessor, passed in. stepped_up: a one-time code was entered just now (`identity.stepped_up`).
    text: what the customer wrote, for the assessor's eyes only; it is not kept.
    """

    request_id: str
    actor: str
    now: datetime
    assess: Assess
    stepped_up: NotRequired[bool]
    text: NotRequired[str | None]


@dataclass(frozen=True)
class Plan:
    """What a check found possible: facts to read back and what the change moves.

    `amount_minor` is the money that moves or the worth of the goods that go elsewhere; `people_only` means a person
    has to agree however low the risk. What is `harmless` is not assessed: it only takes back an earlier wish.
    """

    facts: Facts
    amount_minor: int = 0
    new_address: Mapping[str, Any] | None = None
    payment_method_id: str | None = None
    people_only: bool = False
    harmless: bool = False
    apply: Callable[[], Facts | None] = field(default=lambda: None)


Check = Callable[[Order, Policies], Plan | Refusal]


def read_terms(session: Session, customer_id: str, number: str, check: Check) -> Terms | Refusal:
    """What a change would do; nothing is changed.

    Raises:
        OrderNotFound: no such order for this customer.
    """
    order = _order(session, customer_id, number, lock=False)
    view = lookup.views(session, [order])[0]
    plan = check(order, policies.load(session))
    if isinstance(plan, Refusal):
        return Refusal(plan.code, plan.facts, view)
    return Terms(view, plan.facts)


def carry_out(
    session: Session, customer_id: str, number: str, by: By, *, kind: str, action: str, check: Check
) -> Outcome:
    """Check, assess and do one change.

    Args:
        kind: of the OrderEvent, e.g. "cancelled"; with the request id it makes the change unrepeatable.
        action: what the risk model is asked about, one of `risk.types.ACTIONS`.

    Raises:
        OrderNotFound: no such order for this customer.
    """
    order = _order(session, customer_id, number, lock=True)
    earlier = _event(session, by["request_id"], kind, order)
    if earlier is not None:
        return Outcome("already_done", kind, _view(session, order), earlier.detail.get("facts", {}))
    plan = check(order, policies.load(session))
    if isinstance(plan, Refusal):
        return Outcome("refused", plan.code, _view(session, order), plan.facts)
    assessment, stop = _gate(session, order, action, plan, by)
    if stop is not None:
        return stop
    return _do(session, order, kind, plan, assessment, by)


def note(
    session: Session,
    order: Order,
    kind: str,
    by: By,
    detail: Mapping[str, Any],
) -> None:
    """Add a line to the order's audit."""
    session.add(
        OrderEvent(
            order_id=order.id,
            kind=kind,
            actor=by["actor"],
            request_id=by["request_id"],
            at=by["now"],
            detail=dict(detail),
        )
    )
    session.flush()


def snapshot(order: Order) -> dict[str, Any]:
    """The order as the audit keeps it before and after a change."""
    return {
        "status": order.status,
        "ship_to": dict(order.ship_to),
        "shipping_method": order.shipping_method,
        "shipping_minor": order.shipping_minor,
        "total_minor": order.total_minor,
        "lines": [[line.sku, line.quantity, line.price_minor] for line in order.lines],
        "payments": [[row.kind, row.amount_minor, row.payment_method_id] for row in order.payments],
    }


def _order(session: Session, customer_id: str, number: str, *, lock: bool) -> Order:
    query = select(Order).where(Order.customer_id == customer_id, Order.number.in_(lookup.numbers_like(number)))
    order = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if order is None:
        raise OrderNotFound(number)
    if lock:
        # What this session read before it held the lock may be older than what it locked.
        session.flush()
        session.expire_all()
    return order


def _do(session: Session, order: Order, kind: str, plan: Plan, assessment: RiskAssessment | None, by: By) -> Outcome:
    before = snapshot(order)
    facts = {**plan.facts, **(plan.apply() or {})}
    session.flush()
    session.expire(order)
    detail = {"facts": facts, "before": before, "after": snapshot(order), "amount_minor": plan.amount_minor}
    if assessment is not None:
        detail["risk"] = {"score": assessment.score, "band": assessment.band, "model": assessment.model_version}
        detail["stepped_up"] = bool(by.get("stepped_up"))
    note(session, order, kind, by, detail)
    return Outcome("done", kind, _view(session, order), facts)


def _gate(
    session: Session, order: Order, action: str, plan: Plan, by: By
) -> tuple[RiskAssessment | None, Outcome | None]:
    """The assessment, and the outcome that ends the matter unless the change may go on."""
    if plan.harmless or not by["actor"].startswith("customer:"):
        return None, None
    request = RiskRequest(
        action=action,
        customer_id=order.customer_id,
        order_id=order.id,
        amount_minor=plan.amount_minor,
        at=by["now"],
        request_id=by["request_id"],
        new_address=plan.new_address,
        payment_method_id=plan.payment_method_id,
        text=by.get("text"),
    )
    assessment = _assessed(session, request, by["assess"])
    _decision(session, request, assessment)
    if assessment.band == "low" and not plan.people_only:
        return assessment, None
    high_value = plan.amount_minor >= policies.load(session).integer("high_value_minor")
    if assessment.band == "review" and action not in NO_STEP_UP and not plan.people_only and not high_value:
        if by.get("stepped_up"):
            return assessment, None
        return assessment, Outcome("step_up", "confirm_with_code", _view(session, order), plan.facts)
    return assessment, _review(session, order, action, plan, assessment, by)


def _assessed(session: Session, request: RiskRequest, assess: Assess) -> RiskAssessment:
    """The assessor's answer; whatever goes wrong inside it means a second look, never a silent yes."""
    try:
        with session.begin_nested():  # a failed query of the assessor must not take the change's transaction along
            assessment = assess(session, request)
    except Exception as error:
        # The seam to models: what they may raise cannot be listed, and none of it may let money go.
        log.error("risk assessment failed: request %s, %s", request.request_id, type(error).__name__)
        name = type(error).__name__
        return undecided(both(f"the assessor failed ({name})", f"风险评估出错（{name}）"))
    if assessment.band not in BANDS or not math.isfinite(assessment.score):
        return undecided(both("the assessor gave no usable answer", "风险评估没有给出可用的结果"))
    return assessment


def _decision(session: Session, request: RiskRequest, assessment: RiskAssessment) -> None:
    """Keep the decision with its inputs. One row a request and action: a repeated turn replaces its own."""
    key = f"{request.request_id}\n{request.action}\n{request.order_id}"
    session.merge(
        RiskDecision(
            id=hashlib.sha256(key.encode()).hexdigest()[:32],
            order_id=request.order_id,
            customer_id=request.customer_id,
            request_id=request.request_id,
            action=request.action,
            score=assessment.score,
            band=assessment.band,
            reasons=[asdict(reason) for reason in assessment.reasons],
            members=dict(assessment.members),
            features=dict(assessment.features),
            model_version=assessment.model_version,
            at=request.at,
        )
    )
    session.flush()


def _review(session: Session, order: Order, action: str, plan: Plan, assessment: RiskAssessment, by: By) -> Outcome:
    """Open a review for an agent, once a request."""
    for_agent = {
        "action": action,
        "order_number": order.number,
        "amount_minor": plan.amount_minor,
        "currency": order.currency,
        "band": assessment.band,
        "score": assessment.score,
        "reasons": [dict(reason.words) for reason in assessment.reasons],
        "model_version": assessment.model_version,
        "wish": dict(plan.facts),
    }
    if _event(session, by["request_id"], "review_opened", order) is None:
        note(session, order, "review_opened", by, for_agent)
    return Outcome("review", f"{action}_review", _view(session, order), plan.facts, for_agent)


def _event(session: Session, request_id: str, kind: str, order: Order) -> OrderEvent | None:
    return session.scalars(
        select(OrderEvent).where(
            OrderEvent.request_id == request_id, OrderEvent.kind == kind, OrderEvent.order_id == order.id
        )
    ).one_or_none()


def _view(session: Session, order: Order) -> OrderView:
    return lookup.views(session, [order])[0]
