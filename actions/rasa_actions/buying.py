"""Wanting to buy what was not named: "I'll take this one" means what is on the screen, "I want to buy" nothing yet.

The shop sells on its own pages; here is the product, its price, and the way to its page.
"""

import re

from actions.rasa_actions.answer import Answer
from actions.rasa_actions.catalogue import (
    active_variants,
    card,
    meant,
    name_of,
    on_screen,
    page_product,
    price_words,
    talked_of,
    which_one,
)
from actions.rasa_actions.documents import answer_from_documents
from actions.rasa_actions.shop_action import ActionCall

_BUYS = re.compile(r"\b(?:buy|buying|purchase|order|ordering|take|get|have)\b|买|下单|订购|拍下|要这|要那", re.I)
_HOW = re.compile(r"\bhow\b|怎么|如何", re.I)
_POINTS = re.compile(r"\b(?:it|this|that|these|those|them|one|ones)\b|[这那它]", re.I)
# what may stand in such a message without naming a thing
_NO_THING = re.compile(
    r"\b(?:ok|okay|yes|yeah|please|hi|hello|(?:i|we)(?:'d|'ll|'m|'re|'ve)?|me|let|would|will|can|could|may|do|does|want|wants"
    r"|like|wanna|need|to|just|now|how|where|here|from|you|your|shop|store|look|looking|buy|buying|purchase|order"
    r"|ordering|take|get|have|place|an|a|the|it|this|that|these|those|them|one|ones|then|and|so|online|something"
    r"|anything|things?|stuff|first|second|third|fourth|fifth|last)\b"
    r"|[我们想要就能可以怎么如何在哪里儿给了吧吗呢的啊呀这那它些个款件双条只顶把台套样一二三四五第下订单购买拍东西点]|[\s\W]",
    re.I,
)


def of_buying(call: ActionCall) -> Answer | None:
    """The answer to a wish to buy that names nothing to look for; None where it does."""
    if not _names_nothing(call):
        return None
    shown = of_buying_shown(call)
    if shown is None and _HOW.search(call.text):
        shown = answer_from_documents(call)
    return shown or Answer.response("utter_ask_what_product")


def of_buying_shown(call: ActionCall) -> Answer | None:
    """The answer to "how can I order it?" about the page or what is on the screen; None where it is about neither."""
    points = _POINTS.search(call.text) is not None or call.one("ordinal") is not None
    if not points or not _names_nothing(call):
        return None
    with call.services.readers() as session:
        if not (page_product(call) or on_screen(call, session)):
            return None
        product = meant(call, session)
        if product is None:
            return which_one(call, session)
        price = price_words(active_variants(product))
        said = "utter_buy" if product.url else "utter_price"
        answer = Answer.response(said, name=name_of(product, call.language), price=price)
        return answer.cards([card(product, call)]).slots(about=talked_of(call, product))


def _names_nothing(call: ActionCall) -> bool:
    return not call.pressed and _BUYS.search(call.text) is not None and not _NO_THING.sub("", call.text)
