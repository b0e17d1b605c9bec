"""Recommending: for a wish, for what is on the page, for what was just shown; and taking "not for me" seriously."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.rasa_actions.answer import Answer
from actions.rasa_actions.catalogue import (
    MOST_CARDS,
    active_variants,
    by_ids,
    card,
    listed_and_meant,
    lowest_price,
    meant,
    note_interactions,
    talked_of,
)
from actions.rasa_actions.shop_action import ActionCall, ShopAction
from actions.rasa_actions.spoken import FOR_SOMEBODY
from actions.recommendation.catalogue import Context
from bot.database.shop import Order, OrderLine, Product
from nlu_models.numerals import in_digits
from retrieval.filters import Filters, wants_cheaper
from retrieval.search import ProductHits

JUST_BOUGHT = timedelta(hours=1)
MOST_SEEDS = 10
MOST_PICKED = 2  # of a list that is on the screen
WISHED = 60  # products of a wish that the recommender may choose among
MORE_OF_IT = "more"  # what the search reads as: the same wish again
IDEA = "idea"  # in the slot of the search: that its list was recommended, and how
_LIKE = re.compile(r"\b(like|similar to) (this|that|it|these|the)\b|\bsimilar\b|类似|差不多|同款|像这", re.I)
_WITH = re.compile(r"\b(goes?|fits?|pairs?|matching|together) with\b|搭配|配什么|配套", re.I)


@dataclass(frozen=True)
class Saved:
    """The wish of the list before, and what its products were recommended for."""

    filters: Filters
    kind: str
    seeds: Sequence[str]
    for_somebody: bool


def saved_idea(call: ActionCall) -> Saved | None:
    """What the list on the screen was made from, found or recommended; None when there is none."""
    search = call.slot("search")
    if not search:
        return None
    idea = search.get(IDEA) or {}
    seeds = [str(id) for id in idea.get("seeds", ())]
    return Saved(Filters.from_json(search), str(idea.get("kind", "chat")), seeds, bool(idea.get("for_somebody")))


class Recommend(ShopAction):
    """The wish decides what may be shown, the recommender what is best of it for this customer."""

    def name(self) -> str:
        return "action_recommend"

    def answer(self, call: ActionCall) -> Answer:
        return self.recommended(call, "utter_recommendations", "utter_no_recommendations")

    def recommended(self, call: ActionCall, response: str, none: str, without: Sequence[str] = ()) -> Answer:
        again = call.intent in ("more_results", "not_for_me")
        shown = [str(id) for id in call.slot("shown") or ()] if again else []
        saved = saved_idea(call) if again or call.intent == "product_refine" else None
        with call.services.readers() as session:  # nobody's writing waits while it is thought about
            customer = call.customer(session)
            # "which one would you take?" is about what is on the screen
            of_list = [] if again else [product.id for product in listed_and_meant(call, session, least=1)]
            if of_list:
                context = Context(allowed=of_list, language=call.language, campaigns=False)
            else:
                hits = self._wished(call, saved, again)
                context = self._context(call, session, hits, saved, exclude=[*shown, *without])
            found = call.services.recommender.recommend(
                customer_id=customer.id if customer else None,
                visitor_id=call.conversation_id,  # what was said before signing in counts too
                context=context,
                limit=MOST_PICKED if of_list else MOST_CARDS,
                now=call.now,
            )
            by_id = {each.product_id: each for each in found}
            products = by_ids(session, list(by_id))
            cards = [self._card(call, product, by_id[product.id]) for product in products]
        noted = {id: each.noted for id, each in by_id.items()}
        with call.services.sessions.begin() as writing:
            note_interactions(writing, call, customer, list(by_id), "shown", noted)
        if not cards:
            return Answer.response(none)
        made = Answer.response(response).cards(cards)
        if of_list:
            return made.slots(about=talked_of(call, products[0]))
        prices = tuple(lowest_price(product) for product in products)
        # "cheaper ones" are cheaper than what is on the screen, not than all that fitted the wish
        # and words that nothing was found for are not searched again
        found_by = context.wish if isinstance(context.wish, Filters) else Filters()
        found_by = found_by if context.allowed is not None else replace(found_by, query="")
        seen = replace(found_by, shown=tuple(product.id for product in products), shown_prices_minor=prices)
        idea = {"kind": context.kind, "seeds": list(context.seed_products), "for_somebody": context.for_somebody}
        return made.slots(shown=list(by_id), about=None, search={**seen.to_json(), IDEA: idea})

    def _card(self, call: ActionCall, product: Product, pick: Any) -> dict[str, Any]:
        label = str(getattr(pick, "label", None) or "")
        return card(product, call, reason=pick.reason, badge=label, promoted=pick.campaign is not None)

    def _wished(self, call: ActionCall, saved: Saved | None, again: bool) -> ProductHits | None:
        """What the words ask for, or the wish of the list before; None when they name nothing ("recommend something").

        Args:
            again: the words only refuse what was shown or ask for more of it.
        """
        previous = saved.filters if saved else None
        said = FOR_SOMEBODY.sub(" ", in_digits(call.text))  # for whom is no property of it
        if again and not wants_cheaper(said):
            said = MORE_OF_IT
        elif call.pressed:
            return None
        if again and previous is None:
            return None
        find = partial(call.services.search.products, language=call.language, limit=WISHED, suggest=True)
        hits: ProductHits = find(said, previous=previous)
        if previous is not None and not hits.hits and hits.filters.query != previous.query:
            # no words to search by: their limits stay
            hits = find(MORE_OF_IT, previous=previous.narrowed_by(hits.filters))
        return hits if hits.hits or hits.filters.narrows else None

    def _context(
        self, call: ActionCall, session: Session, hits: ProductHits | None, saved: Saved | None, exclude: Sequence[str]
    ) -> Context:
        seeds = self._seeds(call, session)
        for_somebody = bool(FOR_SOMEBODY.search(call.text))
        if seeds and _WITH.search(call.text):
            kind = "together"
        elif seeds and _LIKE.search(call.text):
            kind = "similar"
        elif saved is not None and saved.seeds:
            kind, seeds = saved.kind, list(saved.seeds)
        else:
            kind = "chat"
        if kind == "chat" and not seeds:
            kind, seeds = self._place(call, session)
        # the words name the product then, not what is wished beside it; those of a follow-up do
        about_one = kind in ("similar", "together") and saved is None
        wish = hits.filters if hits else None
        if kind == "similar" and saved is None and wants_cheaper(call.text):
            wish = self._cheaper_than(session, seeds, wish or Filters())
        # limits alone ("a gift, up to 60 €"), or words that nothing is found for: what keeps the limits may be shown
        scores = {hit.product.id: hit.score for hit in hits.hits} if hits and hits.filters.query else {}
        return Context(
            kind=kind,
            seed_products=seeds,
            allowed=set(scores) if scores and not about_one else None,
            wish=wish,
            relevance={} if about_one else scores,
            exclude=exclude,
            language=call.language,
            for_somebody=for_somebody or bool(saved and saved.for_somebody),
        )

    def _cheaper_than(self, session: Session, seeds: Sequence[str], wish: Filters) -> Filters:
        prices = [variant.price_minor for seed in by_ids(session, seeds) for variant in active_variants(seed)]
        if not prices:
            return wish
        most = min(prices) - 1
        return replace(wish, price_max_minor=min(most, wish.price_max_minor or most))

    def _place(self, call: ActionCall, session: Session) -> tuple[str, list[str]]:
        """At the cart, by what the page says is in it; after a purchase, by the last hour's order; else the chat."""
        page: Any = call.metadata.get("page") or {}
        cart = page.get("cart")
        if isinstance(cart, list) and cart:
            return "cart", [product.id for product in by_ids(session, [str(id) for id in cart[:MOST_SEEDS]])]
        customer = call.customer(session)
        if customer is None:
            return "chat", []
        bought = session.scalars(
            select(OrderLine.product_id)
            .join(Order, OrderLine.order_id == Order.id)
            .where(Order.customer_id == customer.id, Order.status != "cancelled")
            .where(Order.placed_at > call.now - JUST_BOUGHT, Order.placed_at <= call.now)
            .limit(MOST_SEEDS)
        ).all()
        return ("after_purchase", list(bought)) if bought else ("chat", [])

    def _seeds(self, call: ActionCall, session: Session) -> list[str]:
        """Products the wish starts from: a button's, the page's, or the one talked about."""
        about_one = call.one("ordinal") is not None or _LIKE.search(call.text) or _WITH.search(call.text)
        if call.one("product") is not None or about_one:
            product = meant(call, session)
            if product is not None:
                return [product.id]
            shown = [str(id) for id in call.slot("shown") or ()]  # "it" is then any of these
            return shown[:MOST_SEEDS] if call.one("product") is None else []
        page: Any = (call.metadata.get("page") or {}).get("product_id")
        return [str(page)] if page else []


class NotForMe(Recommend):
    """Noted at once, so that neither this list nor a later one shows it again."""

    def name(self) -> str:
        return "action_not_for_me"

    def answer(self, call: ActionCall) -> Answer:
        with call.services.readers() as session:
            product, customer = meant(call, session), call.customer(session)
        shown = [str(id) for id in call.slot("shown") or ()]
        refused = [product.id] if product else shown
        with call.services.sessions.begin() as writing:
            note_interactions(writing, call, customer, refused, "not_for_me")
            if call.one("promotions") == "off":
                note_interactions(writing, call, customer, refused[:1], "no_promotions")
        if not refused:
            return Answer.response("utter_ask_what_product")
        return self.recommended(call, "utter_not_for_me", "utter_not_for_me_only", without=refused)
