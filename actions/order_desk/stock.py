"""Stock taken and given back. Rows are locked in one order, so that two changes cannot wait for each other."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.database.shop import Variant

Parts = Iterable[tuple[str, int]]  # (sku, quantity)


def locked(session: Session, skus: Iterable[str]) -> dict[str, Variant]:
    """Variants by sku, ours until the transaction ends."""
    query = select(Variant).where(Variant.sku.in_(sorted(set(skus)))).order_by(Variant.sku).with_for_update()
    return {row.sku: row for row in session.scalars(query)}


def put_back(session: Session, parts: Parts) -> None:
    move(session, back=parts)


def move(session: Session, *, back: Parts = (), out: Parts = ()) -> None:
    """Give some back and take some out, in one go.

    Raises:
        ValueError: there is not enough of one; it is checked before, on the locked rows.
    """
    changes: dict[str, int] = {}
    for sku, quantity in back:
        changes[sku] = changes.get(sku, 0) + quantity
    for sku, quantity in out:
        changes[sku] = changes.get(sku, 0) - quantity
    for sku, row in locked(session, changes).items():
        if row.stock + changes[sku] < 0:
            raise ValueError(f"{row.stock} of {sku} in stock, {-changes[sku]} wanted")
        row.stock += changes[sku]
    session.flush()
