"""Alembic's entry point: runs in the connection that `bot.database.migrate` opened, in one transaction."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import DateTime

from bot.database import conversation, shop  # noqa: F401  (their tables join the metadata)
from bot.database.base import Base, UtcDateTime


def render_item(kind: str, item: object, _autogen: Any) -> str | Literal[False]:
    """Migrations spell plain SQL types: they must still run when our own types have moved."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def compare_type(
    _context: object, _inspected: object, _metadata: object, database: object, ours: object
) -> bool | None:
    """None leaves the question to alembic; our wrapped time type is a DateTime, which it cannot see."""
    return False if isinstance(ours, UtcDateTime) and isinstance(database, DateTime) else None


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """The dialogue may keep its tables in the same PostgreSQL database; they are none of ours."""
    return kind != "table" or name in Base.metadata.tables


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_item=render_item,
    compare_type=compare_type,
    include_name=include_name,
    render_as_batch=True,
    transactional_ddl=True,  # SQLite's DDL is transactional once we BEGIN ourselves (engine.py)
)
context.run_migrations()
