"""The demo shop's pages: products, help texts, being one of its customers. Only on this machine.

A real shop signs its customers in itself and gives the widget a token; here a click does it, so none of these routes
answers unless the gateway is on loopback and was called there.
"""

import ipaddress
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.channels import shop_token
from bot.database import pictures
from bot.database.demo_showcase import BY_ID, DEMO_CUSTOMERS
from bot.database.shop import HelpDocument, Mail, Product, Promotion
from bot.messaging.services import Services

PAGE = Path(__file__).parent / "demo.html"
SIGNED_IN_SECONDS = 8 * 3600
SHOWN = 12  # products on the first page
MAILS_SHOWN = 5

Look = Callable[[Session, Request], Any]


def routes(services: Services) -> list[BaseRoute]:
    """Pages of the demo shop and what they ask for; pictures of products also for every other page."""

    def answer(look: Look) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            if not is_demo(services, request):
                return not_found()

            def read() -> Any:
                with services.readers() as session:
                    return look(session, request)

            found = await run_in_threadpool(read)
            return not_found() if found is None else JSONResponse(found, headers={"Cache-Control": "no-store"})

        return endpoint

    async def page(request: Request) -> Response:
        return FileResponse(PAGE, headers={"Cache-Control": "no-cache"}) if is_demo(services, request) else not_found()

    async def sign_in(request: Request) -> Response:
        customer_id = request.path_params["customer_id"]
        if not is_demo(services, request) or customer_id not in BY_ID:
            return not_found()
        token = shop_token.sign(customer_id, services.shop_secret, expires_at=time.time() + SIGNED_IN_SECONDS)
        return JSONResponse({"customer_token": token}, headers={"Cache-Control": "no-store"})

    async def picture(request: Request) -> Response:
        def drawn() -> str | None:
            with services.readers() as session:
                color = request.query_params.get("color")
                return pictures.picture(session, request.path_params["file"], color=color)

        own = services.home / "pictures" / Path(request.path_params["file"]).name
        headers = {
            "Cache-Control": f"public, max-age={pictures.CACHE_SECONDS}",
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if own.is_file():  # a shop of its own has put its pictures there
            return FileResponse(own, headers=headers)
        svg = await run_in_threadpool(drawn)
        return not_found() if svg is None else Response(svg, media_type="image/svg+xml", headers=headers)

    return [
        Route("/", page),
        Route("/products/{id}", page),
        Route("/help/{language}/{topic}", page),
        Route("/category/{slug}", page),
        Route("/api/demo/shop", answer(lambda session, request: shop(session, services.shop_name))),
        Route("/api/demo/category/{slug}", answer(lambda session, request: category(session, _path(request, "slug")))),
        Route("/api/demo/products/{id}", answer(lambda session, request: product(session, _path(request, "id")))),
        Route("/api/demo/help/{language}/{topic}", answer(help_text)),
        Route("/api/demo/mails", answer(lambda session, request: mails(session))),
        Route("/api/demo/sign-in/{customer_id}", sign_in, methods=["POST"]),
        Route("/pictures/{file}", picture),
    ]


def is_demo(services: Services, request: Request) -> bool:
    """Loopback all the way: where we are reached, where the call comes from, and the name it was made by.

    The name counts because a page elsewhere can point a name of its own at 127.0.0.1.
    """
    called = urlsplit(f"//{request.headers.get('host', '')}").hostname
    client = request.client.host if request.client else None
    return all(map(_is_loopback, (urlsplit(services.public_url).hostname, called, client)))


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _path(request: Request, name: str) -> str:
    return str(request.path_params[name])


def not_found() -> Response:
    return JSONResponse({"error": {"code": "not_found", "message": "there is no such page"}}, 404)


def shop(session: Session, name: str) -> dict[str, Any]:
    """The first page: one product of each category while they last, categories, promotions, demo customers."""
    first = select(func.min(Product.id)).where(Product.active.is_(True)).group_by(Product.category)
    query = select(Product).where(Product.id.in_(first)).options(selectinload(Product.variants))
    chosen = session.scalars(query.order_by(Product.category).limit(SHOWN)).all()
    categories = session.scalars(select(Product.category).where(Product.active.is_(True)).distinct())
    return {
        "name": name,
        "products": [_tile(each) for each in chosen],
        "categories": sorted(categories),
        "promotions": [
            {"title": each.title, "title_zh": each.title_zh, "percent": each.percent}
            for each in session.scalars(select(Promotion).order_by(Promotion.starts_at.desc()).limit(1))
        ],
        "customers": [
            {"id": each.id, "name": each.name, "email": each.email, "language": each.language, "orders": each.orders}
            for each in DEMO_CUSTOMERS
        ],
    }


def category(session: Session, slug: str) -> dict[str, Any] | None:
    query = select(Product).where(Product.category == slug, Product.active.is_(True))
    found = session.scalars(query.options(selectinload(Product.variants)).order_by(Product.name)).all()
    return {"slug": slug, "products": [_tile(each) for each in found]} if found else None


def product(session: Session, product_id: str) -> dict[str, Any] | None:
    found = session.get(Product, product_id)
    if found is None:
        return None
    return {
        **_tile(found),
        "description": found.description,
        "description_zh": found.description_zh,
        "attributes": found.attributes,
        "variants": [
            {"sku": each.sku, "options": each.options, "price_minor": each.price_minor, "stock": each.stock}
            for each in found.variants
        ],
    }


def _tile(found: Product) -> dict[str, Any]:
    variants = [each for each in found.variants if each.active] or found.variants
    cheapest = min(variants, key=lambda each: each.price_minor, default=None)
    return {
        "id": found.id,
        "name": found.name,
        "name_zh": found.name_zh,
        "brand": found.brand,
        "category": found.category,
        "picture": found.picture,
        "url": found.url,
        "price_minor": cheapest.price_minor if cheapest else None,
        "list_price_minor": cheapest.list_price_minor if cheapest else None,
        "currency": cheapest.currency if cheapest else None,
        "in_stock": any(each.stock > 0 for each in variants),
    }


def help_text(session: Session, request: Request) -> dict[str, Any] | None:
    language, topic = _path(request, "language"), _path(request, "topic")
    found = session.scalar(select(HelpDocument).where(HelpDocument.topic == topic, HelpDocument.language == language))
    return None if found is None else {"title": found.title, "body": found.body, "kind": found.kind}


def mails(session: Session) -> dict[str, Any]:
    """The newest mails to demo customers: where one-time codes arrive."""
    addresses = [each.email for each in DEMO_CUSTOMERS]
    query = select(Mail).where(Mail.to_address.in_(addresses)).order_by(Mail.created_at.desc()).limit(MAILS_SHOWN)
    return {
        "mails": [
            {"to": each.to_address, "subject": each.subject, "body": each.body, "at": each.created_at.isoformat()}
            for each in session.scalars(query)
        ]
    }
