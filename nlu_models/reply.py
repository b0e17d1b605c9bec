"""ReplyWriter: (what the customer wrote, intent, facts, passages) -> a reply that states only facts.

Three kinds of candidates compete: sentences the shop approved, sentences our GPT-2 words, and sentences of the passages
found. Values never pass through GPT-2: it writes placeholders, which are filled from the facts afterwards. Every
candidate goes through the guard; those left are ranked by BERT similarity, GPT-2 likelihood and evidence overlap.
"""

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from ensemble import artifact
from ensemble.combine import Scores
from nlu_models import claims, guard, lm
from nlu_models.frames import LOADED
from nlu_models.guard import Evidence, Objection
from nlu_models.vocabulary import END, PLACEHOLDER, Vocabulary

KIND = "reply"
# intents a parse brings an approved draft for: they need no facts
DRAFT_FOR = frozenset({"greet", "thanks", "goodbye", "chitchat", "bot_challenge", "complaint", "help", "out_of_scope"})
WEIGHTS = {"similarity": 0.5, "likelihood": 0.2, "evidence": 0.3}
FLUENT = float(np.log(0.5))  # mean log-probability a token; below it a small model strings words together
ENOUGH = 0.35  # score below which no draft is better than a bad one

Similarity = Callable[[str, Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Approved:
    """A delexicalised reply the shop approved, and the question it was written for."""

    intent: str
    language: str
    question: str
    reply: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class DraftRequest:
    """`facts` name -> value; `passages` (text, url or "")."""

    text: str
    intent: str
    language: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    passages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ReplyDraft:
    """A reply ready to be sent. `source` is written, passage or template; `refused_because`: what the guard stopped."""

    text: str
    source: str
    score: float
    facts_used: tuple[str, ...] = ()
    refused_because: tuple[Mapping[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Candidate:
    source: str
    pattern: str  # with placeholders
    text: str  # filled
    tokens: tuple[int, ...]  # of the pattern, as GPT-2 reads it


class ReplyWriter:
    """A language model, its vocabulary and the approved replies; loaded once, replaced as a whole."""

    def __init__(self, model: lm.CausalLm, vocabulary: Vocabulary, approved: Sequence[Approved], version: str) -> None:
        self.lm, self.vocabulary, self.version = model, vocabulary, version
        self.by_intent: dict[tuple[str, str], list[Approved]] = {}
        for each in approved:
            self.by_intent.setdefault((each.intent, each.language), []).append(each)
        self.words = {key: _words(replies) for key, replies in self.by_intent.items()}
        self.factless = {
            key: tuple((_grams(each.question), each.reply) for each in replies if not each.facts)
            for key, replies in self.by_intent.items()
            if key[0] in DRAFT_FOR
        }
        self._intents = [(name, vocabulary.number(f"<intent:{name}>")) for name in vocabulary.intents]
        self._placeholders = {
            name: vocabulary.number(f"{{{name}}}")
            for name in {fact for each in approved for fact in each.facts}
            if vocabulary.knows(f"{{{name}}}")
        }
        self._never = [number for token, number in vocabulary.tokenizer.get_vocab().items() if _control(token)]

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu") -> "ReplyWriter":
        """Verify and load.

        Raises:
            ArtifactError: missing or damaged.
        """
        stored = artifact.load(folder, KIND)
        tokenizer = Tokenizer.from_file(str(stored.path("gpt2/tokenizer.json")))
        approved = [Approved(**{**row, "facts": tuple(row["facts"])}) for row in stored.json("approved.json")]
        model = lm.load(stored.path("gpt2/config.json").parent, device=device)
        return cls(model, Vocabulary(tokenizer), approved, stored.manifest.version)

    def opinions(self, texts: Sequence[str], labels: Sequence[str]) -> tuple[Scores, np.ndarray]:
        """(probabilities (texts, labels), mean log-probability a token of each text) from one pass a text.

        Labels without a token (the model was trained before they existed) are NaN for every text.
        """
        number = dict(self._intents)
        known = [column for column, label in enumerate(labels) if label in number]
        chances, likelihood = np.full((len(texts), len(labels)), np.nan), np.full(len(texts), np.nan)
        for row, text in enumerate(texts):
            asked = self.vocabulary.question(text)
            logits, _ = self.lm.read(asked)
            last = logits[-1][[number[labels[column]] for column in known]]
            chances[row, known] = np.exp(lm.log_softmax(last))
            if len(asked) > 1:
                likelihood[row] = lm.log_probability(logits[:-1], asked[1:])
        return chances, likelihood

    def small_talk(self, text: str, intent: str, language: str) -> ReplyDraft | None:
        """An approved reply for an intent that needs no facts; the one whose question is most alike."""
        fitting = self.factless.get((intent, language))
        if not fitting:
            return None
        words = _grams(text)
        _, reply = max((_overlap(words, question), reply) for question, reply in fitting)
        return ReplyDraft(reply, "template", 1.0)

    def write(
        self, request: DraftRequest, similarity: Similarity, *, samples: int = 3, seed: int = 0
    ) -> ReplyDraft | None:
        """The best candidate that the guard lets through, or None."""
        templates = self._templates(request)
        evidence = Evidence(request.facts, [text for text, _ in request.passages])
        approved = [_fill(each.reply, request.facts) for each in templates]
        candidates = [self._candidate("template", each.reply, request) for each in templates]
        candidates += self.written(request, samples, seed)
        candidates += self._sentences(request)
        words = self.words.get((request.intent, request.language), frozenset())
        let_through, refused = [], []
        for candidate in {each.text: each for each in reversed(candidates)}.values():
            sentences = approved if candidate.source != "passage" else [candidate.text]
            objections = guard.check(candidate.text, evidence, approved=_pieces(sentences), words=words)
            if objections:
                refused.append(_refusal(candidate, objections[0]))
            elif candidate.text:
                let_through.append(candidate)
        if not let_through:
            return None
        scores = self._scores(request, let_through, similarity)
        best = int(np.argmax(scores))
        if scores[best] < ENOUGH:
            return None
        chosen = let_through[best]
        used = tuple(sorted({name for name in PLACEHOLDER.findall(chosen.pattern) if name in request.facts}))
        return ReplyDraft(chosen.text, chosen.source, float(scores[best]), used, tuple(refused))

    def _templates(self, request: DraftRequest, most: int = 4) -> list[Approved]:
        """Approved replies that need no more facts than there are; those that use most of them first."""
        facts = set(request.facts)
        fitting = [
            each
            for each in self.by_intent.get((request.intent, request.language), [])
            if set(PLACEHOLDER.findall(each.reply)) <= facts and set(each.facts) <= facts
        ]
        words = _grams(request.text)
        fitting.sort(key=lambda each: (-len(each.facts), -_overlap(words, _grams(each.question)), each.reply))
        return list({each.reply: each for each in fitting[: 4 * most]}.values())[:most]

    def written(
        self, request: DraftRequest, samples: int = 3, seed: int = 0, *, least: float = FLUENT
    ) -> list[Candidate]:
        """What GPT-2 writes, not yet guarded; only replies that end, that it is sure of, and that name a fact once.

        Args:
            least: mean log-probability a token that counts as sure.
        """
        if not self.vocabulary.knows(f"<intent:{request.intent}>") or request.passages:
            return []  # a small model cannot word a passage it has never seen; its sentences stand for themselves
        prompt = self.vocabulary.prompt(request.text, request.intent, request.language, request.facts)
        if len(prompt) + 64 > self.lm.context:
            return []
        logits, state = self.lm.read(prompt)
        rng = np.random.default_rng(seed)
        forbidden = [*self._never, *(n for name, n in self._placeholders.items() if name not in request.facts)]
        end = self.vocabulary.number(END)
        forbidden = [number for number in forbidden if number != end]
        found = []
        for sample in range(samples):
            tokens, sureness, ended = lm.generate(
                self.lm, logits[-1], state, end=end, forbidden=forbidden, temperature=0.7 if sample else 0.0, rng=rng
            )
            pattern = self.vocabulary.text(tokens)
            named = PLACEHOLDER.findall(pattern)
            if ended and tokens and sureness >= least and len(named) == len(set(named)):
                found.append(self._candidate("written", pattern, request))
        return found

    def _sentences(self, request: DraftRequest, most: int = 12) -> list[Candidate]:
        # a question that a document puts itself is the nearest to the customer's, and answers nothing
        pieces = [
            piece for text, _ in request.passages for piece in sentences_of(text) if not piece.endswith(("?", "？"))
        ]
        return [self._candidate("passage", piece, request) for piece in pieces[:most]]

    def _candidate(self, source: str, pattern: str, request: DraftRequest) -> Candidate:
        return Candidate(source, pattern, _fill(pattern, request.facts), tuple(self.vocabulary.reply(pattern)))

    def _scores(self, request: DraftRequest, candidates: Sequence[Candidate], similarity: Similarity) -> np.ndarray:
        alike = np.asarray(similarity(request.text, [each.text for each in candidates]), dtype=float)
        likely = np.array([self._likelihood(request, each) for each in candidates])
        backed = np.array([_evidence(request, each) for each in candidates])
        return WEIGHTS["similarity"] * alike + WEIGHTS["likelihood"] * likely + WEIGHTS["evidence"] * backed

    def _likelihood(self, request: DraftRequest, candidate: Candidate) -> float:
        """Geometric mean probability a token, given the prompt: 0..1; 0 when there is no token for the intent."""
        if not self.vocabulary.knows(f"<intent:{request.intent}>"):
            return 0.0
        prompt = self.vocabulary.prompt(request.text, request.intent, request.language, request.facts)
        said = list(candidate.tokens)[: max(0, self.lm.context - len(prompt) - 1)]
        if not said:
            return 0.0
        logits, _ = self.lm.read([*prompt, *said[:-1]])
        return float(np.exp(lm.log_probability(logits[len(prompt) - 1 :], said)))


def request_from(body: Mapping[str, Any]) -> DraftRequest:
    """From the checked JSON of `/draft`."""
    passages = tuple((str(each.get("text") or ""), str(each.get("url") or "")) for each in body["passages"])
    return DraftRequest(body["text"], body["intent"], body["language"], body["facts"], passages)


def sentences_of(text: str) -> list[str]:
    """Sentences of a passage, Markdown marks taken off; headings and crumbs left out."""
    plain = re.sub(r"^\s*(?:[#>*-]+|\d+\.)\s+", "", text, flags=re.MULTILINE).replace("**", "")
    parts = re.split(r"(?<=[.!?])\s+(?=[A-Z\u4e00-\u9fff])|(?<=[\u3002\uff01\uff1f])|\n+", plain)
    return [part.strip() for part in parts if len(part.strip()) >= 8]


def _fill(pattern: str, facts: Mapping[str, Any]) -> str:
    return PLACEHOLDER.sub(lambda match: str(facts.get(match.group(1), match.group())), pattern).strip()


def _pieces(replies: Sequence[str]) -> list[str]:
    """Whole replies and their sentences."""
    cut = (piece for reply in replies for piece in re.split(r"(?<=[.!?\u3002\uff01\uff1f])\s*", reply))
    return [piece for piece in (*replies, *cut) if piece]


def _words(replies: Sequence[Approved]) -> frozenset[str]:
    """What drafts of an intent may say in other order, but for the words that a policy turns on."""
    return frozenset().union(*(claims.terms(PLACEHOLDER.sub(" ", each.reply)) for each in replies)) - LOADED


def _refusal(candidate: Candidate, objection: Objection) -> Mapping[str, str]:
    return {"text": candidate.text, "source": candidate.source, "code": objection.code, "said": objection.said}


def _evidence(request: DraftRequest, candidate: Candidate) -> float:
    """Share of the given facts the candidate uses; for a passage, how much of the question's wording it takes up."""
    if candidate.source == "passage" or not request.facts:
        return _overlap(_grams(request.text), _grams(candidate.text))
    return len(set(PLACEHOLDER.findall(candidate.pattern)) & set(request.facts)) / len(request.facts)


def _grams(text: str) -> frozenset[str]:
    """Words, and pairs of Han characters."""
    low = text.lower()
    han = re.findall(r"[\u3400-\u9fff]", low)
    return frozenset(re.findall(r"[a-z0-9']{2,}", low)) | frozenset(map("".join, itertools.pairwise(han)))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / math.sqrt(len(one) * len(other)) if one and other else 0.0


def _control(token: str) -> bool:
    return token.startswith("<") and token.endswith(">") and len(token) > 2
