"""Can this process work at all: the database answers and has its tables."""

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import DBAPIError


class DatabaseNotReady(ConnectionError):
    """The database cannot be reached, or has no tables; the message says what to do."""


def check_database(engine: Engine) -> None:
    """Raises DatabaseNotReady with one sentence."""
    try:
        with engine.connect() as connection:
            has_tables = inspect(connection).has_table("inbox")
    except DBAPIError as error:
        place = engine.url.render_as_string(hide_password=True)
        reason = (str(error.orig).splitlines() or [type(error.orig).__name__])[0]
        raise DatabaseNotReady(f"the database {place} cannot be opened: {reason}") from error
    if not has_tables:
        place = engine.url.render_as_string(hide_password=True)
        raise DatabaseNotReady(f"the database {place} has no tables; run `kefu migrate` first")
