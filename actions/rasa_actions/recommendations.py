"""Recommending: for a wish, for what is on the page, for what was just shown; and taking "not for me" seriously."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from actions.rasa_actions.answer import Answer
from actions.rasa_actions.catalogue import MOST_CARDS, by_ids, card, meant, note_interactions
from actions.rasa_actions.shop_action import ActionCall, ShopAction
from retrieval.filters import Filters

WISHED = 60  # products of a wish that the recommender may choose among


class Recommend(ShopAction):
    """The wish decides what may be shown, the recommender what is best of it for this customer."""

    def name(self) -> str:
        return "action_recommend"

    def answer(self, call: ActionCall) -> Answer:
        return self.recommended(call, "utter_recommendations", "utter_no_recommendations")

    def recommended(self, call: ActionCall, response: str, none: str, without: Sequence[str] = ()) -> Answer:
        from actions.recommendation.recommender import Context

        filters, allowed = self._wish(call)
        with call.services.sessions.begin() as session:
            customer = call.customer(session)
            seeds = self._seeds(call, session)
            shown = (
                [str(id) for id in call.slot("shown") or ()] if call.intent in ("more_results", "not_for_me") else []
            )
            found = call.services.recommender.recommend(
                customer_id=customer.id if customer else None,
                visitor_id=None if customer else call.conversation_id,
                context=Context(
                    kind="chat", seed_products=tuple(seeds), allowed=allowed, wish=filters.query if filters else ""
                ),
                limit=MOST_CARDS + len(shown) + len(without),
                now=call.now,
            )
            left = {*shown, *without}
            reasons = {each.product_id: each.reason for each in found if each.product_id not in left}
            products = by_ids(session, list(reasons))[:MOST_CARDS]
            note_interactions(call, session, [product.id for product in products], "shown")
            cards = [card(product, call, reason=reasons[product.id]) for product in products]
        if not cards:
            return Answer.response(none)
        ids = [product.id for product in products]
        answer = Answer.response(response).cards(cards).slots(shown=ids)
        return answer.slots(search=filters.to_json()) if filters else answer

    def _wish(self, call: ActionCall) -> tuple[Filters | None, tuple[str, ...] | None]:
        """What the words ask for: filters, and the products that fulfil them (None: anything)."""
        if call.text.startswith("/") or call.intent in ("more_results", "not_for_me"):
            return None, None
        hits = call.services.search.products(call.text, language=call.language, limit=WISHED)
        asked = hits.filters
        if not hits.hits and not asked.narrows:
            return None, None
        return asked, tuple(hit.product.id for hit in hits.hits)

    def _seeds(self, call: ActionCall, session: Session) -> list[str]:
        """Products the wish starts from: a button's, the page's, or the one talked about."""
        if call.one("product") is not None or call.one("ordinal") is not None:
            product = meant(call, session)
            return [product.id] if product else []
        page: Any = (call.metadata.get("page") or {}).get("product_id")
        return [str(page)] if page else []


class NotForMe(Recommend):
    """Noted at once, so that neither this list nor a later one shows it again."""

    def name(self) -> str:
        return "action_not_for_me"

    def answer(self, call: ActionCall) -> Answer:
        with call.services.sessions.begin() as session:
            product = meant(call, session)
            shown = [str(id) for id in call.slot("shown") or ()]
            refused = [product.id] if product else shown
            note_interactions(call, session, refused, "not_for_me")
        if not refused:
            return Answer.response("utter_ask_what_product")
        return self.recommended(call, "utter_not_for_me", "utter_not_for_me_only", without=refused)
