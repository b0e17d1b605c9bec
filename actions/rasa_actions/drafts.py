"""Asking the nlu process to word an answer. A draft is a luxury: slow or failing, the passage itself is said."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.9


class NluDrafts:
    """`POST /draft` of the nlu process."""

    def __init__(self, url: str, client: httpx.Client | None = None) -> None:
        self.url = url
        self.client = client or httpx.Client(timeout=PATIENCE_SECONDS)

    def draft(
        self, *, text: str, intent: str, language: str, facts: Mapping[str, Any], passages: Sequence[Any]
    ) -> Mapping[str, Any] | None:
        body = {
            "text": text,
            "intent": intent,
            "language": language,
            "facts": dict(facts),
            "passages": [{"id": each.id, "text": each.text, "url": each.url, "title": each.title} for each in passages],
        }
        try:
            answer = self.client.post(f"{self.url}/draft", json=body)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.warning("no draft: %s", type(error).__name__)
            return None
        draft = answer.json().get("draft")
        return draft if draft and draft.get("text") else None
