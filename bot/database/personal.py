"""Where a person's data lies: what `kefu export --customer` hands out and `kefu erase` erases.

The list is one place, so that a table added later is forgotten in neither; a test holds it to the tables.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Table, delete, inspect, or_, select, text, update
from sqlalchemy.orm import Session

from bot.database.base import Base
from bot.database.conversation import Conversation
from bot.database.shop import Customer, CustomerEvent, Order, OrderEvent, Payment, ReturnRequest

# Rows that are not about a person: the catalogue, the shop, the team, the secrets of sessions.
IMPERSONAL = frozenset(
    {
        "products",
        "variants",
        "documents",
        "policies",
        "promotions",
        "shop_facts",
        "agents",
        "agent_sessions",
        "audit",
    }
)
# Never handed out: hashes of codes tell the person nothing and help only a thief.
SECRET = frozenset({"one_time_codes"})
HIDDEN_COLUMNS = {
    "orders": ("fraud_kind",),
    "risk_decisions": ("features", "members"),
    "payment_methods": ("fingerprint",),
}


class NoSuchCustomer(Exception):
    """Nobody has this id or e-mail address."""


def find_customer(session: Session, words: str) -> str:
    """The id of the customer with this id or e-mail address.

    Raises:
        NoSuchCustomer: there is none.
    """
    found = session.scalar(
        select(Customer.id).where(or_(Customer.id == words, Customer.email == words.lower())).limit(1)
    )
    if found is None:
        raise NoSuchCustomer(f"no customer has the id or e-mail address {words!r}")
    return found


def tables() -> Iterator[Table]:
    """Every table that holds rows about persons, parents first."""
    for table in Base.metadata.sorted_tables:
        if table.name not in IMPERSONAL:
            yield table


def rows_of(session: Session, table: Table, customer_id: str) -> ColumnElement[bool]:
    """The condition that picks a person's rows of a table.

    Raises:
        KeyError: the table has no column that leads to a person; add it to IMPERSONAL or give it one.
    """
    if table.name == "customers":
        return table.c.id == customer_id
    if table.name == "mails":
        address = session.scalar(select(Customer.email).where(Customer.id == customer_id))
        return table.c.to_address == address
    orders = select(Order.id).where(Order.customer_id == customer_id)
    conversations = select(Conversation.id).where(Conversation.customer_id == customer_id)
    chosen = {"order_id": orders, "conversation_id": conversations, "visitor_id": conversations}
    ways: list[ColumnElement[bool]] = [table.c[column].in_(ids) for column, ids in chosen.items() if column in table.c]
    if "customer_id" in table.c:
        ways.append(table.c.customer_id == customer_id)
    if not ways:
        raise KeyError(f"nothing tells whose the rows of table {table.name!r} are")
    return or_(*ways)


def export_person(session: Session, customer_id: str) -> dict[str, list[Mapping[str, Any]]]:
    """All rows about a person, by table, without what must stay hidden."""
    made: dict[str, list[Mapping[str, Any]]] = {}
    for table in tables():
        if table.name in SECRET:
            continue
        shown = [column for column in table.c if column.name not in HIDDEN_COLUMNS.get(table.name, ())]
        rows = session.execute(select(*shown).where(rows_of(session, table, customer_id)).order_by(*table.primary_key))
        made[table.name] = [dict(row._mapping) for row in rows]
    return made


def erase_person(session: Session, customer_id: str, *, now: datetime) -> list[str]:
    """Erase a person; returns the ids of their conversations, whose memory in the dialogue is to go too.

    Orders and payments stay as the law wants invoices kept, without name, address, device or card. Everything else is
    deleted or emptied. Erasing twice changes nothing.
    """
    conversations = list(session.scalars(select(Conversation.id).where(Conversation.customer_id == customer_id)))
    by_name = Base.metadata.tables
    for name in ("interactions", "reviews", "mails", "one_time_codes", "risk_decisions"):
        session.execute(delete(by_name[name]).where(rows_of(session, by_name[name], customer_id)))
    _empty_conversations(session, conversations)
    orders = select(Order.id).where(Order.customer_id == customer_id)
    session.execute(update(OrderEvent).where(OrderEvent.order_id.in_(orders)).values(detail={}))
    session.execute(update(CustomerEvent).where(CustomerEvent.customer_id == customer_id).values(detail={}))
    session.execute(update(ReturnRequest).where(ReturnRequest.order_id.in_(orders)).values(reason=None))
    for order in session.scalars(select(Order).where(Order.customer_id == customer_id)):
        country = {"country": order.ship_to.get("country", "")}  # the tax office asks where to
        order.ship_to, order.bill_to, order.placed_with = country, country, {}
    _forget_methods(session, customer_id)
    person = session.get_one(Customer, customer_id)
    person.name, person.email, person.phone = "", f"erased-{customer_id}@invalid", None
    person.addresses, person.newsletter, person.deleted_at = [], False, person.deleted_at or now
    return conversations


def _forget_methods(session: Session, customer_id: str) -> None:
    """Methods that payments point to stay as empty rows; their kind says how a refund was made."""
    methods = Base.metadata.tables["payment_methods"]
    used = select(Payment.payment_method_id).where(Payment.payment_method_id.is_not(None))
    returned = select(ReturnRequest.payment_method_id).where(ReturnRequest.payment_method_id.is_not(None))
    mine = methods.c.customer_id == customer_id
    session.execute(delete(methods).where(mine, methods.c.id.not_in(used), methods.c.id.not_in(returned)))
    session.execute(
        update(methods).where(mine).values(brand=None, last_four=None, balance_minor=None, fingerprint=None)
    )


def _empty_conversations(session: Session, ids: list[str]) -> None:
    messages, handoffs, by_name = (
        Base.metadata.tables["messages"],
        Base.metadata.tables["handoffs"],
        Base.metadata.tables,
    )
    session.execute(update(messages).where(messages.c.conversation_id.in_(ids)).values(body={"text": ""}))
    session.execute(update(handoffs).where(handoffs.c.conversation_id.in_(ids)).values(summary={}))
    for name in ("inbox", "outbox"):
        session.execute(update(by_name[name]).where(by_name[name].c.conversation_id.in_(ids)).values(error=None))
    for conversation in session.scalars(select(Conversation).where(Conversation.id.in_(ids))):
        conversation.sender_id = f"erased-{conversation.id}"
        conversation.customer_id = conversation.proven_at = None
        conversation.waiting_wishes, conversation.context = [], {}


def forget_dialogue(tracker: Engine, conversations: list[str]) -> int:
    """Delete the dialogue's memory of these conversations; returns how many it had."""
    if not conversations or not inspect(tracker).has_table("dialogue_trackers"):
        return 0
    with tracker.begin() as connection:
        statement = text("DELETE FROM dialogue_trackers WHERE conversation_id = :id")
        return sum(connection.execute(statement, {"id": id}).rowcount for id in conversations)
