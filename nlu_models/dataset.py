"""Labelled texts: Rasa NLU YAML, CSV and JSONL in, `Example`s out; splits that keep near-duplicates together.

DatasetError      a file cannot be read as examples; the message names file, line and rule
"""

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nlu_models import language

OUT_OF_SCOPE = ("oos", "out_of_scope", "no_nodes_detected", "")  # labels that data sets give to texts of no intent
TEXT_COLUMNS = ("text", "sentence", "utterance", "query", "question")
LABEL_COLUMNS = ("label", "intent", "category", "class")
_ANNOTATION = re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\{[^}]*\})")
_ITEM = re.compile(r"^\s*-\s?(.*)$")


class DatasetError(Exception):
    """A file of examples is wrong; `path` and `line` say where."""

    def __init__(self, path: Path, line: int, rule: str) -> None:
        super().__init__(f"{path} line {line}: {rule}")
        self.path, self.line = path, line


@dataclass(frozen=True)
class Example:
    """One labelled text. Examples of the same `group` are variants of each other and stay in one split."""

    text: str
    label: str
    language: str | None = None
    group: str = ""
    source: str = ""


def read(path: Path) -> list[Example]:
    """Examples of a file, or of all files of a folder, by their endings: .yml/.yaml, .csv, .jsonl.

    Raises:
        DatasetError: unreadable content.
        FileNotFoundError: no such path, or a folder without examples.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in READERS)
        examples = [example for file in files for example in read(file)]
        if not examples:
            raise FileNotFoundError(f"{path} holds no examples ({', '.join(READERS)})")
        return examples
    if path.suffix not in READERS:
        raise DatasetError(path, 0, f"unknown ending; known: {', '.join(READERS)}")
    return READERS[path.suffix](path)


def _read_yaml(path: Path) -> list[Example]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 1 if getattr(error, "problem_mark", None) else 0  # type: ignore[attr-defined]
        raise DatasetError(path, line, "is no YAML") from error
    found = []
    for entry in content.get("nlu") or []:
        if "intent" not in entry:
            continue  # synonyms, lookup tables, regular expressions
        for item in str(entry.get("examples") or "").splitlines():
            if (match := _ITEM.match(item)) and (text := _plain(match.group(1))):
                found.append(_example(text, str(entry["intent"]), path))
    return found


def _read_csv(path: Path) -> list[Example]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        names = {name.strip().lower(): name for name in rows.fieldnames or []}
        text = next((names[name] for name in TEXT_COLUMNS if name in names), None)
        label = next((names[name] for name in LABEL_COLUMNS if name in names), None)
        if text is None or label is None:
            raise DatasetError(path, 1, f"needs a column text and a column label (or intent), has {rows.fieldnames}")
        found = []
        for row in rows:
            if row[text] is None or row[label] is None:
                raise DatasetError(path, rows.line_num, "has fewer values than columns")
            if row[text].strip():
                given = row.get(names.get("language", ""), None)
                found.append(_example(row[text].strip(), row[label].strip(), path, given or None))
        return found


def _read_jsonl(path: Path) -> list[Example]:
    found = []
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                data: dict[str, Any] = json.loads(line)
                text, label = str(data["text"]), str(data["label"] if "label" in data else data["intent"])
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(path, number, "must be a JSON object with text and label (or intent)") from error
            found.append(_example(text.strip(), label, path, data.get("language"), str(data.get("group") or "")))
    return found


READERS = {".yml": _read_yaml, ".yaml": _read_yaml, ".csv": _read_csv, ".jsonl": _read_jsonl}


def _example(text: str, label: str, path: Path, given: str | None = None, group: str = "") -> Example:
    return Example(text, label, given or language.detect(text), group, path.name)


def _plain(text: str) -> str:
    """An example without Rasa's entity marks: `[K-1](order_number)` -> `K-1`."""
    return _ANNOTATION.sub(r"\1", text).strip()


LONG_NUMBER = re.compile(r"\d{4,}")
DIGITS = "123456789"


def normalise(text: str) -> str:
    """What counts as the same text: NFKC, lower case, digits alike, single spaces, no closing punctuation."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    return re.sub(r"\s+", " ", re.sub(r"\d", "0", folded)).strip(" .!?,;:~\u3002\uff01\uff1f")


def numbers_alike(text: str) -> str:
    """Long numbers (orders, postcodes, telephones) all the same, length kept: their digits say nothing of the intent.

    BERT cuts each number into other pieces, and with one order in thirty that changed what it understood.
    """
    return LONG_NUMBER.sub(lambda found: (DIGITS * (len(found.group()) // len(DIGITS) + 1))[: len(found.group())], text)


def group_near_duplicates(examples: Sequence[Example], *, likeness: float = 0.8) -> list[Example]:
    """The same examples with `group` filled: texts whose character trigrams overlap (cosine >= likeness) share one.

    Chains are joined, so a group is a connected component. Given groups are kept and joined too.
    """
    from scipy.sparse.csgraph import connected_components
    from sklearn.feature_extraction.text import HashingVectorizer

    if not examples:
        return []
    vectorizer = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 3), n_features=2**18, alternate_sign=False)
    rows = vectorizer.transform([normalise(example.text) or " " for example in examples])
    alike = (rows @ rows.T).tocsr()
    alike.data[alike.data < likeness] = 0
    alike.eliminate_zeros()
    given: dict[str, int] = {}
    first = [given.setdefault(example.group, row) if example.group else row for row, example in enumerate(examples)]
    links = alike.tocoo()
    joined = _links(links.row, links.col, first, len(examples))
    _, parts = connected_components(joined, directed=False)
    return [replace(example, group=f"g{part}") for example, part in zip(examples, parts, strict=True)]


def _links(rows: Any, columns: Any, first: Sequence[int], count: int) -> Any:
    from scipy.sparse import coo_matrix

    start = np.concatenate([rows, np.arange(count)])
    end = np.concatenate([columns, np.asarray(first)])
    return coo_matrix((np.ones(len(start)), (start, end)), shape=(count, count))


def split(
    examples: Sequence[Example], share: float, *, seed: int = 0, shares: Mapping[str, float] | None = None
) -> tuple[list[Example], list[Example]]:
    """(rest, held out): about `share` of every label (or its own of `shares`) is held out, whole groups at a time.

    A label with a single group stays in the rest: it could be learnt from nothing otherwise. Examples without a group
    are groups of their own.

    Raises:
        ValueError: share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share {share} must lie between 0 and 1")
    rng = np.random.default_rng(seed)
    held: set[str] = set()
    labels: dict[str, dict[str, int]] = {}  # label -> group -> examples
    groups: dict[str, dict[str, int]] = {}  # group -> label -> examples
    for row, example in enumerate(examples):
        group = example.group or f"row{row}"
        for table, key, inner in ((labels, example.label, group), (groups, group, example.label)):
            counts = table.setdefault(key, {})
            counts[inner] = counts.get(inner, 0) + 1
    wanted = {label: (shares or {}).get(label, share) * sum(counts.values()) for label, counts in labels.items()}
    free = {label: len(counts) - 1 for label, counts in labels.items()}
    for label in sorted(labels):
        names = sorted(labels[label])
        rng.shuffle(names)
        for name in names:
            # a group of near-duplicates may reach over several labels; none of them may give more than its share
            inside = groups[name]
            fits = all(free[each] > 0 and count <= wanted[each] + 0.5 for each, count in inside.items())
            if name not in held and fits:
                held.add(name)
                for each, count in inside.items():
                    wanted[each], free[each] = wanted[each] - count, free[each] - 1
    out = [example for row, example in enumerate(examples) if (example.group or f"row{row}") in held]
    rest = [example for row, example in enumerate(examples) if (example.group or f"row{row}") not in held]
    return rest, out


def labels_of(examples: Iterable[Example]) -> list[str]:
    return sorted({example.label for example in examples})
