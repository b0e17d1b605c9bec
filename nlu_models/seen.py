"""Messages that were written before: word for word an example, so its label needs no model.

The first stage of the cascade. "Hello" and "thanks" are a large share of what customers write, and an owner who adds an
example expects exactly that sentence to be understood.
"""

from collections.abc import Iterable, Mapping

from nlu_models.dataset import Example

_EDGES = " \t.,!?;:~\u2026\u3002\uff0c\uff01\uff1f\uff1b\uff1a\u3001"  # what people end a sentence with, or forget


class Seen:
    """Folded text -> label, for texts that are examples of one intent only."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)

    def __len__(self) -> int:
        return len(self._labels)

    @classmethod
    def of(cls, examples: Iterable[Example]) -> "Seen":
        found: dict[str, set[str]] = {}
        for example in examples:
            found.setdefault(folded(example.text), set()).add(example.label)
        return cls({text: next(iter(labels)) for text, labels in found.items() if text and len(labels) == 1})

    def label(self, text: str) -> str | None:
        """The intent this text is an example of; None when it is none, or one of several."""
        return self._labels.get(folded(text))

    def to_json(self) -> dict[str, str]:
        return self._labels


def folded(text: str) -> str:
    """Case, spaces and the marks at the ends say nothing of the intent."""
    return " ".join(text.casefold().split()).strip(_EDGES)
