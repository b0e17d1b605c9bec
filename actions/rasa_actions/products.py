"""Finding products and talking about them: search, follow-ups, questions, comparison, stock, price, promotions, fit."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.rasa_actions import wording
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.buying import of_buying
from actions.rasa_actions.catalogue import (
    MOST_CARDS,
    active_variants,
    by_ids,
    card,
    meant,
    name_of,
    note_click,
    note_interactions,
    on_screen,
    price_words,
    talked_of,
    which_one,
)
from actions.rasa_actions.documents import size_guide
from actions.rasa_actions.handoff import not_known
from actions.rasa_actions.recommendations import IDEA
from actions.rasa_actions.several import about_several, of_the_list
from actions.rasa_actions.shop_action import ActionCall, ShopAction
from actions.rasa_actions.spoken import FOR_SOMEBODY, named, position
from bot.database.shop import Product, Promotion, Variant
from nlu_models.numerals import in_digits
from retrieval.attributes import is_quality, wished
from retrieval.filters import ALSO, Filters, by_price
from retrieval.product_text import NOT_SPOKEN
from retrieval.several import asks_of_several, asks_which

MOST_COMPARED = 3
BOOKKEEPING = frozenset({"kind", *NOT_SPOKEN})  # attributes for pictures and rules, nothing a customer compares
NEW_SEARCH: dict[str, Any] = {}

# of products on the screen; "waterproof jackets" points at none
_POINTS = re.compile(
    r"\b(?:it|its|this|that|these|those|they|them|all|both|which|either|every|ones?)\b|[这那它哪都]", re.I
)
# "tell me about the second one" asks for all there is to say
_AT_LARGE = re.compile(
    r"\b(?:tell me|know|hear|see|show me|read|information|info|details?) (?:a bit |some )?(?:more )?(?:about|on|of)?\b"
    r"|\bmore about\b|\bdescri(?:be|ption)|介绍|详情|详细|说说|讲讲|了解|怎么样",
    re.I,
)
_COMPARES = re.compile(r"\bcompar|\bvs\b|\bversus\b|\bdifferen|\bbetter\b|\bbetween\b|比|区别|不同|还是|差", re.I)
_TWO = re.compile(r"\b(?:two|both|2)\b|两|2", re.I)


class ProductSearch(ShopAction):
    """A new search; what was searched before is forgotten."""

    def name(self) -> str:
        return "action_product_search"

    def answer(self, call: ActionCall) -> Answer:
        if call.text.startswith("/") or not call.text.strip():
            return Answer.response("utter_ask_what_product")
        several = of_the_list(call) if asks_which(call.text) else of_buying(call)
        return several or self.found(call, None)

    def found(self, call: ActionCall, previous: Filters | None) -> Answer:
        said = in_digits(call.text)
        hits = call.services.search.products(said, language=call.language, previous=previous, limit=MOST_CARDS)
        near = not hits.hits
        with call.services.readers() as session:  # nobody's writing waits while cards are made
            products = by_ids(session, [hit.product.id for hit in hits.hits or hits.relaxed])
            cards = [card(product, call) for product in products]
            customer = call.customer(session)
        if products:
            with call.services.sessions.begin() as writing:
                note_interactions(writing, call, customer, [product.id for product in products], "shown")
        if not cards:
            return self.nothing(call, previous)
        shown = [product.id for product in products]
        return (
            Answer.response("utter_near_misses" if near else "utter_products")
            .cards(cards)
            .slots(search=hits.filters.to_json(), shown=shown, about=None)
        )

    def nothing(self, call: ActionCall, previous: Filters | None) -> Answer:
        response = "utter_no_more_products" if previous is not None else "utter_no_products"
        return Answer.response(response).buttons(
            button(call.pick("Recommend something", "推荐商品"), "recommend"),
            button(call.pick("Talk to a person", "转人工"), "talk_to_person"),
        )


class ProductRefine(ProductSearch):
    """A follow-up: "cheaper ones", "and in blue?"."""

    def name(self) -> str:
        return "action_product_refine"

    def answer(self, call: ActionCall) -> Answer:
        previous = call.slot("search")
        # what was recommended is recommended anew; "for my dad, 50 euros" asks for an idea
        if (previous and IDEA in previous) or (not previous and FOR_SOMEBODY.search(call.text)):
            return Answer().followed_by("action_recommend")
        # "the cheapest" is searched for in the whole shop, "the lightest" cannot be
        several = None if by_price(call.text) and not asks_which(call.text) else of_the_list(call)
        return several or self.found(call, Filters.from_json(previous) if previous else None)


class MoreResults(ProductSearch):
    def name(self) -> str:
        return "action_more_results"

    def answer(self, call: ActionCall) -> Answer:
        previous = call.slot("search")
        if not previous or IDEA in previous:
            return Answer().followed_by("action_recommend")
        return of_the_list(call) or self.found(call, Filters.from_json(previous))


class AboutProduct(ShopAction):
    """A skill about one product; asks which when it is not clear."""

    intent: str

    def name(self) -> str:
        return f"action_{self.intent}"

    def answer(self, call: ActionCall) -> Answer:
        with call.services.readers() as session:
            if (several := about_several(call, session)) is not None:
                return several
            product = meant(call, session)
            if product is None:
                return self.none_meant(call, session)
            listed = _first(product.id, call.slot("shown"))
            answer = self.about(call, product).slots(shown=listed, about=talked_of(call, product))
            pressed = product.id if call.pressed and call.one("product") == product.id else None
        if pressed is not None:
            with call.services.sessions.begin() as writing:
                note_click(call, writing, pressed)
        return answer

    def about(self, call: ActionCall, product: Product) -> Answer:
        raise NotImplementedError

    def none_meant(self, call: ActionCall, session: Session) -> Answer:
        return which_one(call, session)


def _first(id: str, shown: Sequence[str] | None) -> list[str]:
    """The product talked about stays in the list that ordinals count; a new one becomes the list."""
    return list(shown) if shown and id in shown else [id]


class ProductQuestion(AboutProduct):
    """Answered from this product's own attributes and description only."""

    intent = "product_question"

    def none_meant(self, call: ActionCall, session: Session) -> Answer:
        """ "How long does the battery last?" below a list is answered for each, where their data says so. "Dishwasher
        safe mugs", or "and windproof?" after a list, ask for no product's data."""
        if call.intent != self.intent or call.pressed or not wished(call.text) or _POINTS.search(call.text):
            listed = on_screen(call, session)
            of_each = about_several(call, session, listed) if 1 < len(listed) <= MOST_CARDS else None
            return of_each or super().none_meant(call, session)
        again = bool(call.slot("search")) and (is_quality(call.text) or bool(ALSO.search(call.text.lower())))
        return Answer().followed_by("action_product_refine" if again else "action_product_search")

    def about(self, call: ActionCall, product: Product) -> Answer:
        if call.pressed or call.intent in ("inform", "nlu_fallback", "out_of_scope"):  # "and the first one?"
            return self._all(call, product)
        found = call.services.search.product_question(product.id, call.text, call.language)
        if found is None and _AT_LARGE.search(call.text):
            return self._all(call, product)
        if found is None:
            return not_known(call, "utter_no_answer").cards([card(product, call)])
        return Answer.said(found.text).custom(source={"product": product.id}).cards([card(product, call)])

    def _all(self, call: ActionCall, product: Product) -> Answer:
        text = (product.description_zh if call.language == "zh" else None) or product.description
        return Answer.said(text).cards([card(product, call)])


class CheckPrice(AboutProduct):
    intent = "check_price"

    def about(self, call: ActionCall, product: Product) -> Answer:
        variants = fitting(call, product) or active_variants(product)
        answer = Answer.response("utter_price", name=name_of(product, call.language), price=price_words(variants))
        before = [variant.list_price_minor for variant in variants if variant.list_price_minor]
        if before:
            answer = answer.then(
                Answer.response("utter_price_before", before=wording.money(max(before), variants[0].currency))
            )
        return answer.cards([card(product, call)])


class CheckStock(AboutProduct):
    intent = "check_stock"

    def about(self, call: ActionCall, product: Product) -> Answer:
        variants = fitting(call, product)
        name = name_of(product, call.language)
        stocked = [variant for variant in variants if variant.stock > 0]
        if stocked:
            which = ", ".join(
                dict.fromkeys(wording.options(variant.options, call.language) or name for variant in stocked)
            )
            return Answer.response("utter_in_stock", name=name, which=which).cards([card(product, call)])
        others = [variant for variant in active_variants(product) if variant.stock > 0]
        if others:
            which = ", ".join(dict.fromkeys(wording.options(variant.options, call.language) for variant in others))
            return Answer.response("utter_out_of_stock_others", name=name, which=which).cards([card(product, call)])
        return Answer.response("utter_out_of_stock", name=name).buttons(
            button(call.pick("Something similar", "类似商品"), "recommend", product=product.id)
        )


class SizeFit(AboutProduct):
    """The sizes there are, and the shop's own size guide."""

    intent = "size_fit"

    def about(self, call: ActionCall, product: Product) -> Answer:
        sizes = dict.fromkeys(
            str(variant.options["size"]) for variant in active_variants(product) if variant.options.get("size")
        )
        guide = size_guide(call, product.category)
        own = call.services.search.product_question(product.id, call.text, call.language)
        name = name_of(product, call.language)
        answer = (
            Answer.response("utter_sizes", name=name, sizes=", ".join(sizes))
            if sizes
            else Answer.response("utter_one_size", name=name)
        ).cards([card(product, call)])
        if own is not None and own.found_in != "variants.size":  # the sizes were just said
            answer = answer.then(Answer.said(own.text))
        return answer.then(guide) if guide else answer


def fitting(call: ActionCall, product: Product) -> list[Variant]:
    """Variants with the size and colour named in the message; all when none is named."""
    wanted = {name: str(call.one(name)).lower() for name in ("size", "color") if call.one(name) is not None}
    return [
        variant
        for variant in active_variants(product)
        if all(value in str(variant.options.get(name, "")).lower() for name, value in wanted.items())
    ]


class CompareProducts(ShopAction):
    def name(self) -> str:
        return "action_compare_products"

    def answer(self, call: ActionCall) -> Answer:
        with call.services.readers() as session:
            shown = on_screen(call, session)
            chosen = self._chosen(call, shown)
            # "which is lighter, the first or the second?"
            picked = chosen if call.all("ordinal") and asks_of_several(call.text) else ()
            if (several := about_several(call, session, picked)) is not None:
                return several
            if len(chosen) < 2:
                for wanted in call.all("product"):
                    hits = call.services.search.products(str(wanted), language=call.language, limit=1).hits
                    chosen += by_ids(session, [hit.product.id for hit in hits])
            chosen = list({product.id: product for product in chosen}.values())[:MOST_COMPARED]
            if len(chosen) == 1 and not _COMPARES.search(call.text):  # "is the first one waterproof?"
                return Answer().followed_by("action_product_question")
            if len(chosen) < 2:
                return Answer.response("utter_ask_what_to_compare")
            return (
                Answer.response("utter_comparison", table=self._table(call, chosen))
                .cards([card(product, call) for product in chosen])
                .slots(shown=[product.id for product in chosen], about=None)
            )

    def _chosen(self, call: ActionCall, shown: Sequence[Product]) -> list[Product]:
        places = [position(value, "", len(shown)) for value in call.all("ordinal")]
        picked = [shown[place] for place in places if place is not None]
        picked += [shown[place] for place in named(call.text, [f"{each.name} {each.name_zh}" for each in shown])]
        if len(picked) < 2 and _TWO.search(call.text):  # "the first two": one ordinal, two products
            return list(shown[:2])
        return picked or (list(shown[:2]) if not call.all("product") else [])

    def _table(self, call: ActionCall, chosen: Sequence[Product]) -> str:
        """One line a trait that differs or is known of all: "weight: 1.8 kg | 2.4 kg"."""
        names = [name_of(product, call.language) for product in chosen]
        lines = [" | ".join(names)]
        lines.append(
            call.pick("Price", "价格") + ": " + " | ".join(price_words(active_variants(product)) for product in chosen)
        )
        shared = [
            key
            for key in chosen[0].attributes
            if key not in BOOKKEEPING and all(key in product.attributes for product in chosen)
        ]
        for key in shared:
            lines.append(trait(key, [product.attributes[key] for product in chosen], call.language))
        return "\n".join(lines)


def trait(key: str, values: Sequence[Any], language: str) -> str:
    from retrieval.attributes import shown, statement

    label = statement(key, values[0], language).split("：" if language == "zh" else ":")[0]
    return f"{label}: " + " | ".join(shown(key, value, language) for value in values)


class Promotions(ShopAction):
    def name(self) -> str:
        return "action_promotions"

    def answer(self, call: ActionCall) -> Answer:
        with call.services.readers() as session:
            rows = session.scalars(
                select(Promotion)
                .where(Promotion.starts_at <= call.now, Promotion.ends_at > call.now)
                .order_by(Promotion.ends_at)
                .limit(MOST_CARDS)
            ).all()
        if not rows:
            return Answer.response("utter_no_promotions")
        answer = Answer.response("utter_promotions")
        for row in rows:
            title = (row.title_zh if call.language == "zh" else None) or row.title
            until = wording.day(row.ends_at, call.language)
            answer = answer.then(
                Answer.response("utter_promotion_with_code", title=title, until=until, code=row.code)
                if row.code
                else Answer.response("utter_promotion", title=title, until=until)
            )
        return answer
