import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path

from bot.database.base import Base
from bot.database.demo_catalogue import KINDS, items_of
from bot.database.engine import open_engine, open_sessions
from bot.database.picture_shapes import SHAPES
from bot.database.pictures import draw, picture
from bot.database.shop import Product, Variant


def test_every_kind_has_a_shape_and_every_product_a_picture_of_its_own() -> None:
    assert {kind.shape for kind in KINDS} <= set(SHAPES)
    drawn = set()
    for item, row in items_of(1, datetime(2026, 6, 1, tzinfo=UTC)):
        svg = draw(item.id, row["category"], row["attributes"], None)
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert svg == draw(item.id, row["category"], row["attributes"], None)
        drawn.add(svg)
    assert len(drawn) > len(KINDS) * 3


def test_a_picture_is_found_by_its_file_name_and_painted_in_the_colour_asked_for(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'kefu.db'}")
    Base.metadata.create_all(engine)
    with open_sessions(engine).begin() as session:
        session.add(Product(id="tent", name="T", description="", category="tents", attributes={"shape": "tent"}))
        session.flush()
        for color in ("red", "blue"):
            session.add(Variant(sku=f"T-{color}", product_id="tent", options={"color": color}, price_minor=1))
    with open_sessions(engine)() as session:
        blue, red = picture(session, "tent.svg"), picture(session, "tent.svg", color="red")
        assert blue is not None
        assert red is not None
        assert "#3f78b0" in blue  # the first by SKU
        assert "#b83a34" in red
        assert picture(session, "tent.svg", color="no such colour") == blue
        for unknown in ("other.svg", "tent.png", "tent", "../kefu.db", ""):
            assert picture(session, unknown) is None
    engine.dispose()
