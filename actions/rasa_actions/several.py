"""Questions about the products on the screen, several at once: "which one is windproof?", 哪个最轻."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from actions.rasa_actions.answer import Answer
from actions.rasa_actions.catalogue import active_variants, card, listed_and_meant, price_words, talked_of
from actions.rasa_actions.shop_action import ActionCall
from bot.database.shop import Product
from retrieval.several import Offer, asks_of_several, compared


def of_the_list(call: ActionCall) -> Answer | None:
    """`about_several`, for an action that has nothing open."""
    with call.services.readers() as session:
        return about_several(call, session)


def about_several(call: ActionCall, session: Session, chosen: Sequence[Product] = ()) -> Answer | None:
    """ "Which one is windproof?", "the lightest of these?": the products on the screen, side by side in what was asked;
    None where one product is meant, or their data says nothing of it."""
    listed = chosen if chosen and asks_of_several(call.text) else listed_and_meant(call, session)
    offers = {product.id: _offer(product) for product in listed}
    known = [found for product in listed if (found := call.services.search.product(product.id)) is not None]
    found = compared(known, call.text, call.language, offers) if len(known) > 1 else None
    if found is None:
        return None
    best = [product for product in listed if product.id in found.product_ids]
    answer = Answer.said(found.text).cards([card(product, call) for product in best])
    return answer.slots(about=talked_of(call, best[0])) if len(best) == 1 else answer


def _offer(product: Product) -> Offer:
    variants = active_variants(product)
    stocked = [variant for variant in variants if variant.stock > 0]
    least = min((variant.price_minor for variant in stocked or variants), default=0)
    return Offer(price_words(variants), least, bool(stocked))
