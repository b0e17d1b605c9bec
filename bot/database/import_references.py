"""What one row of an import alone cannot tell: keys that stand twice, things that belong to somebody else."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.database.import_reading import Problem
from bot.database.import_schema import Schema
from bot.database.import_writing import Entry
from bot.database.shop import Customer, PaymentMethod, Variant


class Seen:
    """Keys met so far and their line, on disk once they are many."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("")  # a temporary file of SQLite's own, gone when closed
        self._file.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def first(self, key: str, line: int) -> int | None:
        """The line the key was met on before, or None and it is noted."""
        made = self._file.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, line))
        if made.rowcount:
            return None
        return int(self._file.execute("SELECT line FROM seen WHERE key = ?", (key,)).fetchone()[0])

    def close(self) -> None:
        self._file.close()


def check_references(
    session: Session, schema: Schema, entries: Sequence[tuple[int, Entry]], seen: Seen
) -> list[Problem]:
    """Problems of entries (with the line each began on) against the file so far and against the database."""
    problems: list[Problem] = []
    for line, entry in entries:
        key = " ".join(entry[name] for name in schema.key)
        if (first := seen.first(f"key\x1f{key}", line)) is not None:
            hint = "; rows of one must follow each other" if schema.grouped else ""
            problems.append(Problem.of(line, schema.key[0], key, f"stands already in line {first}{hint}"))
    if check := REFERENCES.get(schema.kind):
        check(session, entries, seen, problems)
    session.expunge_all()
    return problems


def _product_references(
    session: Session, entries: Sequence[tuple[int, Entry]], seen: Seen, problems: list[Problem]
) -> None:
    skus = {variant["sku"] for _, entry in entries for variant in entry["variants"]}
    owners = _found(session, Variant.sku, Variant.product_id, skus)
    for line, entry in entries:
        for variant in entry["variants"]:
            sku = variant["sku"]
            if (first := seen.first(f"sku\x1f{sku}", line)) is not None:
                problems.append(Problem.of(line, "sku", sku, f"stands already in line {first}"))
            elif owners.get(sku, entry["id"]) != entry["id"]:
                problems.append(Problem.of(line, "sku", sku, f"belongs to product {owners[sku]} already"))


def _customer_references(
    session: Session, entries: Sequence[tuple[int, Entry]], seen: Seen, problems: list[Problem]
) -> None:
    emails = _found(session, Customer.email, Customer.id, {entry["email"] for _, entry in entries})
    erased = _found(session, Customer.id, Customer.deleted_at, {entry["id"] for _, entry in entries})
    methods = {method["id"] for _, entry in entries for method in entry["payment_methods"] or []}
    owners = _found(session, PaymentMethod.id, PaymentMethod.customer_id, methods)
    for line, entry in entries:
        email = entry["email"]
        if erased.get(entry["id"]) is not None:
            problems.append(Problem.of(line, "id", entry["id"], "was erased on request; take the row out of the file"))
        if (first := seen.first(f"email\x1f{email}", line)) is not None:
            problems.append(Problem.of(line, "email", email, f"stands already in line {first}"))
        elif emails.get(email, entry["id"]) != entry["id"]:
            problems.append(Problem.of(line, "email", email, f"is the address of customer {emails[email]} already"))
        for method in entry["payment_methods"] or []:
            if (first := seen.first(f"method\x1f{method['id']}", line)) is not None:
                problems.append(Problem.of(line, "payment_methods", method["id"], f"stands already in line {first}"))
            elif owners.get(method["id"], entry["id"]) != entry["id"]:
                rule = f"belongs to customer {owners[method['id']]} already"
                problems.append(Problem.of(line, "payment_methods", method["id"], rule))


def _order_references(
    session: Session, entries: Sequence[tuple[int, Entry]], seen: Seen, problems: list[Problem]
) -> None:
    ids = _found(session, Customer.id, Customer.addresses, {entry["customer_id"] for _, entry in entries})
    emails = _found(session, Customer.email, Customer.addresses, {entry["customer_email"] for _, entry in entries})
    skus = _found(session, Variant.sku, Variant.sku, {line["sku"] for _, entry in entries for line in entry["lines"]})
    methods = {payment["payment_method_id"] for _, entry in entries for payment in entry["payments"] or []}
    known_methods = _found(session, PaymentMethod.id, PaymentMethod.id, methods)
    for line, entry in entries:
        column = "customer_id" if entry["customer_id"] else "customer_email"
        known = ids if entry["customer_id"] else emails
        if entry[column] not in known:
            rule = "no such customer; import customers first" if entry[column] else "give customer_id or customer_email"
            problems.append(Problem.of(line, column, entry[column] or "", rule))
        elif entry["ship_to"] is None and not known[entry[column]]:
            problems.append(Problem.of(line, "ship_to", "", "must not be empty: the customer has no address on file"))
        for sold in entry["lines"]:
            if sold["sku"] not in skus:
                problems.append(Problem.of(line, "sku", sold["sku"], "no product has this SKU; import products first"))
        for payment in entry["payments"] or []:
            method = payment["payment_method_id"]
            if method is not None and method not in known_methods:
                problems.append(Problem.of(line, "payments", method, "no customer has this payment method"))


def _found(session: Session, key: Any, value: Any, wanted: Iterable[str | None]) -> dict[str, Any]:
    """Value by key, of those wanted that are in the database."""
    keys = [word for word in wanted if word is not None]
    made: dict[str, Any] = {}
    for start in range(0, len(keys), 5000):
        made.update(session.execute(select(key, value).where(key.in_(keys[start : start + 5000]))).all())
    return made


REFERENCES = {"products": _product_references, "customers": _customer_references, "orders": _order_references}
