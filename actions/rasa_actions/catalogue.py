"""Products as customers see them: which one is meant, its card, its prices, sizes and stock right now."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session, selectinload

from actions.rasa_actions import wording
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.shop_action import ActionCall
from actions.rasa_actions.spoken import named, position
from bot.database.shop import Customer, Interaction, Product, Variant
from retrieval.several import asks_of_several

MOST_CARDS = 5
CREDITED = timedelta(days=7)  # a click this long after a list was shown is credited to it


def by_ids(session: Session, ids: Sequence[str]) -> list[Product]:
    """Active products with their variants, in the order of the ids."""
    rows = session.scalars(
        select(Product).where(Product.id.in_(ids), Product.active).options(selectinload(Product.variants))
    )
    found = {row.id: row for row in rows}
    return [found[id] for id in ids if id in found]


def on_screen(call: ActionCall, session: Session) -> list[Product]:
    """The products shown last, in their order; what has left the catalogue since is left out."""
    return by_ids(session, [str(id) for id in call.slot("shown") or ()])


def page_product(call: ActionCall) -> str | None:
    """Id of the product whose page the customer looks at."""
    id = (call.metadata.get("page") or {}).get("product_id")
    return str(id) if id else None


def name_of(product: Product, language: str) -> str:
    return (product.name_zh if language == "zh" else None) or product.name


def active_variants(product: Product) -> list[Variant]:
    return [variant for variant in product.variants if variant.active]


def lowest_price(product: Product) -> int:
    """Of the variants in stock, of all when none is."""
    variants = active_variants(product)
    prices = [variant.price_minor for variant in variants if variant.stock > 0]
    return min(prices or [variant.price_minor for variant in variants], default=0)


def price_words(variants: Iterable[Variant]) -> str:
    """ "€79.00", or "€79.00–€99.00" when variants differ; of those in stock if any is."""
    variants = list(variants)
    stocked = [variant for variant in variants if variant.stock > 0] or variants
    if not stocked:
        return "–"
    low, high = (pick(variant.price_minor for variant in stocked) for pick in (min, max))
    currency = stocked[0].currency
    return wording.money(low, currency) + (f"–{wording.money(high, currency)}" if high > low else "")


def card(
    product: Product, call: ActionCall, reason: str = "", badge: str = "", *, promoted: bool = False
) -> dict[str, Any]:
    """
    Args:
        promoted: a campaign's card; it also offers to show no more of them.
    """
    variants = active_variants(product)
    stocked = any(variant.stock > 0 for variant in variants)
    buttons: list[Mapping[str, str]] = [
        button(call.pick("Tell me more", "了解详情"), "product_question", product=product.id),
        button(call.pick("Not for me", "不适合我"), "not_for_me", product=product.id),
    ]
    if promoted:
        title = call.pick("No more promotions", "不再显示推广")
        buttons.append(button(title, "not_for_me", product=product.id, promotions="off"))
    if product.url:
        buttons.insert(0, {"title": call.pick("View", "查看"), "url": product.url})
    body = {
        "kind": "product",
        "title": name_of(product, call.language),
        "text": reason or _first_sentence(product, call.language),
        "picture": product.picture,
        "price": price_words(variants),
        "url": product.url,
        "badge": badge or ("" if stocked else call.pick("Out of stock", "缺货")),
        "buttons": [dict(each) for each in buttons],
    }
    return {name: value for name, value in body.items() if value not in ("", None)}


def _first_sentence(product: Product, language: str) -> str:
    text = (product.description_zh if language == "zh" else None) or product.description
    ends = [at for sign in (". ", "。", "! ", "！") if (at := text.find(sign)) > 0]
    return text[: min(ends) + 1] if ends else text[:140]


def meant(call: ActionCall, session: Session) -> Product | None:
    """The product a message is about: a card's button, a place in the list, a name in it, the page, a search."""
    named_id = call.one("product")
    if named_id is not None:
        pressed = by_ids(session, [str(named_id)])
        if pressed:
            return pressed[0]
    shown = on_screen(call, session)
    place = position(call.one("ordinal"), call.text, len(shown))
    if place is not None:
        return shown[place]
    hits = named(call.text, [f"{product.name} {product.name_zh or ''}" for product in shown])
    if len(hits) == 1:
        return shown[hits[0]]
    if named_id is None and (focus := in_focus(call, shown)) is not None:
        return focus
    page = page_product(call)
    on_page = by_ids(session, [page]) if page else []
    if named_id is not None and not on_page:
        return _searched(call, session, str(named_id))
    if on_page:
        return on_page[0]
    if len(shown) == 1:
        return shown[0]
    return None if shown else _searched(call, session, call.text)


def talked_of(call: ActionCall, product: Product) -> dict[str, Any]:
    """The slot `about`: "is it waterproof?" is about this product, until the customer looks at another page."""
    return {"product": product.id, "page": page_product(call)}


def listed_and_meant(call: ActionCall, session: Session, *, least: int = 2) -> list[Product]:
    """The products on the screen, `least` or more, where a message asks about several of them ("which one is the
    lightest?"); [] where it is about one, or about another kind of thing ("which jackets are waterproof?" below tents).
    """
    points = call.one("product") is not None or call.one("ordinal") is not None
    if call.pressed or points or not asks_of_several(call.text):
        return []
    listed = on_screen(call, session)
    kinds = {str(kind) for kind in call.all("category")}
    return listed if len(listed) >= least and (not kinds or any(each.category in kinds for each in listed)) else []


def in_focus(call: ActionCall, shown: Sequence[Product]) -> Product | None:
    """The one of these that was talked about last; None where the message is about several."""
    about = call.slot("about") or {}
    if about.get("page") != page_product(call) or asks_of_several(call.text):
        return None
    return next((product for product in shown if product.id == about.get("product")), None)


def _searched(call: ActionCall, session: Session, text: str) -> Product | None:
    named_one = call.services.search.product_named(text, call.language)
    hits = call.services.search.products(text, language=call.language, limit=1).hits
    found = by_ids(session, [named_one.id] if named_one else [hit.product.id for hit in hits])
    return found[0] if found else None


def which_one(call: ActionCall, session: Session) -> Answer:
    """Ask which product is meant; with the shown ones as buttons when there are some."""
    shown = on_screen(call, session)
    buttons = [button(name_of(each, call.language), call.intent, product=each.id) for each in shown]
    return Answer.response("utter_ask_which_product").buttons(*buttons)


def note_interactions(
    session: Session,
    call: ActionCall,
    customer: Customer | None,
    ids: Iterable[str],
    kind: str,
    noted: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Behaviour the recommenders learn from; by customer when proven, else by conversation.

    One statement: a database takes one writer at a time, and the gateway waits for it to store what is written next.

    Args:
        customer: who this is, read before.
        noted: product -> what else to remember of it: the campaign of its card, the bandit's arm.
    """
    rows = [
        {
            "customer_id": customer.id if customer else None,
            "visitor_id": None if customer else call.conversation_id,
            "product_id": id,
            "kind": kind,
            "at": call.now,
            "context": {"message_id": call.message_id, "position": place, **((noted or {}).get(id) or {})},
        }
        for place, id in enumerate(ids, start=1)
    ]
    if rows:
        session.execute(insert(Interaction.__table__), rows)  # type: ignore[arg-type]  # a Table, typed as FromClause


def note_click(call: ActionCall, session: Session, product_id: str) -> None:
    """A card's button was pressed: a click, credited to the list that showed the product last."""
    customer = call.customer(session)
    who = Interaction.visitor_id == call.conversation_id
    if customer is not None:
        who = who | (Interaction.customer_id == customer.id)
    shown = session.scalar(
        select(Interaction)
        .where(who, Interaction.product_id == product_id, Interaction.kind == "shown")
        .where(Interaction.at >= call.now - CREDITED)
        .order_by(Interaction.id.desc())
        .limit(1)
    )
    kept = ("group", "place", "arm", "propensity", "campaign")
    credit = {name: shown.context[name] for name in kept if name in shown.context} if shown is not None else {}
    note_interactions(session, call, customer, [product_id], "click", {product_id: credit})
