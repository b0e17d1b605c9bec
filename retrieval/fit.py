"""Fit the weights of the hybrid on labelled questions and wishes: `python -m retrieval.fit` writes fitted.json.

The wishes for products (`wishes.jsonl`, with the kinds of demo goods that fulfil them; none where nothing does) are
weighed over the demo shop's index, which has to be built. The questions lie beside this file (`calibration.jsonl`,
written by us, about the demo shop's documents; `topic` null marks those without an answer). None of them is in a
benchmark. For passages two models are fitted one after the other: a logistic one over question and passage, and one
over the best passage's score and the question itself. Everything is chosen and reported out of fold: whole topics (or
wishes) are held out, so what is measured is documents that were never seen.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from retrieval.calibrate import FITTED, QUESTIONS, calibrated, known_questions
from retrieval.documents import Document, Passage, cut
from retrieval.encoder import Encoder, search_encoder
from retrieval.hybrid import FEATURES, Array, Hybrid, Weights
from retrieval.index import VectorIndex
from retrieval.lexical import LexicalIndex, is_han
from retrieval.search import KIND, Search, passage_rows

MOST_ANSWERED = 0.02  # of the questions without an answer, out of fold
USED = ("dense", "heading", "lexical", "title", "covered")  # places in a ranking say nothing of having an answer
DENSE, HEADING, LEXICAL = (FEATURES.index(name) for name in ("dense", "heading", "lexical"))
USED_OF_PRODUCTS = ("dense", "heading", "covered")  # BM25 and the name's words added nothing out of fold
MOST_FOUND = 0.1  # of the wishes for what the shop does not sell, out of fold: a near miss does less harm than silence
# Of 0.2 to 1.5 over the best 5, 10 and 20 candidates: nDCG@10 of the wishes 0.894, 0.886 without (0.890 before these
# weights); of 160 searches of Home Depot's 0.917, 0.919 without, all of them within the noise.
AGREED = 0.8
# Of 0.5 to 5, on 325 searches of Home Depot's with results that go with the thing beside others: nDCG 0.912, 0.907
# without (2.8 standard errors); wishes 0.919, 0.916 without.
BESIDE = 3.0
WISHES = Path(__file__).parent / "wishes.jsonl"
FOLDS = 5
LOOKED_AT = 20  # candidates a question
STRENGTH = 1.0  # of the logistic models; 0.3 to 10 differ by less than half a point of AUC


@dataclass(frozen=True)
class Question:
    """`topic` of the documents that answer; None for a question without an answer."""

    text: str
    topic: str | None


@dataclass(frozen=True)
class Asked:
    """What the hybrid weighs for one question: candidates by rows, and which of them stand in the right topic."""

    features: Array  # (candidates, FEATURES)
    right: np.ndarray[Any, np.dtype[np.bool_]]
    row: np.ndarray[Any, np.dtype[np.float32]]
    doubt: float  # by the other known questions (`Known.doubt`)


def read_questions(path: Path = QUESTIONS) -> list[Question]:
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return [Question(row["question"], row["topic"]) for row in rows]


def read_wishes(path: Path = WISHES) -> list[tuple[str, frozenset[str]]]:
    """(wish, kinds of goods that fulfil it)."""
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return [(row["wish"], frozenset(row["kinds"])) for row in rows]


def weigh_wishes(search: Search, wishes: Sequence[tuple[str, frozenset[str]]]) -> list[Asked]:
    """The features of each wish's candidates; those of a kind that fulfils it are right."""
    kinds = {product.id: str(product.attributes.get("kind")) for product in search.product_store.items()}
    out = []
    for said, wanted in wishes:
        wish = search.names.in_their_words(said)
        row = search.encoder.encode_queries([wish])[0]
        ids, features, _, _ = search.product_side.weighed(wish, row)
        order = np.argsort(-(features[:, DENSE] + features[:, HEADING] + 8 * features[:, LEXICAL]))[:LOOKED_AT]
        right = np.array([kinds[ids[at]] in wanted for at in order], dtype=bool)
        out.append(Asked(features[order] * np.isin(FEATURES, USED_OF_PRODUCTS), right, row, 0.0))
    return out


def weigh(side: Hybrid, topics: Mapping[str, str], questions: Sequence[Question], encoder: Encoder) -> list[Asked]:
    """The features of each question's candidates."""
    out = []
    for question in questions:
        row = encoder.encode_queries([question.text])[0]
        ids, features, _, _ = side.weighed(question.text, row)
        order = np.argsort(-(features[:, 0] + features[:, 1] + 8 * features[:, 2]))[:LOOKED_AT]
        right = np.array([topics[ids[at]] == question.topic for at in order], dtype=bool)
        known = side.known
        doubt = known.doubt(row, is_han(question.text), side.weights, itself=False) if known else 0.0
        out.append(Asked(features[order] * np.isin(FEATURES, USED), right, row, doubt))
    return out


def fit(asked: Sequence[Asked], *, strength: float = STRENGTH) -> tuple[Array, float]:
    """(weights of FEATURES, bias), none negative: more likeness is never worse.

    Of the passages of the right topic only the one that fits best is the answer; the others teach nothing. Text and
    heading share a weight: topics are what is labelled, and by topics alone a heading looks as if it told little.
    """
    weights, bias = np.zeros(len(FEATURES)), 0.0
    weights[[DENSE, HEADING, LEXICAL]] = 1.0, 1.0, 8.0
    for _ in range(3):
        rows, truth = [], []
        for each in asked:
            scores = np.where(each.right, each.features @ weights, -np.inf)
            keep = ~each.right
            if each.right.any():
                keep[int(scores.argmax())] = True
            rows.append(each.features[keep])
            truth.append(each.right[keep])
        together = np.concatenate(rows)
        together[:, DENSE] += together[:, HEADING]
        together[:, HEADING] = 0.0
        weights, bias = _not_negative(together, np.concatenate(truth), strength)
        weights[HEADING] = weights[DENSE]
    return weights, bias


def with_question(
    asked: Sequence[Asked], weights: Array, bias: float, *, seed: int = 0
) -> tuple[float, float, float, Array]:
    """(scale, shift, weight of the doubt, weights of the question's row) to be added to the best passage's logit.

    What the row says is learnt out of fold, so that it is not trusted more than it deserves.
    """
    rows = np.stack([each.row for each in asked])
    has = np.array([each.right.any() for each in asked])
    part = np.random.default_rng(seed).integers(0, FOLDS, len(asked))
    said = np.zeros(len(asked))
    for fold in range(FOLDS):
        said[part == fold] = _kind(rows[part != fold], has[part != fold]).decision_function(rows[part == fold])
    best = np.array([(each.features @ weights + bias).max() for each in asked])
    answered = np.array([bool(each.right[int((each.features @ weights).argmax())]) for each in asked])
    known = np.stack([best, said, [each.doubt for each in asked]], axis=1)
    both = LogisticRegression(C=STRENGTH, max_iter=2000).fit(known, answered)
    kind = _kind(rows, has)
    scale, trust, doubt = (float(value) for value in both.coef_[0])
    trust, doubt = max(0.0, trust), min(0.0, doubt)
    return scale, float(both.intercept_[0]) + trust * float(kind.intercept_[0]), doubt, trust * kind.coef_[0]


def model(asked: Sequence[Asked], start: Weights, *, question: bool) -> Weights:
    """`start` with fitted weights; its threshold is still to be set."""
    weights, bias = fit(asked)
    if not question:
        named: dict[str, Any] = dict(zip(FEATURES, map(float, weights), strict=True))
        return replace(start, **named, bias=bias, asked=(), doubt=0.0)
    scale, shift, doubt, row = with_question(asked, weights, bias)
    named = {name: round(scale * float(value), 4) for name, value in zip(FEATURES, weights, strict=True)}
    made = replace(start, **named, bias=scale * bias + shift, doubt=doubt)
    return replace(made, asked=tuple(round(float(value), 4) for value in row))


def best(weights: Weights, each: Asked) -> tuple[float, bool]:
    """(probability of the best candidate, whether it is right)."""
    logits = each.features @ weights.vector() + weights.bias
    if weights.asked:
        logits = logits + float(each.row @ np.array(weights.asked, dtype=np.float32))
    logits = logits + weights.doubt * each.doubt
    return float(1 / (1 + np.exp(-logits.max()))), bool(each.right[int(logits.argmax())])


def out_of_fold(asked: Sequence[Asked], topics: Sequence[str | None], start: Weights, *, question: bool) -> Array:
    """(questions, 2): probability and whether right, by models that never saw the question's topic."""
    generator = np.random.default_rng(0)
    named = sorted({topic for topic in topics if topic})
    fold_of = dict(zip(named, generator.permutation(np.arange(len(named)) % FOLDS), strict=True))
    fold = np.array([fold_of[topic] if topic else generator.integers(FOLDS) for topic in topics])
    out = np.zeros((len(asked), 2))
    for held in range(FOLDS):
        made = model([each for each, f in zip(asked, fold, strict=True) if f != held], start, question=question)
        for at in map(int, np.flatnonzero(fold == held)):
            out[at] = best(made, asked[at])
    return out


def threshold(scores: Array, has: np.ndarray[Any, np.dtype[np.bool_]], most: float = MOST_ANSWERED) -> float:
    """The lowest that lets at most this share of the questions without an answer through."""
    without = np.sort(scores[~has])[::-1]
    return round(float(min(0.95, without[int(most * len(without))] + 1e-4)), 4)


def measured(held: Array, has: np.ndarray[Any, np.dtype[np.bool_]], least: float) -> dict[str, Any]:
    """What a threshold of `least` does, out of fold."""
    shown = held[:, 0] >= least
    return {
        "auc": round(float(roc_auc_score(has, held[:, 0])), 4),
        "answered": round(float(shown[has].mean()), 4),
        "answered_rightly": round(float((shown & (held[:, 1] > 0))[has].mean()), 4),
        "answered_without_answer": round(float(shown[~has].mean()), 4),
        "questions": [int(has.sum()), int((~has).sum())],
    }


def main(argv: Sequence[str] | None = None) -> int:
    from bot import settings as bot_settings
    from bot.settings import BY_NAME

    parser = argparse.ArgumentParser(prog="python -m retrieval.fit", description=__doc__)
    parser.add_argument(
        "--most", type=float, default=MOST_ANSWERED, help="share of the questions without an answer that may get one"
    )
    arguments = parser.parse_args(argv)
    settings = bot_settings.load()
    encoder = search_encoder(settings.encoder, settings.models, settings.english_encoder, threads=2)
    passages = demo_passages()
    side = side_of(passages, encoder)
    topics = {passage.id: passage.topic for passage in passages}
    questions = read_questions()
    asked = weigh(side, topics, questions, encoder)
    has = np.array([question.topic is not None for question in questions])
    out: dict[str, Any] = json.loads(FITTED.read_text(encoding="utf-8"))

    def passages_with(*, question: bool) -> dict[str, Any]:
        held = out_of_fold(asked, [each.topic for each in questions], Weights(), question=question)
        least = threshold(held[:, 0], has, arguments.most)
        made = replace(model(asked, Weights(), question=question), threshold=least)
        found = measured(held, has, least)
        print("with the question" if question else "any encoder", found, "threshold", least)
        return {**made.to_json(), "scales": [], "out_of_fold": found}

    out["with_question"][encoder.name] = passages_with(question=True)
    if settings.english_encoder == BY_NAME["english_encoder"].default:  # what all others start from
        out["any_encoder"] = passages_with(question=False)
        out["products"], out["products_out_of_fold"] = products(Search.open(settings.models / KIND, encoder))
        print("products", out["products_out_of_fold"], "threshold", out["products"]["threshold"])
    FITTED.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
    print(FITTED)
    return 0


def products(search: Search) -> tuple[dict[str, Any], dict[str, Any]]:
    """(weights of the product side, what they do out of fold), fitted on the wishes."""
    wishes = read_wishes()
    asked = weigh_wishes(search, wishes)
    has = np.array([bool(kinds) for _, kinds in wishes])
    held = out_of_fold(asked, [wish if kinds else None for wish, kinds in wishes], Weights(), question=False)
    least = threshold(held[:, 0], has, MOST_FOUND)
    fitted = model(asked, Weights(), question=False)
    # the threshold is put at one half, where diversity (`search.DIVERSITY`) has something to weigh
    made = replace(
        fitted, bias=fitted.bias - float(np.log(least / (1 - least))), threshold=0.5, agreed=AGREED, beside=BESIDE
    )
    return {**made.to_json(), "scales": []}, measured(held, has, least)


def demo_passages() -> list[Passage]:
    """The demo shop's help documents, its policies as they come."""
    from bot.database import policies
    from bot.database.demo_documents import document_rows

    defaults = policies.Policies({row.key: row.value for row in policies.DEFAULTS})
    rows = document_rows(defaults, datetime.now(UTC))
    documents = [Document(r["id"], r["language"], r["title"], r["body"], r["topic"], r["kind"], r["url"]) for r in rows]
    return [passage for document in documents for passage in cut(document)]


def side_of(passages: Sequence[Passage], encoder: Encoder) -> Hybrid:
    """The passages' hybrid as the shop's own build makes it."""
    rows: dict[str, Any] = {}
    for start in range(0, len(passages), 256):
        rows.update(passage_rows(passages[start : start + 256], encoder))
    titles = {passage.id: f"{passage.title} {passage.heading}" for passage in passages}
    topics = {passage.id: passage.topic for passage in passages}
    known = known_questions(encoder)
    return Hybrid(
        VectorIndex.built(list(rows), np.stack(list(rows.values())), gpu=False),
        LexicalIndex.built((passage.id, passage.searchable) for passage in passages),
        calibrated({}, rows, known, encoder.name).passages,
        lambda id: titles.get(id, ""),
        known,
        lambda id: topics.get(id, ""),
    )


def _kind(rows: Array, has: Array) -> Any:
    return LogisticRegression(C=3.0, max_iter=3000).fit(rows, has)


def _not_negative(rows: Array, truth: Any, strength: float) -> tuple[Array, float]:
    """Logistic regression; features that come out negative are left out and the rest fitted again."""
    kept = list(range(rows.shape[1]))
    while True:
        made = LogisticRegression(C=strength, max_iter=2000).fit(rows[:, kept], truth)
        if (made.coef_[0] >= 0).all() or len(kept) == 1:
            break
        kept = [feature for feature, weight in zip(kept, made.coef_[0], strict=True) if weight >= 0]
    weights = np.zeros(rows.shape[1])
    weights[kept] = np.maximum(made.coef_[0], 0)
    return weights, float(made.intercept_[0])


if __name__ == "__main__":
    sys.exit(main())
