"""Search as the house asks for it: products for a wish, passages for a question, a product's facts for one on it.

    search = Search.open(models / "index", search_encoder("offline", models))
    search.products("red running shoes under 80", language="en").hits
    search.passages("how long do I have to return something?", language="en")
    search.product_question("P-17", "is it waterproof?", "en")

Nothing below the calibrated threshold is returned: an empty answer means "not found", and the bot says so.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ensemble import artifact
from ensemble.artifact import ArtifactError
from retrieval.accessories import head, is_called, is_for_one, is_one, without_place
from retrieval.attributes import product_fact, wished
from retrieval.documents import Document, Passage, Product, Variant, cut
from retrieval.encoder import Encoder, Rows, as_headings
from retrieval.extract import Extractor
from retrieval.filters import Filters, by_price, understand, wants_cheaper, wants_more
from retrieval.hybrid import CANDIDATES, LANGUAGES, PARTS, Candidate, Hybrid, Known, Weights, item_of, row_id
from retrieval.index import VectorIndex
from retrieval.lexical import LexicalIndex, is_han, normalise, same_thing, title_tokens, tokens
from retrieval.lexicon import Vocabulary, find_forms, vocabulary
from retrieval.product_text import lexical_text, product_text
from retrieval.same_words import Names, shipped
from retrieval.store import Store, read_passage, read_product

KIND = "index"
SCORE_ALL_UP_TO = 20_000  # with filters, every product of a catalogue this small is weighed
DIVERSITY = 0.25  # share of a product's place that its unlikeness to those above decides

# "a gift for a hiker" names nothing we have, yet its nearest products are what is meant: ideas may be this far from the
# words, and this far from the best of them
IDEA, IDEA_OF_BEST = 0.1, 0.25  # of the threshold; of the best score
_SEVERAL = re.compile(r"\b(?:and|or)\b|[&+/,，、和或]")  # "stove and pot" asks for two things
FEW = 5  # products found: ideas are added when there are fewer
# the one word after a shelf's, at the end, that may name what is wanted ("shoe rack")
_NAMED_AFTER = re.compile(
    r"\s+(?!(?:please|thanks|cheap|cheaply|now|today|online|sale|offers?|deals?|wanted|advice|ideas?|options?)\b)"
    r"([a-z]{3,})\s*[?!.]*$"
)
NAMED_SHELF = 0.4  # of the threshold, when the customer named a category


@dataclass(frozen=True)
class ProductHit:
    """A product to show, the variants of it that fulfil the filters, and the probability that it is meant."""

    product: Product
    score: float
    variants: tuple[Variant, ...]

    @property
    def price_minor(self) -> int:
        """The lowest price among the fitting variants, those in stock first."""
        prices = [v.price_minor for v in self.variants if v.stock > 0] or [v.price_minor for v in self.variants]
        return min(prices, default=self.product.price_minor)

    @property
    def in_stock(self) -> bool:
        return any(variant.stock > 0 for variant in self.variants)


@dataclass(frozen=True)
class ProductHits:
    """What was found and how the message was understood; pass `filters` back as `previous` in the next turn.

    `relaxed` holds near misses (price, size, colour or stock left aside) when nothing fulfils every wish.
    """

    hits: tuple[ProductHit, ...]
    filters: Filters
    relaxed: tuple[ProductHit, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A passage that answers, `answer` being the sentence or two that do under their heading; `url` is the source."""

    id: str
    score: float
    title: str
    text: str
    answer: str
    language: str
    document_id: str
    topic: str
    kind: str
    url: str | None = None


@dataclass(frozen=True)
class Answer:
    """An answer about one product, from its own data only; `found_in` says where."""

    text: str
    product_id: str
    found_in: str
    url: str | None = None
    value: Any = None


@dataclass(frozen=True)
class Change:
    """What happened to the catalogue and the documents since the last look."""

    products: tuple[Product, ...] = ()
    products_gone: tuple[str, ...] = ()
    documents: tuple[Document, ...] = ()
    documents_gone: tuple[str, ...] = ()
    complete: bool = False  # everything there is: what is not in it is gone

    def __bool__(self) -> bool:
        return any((self.products, self.products_gone, self.documents, self.documents_gone))


class Search:
    """Made by `open`; safe to share between threads. `apply` takes changes while searches run."""

    def __init__(
        self,
        encoder: Encoder,
        *,
        products: Hybrid,
        passages: Hybrid,
        product_store: Store[Product],
        passage_store: Store[Passage],
        words: Vocabulary,
    ) -> None:
        self.encoder = encoder
        self.product_side = products
        self.passage_side = passages
        self.product_store = product_store
        self.passage_store = passage_store
        self.words = words
        self.same_words = shipped()  # an owner may have more
        self._extract = Extractor(encoder)

    @classmethod
    def open(cls, folder: Path, encoder: Encoder) -> "Search":
        """Load a built index.

        Raises:
            ArtifactError: the folder is missing, damaged, or was built with another encoder.
        """
        held = artifact.load(folder, KIND)
        facts = held.json("search.json")
        if facts["encoder"] != encoder.name:
            raise ArtifactError(
                Path(folder),
                f"{folder} was built with encoder {facts['encoder']}, but {encoder.name} is loaded; "
                "make it again with `kefu index --force`",
            )
        product_store = Store.load(held, "products", read_product)
        passage_store = Store.load(held, "passages", read_passage)
        return cls(
            encoder,
            products=Hybrid.load(held, "products", Weights.from_json(facts["products"]), titles_of(product_store)),
            passages=Hybrid.load(
                held,
                "passages",
                Weights.from_json(facts["passages"]),
                headings_of(passage_store),
                Known.load(held, "known.npz"),
                topics_of(passage_store),
            ),
            product_store=product_store,
            passage_store=passage_store,
            words=Vocabulary.from_json(held.json("vocabulary.json")),
        )

    @classmethod
    def empty(cls, encoder: Encoder, *, products: Weights | None = None, passages: Weights | None = None) -> "Search":
        """A search over nothing yet, to be filled by `apply`."""
        product_store: Store[Product] = Store(read_product)
        passage_store: Store[Passage] = Store(read_passage)
        return cls(
            encoder,
            products=Hybrid(
                VectorIndex(encoder.dimension), LexicalIndex(), products or Weights(), titles_of(product_store)
            ),
            passages=Hybrid(
                VectorIndex(encoder.dimension), LexicalIndex(), passages or Weights(), headings_of(passage_store)
            ),
            product_store=product_store,
            passage_store=passage_store,
            words=Vocabulary(),
        )

    def products(
        self,
        text: str,
        *,
        language: str,
        filters: Filters | None = None,
        previous: Filters | None = None,
        limit: int = 5,
        suggest: bool = False,
    ) -> ProductHits:
        """Products for a wish in words.

        Args:
            filters: known for certain (entities, a button); they win over what the words say.
            previous: the filters of the turn before, when the message may be a follow-up.
            suggest: ideas are asked for ("something for my balcony"): when little is near enough to be shown as found,
                also the nearest that are not far off.
        """
        written, text = text, self.names.in_their_words(text)
        understood = understand(text, self.words, previous)
        asked = _given(understood, filters)
        known = set(previous.shown) if previous and (wants_more(text) or wants_cheaper(text)) else set()
        guessed = asked.category and (filters is None or filters.category is None)
        if guessed and self._named_elsewhere(asked, text):
            asked = replace(asked, category=None)
        ranked = self._ranked(asked, text, exclude=known, ideas=suggest)
        if not ranked and guessed and self._is_a_place(asked):
            asked = replace(asked, category=None)
            ranked = self._ranked(asked, text, exclude=known, ideas=suggest)
        cheaper = previous if previous and wants_cheaper(text) and previous.shown_prices_minor else None
        if cheaper and not any(_is_named(hit, asked) for _, hit in ranked):  # none is cheaper than all that were shown
            most = max(cheaper.shown_prices_minor) - 1
            less = replace(asked, price_max_minor=min(most, cheaper.price_max_minor or most))
            others = self._ranked(less, text, exclude=known)
            if not ranked or any(_is_named(hit, asked) for _, hit in others):
                asked, ranked = less, others
        hits = tuple((_extreme(ranked, by_price(text), asked) or self._varied(ranked, limit))[:limit])
        least = self.product_side.weights.threshold
        only_near = not suggest and all(hit.score < least for hit in hits)  # ideas are meant to be no more than near
        another = not suggest and not any(_is_named(hit, asked) for hit in hits)
        relaxed = self._relaxed(asked, text, known, limit) if only_near or another or not hits else ()
        # socks are on the shelf of the hiking boots, but those, a little dearer, are what was named
        if only_near and not cheaper and any(hit.score >= least for hit in relaxed):
            hits = ()
        elif another and any(_is_named(hit, asked) and _beats(hit, hits, asked) for hit in relaxed):
            hits = tuple(self._varied([pair for pair in ranked if _is_named(pair[1], asked)], limit))
        if cheaper:  # what is dearer is no answer to "cheaper ones", and what is something else is none either
            relaxed = ()
            before = [self.product_store.get(id) for id in cheaper.shown]
            if any(product and _is_thing(product, asked) for product in before):
                hits = tuple(hit for hit in hits if _is_thing(hit.product, asked))
        flags = wished(asked.query)
        if any(_denies(hit, flags) for hit in hits) and not any(_is_named(hit, asked) for hit in hits):
            # a fleece is no more than near to "a waterproof fleece", and behind a waterproof one that costs more
            near = [hit for hit in relaxed if _is_named(hit, asked)]
            things = [hit for hit in hits if _is_thing(hit.product, asked)]
            hits, relaxed = (), tuple(near or things or hits)
        elif not suggest and hits and all(_only_goes_with(hit.product, asked) for hit in hits):
            hits, relaxed = (), relaxed or hits  # a helmet is no bicycle
        elif hits:
            relaxed = ()
        if suggest:  # ideas for "a waterproof jacket" are jackets
            hits = tuple(hit for hit in hits if _is_named(hit, asked)) or hits
        if not hits and not relaxed and not known:  # "more" of what has all been shown is none
            relaxed = self._of_the_same_name(asked, written, known, limit)
        if wants_more(text) and previous:
            asked = replace(asked, shown=previous.shown, shown_prices_minor=previous.shown_prices_minor)
        return ProductHits(hits, _remember(asked, hits or relaxed), relaxed)

    def passages(self, text: str, *, language: str, limit: int = 3) -> list[Hit]:
        """Passages that answer a question, best first; of translations the one in `language`; [] when none does."""
        row = self.encoder.encode_queries([text])[0]
        ranked = self.passage_side.rank(text, row)
        threshold = self.passage_side.weights.threshold
        chosen: dict[str, tuple[float, Passage]] = {}
        for candidate in ranked:
            passage = self.passage_store.get(candidate.id)
            if passage is None or candidate.score < threshold:
                continue
            self._choose(chosen, candidate.score, passage, language)
        best = sorted(chosen.values(), key=lambda pair: -pair[0])[:limit]
        return [self._hit(text, row, score, passage) for score, passage in best]

    def product_question(self, product_id: str, text: str, language: str) -> Answer | None:
        """The answer this product's own attributes, variants or description give; None when they do not say."""
        product = self.product_store.get(product_id)
        if product is None:
            return None
        fact = product_fact(product, text, language)
        if fact is None:
            found = self._extract.from_text(product.description(language), text, self.product_side.weights)
            if found is None:
                return None
            return Answer(found, product.id, "description", product.url)
        return Answer(fact.text, product.id, fact.found_in, product.url, fact.value)

    def product(self, product_id: str) -> Product | None:
        return self.product_store.get(product_id)

    def product_named(self, text: str, language: str) -> Product | None:
        """The one product a text names ("the Nordlys 2"), or None when it names none or several."""
        said = normalise(text)
        terms = set(tokens(text))
        row = self.encoder.encode_queries([text])[0]
        named = []
        for candidate in self.product_side.rank(text, row)[:20]:
            product = self.product_store.get(candidate.id)
            if product and any(_names(said, terms, name) for name in product.names.values()):
                named.append((max(len(name) for name in product.names.values()), product))
        if not named:
            return None
        longest = max(length for length, _ in named)
        best = [product for length, product in named if length == longest]
        return best[0] if len(best) == 1 else None

    def apply(self, change: Change) -> None:
        """Take a change in; the next search sees it. Only new words are embedded (stock and price are not)."""
        if change.complete:
            change = self._with_gone(change)
        self._apply_products(change)
        self._apply_documents(change)

    def rebuild_if_due(self) -> bool:
        """Fold many small changes into the large part beside running searches; True when it was due."""
        due = [side for side in (self.product_side, self.passage_side) if side.dense.wants_rebuild]
        for side in due:
            side.rebuild()
        return bool(due)

    def _ranked(
        self, asked: Filters, text: str, *, exclude: set[str], ideas: bool = False
    ) -> list[tuple[Candidate, ProductHit]]:
        """What fits and is likely enough, best first.

        Args:
            ideas: where these are few, also the nearest that are not near enough to be shown as found.
        """
        words = asked.query or ("" if asked.narrows else text)
        if not words.strip():
            return self._listed(asked, exclude)
        row = self.encoder.encode_queries([words])[0]
        fits = self._fitting(asked, exclude)
        among: Sequence[str] | None = None
        if asked.narrows and len(self.product_store) <= SCORE_ALL_UP_TO:
            shelf = self._shelves.get(asked.category, ()) if asked.category else self.product_store.ids()
            among = [id for id in shelf if id in fits]
        ranked = self.product_side.rank(words, row, allowed=lambda id: id in fits, among=among)
        threshold = self.product_side.weights.threshold
        if asked.category:  # the words named a shelf we have: what stands on it is an answer, the best first
            threshold *= NAMED_SHELF

        one_word = is_han(words) and not asked.category  # a word alone means little to the encoder: 剪 is in 修枝剪
        a_shelf = normalise(words) in self.words.categories  # sandals are shoes
        priced = asked.price_min_minor is not None or asked.price_max_minor is not None
        one_thing = priced and not a_shelf and not _SEVERAL.search(words)

        def above(least: float) -> list[tuple[Candidate, ProductHit]]:
            kept = []
            for candidate in ranked:
                hit = fits.get(candidate.id)
                if hit is None:
                    continue
                named = one_word and _is_called(hit.product, words)
                if candidate.score < (least * NAMED_SHELF if named else least):
                    continue
                kept.append((candidate, replace(hit, score=candidate.score)))
            kept = _for_so_many(kept, asked.persons)
            kept = self._of_what_is_named(_not_denied(kept, wished(words), asked), words)
            return _things_alone(kept, words) if one_thing else kept

        found = above(threshold)
        if ideas and len(found) < FEW:
            return above(max([IDEA * threshold, *(IDEA_OF_BEST * candidate.score for candidate in ranked)]))
        return found

    def _of_what_is_named(
        self, ranked: list[tuple[Candidate, ProductHit]], words: str
    ) -> list[tuple[Candidate, ProductHit]]:
        """ "Shoe rack" is a rack: nothing of a shelf is shown that has the last word of such a name nowhere."""
        said = normalise(words)
        forms = find_forms(said, self.words.categories)
        compound = len(forms) == 1 and not said[: forms[0][1]].endswith("s")  # "tents cheap" names tents
        last = _NAMED_AFTER.match(said[forms[0][1] :]) if compound else None
        if last is None:
            return ranked
        terms = set(tokens(last.group(1)))
        return [
            (candidate, hit)
            for candidate, hit in ranked
            if not terms or terms & title_tokens(" ".join(texts_of(hit.product)))
        ]

    @cached_property
    def names(self) -> Names:
        """What the products are called; made again when one comes, goes or gets another name."""
        return self._names_now()

    def _names_now(self) -> Names:
        names = (name for product in self.product_store.items() for name in product.names.values())
        return Names(names, self.same_words)

    @cached_property
    def _shelves(self) -> dict[str, list[str]]:
        """Ids of products by category, until the catalogue changes."""
        found: dict[str, list[str]] = {}
        for product in self.product_store.items():
            found.setdefault(product.category, []).append(product.id)
        return found

    def _is_a_place(self, asked: Filters) -> bool:
        """A clock "for the kitchen wall" need not be on the shelf of the kitchen."""
        thing, place = without_place(asked.query)
        forms = self.words.categories
        return bool(thing and find_forms(place, forms) and not find_forms(thing, forms))

    def _named_elsewhere(self, asked: Filters, text: str) -> bool:
        """True for "shoe rack": only products of other shelves have all the words in their names."""
        words = asked.query or ("" if asked.narrows else text)
        terms = set(tokens(words))
        if not terms:
            return False
        fits = self._fitting(replace(asked, category=None), set())
        lexical = self.product_side.lexical
        others = {other: 1.0 for term in terms for other in same_thing(term)}
        said = lexical.search_terms({**others, **lexical.query(words)}, CANDIDATES)
        products = [hit.product for id, _ in said if (hit := fits.get(id))]
        names = [(product.category, title_tokens(" ".join(product.names.values()))) for product in products]
        shelves = {shelf for shelf, name in names if all(name & same_thing(term) for term in terms)}
        return bool(shelves) and asked.category not in shelves

    def _listed(self, asked: Filters, exclude: set[str]) -> list[tuple[Candidate, ProductHit]]:
        """Only filters, no words ("anything in blue under 50"): all that fit, in stock and cheapest first."""
        if not asked.narrows:
            return []
        hits = [hit for item in self.product_store.items() if (hit := _fit(item, asked, exclude))]
        hits.sort(key=lambda hit: (not hit.in_stock, hit.price_minor, hit.product.id))
        return [(Candidate(hit.product.id, 1.0, 0.0, 0.0, 1.0), replace(hit, score=1.0)) for hit in hits]

    def _fitting(self, asked: Filters, exclude: set[str]) -> "_Fitting":
        return _Fitting(self.product_store, asked, exclude)

    def _varied(self, ranked: Sequence[tuple[Candidate, ProductHit]], limit: int) -> list[ProductHit]:
        """Maximal marginal relevance over the first thirty, so that five near-twins do not fill the list."""
        pool = list(ranked[:30])
        if len(pool) < 3:
            return [hit for _, hit in pool[:limit]]
        rows = self._rows([candidate.id for candidate, _ in pool])
        alike = rows @ rows.T
        scores = np.array([candidate.place for candidate, _ in pool])
        chosen: list[int] = [0]
        nearest, floor = alike[:, 0].copy(), self.product_side.weights.floor
        while len(chosen) < min(limit, len(pool)):
            gain = scores - DIVERSITY * np.clip((nearest - floor) / (1 - floor), 0, 1)
            gain[chosen] = -np.inf
            chosen.append(int(gain.argmax()))
            np.maximum(nearest, alike[:, chosen[-1]], out=nearest)
        return [pool[position][1] for position in chosen]

    def _rows(self, ids: Sequence[str]) -> Rows:
        rows = np.zeros((len(ids), self.encoder.dimension), dtype=np.float32)
        there = [(place, product) for place, id in enumerate(ids) if (product := self.product_store.get(id))]
        names = [row_id(product.id, languages_of(product)[0]) for _, product in there]
        rows[[place for place, _ in there]] = self.product_side.dense.rows_of(names)
        return rows

    def _relaxed(self, asked: Filters, text: str, known: set[str], limit: int) -> tuple[ProductHit, ...]:
        """What is asked for but for the price; where there is none of it, also but for size, colour, room and stock."""
        dearer = replace(asked, price_min_minor=None, price_max_minor=None)
        other = replace(dearer, size=None, color=None, persons=None, weight_max_g=None, in_stock=False)
        # what is a little too dear is a near miss, what costs ten times as much is none
        order = 1 if asked.price_max_minor is not None else -1 if asked.price_min_minor is not None else 0
        near: tuple[ProductHit, ...] = ()
        for loose in dict.fromkeys((dearer, other)) if asked.query else ():
            ranked = self._ranked(loose, text, exclude=known) if loose != asked else []
            named = [pair for pair in ranked if _is_named(pair[1], asked)]
            found = tuple((_extreme(named, order, asked) or self._varied(named or ranked, limit))[:limit])
            if named:
                return found
            near = near or found
        return near

    def _of_the_same_name(self, asked: Filters, written: str, known: set[str], limit: int) -> tuple[ProductHit, ...]:
        """Where nothing is near "a double bed" or 阳台椅子: what is called a bed, or 椅."""
        thing = head(asked.query, written)
        if thing is None:
            return ()
        found = self.product_side.lexical.search_terms(dict.fromkeys(same_thing(thing), 1.0), CANDIDATES)
        fits = self._fitting(replace(asked, category=None), known)
        called = {id: hit for id, _ in found if (hit := fits.get(id)) and _is_called(hit.product, thing)}
        if not called:
            return ()
        row = self.encoder.encode_queries([asked.query])[0]
        ranked = self.product_side.rank(asked.query, row, among=list(called))
        return tuple(self._varied([(each, replace(called[each.id], score=each.score)) for each in ranked], limit))

    def _choose(self, chosen: dict[str, tuple[float, Passage]], score: float, passage: Passage, language: str) -> None:
        """Of a topic's translations keep the one in the customer's language, with the better score of the two."""
        key = f"{passage.topic or passage.document_id}{passage.id[len(passage.document_id) :]}"
        if passage.language != language and (other := self._translation(passage, language)):
            passage = other
            key = f"{passage.topic or passage.document_id}{passage.id[len(passage.document_id) :]}"
        held = chosen.get(key)
        if held is None or score > held[0]:
            chosen[key] = (score, passage)

    def _translation(self, passage: Passage, language: str) -> Passage | None:
        """The passage at the same place of the translated document, when the two are cut alike."""
        other = self._translated.get((passage.topic, language)) if passage.topic else None
        return self.passage_store.get(other + passage.id[len(passage.document_id) :]) if other else None

    @property
    def _translated(self) -> dict[tuple[str, str], str]:
        """(topic, language) -> document id."""
        held: dict[tuple[str, str], str] | None = self.__dict__.get("_translated_documents")
        if held is None:
            held = {(item.topic, item.language): item.document_id for item in self.passage_store.items() if item.topic}
            self.__dict__["_translated_documents"] = held
        return held

    def _hit(self, text: str, row: Rows, score: float, passage: Passage) -> Hit:
        return Hit(
            id=passage.id,
            score=score,
            title=passage.title,
            text=passage.text,
            answer=_under(passage, self._extract.answer(passage, text, row)),
            language=passage.language,
            document_id=passage.document_id,
            topic=passage.topic,
            kind=passage.kind,
            url=passage.url,
        )

    def _with_gone(self, change: Change) -> Change:
        """A complete change with what it no longer holds named, and without documents that are here as they are."""
        there = {product.id for product in change.products}
        products_gone = tuple(item.id for item in self.product_store.items() if item.id not in there)
        documents_there = {document.id for document in change.documents}
        held = {item.document_id for item in self.passage_store.items()}
        return replace(
            change,
            products_gone=(*change.products_gone, *products_gone),
            documents=tuple(d for d in change.documents if any(self.passage_store.get(p.id) != p for p in cut(d))),
            documents_gone=(*change.documents_gone, *sorted(held - documents_there)),
        )

    def _apply_products(self, change: Change) -> None:
        if not (change.products or change.products_gone):
            return
        rows: dict[str, Rows] = {}
        for product in change.products:
            before = self.product_store.get(product.id)
            changed = [
                language
                for language in languages_of(product)
                if before is None or product_text(before, language) != product_text(product, language)
            ]
            rows.update(product_rows([(product, language) for language in changed], self.encoder))
        changed_ids = {item_of(name) for name in rows}
        texts_of = {p.id: lexical_product_text(p) for p in change.products if p.id in changed_ids}
        # the store first: what the indexes find must be there to be shown
        self.product_store.put(change.products, remove=change.products_gone)
        self.__dict__.pop("_shelves", None)
        if changed_ids or change.products_gone:
            self.__dict__["names"] = self._names_now()  # searches that run meanwhile keep the old ones
        self.product_side.add(rows, texts_of)
        gone = list(change.products_gone)
        self.product_side.remove([name for id in gone for name in row_ids(id)], gone)
        self.words = vocabulary(self.product_store.items())

    def _apply_documents(self, change: Change) -> None:
        if not (change.documents or change.documents_gone):
            return
        old: list[str] = []
        for id in (*change.documents_gone, *(document.id for document in change.documents)):
            old += self._passages_of(id)
        new = [passage for document in change.documents for passage in cut(document)]
        self.passage_store.put(new, remove=[id for id in old if id not in {passage.id for passage in new}])
        stale = [id for id in old if id not in {passage.id for passage in new}]
        self.passage_side.add(
            passage_rows(new, self.encoder),
            {passage.id: passage.searchable for passage in new},
        )
        self.passage_side.remove([name for id in stale for name in row_ids(id)], stale)
        self.__dict__.pop("_translated_documents", None)

    def _passages_of(self, document_id: str) -> list[str]:
        ids: list[str] = []
        while self.passage_store.get(f"{document_id}#{len(ids)}") is not None:
            ids.append(f"{document_id}#{len(ids)}")
        return ids


class _Fitting:
    """The products that fulfil the filters, looked at only when they are candidates."""

    def __init__(self, store: Store[Product], asked: Filters, exclude: set[str]) -> None:
        self._store, self._asked, self._exclude = store, asked, exclude
        self._seen: dict[str, ProductHit | None] = {}

    def __contains__(self, id: str) -> bool:
        return self.get(id) is not None

    def get(self, id: str) -> ProductHit | None:
        if id not in self._seen:
            product = self._store.get(id)
            self._seen[id] = _fit(product, self._asked, self._exclude) if product else None
        return self._seen[id]


def lexical_product_text(product: Product) -> str:
    return lexical_text(product, languages_of(product))


def product_rows(items: Sequence[tuple[Product, str]], encoder: Encoder) -> dict[str, Rows]:
    """Rows of products in a language: the whole text, and the name, which reads like what customers type."""
    texts = encoder.encode_passages([product_text(product, language) for product, language in items])
    names = as_headings(encoder.encode_queries([product.name(language) for product, language in items]))
    rows = {row_id(p.id, language, "b"): row for (p, language), row in zip(items, texts, strict=True)}
    rows.update({row_id(p.id, language, "h"): row for (p, language), row in zip(items, names, strict=True)})
    return rows


def passage_rows(items: Sequence[Passage], encoder: Encoder) -> dict[str, Rows]:
    """Rows of passages: the text, and title with heading, encoded as a question because they are put like one."""
    texts = encoder.encode_passages([passage.searchable for passage in items])
    titles = as_headings(encoder.encode_queries([f"{passage.title} {passage.heading}".strip() for passage in items]))
    rows = {row_id(p.id, p.language, "b"): row for p, row in zip(items, texts, strict=True)}
    rows.update({row_id(p.id, p.language, "h"): row for p, row in zip(items, titles, strict=True)})
    return rows


def row_ids(id: str) -> list[str]:
    return [row_id(id, language, part) for language in LANGUAGES for part in PARTS]


def titles_of(store: Store[Product]) -> Callable[[str], str]:
    def title(id: str) -> str:
        product = store.get(id)
        return " ".join([*product.names.values(), product.brand or ""]) if product else ""

    return title


def headings_of(store: Store[Passage]) -> Callable[[str], str]:
    def title(id: str) -> str:
        passage = store.get(id)
        return f"{passage.title} {passage.heading}" if passage else ""

    return title


def topics_of(store: Store[Passage]) -> Callable[[str], str]:
    def topic(id: str) -> str:
        passage = store.get(id)
        return passage.topic if passage else ""

    return topic


def languages_of(product: Product) -> list[str]:
    return [language for language in LANGUAGES if language in product.names] or [next(iter(product.names), "en")]


def _under(passage: Passage, answer: str) -> str:
    """The answer with the heading it stands under: "Cash on delivery" means little without "What we do not take"."""
    heading = passage.heading.split(" > ")[-1].strip()
    if not heading or heading == passage.title or heading.lower() in answer.lower():
        return answer
    asks = heading.endswith(("?", "？"))
    if passage.language == "zh":
        return f"{heading}{'' if asks else '：'}{answer}"
    return f"{heading}{'' if asks else ':'} {answer}"


def _fit(product: Product, asked: Filters, exclude: Iterable[str]) -> ProductHit | None:
    if product.id in exclude:
        return None
    variants = asked.variants_of(product)
    return ProductHit(product, 0.0, tuple(variants)) if variants else None


def _is_named(hit: ProductHit, asked: Filters) -> bool:
    """True where the wish names this thing, or nothing clearly, and its data does not say that it is another kind of it
    (not waterproof)."""
    return _is_thing(hit.product, asked) and not _denies(hit, wished(asked.query))


def _is_called(product: Product, thing: str) -> bool:
    return any(is_called(name, thing) for name in product.names.values())


def _only_goes_with(product: Product, asked: Filters) -> bool:
    return not _is_thing(product, asked) and any(is_for_one(name, asked.query) for name in product.names.values())


def _is_thing(product: Product, asked: Filters) -> bool:
    said = [is_one(name, asked.query) for name in product.names.values()]
    return None in said or True in said


def _beats(hit: ProductHit, others: Sequence[ProductHit], asked: Filters) -> bool:
    """True where it is more of what was asked for than the others; what only goes with the thing counts for nothing."""
    return all(
        hit.score > other.score or any(is_for_one(name, asked.query) for name in other.product.names.values())
        for other in others
    )


def texts_of(product: Product) -> list[str]:
    """Names, descriptions and attributes of a product, as they are written."""
    attributes = [text for name, value in product.attributes.items() for text in (name, str(value))]
    return [*product.names.values(), *product.descriptions.values(), *attributes]


def _for_so_many(ranked: list[tuple[Candidate, ProductHit]], persons: int | None) -> list[tuple[Candidate, ProductHit]]:
    """Where some say that they have room for so many, what says nothing of it (a tent's footprint) is left out."""
    known = [pair for pair in ranked if "persons" in pair[1].product.attributes]
    return known if persons is not None and known else ranked


def _things_alone(ranked: list[tuple[Candidate, ProductHit]], words: str) -> list[tuple[Candidate, ProductHit]]:
    """Within a price, where some are called what is asked for ("waterproof jackets"), what is not (trousers
    of that shelf) is left out. Not so of a wish for the thing alone: many a name does not say what it is, and on Chorus
    Electronics nDCG@10 fell from 0.849 to 0.785 where it was left out."""
    things = [pair for pair in ranked if any(is_one(name, words) for name in pair[1].product.names.values())]
    return things or ranked


def _not_denied(
    ranked: list[tuple[Candidate, ProductHit]], flags: frozenset[str], asked: Filters
) -> list[tuple[Candidate, ProductHit]]:
    """ "Waterproof jackets": jackets whose data says that they are not are left out, unless it says so of all."""
    named = [hit for _, hit in ranked if _is_thing(hit.product, asked)] or [hit for _, hit in ranked]
    if not flags or all(_denies(hit, flags) for hit in named):
        return ranked
    return [pair for pair in ranked if not _denies(pair[1], flags)]


def _denies(hit: ProductHit, flags: frozenset[str]) -> bool:
    return any(hit.product.attributes.get(flag) is False for flag in flags)


def _extreme(ranked: Sequence[tuple[Candidate, ProductHit]], order: int, asked: Filters) -> list[ProductHit]:
    """ "The cheapest tent": tents that fit about as well as the best, by price, in stock first; [] if not asked for."""
    if not order or not ranked:
        return []
    ranked = [pair for pair in ranked if _is_named(pair[1], asked)] or ranked  # its footprint costs less
    least = max(candidate.score for candidate, _ in ranked) * 0.5
    fitting = [hit for candidate, hit in ranked if candidate.score >= least]
    return sorted(fitting, key=lambda hit: (not hit.in_stock, order * hit.price_minor, hit.product.id))


def _given(understood: Filters, given: Filters | None) -> Filters:
    if given is None:
        return understood
    set_values = {
        f.name: getattr(given, f.name)
        for f in fields(given)
        if getattr(given, f.name) != f.default and f.name not in ("shown", "shown_prices_minor")
    }
    return replace(understood, **set_values)


def _remember(asked: Filters, hits: Sequence[ProductHit]) -> Filters:
    return replace(
        asked,
        shown=(*asked.shown, *(hit.product.id for hit in hits))[-50:],
        shown_prices_minor=(*asked.shown_prices_minor, *(hit.price_minor for hit in hits))[-50:],
    )


def _names(said: str, terms: set[str], name: str) -> bool:
    """True when the text holds the whole name, or every word of it."""
    own = set(tokens(name))
    return normalise(name) in said or (bool(own) and own <= terms)
