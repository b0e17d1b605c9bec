"""The shop's dialogues in pairs: what a customer asked, and the delexicalised reply."""

import json
from dataclasses import dataclass
from pathlib import Path

from nlu_models.dataset import DatasetError

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Pair:
    """A question of the corpus with its delexicalised reply."""

    intent: str
    language: str
    question: str
    reply: str
    facts: tuple[str, ...]


def read_pairs(folder: Path) -> list[Pair]:
    """All `replies_*.jsonl` of a folder.

    Raises:
        DatasetError: a line without the needed keys.
        FileNotFoundError: no such files.
    """
    files = sorted(folder.glob("replies_*.jsonl"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no replies_*.jsonl")
    found = []
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
                found.append(
                    Pair(row["intent"], row["language"], row["question"], row["reply"], tuple(row.get("facts") or ()))
                )
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(path, number, "must be JSON with intent, language, question and reply") from error
    return found
