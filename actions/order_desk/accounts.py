"""The customer's own account: details, addresses, newsletter, opening and closing it. Audited in customer_events.

Nothing here tells a visitor whether an address has an account: opening one for a taken address, and asking for a new
password for an unknown one, answer alike and do the same work; the mail that arrives, or does not, is the difference.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk.account_mail import MAILS
from actions.order_desk.addresses import completed
from actions.order_desk.days import day
from actions.order_desk.lookup import FINISHED
from actions.order_desk.outcomes import Outcome
from actions.order_desk.post import owe
from bot.database import policies
from bot.database.shop import Customer, CustomerEvent, Order, ReturnRequest

EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
OPEN = ("pending", "processing", "shipped")


def create_account(
    session: Session, *, name: str, email: str, language: str, request_id: str, now: datetime
) -> Outcome:
    """Open an account; a mail to the address says so, or says that there is one already. facts: email.

    It proves nobody: to see orders, the customer enters a one-time code like everybody.
    """
    name, email = " ".join(name.split()), email.strip().lower()
    if not name:
        return _refused("name_missing")
    if not EMAIL.fullmatch(email):
        return _refused("email_not_valid", email=email)
    taken = session.scalars(select(Customer).where(Customer.email == email, Customer.deleted_at.is_(None))).first()
    customer_id = hashlib.sha256(f"account\n{request_id}".encode()).hexdigest()[:32]
    if taken is None:
        session.add(Customer(id=customer_id, name=name, email=email, language=language, addresses=[], created_at=now))
        session.flush()
        _note(session, customer_id, "created", "system", request_id, now, {})
    subject, body = MAILS[_known(language)]["created" if taken is None else "exists"]
    sent = owe(session, f"account:{request_id}", email, subject, body.format(name=name), now)
    return Outcome("done" if sent else "already_done", "account_created", None, {"email": email})


def edit_account(
    session: Session,
    customer_id: str,
    *,
    name: str | None = None,
    phone: str | None = None,
    language: str | None = None,
    address: Mapping[str, Any] | None = None,
    request_id: str,
    actor: str,
    now: datetime,
) -> Outcome:
    """Change details; what is not given stays. A given address becomes the default, the former one is kept.

    facts: changed (names of the details), before, after.

    Raises:
        AddressNotValid: a part of the address is missing.
    """
    row = _locked(session, customer_id)
    done = _earlier(session, customer_id, "edited", request_id)
    if done is not None:
        return Outcome("already_done", "account_edited", None, done)
    addresses = list(row.addresses)
    wanted: dict[str, Any] = {"name": name, "phone": phone, "language": language}
    if address is not None:
        first = completed(address, addresses[0] if addresses else {"name": row.name})
        wanted["addresses"] = [first, *(each for each in addresses if each != first)]
    before = {key: getattr(row, key) for key in wanted}
    changed = [key for key, value in wanted.items() if value is not None and value != before[key]]
    if not changed:
        return _refused("nothing_changes")
    for key in changed:
        setattr(row, key, wanted[key])
    facts = {
        "changed": changed,
        "before": {key: before[key] for key in changed},
        "after": {key: wanted[key] for key in changed},
    }
    _note(session, customer_id, "edited", actor, request_id, now, facts)
    if "addresses" in changed:
        _note(session, customer_id, "address_added", actor, request_id, now, {})
    return Outcome("done", "account_edited", None, facts)


def newsletter(
    session: Session, customer_id: str, *, wanted: bool, request_id: str, actor: str, now: datetime
) -> Outcome:
    """Subscribe or unsubscribe. facts: newsletter, percent (welcome discount), least_minor."""
    row = _locked(session, customer_id)
    kind = "newsletter_on" if wanted else "newsletter_off"
    done = _earlier(session, customer_id, kind, request_id)
    if done is not None:
        return Outcome("already_done", kind, None, done)
    if row.newsletter is wanted:
        return _refused("nothing_changes", newsletter=wanted)
    numbers = policies.load(session)
    row.newsletter = wanted
    facts = {
        "newsletter": wanted,
        "percent": numbers.integer("newsletter_percent"),
        "least_minor": numbers.integer("newsletter_least_minor"),
    }
    _note(session, customer_id, kind, actor, request_id, now, facts)
    return Outcome("done", kind, None, facts)


def check_delete_account(session: Session, customer_id: str, *, now: datetime) -> Outcome | dict[str, Any]:
    """What closing the account means, or the refusal while orders or returns are open.

    The facts: erased_on, gift_cards_minor (balances that would be lost).
    """
    customer = session.get_one(Customer, customer_id)
    orders = session.scalars(select(Order.number).where(Order.customer_id == customer_id, Order.status.in_(OPEN))).all()
    returns = session.scalars(
        select(ReturnRequest.number)
        .join(Order, Order.id == ReturnRequest.order_id)
        .where(Order.customer_id == customer_id, ReturnRequest.status.not_in(FINISHED))
    ).all()
    if orders or returns:
        return _refused("open_orders", orders=[*orders, *returns])
    erased = now + timedelta(days=policies.load(session).integer("account_deletion_days"))
    cards = sum(each.balance_minor or 0 for each in customer.payment_methods if each.kind == "gift_card")
    return {"erased_on": day(erased), "gift_cards_minor": cards}


def delete_account(session: Session, customer_id: str, *, request_id: str, actor: str, now: datetime) -> Outcome:
    """Close the account: nobody can prove to be it any more; its data is erased when the policy's days are over."""
    row = _locked(session, customer_id)
    done = _earlier(session, customer_id, "deleted", request_id)
    if done is not None:
        return Outcome("already_done", "account_deleted", None, done)
    facts = check_delete_account(session, customer_id, now=now)
    if isinstance(facts, Outcome):
        return facts
    row.deleted_at = now
    row.newsletter = False
    _note(session, customer_id, "deleted", actor, request_id, now, facts)
    subject, body = MAILS[_known(row.language)]["deleted"]
    owe(session, f"deleted:{request_id}", row.email, subject, body.format(name=row.name, **facts), now)
    return Outcome("done", "account_deleted", None, facts)


def send_password_link(session: Session, address: str, *, language: str, request_id: str, now: datetime) -> Outcome:
    """Mail the way to a new password, if that address has an account; the answer is the same if not.

    facts: nothing that depends on the account.
    """
    found = session.scalars(
        select(Customer).where(Customer.email == address.strip().lower(), Customer.deleted_at.is_(None)).limit(2)
    ).all()
    customer = found[0] if len(found) == 1 else None
    subject, body = MAILS[_known(customer.language if customer else language)]["password"]
    url = policies.load(session).text("password_url")
    text = body.format(name=customer.name if customer else "", url=url)
    sent = owe(session, f"password:{request_id}", customer.email if customer else None, subject, text, now)
    return Outcome("done" if sent else "already_done", "password_link_sent", None, {})


def _locked(session: Session, customer_id: str) -> Customer:
    query = select(Customer).where(Customer.id == customer_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _earlier(session: Session, customer_id: str, kind: str, request_id: str) -> dict[str, Any] | None:
    return session.scalar(
        select(CustomerEvent.detail).where(
            CustomerEvent.customer_id == customer_id,
            CustomerEvent.kind == kind,
            CustomerEvent.request_id == request_id,
        )
    )


def _note(
    session: Session,
    customer_id: str,
    kind: str,
    actor: str,
    request_id: str,
    now: datetime,
    detail: Mapping[str, Any],
) -> None:
    session.add(
        CustomerEvent(
            customer_id=customer_id, kind=kind, actor=actor, request_id=request_id, at=now, detail=dict(detail)
        )
    )
    session.flush()


def _refused(code: str, **facts: Any) -> Outcome:
    return Outcome("refused", code, None, facts)


def _known(language: str) -> str:
    return language if language in MAILS else "en"
