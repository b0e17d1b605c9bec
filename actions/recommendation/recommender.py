"""The recommender the conversation asks: members, fusion, filters, reasons; one call, milliseconds.

    recommender = Recommender.load(models / "recommendation", shop, rows_of)
    recommender.recommend(customer_id=None, visitor_id="c1", context=Context(seed_products=["P-7"]), limit=5, now=now)

Never out of stock, never what was returned, refused or is already owned (unless it is bought again and again), never
against the customer's wish.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from actions.recommendation import reasons
from actions.recommendation.bandit import NO_BANDIT, Bandit, leaning
from actions.recommendation.catalogue import Campaign, Context, Facts, Past, Shop, fits
from actions.recommendation.fusion import Array, fuse, group_of, standardised
from actions.recommendation.interactions import KIND_WEIGHTS, Asker
from actions.recommendation.members import Content
from actions.recommendation.model import Model
from actions.recommendation.reasons import Evidence
from actions.recommendation.spread import spread_out

POOL = 60  # candidates that are re-ranked, checked for stock and given reasons
CHECKED = 30
NEW_FOR_DAYS = 30.0
RELEVANCE = 3.0  # what a perfect fit to the words adds, in standard deviations of a member's scores
CAMPAIGN_WITHIN = 1.0  # standard deviations below the last product of the list
SAME_KIND = 1.5  # what being the same kind of thing adds when something similar is asked for
TASTE = 0.15  # share of the customer's own taste when the question is about a product
LONG_TAIL = 0.1  # what being one deviation better known costs, at a diversity of one
REFUSED_LIKE = 1.5  # what being like something refused costs, at a cosine of one

RowsOf = Callable[[Sequence[str]], Array]


@dataclass(frozen=True)
class Recommendation:
    """A product to show. `sources`: what each member thought of it; `campaign` is set on a labelled promotion.

    `noted` belongs in the context of the interaction that records it as shown: who it was for, where, the bandit's arm
    and its probability.
    """

    product_id: str
    score: float
    sources: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    code: str = ""
    campaign: str | None = None
    label: str | None = None
    noted: Mapping[str, Any] = field(default_factory=dict)


class Recommender:
    """Safe to share between threads; `swap` replaces the model while it serves."""

    def __init__(
        self,
        model: Model,
        shop: Shop,
        rows_of: RowsOf | None = None,
        *,
        diversity: float = 0.3,
        color_families: Mapping[str, str] | None = None,
        bandit: Bandit | None = None,
    ) -> None:
        """
        Args:
            rows_of: text rows of products by id, for those newer than the model; a zero row when unknown.
            diversity: the one setting of the re-ranker: 0 ranks by score alone; towards 1 a list is spread over
                shelves, and what everybody knows gives way to the rest of the catalogue.
            color_families: the shop's colour names -> canonical colour.
            bandit: leans the weights and learns from clicks; None: the weights stay as fitted.
        """
        self._model = model
        self._shop = shop
        self._rows_of = rows_of
        self.diversity = diversity
        self.color_families = dict(color_families or {})
        self.bandit = bandit

    @classmethod
    def load(cls, folder: Path, shop: Shop, rows_of: RowsOf | None = None, **options: Any) -> "Recommender":
        """From the trained artifact.

        Raises:
            ArtifactError: missing or damaged.
        """
        return cls(Model.load(folder), shop, rows_of, **options)

    @property
    def model(self) -> Model:
        return self._model

    def swap(self, model: Model) -> None:
        """Serve another model from the next call on."""
        self._model = model

    def recommend(
        self,
        *,
        customer_id: str | None,
        visitor_id: str | None,
        context: Context,
        limit: int,
        now: datetime,
    ) -> list[Recommendation]:
        """At most `limit` products, best first; fewer when the wish leaves fewer."""
        model = self._model
        products = self._shop.products()
        past = self._shop.past(customer_id, visitor_id)
        ids, fresh = _numbered(model, products)
        asker = _asker(model, past, context, now)
        asked = Asker(now=asker.now, seeds=asker.seeds) if _about_seeds(context, asker) else asker
        mask = self._may_show(ids, products, past, context)
        if not mask.any():
            return []
        group = group_of(len(asker.items))
        draw = self.bandit.draw(group, context.kind) if self.bandit else NO_BANDIT
        scores = self._scored(model, asked, context, ids, fresh, past, draw.arm)
        if asked is not asker and len(asker.items):
            taste = self._scored(model, asker, Context(), ids, fresh, past, draw.arm)
            scores = replace(scores, fused=scores.fused + TASTE * taste.fused)
        if context.kind in ("similar", "together"):
            wanted = {_kind(products, id) for id in context.seed_products if id in products}
            same = np.array([id in products and _kind(products, id) in wanted for id in ids])
            # what goes with a tent is not another tent, though many looked at both
            sign = 1.0 if context.kind == "similar" else -1.0
            scores = replace(scores, fused=scores.fused + sign * SAME_KIND * same)
        fused = np.where(mask, scores.fused, -np.inf)
        if not _about_seeds(context, asker):
            # an asker with seeds only is read as one who looked at them
            fused = model.ranked(scores.even, fused, asker.with_seeds(), group)
            fused[: len(model.items)] = spread_out(
                fused[: len(model.items)], model.known, LONG_TAIL * self.diversity
            )  # a fresh product is known by nobody and keeps its score
        order = [int(number) for number in np.argsort(-fused)[:POOL] if np.isfinite(fused[number])]
        stocked = self._shop.in_stock([ids[number] for number in order])
        order = [number for number in order if ids[number] in stocked]
        chosen = self._spread(order, fused, ids, products, context)[:limit]
        listed = [
            self._recommendation(model, number, ids, products, scores, asked, past, context, now) for number in chosen
        ]
        noted = {"group": group, "place": context.kind, "arm": draw.arm, "propensity": round(draw.propensity, 4)}
        final = self._with_campaign(listed, order, fused, ids, products, past, context, limit, now)
        return [
            replace(each, noted={**noted, **({"campaign": each.campaign} if each.campaign else {})}) for each in final
        ]

    def _may_show(
        self, ids: Sequence[str], products: Mapping[str, Facts], past: Past, context: Context
    ) -> np.ndarray[Any, np.dtype[np.bool_]]:
        never = past.returned | past.refused | frozenset(context.seed_products) | frozenset(context.exclude)
        allowed = None if context.allowed is None else frozenset(context.allowed)
        mask = np.zeros(len(ids), dtype=bool)
        for number, id in enumerate(ids):
            facts = products.get(id)
            mask[number] = (
                facts is not None
                and facts.in_stock
                and id not in never
                and (allowed is None or id in allowed)
                and (facts.repeatable or id not in past.owned)
                and fits(facts, context.wish, self.color_families)
            )
        return mask

    def _scored(
        self,
        model: Model,
        asker: Asker,
        context: Context,
        ids: Sequence[str],
        fresh: Sequence[str],
        past: Past,
        arm: str = NO_BANDIT.arm,
    ) -> "_Scored":
        raw = np.full((len(model.members), 1, len(ids)), np.nan)
        known = len(model.items)
        for position, member in enumerate(model.members):
            raw[position, :, :known] = member.scores([asker])
            if fresh and isinstance(member, Content):
                raw[position, :, known:] = self._fresh_scores(member, asker, fresh)
        even = standardised(raw)
        weights = model.weights.of(group_of(len(asker.items)), context.kind) * leaning(arm, model.weights.members)
        fused = fuse("weighted", even, weights)[0]
        if context.relevance:
            fused = fused + RELEVANCE * np.array([context.relevance.get(id, 0.0) for id in ids])
        fused = fused - self._like_refused(model, past, len(ids))
        return _Scored(fused, even[:, 0], weights)

    def _like_refused(self, model: Model, past: Past, count: int) -> Array:
        """What was refused in this conversation weighs on its near twins too."""
        content = next((member for member in model.members if isinstance(member, Content)), None)
        numbers = [model.number[id] for id in past.refused if id in model.number]
        cost = np.zeros(count)
        if content is not None and numbers:
            alike = content.centred_ @ content.centred_[numbers].T
            cost[: len(alike)] = REFUSED_LIKE * np.clip(alike.max(axis=1), 0, 1) ** 2
        return cost

    def _fresh_scores(self, content: Content, asker: Asker, fresh: Sequence[str]) -> Array:
        if self._rows_of is None:
            return np.full((1, len(fresh)), np.nan)
        return content.scores_of([asker], self._rows_of(fresh))

    def _spread(
        self, order: Sequence[int], fused: Array, ids: Sequence[str], products: Mapping[str, Facts], context: Context
    ) -> list[int]:
        """Each further product of a shelf already shown costs some score, so that a list is not five of a kind."""
        pool = list(order[:CHECKED])
        if context.kind == "similar" or self.diversity == 0:
            return pool
        left = dict.fromkeys(pool)
        shown: dict[str, int] = {}
        chosen: list[int] = []
        while left:
            best = max(
                left, key=lambda number: fused[number] - self.diversity * shown.get(_kind(products, ids[number]), 0)
            )
            chosen.append(best)
            del left[best]
            kind = _kind(products, ids[best])
            shown[kind] = shown.get(kind, 0) + 1
        return chosen

    def _recommendation(
        self,
        model: Model,
        number: int,
        ids: Sequence[str],
        products: Mapping[str, Facts],
        scores: "_Scored",
        asker: Asker,
        past: Past,
        context: Context,
        now: datetime,
    ) -> Recommendation:
        id = ids[number]
        evidence = self._evidence(model, number, id, products, scores, asker, past, context, now)
        sources = {
            member.name: round(float(score), 4)
            for member, score in zip(model.members, scores.even[:, number], strict=True)
            if not np.isnan(score)
        }
        reason = reasons.sentence(evidence, context.language)
        return Recommendation(id, float(scores.fused[number]), sources, reason, evidence.code)

    def _evidence(
        self,
        model: Model,
        number: int,
        id: str,
        products: Mapping[str, Facts],
        scores: "_Scored",
        asker: Asker,
        past: Past,
        context: Context,
        now: datetime,
    ) -> Evidence:
        facts = products[id]
        if matched := reasons.matching(facts, context.wish, context.language):
            return Evidence("matches", facts=matched)
        if facts.repeatable and id in past.owned:
            return Evidence("again")
        if number >= len(model.items):
            return Evidence("new")
        spoke = scores.even[:, number] * scores.weights
        names = [member.name for member in model.members]
        asked_of = {"together": "together", "similar": "content"}.get(context.kind)
        if asked_of and (found := self._because(model, asked_of, number, asker, products, context)):
            return found
        for position in np.argsort(-np.nan_to_num(spoke, nan=-np.inf)):
            if np.isnan(spoke[position]) or spoke[position] <= 0:
                break
            if found := self._because(model, names[position], number, asker, products, context):
                return found
        if now.timestamp() - facts.added_at < NEW_FOR_DAYS * 86_400 and facts.added_at:
            return Evidence("new")
        return Evidence("popular")

    def _because(
        self,
        model: Model,
        name: str,
        number: int,
        asker: Asker,
        products: Mapping[str, Facts],
        context: Context,
    ) -> Evidence | None:
        """The product of the history or of the conversation that brought this one up, if this member has one."""
        if name in ("popularity", "ranker"):
            return None
        if name == "shelf":
            return Evidence("shelf") if len(asker.items) else None
        source = model.source_of(name, number, asker)
        if source is None:
            return None
        facts = products.get(model.items[source])
        if facts is None:
            return None
        other = facts.name(context.language)
        if source in asker.seeds:
            return Evidence("goes_with" if name == "together" else ("like" if name == "content" else "others"), other)
        if name == "content":
            return Evidence("like", other)
        bought = bool(asker.bought[asker.items == source].any())
        return Evidence("goes_with" if name == "together" else ("bought" if bought else "looked"), other)

    def _with_campaign(
        self,
        listed: list[Recommendation],
        order: Sequence[int],
        fused: Array,
        ids: Sequence[str],
        products: Mapping[str, Facts],
        past: Past,
        context: Context,
        limit: int,
        now: datetime,
    ) -> list[Recommendation]:
        """One card of a running campaign the customer belongs to, labelled, where its own score puts it.

        It comes out of the same filtered candidates, so it is never against the customer's wish.
        """
        if not context.campaigns or past.no_promotions or len(listed) < 2:
            return listed
        for campaign in self._shop.campaigns(now):
            if not _reaches(campaign, past):
                continue
            for place, recommendation in enumerate(listed):
                if _promotes(campaign, products[recommendation.product_id]):
                    listed[place] = _labelled(recommendation, campaign, context.language)
                    return listed
            found = next((number for number in order if _promotes(campaign, products[ids[number]])), None)
            # ranked by the same scores: a card far below the list it joins is not worth the place
            if found is not None and fused[found] >= listed[-1].score - CAMPAIGN_WITHIN:
                card = Recommendation(ids[found], float(fused[found]))
                return [*listed[: limit - 1], _labelled(card, campaign, context.language)]
        return listed


@dataclass(frozen=True)
class _Scored:
    fused: Array  # (items,)
    even: Array  # (members, items)
    weights: Array  # (members,)


def _numbered(model: Model, products: Mapping[str, Facts]) -> tuple[list[str], list[str]]:
    """The model's items and after them the products it does not know yet."""
    fresh = [id for id in products if id not in model.number]
    return [*model.items, *fresh], fresh


def _asker(model: Model, past: Past, context: Context, now: datetime) -> Asker:
    own = () if context.for_somebody else past.events
    kept = [e for e in own if e.kind in KIND_WEIGHTS and e.product in model.number]
    kept.sort(key=lambda event: event.at)
    return Asker(
        np.array([model.number[event.product] for event in kept], dtype=np.int64),
        np.array([KIND_WEIGHTS[event.kind] for event in kept], dtype=np.float64),
        np.array([event.at for event in kept], dtype=np.float64),
        now.timestamp(),
        np.array([event.kind == "purchase" for event in kept], dtype=bool),
        seeds=tuple(model.number[id] for id in context.seed_products if id in model.number),
    )


def _about_seeds(context: Context, asker: Asker) -> bool:
    """ "Something like this" and "what goes with it" are about the product, not about the customer's past."""
    return context.kind in ("similar", "together") and bool(asker.seeds)


def _kind(products: Mapping[str, Facts], id: str) -> str:
    facts = products[id]
    return str(facts.attributes.get("kind") or facts.category)


def _reaches(campaign: Campaign, past: Past) -> bool:
    """Budget left, not seen too often, and the audience holds this customer."""
    if campaign.budget_minor is not None and campaign.spent_minor >= campaign.budget_minor:
        return False
    if campaign.frequency_cap is not None and past.campaigns_shown.get(campaign.id, 0) >= campaign.frequency_cap:
        return False
    audience = campaign.audience
    if audience.get("newsletter") and not past.newsletter:
        return False
    return past.orders >= int(audience.get("orders_at_least", 0))


def _promotes(campaign: Campaign, facts: Facts) -> bool:
    if campaign.products is not None:
        return facts.id in campaign.products
    return campaign.category is not None and facts.category == campaign.category


def _labelled(recommendation: Recommendation, campaign: Campaign, language: str) -> Recommendation:
    title = campaign.titles.get(language) or next(iter(campaign.titles.values()), "")
    return Recommendation(
        recommendation.product_id,
        recommendation.score,
        recommendation.sources,
        title or recommendation.reason,
        "campaign",
        campaign.id,
        reasons.LABEL.get(language, reasons.LABEL["en"]),
    )
