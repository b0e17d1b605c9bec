"""Reply-training pairs from hand-written parts: `python -m nlu_models.corpus.compose` writes replies_{en,zh}.jsonl.

A line is {intent, case, language, question, reply, facts}. Questions are the NLU examples of the intent, values
taken out; `facts` are the names of what the shop knows in that case, a superset of the placeholders of the reply.
"""

import json
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "bot" / "dialogue" / "data" / "nlu"
PAIRS_PER_CASE = {"en": 56, "zh": 30}
CHINESE = re.compile(r"[一-鿿]")
VALUES = (
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.]*\w"), "{email}"),
    (re.compile(r"(?:#\s?)?(?<![A-Za-z])[Kk][-\s]?\d{5,6}"), "{order_number}"),
    (re.compile(r"(?<![A-Za-z])[Rr]-?\d{5}"), "{return_number}"),
)


@dataclass(frozen=True)
class Pair:
    intent: str
    case: str
    language: str
    question: str
    reply: str
    facts: tuple[str, ...]


def delexicalised(text: str) -> str:
    """The text with order numbers, return numbers and e-mail addresses replaced by their placeholder."""
    for pattern, placeholder in VALUES:
        text = pattern.sub(placeholder, text)
    return text


def questions(folder: Path, intent: str, language: str) -> list[str]:
    """The intent's NLU examples in one language, without values; Chinese is what holds a Chinese character."""
    blocks = yaml.safe_load((folder / f"{intent}.yml").read_text(encoding="utf-8"))["nlu"]
    lines = [line[2:] for block in blocks for line in block["examples"].splitlines() if line.startswith("- ")]
    return [delexicalised(line) for line in lines if bool(CHINESE.search(line)) == (language == "zh")]


def compose(parts: dict[str, Any], folder: Path, seed: int = 7) -> Iterator[Pair]:
    """Distinct (question, reply) pairs of every case; the same seed and parts give the same pairs in the same order."""
    language = parts["language"]
    chance = random.Random(f"{seed} {language}")
    for case in parts["cases"]:
        asked = case.get("questions") or questions(folder, case["intent"], language)
        seen: set[tuple[str, str]] = set()
        for _ in range(PAIRS_PER_CASE[language] * 4):
            if len(seen) == PAIRS_PER_CASE[language]:
                break
            pieces = (
                chance.choice(parts["openings"][case["open"]]),
                chance.choice(case["core"]),
                chance.choice(parts["closings"][case["close"]]),
            )
            reply = joined(pieces, language)
            pair = (chance.choice(asked), reply)
            if pair not in seen:
                seen.add(pair)
                yield Pair(case["intent"], case["case"], language, *pair, tuple(case["facts"]))


def joined(pieces: tuple[str, ...], language: str) -> str:
    """One text; a space between English sentences, none between Chinese ones."""
    return ("" if language == "zh" else " ").join(piece for piece in pieces if piece)


def main() -> int:
    for language in PAIRS_PER_CASE:
        parts = yaml.safe_load((HERE / f"parts_{language}.yml").read_text(encoding="utf-8"))
        pairs = list(compose(parts, EXAMPLES))
        file = HERE / f"replies_{language}.jsonl"
        lines = (json.dumps(asdict(pair), ensure_ascii=False) for pair in pairs)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{file.name}: {len(pairs)} pairs of {len(parts['cases'])} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
