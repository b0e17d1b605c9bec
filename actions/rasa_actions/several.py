"""Questions about the products on the screen, several at once: "which one is windproof?", 哪个最轻."""

import re
from collections.abc import Sequence

from sqlalchemy.orm import Session

from actions.rasa_actions.answer import Answer
from actions.rasa_actions.catalogue import (
    active_variants,
    card,
    in_focus,
    listed_and_meant,
    lowest_price,
    on_screen,
    price_words,
    talked_of,
)
from actions.rasa_actions.shop_action import ActionCall
from bot.database.shop import Product
from retrieval.several import Offer, compared

POINTS = re.compile(r"\b(?:ones?|these|those|them|they)\b|哪(?:一)?[个款件双]|这些|它们", re.I)


def of_the_list(call: ActionCall) -> Answer | None:
    """`about_several`, for an action that has nothing open."""
    with call.services.readers() as session:
        return about_several(call, session)


def of_the_screen(call: ActionCall) -> Answer | None:
    """What a message that was not understood may ask of products on the screen: "and the first one?", 有什么颜色."""
    if call.slot("shown") and call.one("ordinal") is not None:
        return Answer().followed_by("action_product_question")
    if call.pressed:
        return None
    with call.services.readers() as session:
        if (several := about_several(call, session)) is not None:
            return several
        listed = on_screen(call, session)
        product = in_focus(call, listed) or (listed[0] if len(listed) == 1 else None)
        found = call.services.search.product_question(product.id, call.text, call.language) if product else None
        if product is None or found is None or found.found_in == "description":  # too weak a sign of what is meant
            return None
        about = talked_of(call, product)
        return (
            Answer.said(found.text)
            .custom(source={"product": product.id})
            .cards([card(product, call)])
            .slots(about=about)
        )


def about_several(call: ActionCall, session: Session, chosen: Sequence[Product] = ()) -> Answer | None:
    """ "Which one is windproof?", "the lightest of these?": the products on the screen, or the `chosen` ones, side by
    side in what was asked; None where one product is meant, or their data says nothing of it."""
    listed = chosen or listed_and_meant(call, session)
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
    return Offer(price_words(variants), lowest_price(product), any(variant.stock > 0 for variant in variants))
