"""What actions work with, made once by `actions.wiring` and passed in; tests pass their own."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from actions.order_desk.outcomes import Assess
from actions.rasa_actions.gate import Gate
from bot.database.base import utc_now
from bot.database.engine import Sessions


class Search(Protocol):
    """`retrieval.search.Search`, as far as actions use it."""

    def products(
        self,
        text: str,
        *,
        language: str,
        filters: Any = None,
        previous: Any = None,
        limit: int = 5,
        suggest: bool = False,
    ) -> Any: ...

    def passages(self, text: str, *, language: str, limit: int = 3) -> list[Any]: ...

    def product_question(self, product_id: str, text: str, language: str) -> Any | None: ...

    def product(self, product_id: str) -> Any | None: ...

    def product_named(self, text: str, language: str) -> Any | None: ...


class Recommender(Protocol):
    """`actions.recommendation.recommender.Recommender`, as far as actions use it."""

    def recommend(
        self, *, customer_id: str | None, visitor_id: str | None, context: Any, limit: int, now: datetime
    ) -> list[Any]: ...


class Drafts(Protocol):
    def draft(
        self, *, text: str, intent: str, language: str, facts: Mapping[str, Any], passages: Sequence[Any]
    ) -> Mapping[str, Any] | None:
        """A checked wording from the nlu process, or None: then the passage itself is said."""


@dataclass(frozen=True)
class Services:
    sessions: Sessions  # writes; `begin()` commits
    readers: Sessions  # only reads, never waits for a writer
    search: Search
    recommender: Recommender
    assess: Assess
    drafts: Drafts
    threads: ThreadPoolExecutor
    clock: Callable[[], datetime] = field(default=utc_now)
    # Well below the turn's own limit; a hanging action becomes an apology and a person.
    budget_seconds: float = 8.0
    gate: Gate = field(default_factory=Gate)
