"""A real browser, and a small house: the real gateway and turns, with one server that plays nlu and dialogue."""

import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from actions.risk.types import Reason
from actions.risk.words import said
from bot import settings as bot_settings
from bot.database import conversation  # noqa: F401  (its tables register themselves)
from bot.database.base import Base
from bot.database.engine import Sessions, open_engine, open_sessions
from bot.database.shop import Customer, Order, OrderLine, Product, RiskDecision, Shipment, Variant
from bot.handoff import agents
from bot.processes import Group, house
from bot.settings import PROJECT
from tests.browser.playing import playing
from tests.house import free_ports

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PICTURES = Path(os.environ.get("KEFU_TEST_PICTURES", PROJECT / ".kefu" / "test-pictures"))
PASSWORD = "a long enough password"
WAIT_MS = 15_000  # two cores and a busy machine


@dataclass
class SmallHouse:
    url: str
    sessions: Sessions
    group: Group
    settings: bot_settings.Settings
    environ: dict[str, str]


@pytest.fixture(scope="session")
def small_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallHouse]:
    home = tmp_path_factory.mktemp("small-house")
    gateway, asked = free_ports(2)
    environ = {
        "KEFU_HOME": str(home),
        "KEFU_PORT": str(gateway),
        "KEFU_NLU_PORT": str(asked),
        "KEFU_DIALOGUE_PORT": str(asked),
        "KEFU_SHOP_NAME": "Kefu Outdoor & Home",
    }
    settings = bot_settings.load(environ, file=home / "none.env")
    engine = open_engine(settings.database_url)
    Base.metadata.create_all(engine)
    sessions = open_sessions(engine)
    fill(sessions)
    group = Group(lambda line: None, environ)
    try:
        with playing(asked):
            group.start([spec for spec in house(settings) if spec.name in ("gateway", "turns")])
            group.wait_ready(120)
            yield SmallHouse(settings.gateway_url, sessions, group, settings, environ)
    finally:
        group.stop()
        engine.dispose()


def fill(sessions: Sessions) -> None:
    """A customer with an order and a risk decision, a few products, two agents."""
    now = datetime.now(UTC)
    with sessions.begin() as session:
        for name, email in (("Anna Berg", "anna@shop.example"), ("Ben Osei", "ben@shop.example")):
            agents.add(session, email=email, name=name, password=PASSWORD, now=now)
        address = {
            "name": "Emma Clarke",
            "line1": "Lindenstr. 12",
            "postcode": "10969",
            "city": "Berlin",
            "country": "DE",
        }
        session.add(
            Customer(
                id="demo-emma",
                name="Emma Clarke",
                email="emma.clarke@mail.example",
                addresses=[address],
                created_at=now - timedelta(days=420),
            )
        )
        for number in range(1, 5):
            session.add(
                Product(
                    id=f"trekking-tent-{number}",
                    name=f"Trekking tent {number}",
                    description="A tent.",
                    category="tents",
                    brand="Velden",
                    attributes={"shape": "tent", "grade": number},
                    picture=f"/pictures/trekking-tent-{number}.svg",
                )
            )
            session.flush()
            variant = Variant(
                sku=f"T{number}",
                product_id=f"trekking-tent-{number}",
                options={"color": "forest"},
                price_minor=24900,
                stock=12,
            )
            session.add(variant)
        session.flush()
        session.add(
            Order(
                id="order-1",
                number="K-104203",
                customer_id="demo-emma",
                status="shipped",
                placed_at=now - timedelta(days=3),
                subtotal_minor=24900,
                total_minor=25490,
                ship_to=address,
            )
        )
        session.flush()
        session.add(
            OrderLine(
                order_id="order-1",
                position=1,
                product_id="trekking-tent-1",
                sku="T1",
                name="Trekking tent 1",
                price_minor=24900,
            )
        )
        session.add(
            Shipment(
                order_id="order-1", carrier="DHL", tracking="JD0146", status="in_transit", eta=now + timedelta(days=2)
            )
        )
        session.add(
            RiskDecision(
                order_id="order-1",
                customer_id="demo-emma",
                request_id="r1",
                action="change_address",
                score=0.62,
                band="review",
                reasons=[
                    asdict(Reason("country_new", said("country_new", 1.0), "lightgbm", 0.8)),
                    asdict(
                        Reason("since_address_added", said("since_address_added", math.log1p(2400)), "lightgbm", 0.4)
                    ),
                ],
                members={},
                features={},
                model_version="1",
                at=now - timedelta(days=1),
            )
        )


@pytest.fixture(scope="package")  # it holds an event loop running, which the tests of other folders start themselves
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed; .ci/run installs it")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    made = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
    yield made
    made.close()


NewContext = Callable[..., BrowserContext]


@pytest.fixture
def new_context(browser: Browser) -> Iterator[NewContext]:
    """Visitors that share nothing; what a page throws fails the test."""
    contexts: list[BrowserContext] = []
    thrown: list[str] = []

    def make(width: int = 1280, height: int = 860, **options: object) -> BrowserContext:
        options = {"locale": "en-GB", "timezone_id": "Europe/Berlin", "color_scheme": "light", **options}
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(WAIT_MS)
        context.on("weberror", lambda error: thrown.append(str(error.error)))
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    assert not thrown, thrown


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Keep what the page looks like, for people to look at."""

    def take(page: Page, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")

    return take
