"""One message in, everything the house wants to know about it out: the answer of `/model/parse`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from nlu_models import entities, language, wishes
from nlu_models.gazetteer import Gazetteer
from nlu_models.intent import OFF_TOPIC, IntentModel, IntentPrediction
from nlu_models.things import Things, well_known, words_beside

FALLBACK = "nlu_fallback"
THINGS = ("order_number", "product", "category")  # two wishes of one kind differ in these
NARROWING = ("color", "size", "price_max", "price_min", "in_stock", "quantity")  # may stand beside the name of a thing
SEARCH = "product_search"
PLAINER = 1.5  # weight of the reading with a known word, beside 1 of the text as it is
SURE_OF_ALL = 0.9  # confidence in a whole message from which a part that only tells something is no wish of its own
NAMED = 0.8  # confidence that a bare name asks to be shown the thing: less than "very sure" where free text is awaited


@dataclass(frozen=True)
class Parser:
    """An intent model and the names of the catalogue; replaced as a whole."""

    model: IntentModel
    gazetteer: Gazetteer

    @cached_property
    def _things(self) -> Things:
        names = self.gazetteer.names.items()
        brands = [name for (kind, _), written in names if kind == "brand" for name in written]
        others = [name for (kind, _), written in names if kind != "brand" for name in written]
        return Things.of(others, brands, well_known(self.model.seen.to_json()), self.gazetteer.called)

    def parse(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Parse a batch; several wishes of one message are judged in the same pass over the models."""
        cut = [wishes.pieces(text) for text in texts]
        parts = [piece.text for found in cut if len(found) > 1 for piece in found]
        predictions = self._judged(texts, parts)
        answers, at = [], len(texts)
        for text, found, whole in zip(texts, cut, predictions, strict=False):
            several = predictions[at : at + len(found)] if len(found) > 1 else []
            at += len(several)
            answers.append(self._answer(text, whole, found, several))
        return answers

    def _judged(self, texts: Sequence[str], parts: Sequence[str]) -> list[IntentPrediction]:
        """As `IntentModel.predict`; what names a kind of thing that we sell is judged in both readings."""
        every = [*texts, *parts]
        plainer = {number: said for number, text in enumerate(every) if (said := self._things.plainer(text))}
        of_texts = [said for number, said in plainer.items() if number < len(texts)]
        of_parts = [said for number, said in plainer.items() if number >= len(texts)]
        judged = self.model.predict([*texts, *of_texts], [*parts, *of_parts])
        whole, rest = judged[: len(texts)], judged[len(texts) + len(of_texts) :]
        found = [*whole, *rest[: len(parts)]]
        again = [*judged[len(texts) : len(texts) + len(of_texts)], *rest[len(parts) :]]
        for number, other in zip(plainer, again, strict=True):
            found[number] = both_readings(found[number], other)
        return found

    def _answer(
        self, text: str, whole: IntentPrediction, found: Sequence[wishes.Piece], several: Sequence[IntentPrediction]
    ) -> dict[str, Any]:
        named = entities.extract(text, self.gazetteer)
        beside = [(entity.start, entity.end) for entity in named if entity.entity in NARROWING]
        only_named = SEARCH in self.model.labels and "seen" not in whole.members and self._things.only(text, beside)
        whole = _as_search(whole) if only_named else whole
        split = [] if only_named else self._split(text, whole, found, several, named)
        if len(split) < 2:
            split = [(wishes.Piece(text, 0), whole)]
        first = split[0][1] if len(split) > 1 else whole
        return {
            "text": text,
            "intent": intent(first),
            "intent_ranking": [{"name": name, "confidence": confidence} for name, confidence in first.ranking],
            "entities": [entity.to_json() for entity in named],
            "language": language.detect(text),
            "in_scope": first.in_scope,
            "wishes": [
                {"text": piece.text, "intent": intent(said), "entities": _inside(named, piece)} for piece, said in split
            ],
            "members": {name: list(opinion) for name, opinion in first.members.items()},
            "reply_draft": None,
            "model_version": self.model.version,
        }

    def _split(
        self,
        text: str,
        whole: IntentPrediction,
        found: Sequence[wishes.Piece],
        several: Sequence[IntentPrediction],
        named: Sequence[entities.Entity],
    ) -> list[tuple[wishes.Piece, IntentPrediction]]:
        if not several:
            return []
        labels = [said.label for said in several]

        def told(label: str) -> bool:
            """Whether what only tells is no wish: the models are sure of the whole, or it sounds like a question."""
            sure = whole.confidence >= SURE_OF_ALL and whole.label in labels and whole.label != label
            return sure or label in wishes.ABOUT_THE_SHOP

        beside = [
            wishes.describes(piece.text, label, labels[:number])
            or (number > 0 and only_narrows(piece.text, _inside(named, piece)))
            or wishes.explains(piece.text, label, labels[:number] + labels[number + 1 :])
            or (said.confidence < SURE_OF_ALL and wishes.only_tells(text, found, number) and told(label))
            for number, (piece, said, label) in enumerate(zip(found, several, labels, strict=True))
        ]
        sure = [0.0 if aside or not said.sure else said.confidence for said, aside in zip(several, beside, strict=True)]
        things = [
            _things(_inside(named, piece), ("order_number",) if label in wishes.OF_ONE_ORDER else THINGS)
            for piece, label in zip(found, labels, strict=True)
        ]
        leaning = [wishes.leans(piece.text) for piece in found]
        groups = wishes.joined(labels, sure, things, leaning)
        if len(groups) < 2:
            return []
        return [
            (piece, max((several[number] for number in group), key=lambda said: _worth(said)))
            for piece, group in zip(wishes.cut(text, found, groups), groups, strict=True)
        ]


def both_readings(said: IntentPrediction, plainer: IntentPrediction) -> IntentPrediction:
    """Both readings of a text, the one with a word of the examples counting more; an example itself needs no other."""
    if "seen" in said.members:
        return said
    weights = (1 / (1 + PLAINER), PLAINER / (1 + PLAINER))
    chances: Counter[str] = Counter()
    for weight, one in zip(weights, (said, plainer), strict=True):
        for label, confidence in one.ranking:
            chances[label] += weight * confidence  # type: ignore[assignment]
    ranking = tuple((label, float(chance)) for label, chance in chances.most_common())
    label, confidence = ranking[0]
    return replace(
        said,
        label=label,
        confidence=confidence,
        in_scope=weights[0] * said.in_scope + weights[1] * plainer.in_scope,
        ranking=ranking[: len(said.ranking)],
        members={**said.members, "plainer": (plainer.label, plainer.confidence)},
        sure=any(one.sure and one.label == label for one in (said, plainer)),
    )


def _as_search(said: IntentPrediction) -> IntentPrediction:
    confidence = max(NAMED, *(confidence for label, confidence in said.ranking if label == SEARCH), 0.0)
    others = tuple((label, min(each, 1 - confidence)) for label, each in said.ranking if label != SEARCH)
    told = {**said.members, "catalogue": (SEARCH, confidence)}
    return replace(
        said,
        label=SEARCH,
        confidence=confidence,
        in_scope=1.0,
        sure=True,
        ranking=((SEARCH, confidence), *others),
        members=told,
    )


def only_narrows(text: str, named: Sequence[dict[str, Any]]) -> bool:
    """Whether a piece says nothing but a price, a size, a colour: "a waterproof jacket, under 150"."""
    narrowing = [(each["start"], each["end"]) for each in named if each["entity"] in NARROWING]
    return bool(narrowing) and not words_beside(text, narrowing)


def _things(named: Sequence[dict[str, Any]], kinds: Sequence[str]) -> frozenset[str]:
    return frozenset(str(each["value"]) for each in named if each["entity"] in kinds)


def _worth(said: IntentPrediction) -> tuple[bool, float]:
    return said.label not in wishes.NEVER_ALONE, said.confidence


def intent(said: IntentPrediction) -> dict[str, Any]:
    """The intent Rasa acts on: the fallback when the model is not sure enough to act."""
    if said.label == OFF_TOPIC or said.sure:
        return {"name": said.label, "confidence": said.confidence}
    return {"name": FALLBACK, "confidence": 1.0 - said.confidence}


def _inside(named: Sequence[entities.Entity], piece: wishes.Piece) -> list[dict[str, Any]]:
    """The entities of a piece, with places counted within it."""
    end = piece.start + len(piece.text)
    return [
        {**entity.to_json(), "start": entity.start - piece.start, "end": entity.end - piece.start}
        for entity in named
        if piece.start <= entity.start and entity.end <= end
    ]
