"""Imports on a real database: every bad row is named, nothing is half imported, memory stays bounded."""
# ruff: noqa: E501  (a row of bad data reads better in one line)

import csv
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from bot.database.base import Base
from bot.database.engine import open_engine, open_sessions
from bot.database.import_reading import ImportRefused, Problem
from bot.database.import_schema import SCHEMAS, markdown
from bot.database.importing import Report, import_file
from bot.database.shop import Customer, HelpDocument, Order, Payment, Product, Shipment, ShopFact, Variant

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def shop(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A shop with product p1 and customer c1, for files that are refused: they leave it as it is."""
    folder = tmp_path_factory.mktemp("stocked")
    engine = open_engine(f"sqlite:///{folder / 'kefu.db'}")
    Base.metadata.create_all(engine)
    run(engine, "products", jsonl(folder, product()))
    run(engine, "customers", jsonl(folder, customer()))
    yield engine
    engine.dispose()


def run(shop: Engine, kind: str, file: Path, **options: Any) -> Report:
    return import_file(shop, kind, file, now=NOW, **options)


def jsonl(tmp_path: Path, *rows: object, name: str = "file.jsonl") -> Path:
    file = tmp_path / name
    file.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return file


def plain(tmp_path: Path, text: str | bytes, name: str = "file.csv") -> Path:
    file = tmp_path / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def product(id: str = "p1", **changed: object) -> dict[str, object]:
    variant = {"sku": f"{id}-m", "price": "89.90", "stock": 3, "options": {"size": "M"}}
    return {"id": id, "name": "Tent", "category": "tents", "variants": [variant], **changed}


def customer(id: str = "c1", **changed: object) -> dict[str, object]:
    home = {"line1": "Gartenweg 3", "city": "Hamburg", "postcode": "20095", "country": "DE"}
    return {"id": id, "name": "Ada Berg", "email": f"{id}@mail.example", "addresses": [home], **changed}


def order(number: str = "W1", **changed: object) -> dict[str, object]:
    base = {"number": number, "customer_id": "c1", "status": "delivered", "placed_at": "2026-04-01T10:00:00Z"}
    return {**base, "lines": [{"sku": "p1-m", "quantity": 2, "price": 80}], "shipping": "4.95", **changed}


def problem(report: Report) -> Problem:
    assert not report.written
    assert len(report.problems) == 1
    return report.problems[0]


# what is right comes in


def test_a_product_comes_in_with_its_variants_and_their_exact_prices(shop: Engine, tmp_path: Path) -> None:
    assert run(shop, "products", jsonl(tmp_path, product(attributes={"weight_g": 900, "r": 1.5}))).written
    with open_sessions(shop)() as session:
        made = session.get_one(Product, "p1")
        assert (made.name, made.category, made.attributes) == ("Tent", "tents", {"weight_g": 900, "r": 1.5})
        assert [(row.sku, row.price_minor, row.stock) for row in made.variants] == [("p1-m", 8990, 3)]
        assert session.get_one(ShopFact, "own_data").value["first"] == "products"


def test_rows_of_one_product_that_follow_each_other_are_its_variants(shop: Engine, tmp_path: Path) -> None:
    text = 'id;name;category;sku;price;options\np1;Zelt;tents;A;10;"{""size"": ""S""}"\np1;Zelt;tents;B;12.5;\n'
    report = run(shop, "products", plain(tmp_path, "\ufeff" + text))
    assert (report.entries, report.problems) == (1, [])
    with open_sessions(shop)() as session:
        rows = session.scalars(select(Variant).order_by(Variant.sku)).all()
        assert [(row.sku, row.price_minor, row.options) for row in rows] == [
            ("A", 1000, {"size": "S"}),
            ("B", 1250, {}),
        ]


def test_importing_again_replaces_and_retires_variants_the_file_has_no_more(shop: Engine, tmp_path: Path) -> None:
    run(shop, "products", jsonl(tmp_path, product()))
    other = {"sku": "p1-l", "price": 95, "stock": 1}
    run(shop, "products", jsonl(tmp_path, product(name="Better tent", variants=[other])))
    with open_sessions(shop)() as session:
        made = session.get_one(Product, "p1")
        assert made.name == "Better tent"
        assert {row.sku: row.active for row in made.variants} == {"p1-m": False, "p1-l": True}


def test_customers_documents_and_orders_come_in_together(shop: Engine, tmp_path: Path) -> None:
    methods = [{"id": "m1", "kind": "gift_card", "balance": "20"}]
    parcel = {"carrier": "DHL", "tracking": "1", "status": "delivered", "delivered_at": "2026-04-03T09:00:00+02:00"}
    run(shop, "products", jsonl(tmp_path, product()))
    run(shop, "customers", jsonl(tmp_path, customer(email="Ada@Mail.example", payment_methods=methods)))
    run(
        shop, "documents", jsonl(tmp_path, {"topic": "returns", "language": "zh", "title": "退货", "body": "三十天 🎒"})
    )
    run(shop, "orders", jsonl(tmp_path, order(shipments=[parcel])))
    with open_sessions(shop)() as session:
        made = session.scalars(select(Order)).one()
        assert (made.number, made.total_minor, made.customer.email) == ("W1", 16495, "ada@mail.example")
        assert made.ship_to["city"] == "Hamburg"
        assert made.shipments[0].line_ids == [made.lines[0].id]
        assert made.shipments[0].delivered_at == datetime(2026, 4, 3, 7, tzinfo=UTC)
        assert [(row.amount_minor, row.payment_method_id) for row in made.payments] == [(16495, "m1")]
        assert session.scalars(select(HelpDocument.body)).one() == "三十天 🎒"


def test_an_order_imported_again_keeps_its_id_and_has_the_new_lines_only(shop: Engine, tmp_path: Path) -> None:
    run(shop, "products", jsonl(tmp_path, product()))
    run(shop, "customers", jsonl(tmp_path, customer()))
    two = [{"sku": "p1-m", "price": 80}, {"sku": "p1-m", "price": 70}]
    run(shop, "orders", jsonl(tmp_path, order(lines=two)))
    with open_sessions(shop)() as session:
        first = session.scalars(select(Order.id)).one()
    run(shop, "orders", jsonl(tmp_path, order(status="cancelled")))
    with open_sessions(shop)() as session:
        made = session.scalars(select(Order)).one()
        assert (made.id, made.status, len(made.lines)) == (first, "cancelled", 1)
        assert session.scalar(select(func.count()).select_from(Payment)) == 1
        assert session.scalar(select(func.count()).select_from(Shipment)) == 0


def test_orders_of_a_spreadsheet_have_one_row_a_line(shop: Engine, tmp_path: Path) -> None:
    run(shop, "products", jsonl(tmp_path, product()))
    run(shop, "customers", jsonl(tmp_path, customer()))
    text = (
        "number,customer_email,status,placed_at,sku,quantity,price\n"
        + "W1,C1@mail.example,shipped,2026-04-01,p1-m,1,5\n" * 2
    )
    assert run(shop, "orders", plain(tmp_path, text)).entries == 1
    with open_sessions(shop)() as session:
        assert len(session.scalars(select(Order)).one().lines) == 2


def test_a_checked_file_is_not_written(shop: Engine, tmp_path: Path) -> None:
    report = run(shop, "products", jsonl(tmp_path, product()), check_only=True)
    assert (report.entries, report.bad, report.written) == (1, 0, False)
    with open_sessions(shop)() as session:
        assert session.scalars(select(Product)).all() == []


# what is wrong is named, and nothing comes in


@pytest.mark.parametrize(
    ("kind", "row", "column", "value", "rule"),
    [
        ("products", product(name=""), "name", "", "must not be empty"),
        ("products", product(category="Zelte!"), "category", "Zelte!", "lower-case"),
        ("products", product(name="a\x00b"), "name", "a\x00b", "control character U+0000"),
        ("products", product(name="x" * 300), "name", "x" * 59 + "…", "300 characters"),
        ("products", product(repeatable="maybe"), "repeatable", "maybe", "true or false"),
        ("products", product(attributes=[1]), "attributes", "[1]", "JSON object"),
        ("products", product(variants=[]), "variants", "", "no variants"),
        ("products", product(variants=[{"sku": "a", "price": "12,50"}]), "variants[1].price", "12,50", "with a point"),
        ("products", product(variants=[{"sku": "a", "price": "1.005"}]), "variants[1].price", "1.005", "EUR has 2 decimals"),
        ("products", product(variants=[{"sku": "a", "price": "1.5", "currency": "JPY"}]), "variants[1].price", "1.5", "JPY has 0"),
        ("products", product(variants=[{"sku": "a", "price": 1, "stock": -1}]), "variants[1].stock", "-1", "whole number"),
        ("products", product(variants=[{"sku": "a", "price": 1, "stock": True}]), "variants[1].stock", "True", "whole number"),
        ("products", product(variants=[{"sku": "a", "prize": 1}]), "variants[1].prize", "1", "known are"),
        ("products", product(variants=["a"]), "variants[1]", "a", "JSON object"),
        ("products", product(colour="red"), "colour", "red", "no such column"),
        ("products", {**product(), "descripton": "x"}, "descripton", "x", "did you mean 'description'?"),
        ("products", '{"id": "p1", ', "", '{"id": "p1",', "broken JSON at character"),
        ("products", "[1]", "", "[1]", "must be a JSON object"),
        ("products", '{"id": "a", "id": "b"}', "", '{"id": "a", "id": "b"}', "'id' stands there twice"),
        ("products", '{"id": NaN}', "", '{"id": NaN}', "NaN is no JSON number"),
        ("products", '{"id": ' + "[" * 100_000, "", None, "nested too deeply"),
        ("products", product(name="half \ud83d"), "name", "half \\ud83d", "half an emoji"),
        ("products", product(attributes={"x": "\udc00"}), "attributes", None, "half an emoji"),
        ("documents", {"topic": "a", "language": "de", "title": "t", "body": "b"}, "language", "de", "en or zh"),
        ("customers", customer(email="nobody"), "email", "nobody", "e-mail address"),
        ("customers", customer(addresses=[{"city": "X", "country": "DE"}]), "addresses[1].line1", "", "must not be empty"),
        ("customers", customer(created_at="2026-05-01T10:00:00"), "created_at", None, "lacks its zone"),
        ("customers", customer(created_at="01.05.2026"), "created_at", "01.05.2026", "2026-05-01"),
        ("orders", order(status="gone"), "status", "gone", "one of pending, processing"),
        ("orders", order(customer_id="nobody"), "customer_id", "nobody", "no such customer"),
        ("orders", order(lines=[{"sku": "x", "price": 1}]), "sku", "x", "no product has this SKU"),
        ("orders", order(payments=[{"amount": 1, "payment_method_id": "m9"}]), "payments", "m9", "no customer has"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_line_column_value_and_rule(
    stocked: Engine, tmp_path: Path, kind: str, row: object, column: str, value: str | None, rule: str
) -> None:
    found = problem(run(stocked, kind, jsonl(tmp_path, "", row)))
    assert (found.line, found.column) == (2, column)
    assert rule in found.rule
    if value is not None:
        assert found.value == value


def test_one_bad_row_keeps_everything_out(shop: Engine, tmp_path: Path) -> None:
    rows = [product(f"p{number}") for number in range(2000)]
    rows[1999]["name"] = ""
    assert problem(run(shop, "products", jsonl(tmp_path, *rows))).line == 2000
    with open_sessions(shop)() as session:
        assert session.scalar(select(func.count()).select_from(Product)) == 0
        assert session.get(ShopFact, "own_data") is None


def test_problems_beyond_the_limit_are_counted(stocked: Engine, tmp_path: Path) -> None:
    report = run(stocked, "products", jsonl(tmp_path, *[product(name="") for _ in range(30)]), limit=10)
    assert (len(report.problems), report.problems_more, report.bad) == (10, 20, 30)


def test_what_stands_twice_in_the_file_is_named_with_the_first_line(shop: Engine, tmp_path: Path) -> None:
    report = run(shop, "products", jsonl(tmp_path, product("a"), product("b"), product("a")))
    assert [(p.line, p.column, p.value) for p in report.problems] == [(3, "id", "a"), (3, "sku", "a-m")]
    assert "line 1; rows of one must follow each other" in report.problems[0].rule
    report = run(shop, "customers", jsonl(tmp_path, customer("a"), customer("b", email="A@mail.example")))
    assert (problem(report).column, problem(report).rule) == ("email", "stands already in line 1")


def test_a_sku_or_address_of_somebody_else_is_refused(shop: Engine, tmp_path: Path) -> None:
    run(shop, "products", jsonl(tmp_path, product("a")))
    run(shop, "customers", jsonl(tmp_path, customer("a")))
    stolen = product("b", variants=[{"sku": "a-m", "price": 1}])
    assert "belongs to product a" in problem(run(shop, "products", jsonl(tmp_path, stolen))).rule
    twin = customer("b", email="a@mail.example")
    assert "customer a already" in problem(run(shop, "customers", jsonl(tmp_path, twin))).rule


def test_an_erased_customer_does_not_come_back(shop: Engine, tmp_path: Path) -> None:
    run(shop, "customers", jsonl(tmp_path, customer()))
    with open_sessions(shop).begin() as session:
        session.get_one(Customer, "c1").deleted_at = NOW
    assert "erased on request" in problem(run(shop, "customers", jsonl(tmp_path, customer()))).rule


def test_rows_of_one_product_that_disagree_are_named(stocked: Engine, tmp_path: Path) -> None:
    text = "id,name,category,sku,price\np1,Tent,tents,A,1\np1,Tart,tents,B,1\n"
    found = problem(run(stocked, "products", plain(tmp_path, text)))
    assert (found.line, found.column, found.value) == (3, "name", "Tart")


def test_broken_quoting_is_named_and_what_came_before_is_not_imported(stocked: Engine, tmp_path: Path) -> None:
    text = 'id,name,category,sku,price\np1,Tent,tents,A,1\np2,"Ten"t,tents,B,1\n'
    found = problem(run(stocked, "products", plain(tmp_path, text)))
    assert (found.line, "broken CSV" in found.rule) == (3, True)
    open_end = 'id,name,category,sku,price\np1,"Tent,tents,A,1\np2,Tent,tents,B,1\n'
    assert "the rest of the file was not read" in problem(run(stocked, "products", plain(tmp_path, open_end))).rule


def test_a_cell_with_line_breaks_keeps_the_line_numbers_right(stocked: Engine, tmp_path: Path) -> None:
    text = 'topic,language,title,body\na,en,T,"one\ntwo"\nb,xx,T,b\n'
    assert problem(run(stocked, "documents", plain(tmp_path, text))).line == 4


def test_a_row_with_a_cell_too_many_is_named(stocked: Engine, tmp_path: Path) -> None:
    text = "topic,language,title,body\na,en,T,one, two\n"
    assert problem(run(stocked, "documents", plain(tmp_path, text))).rule == "the row has 5 cells, the header 4"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "id,name,category,sku,price\np,Zelt für zwei,t,s,1\n".encode("latin-1"),
            r"not UTF-8: line 2 holds the byte 0xfc",
        ),
        ("id,name\n".encode("utf-16"), "is UTF-16"),
        (b"PK\x03\x04rest", "is packed"),
        (b"", "is empty"),
        (b"id,name,category,price,sku,weight\n", "column 'weight'"),
        (b"id,nmae,category,price,sku\n", "did you mean 'name'"),
        (b"id,name,name,category\n", "'name' twice"),
        (b"id,category,sku,price\n", "lacks the column 'name'"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(
    stocked: Engine, tmp_path: Path, content: bytes, sentence: str
) -> None:
    with pytest.raises(ImportRefused, match=sentence):
        run(stocked, "products", plain(tmp_path, content))


def test_a_file_with_another_ending_or_that_is_not_there_is_refused(stocked: Engine, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="name its form with --format"):
        run(stocked, "products", tmp_path / "shop.xlsx")
    with pytest.raises(ImportRefused, match="No such file"):
        run(stocked, "products", tmp_path / "shop.csv")


def test_a_line_without_end_is_refused_before_it_fills_the_memory(stocked: Engine, tmp_path: Path) -> None:
    file = plain(tmp_path, b'{"id": "' + b"x" * 9_000_000, "file.jsonl")
    assert "a line of over 4 MB" in problem(run(stocked, "products", file)).rule


def test_a_shop_with_the_demo_data_is_not_mixed_unasked(shop: Engine, tmp_path: Path) -> None:
    with open_sessions(shop).begin() as session:
        session.add(ShopFact(key="demo", value={}))
    with pytest.raises(ImportRefused, match="--into-demo"):
        run(shop, "products", jsonl(tmp_path, product()))
    assert run(shop, "products", jsonl(tmp_path, product()), into_demo=True).written


# many rows


def many(tmp_path: Path, count: int) -> Path:
    file = tmp_path / "many.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "name", "category", "description", "sku", "price", "stock"])
        rows.writerows(_products(count))
    return file


def _products(count: int) -> Iterator[list[object]]:
    for number in range(count):
        yield [f"p{number}", f"Tent {number}", "tents", "A light tent. " * 10, f"p{number}-1", "19.90", number % 50]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'kefu.db'}")
    Base.metadata.create_all(engine)
    run(engine, "products", many(tmp_path, 600))  # caches of SQLAlchemy fill once
    peaks = []
    for count in (1_000, 6_000):
        file = many(tmp_path, count)
        tracemalloc.start()
        assert run(engine, "products", file).entries == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    engine.dispose()
    # 6,000 rows held at once would be some 15 MB; a chunk is 500
    assert peaks[1] < peaks[0] * 1.25 + 300_000, peaks


def test_the_columns_of_every_kind_are_documented() -> None:
    for kind, schema in SCHEMAS.items():
        text = markdown(kind)
        for column in schema.row_columns:
            assert f"| `{column.name}` |" in text
            assert column.help.endswith(".")
