"""The commands as people run them: what they print, and with what they exit."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.database import erasing, exporting, importing, migrate, seed
from bot.database.engine import open_engine, open_sessions
from bot.database.shop import Product, ShopFact

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Call a main with words; returns its exit status, output and errors."""
    monkeypatch.setenv("KEFU_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(main: Callable[[list[str]], int], *words: object) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        return (status, *capsys.readouterr())

    return run


def shop_file(tmp_path: Path, *rows: dict[str, object]) -> Path:
    file = tmp_path / "shop.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_migrate_says_what_it_did_and_the_second_time_that_nothing_was_to_do(command: Command) -> None:
    status, out, _ = command(migrate.main)
    assert (status, "brought from nothing to revision" in out) == (0, True)
    assert "nothing to do" in command(migrate.main)[1]


def test_seed_without_tables_names_the_command_that_makes_them(command: Command) -> None:
    status, _, err = command(seed.main)
    assert (status, err) == (1, "the database is not at this version's tables; run `kefu migrate`\n")


def test_a_database_that_cannot_be_reached_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEFU_DATABASE_URL", "postgresql://nobody:secret-word@127.0.0.1:1/none")
    for main, words in (
        (migrate.main, ()),
        (seed.main, ()),
        (exporting.main, ("x.zip",)),
        (erasing.main, ("c1", "--yes")),
    ):
        status, _, err = command(main, *words)
        assert (status, err.count("\n")) == (1, 1)
        assert "secret-word" not in err


def test_import_shows_each_problem_and_exits_1(command: Command, tmp_path: Path) -> None:
    file = shop_file(
        tmp_path, {"id": "p1", "name": "Tent", "category": "tents", "variants": [{"sku": "a", "price": "x"}]}
    )
    status, out, err = command(importing.main, "products", file)
    assert (status, err) == (1, "shop.jsonl: 1 problem, nothing was imported\n")
    assert "variants[1].price" in out


def test_import_export_and_a_person_who_asks_to_be_forgotten(command: Command, tmp_path: Path) -> None:
    rows = [{"id": f"c{number}", "name": f"Person {number}", "email": f"p{number}@mail.example"} for number in (1, 2)]
    status, out, _ = command(importing.main, "customers", shop_file(tmp_path, *rows))
    assert (status, "2 customers imported in" in out) == (0, True)
    assert command(seed.main)[1].strip() == "this shop holds its own data; the demo shop is not added"
    assert command(seed.main, "--force")[0] == 1
    assert command(exporting.main, tmp_path / "p1", "--customer", "P1@mail.example")[0] == 0
    assert (
        command(exporting.main, tmp_path / "p1")[2].strip()
        == f"{tmp_path / 'p1'} exists; name a new folder or .zip file"
    )
    assert "customer c1 is erased" in command(erasing.main, "p1@mail.example", "--yes")[1]
    assert command(erasing.main, "p1@mail.example", "--yes")[0] == 1
    assert command(exporting.main, tmp_path / "all.zip")[0] == 0


def test_erasing_asks_first(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(importing.main, "customers", shop_file(tmp_path, {"id": "c1", "name": "P", "email": "p@mail.example"}))
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    status, out, _ = command(erasing.main, "c1")
    assert (status, "nothing was erased" in out) == (1, True)


def test_the_columns_of_a_file_can_be_asked_for(command: Command) -> None:
    status, out, _ = command(importing.main, "orders", "--columns")
    assert (status, "| `number` | yes |" in out) == (0, True)


def test_a_shop_that_is_only_partly_there_keeps_its_rows(command: Command, tmp_path: Path) -> None:
    command(migrate.main)
    engine = open_engine(f"sqlite:///{tmp_path / 'home' / 'kefu.db'}")
    with open_sessions(engine).begin() as session:
        session.add(ShopFact(key="demo", value={"today": "2026-06-01T00:00:00+00:00", "inputs_sha256": "old"}))
        session.add(Product(id="tent", name="T", description="", category="tents"))
    assert "made by another version and is kept; --force makes it anew" in command(seed.main)[1]
    assert command(seed.main, "--remove")[1].strip() == "the demo shop is gone; `kefu import` brings your own"
    assert command(seed.main, "--remove")[1].strip() == "there is no demo shop here"
    engine.dispose()
