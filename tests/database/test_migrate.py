"""Migrations on a real SQLite file, and on PostgreSQL where its URL is given."""

import pytest
from sqlalchemy import Engine, inspect, text

from bot.database import policies
from bot.database.base import Base
from bot.database.engine import open_engine, open_sessions
from bot.database.migrate import MigrationError, differences, migrate, require_current
from bot.database.shop import Policy


def test_the_migrated_schema_equals_the_tables_in_code(database: Engine) -> None:
    migrate(database)
    assert differences(database) == []
    assert set(Base.metadata.tables) <= set(inspect(database).get_table_names())


def test_migrating_twice_changes_nothing(database: Engine) -> None:
    first, second = migrate(database), migrate(database)
    assert (first.before, first.policies_added) == (None, len(policies.DEFAULTS))
    assert (second.before, second.after, second.policies_added) == (first.after, first.after, 0)
    assert "nothing to do" in second.sentence()


def test_policies_the_owner_changed_stay_and_missing_ones_come_back(database: Engine) -> None:
    migrate(database)
    with open_sessions(database).begin() as session:
        row = session.get(Policy, "return_window_days")
        assert row is not None
        row.value = {"value": 60}
        session.delete(session.get(Policy, "exchange_window_days"))
    assert migrate(database).policies_added == 1
    with open_sessions(database)() as session:
        numbers = policies.load(session)
    assert numbers.integer("return_window_days") == 60
    assert numbers.integer("exchange_window_days") == policies.defaults().integer("exchange_window_days")


def test_a_database_of_a_newer_version_is_refused_in_one_sentence(database: Engine) -> None:
    migrate(database)
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(MigrationError, match="revision 9999, which this version does not know"):
        migrate(database)


def test_tables_that_no_migration_made_are_refused(database: Engine) -> None:
    Base.metadata.tables["policies"].create(database)
    with pytest.raises(MigrationError, match=r"1 of our tables .policies, .* but no revision"):
        migrate(database)


def test_a_migration_that_dies_half_way_leaves_nothing_behind(database: Engine) -> None:
    # The last table of the first revision is in the way: everything made before it must go again.
    last = inspect_last_table()
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text(f"CREATE VIEW {last} AS SELECT 1 AS one"))
    with pytest.raises(MigrationError, match="cannot be migrated"):
        migrate(database)
    assert set(inspect(database).get_table_names()) & set(Base.metadata.tables) == set()
    with database.begin() as connection:
        connection.execute(text(f"DROP VIEW {last}"))
    assert migrate(database).before is None


def inspect_last_table() -> str:
    return Base.metadata.sorted_tables[-1].name


def test_a_process_that_needs_the_tables_says_which_command_makes_them(database: Engine) -> None:
    with pytest.raises(MigrationError, match=r"run `kefu migrate`"):
        require_current(database)
    migrate(database)
    require_current(database)


def test_a_database_that_cannot_be_reached_is_one_sentence(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MigrationError, match="cannot be migrated"):
        migrate(open_engine(f"sqlite:///{tmp_path / 'missing' / 'kefu.db'}"))
