"""What keeps the recommender current between trainings: new events are counted, a newer model is taken up.

Each customer's own history is read when they are asked about, so a click or a "not for me" works in the next answer;
this follower adds what many customers do (popularity) and swaps in what `kefu learn` has trained.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from actions.recommendation.bandit import Outcome
from actions.recommendation.interactions import KIND_WEIGHTS, Event
from actions.recommendation.members import Popularity, ShelfPopularity
from actions.recommendation.model import KIND, Model
from actions.recommendation.recommender import Recommender
from ensemble import artifact
from ensemble.artifact import ArtifactError

LOOK_SECONDS = 10.0

log = logging.getLogger(__name__)


class NewEvents(Protocol):
    """Events since it was asked last."""

    def look(self) -> Iterable[Event]: ...


def fold_in(model: Model, events: Iterable[Event]) -> int:
    """Count new events in the members that can learn one at a time; how many counted."""
    light = [member for member in model.members if isinstance(member, Popularity | ShelfPopularity)]
    counted = 0
    for event in events:
        number, weight = model.number.get(event.product), KIND_WEIGHTS.get(event.kind)
        if number is None or weight is None:
            continue
        for member in light:
            member.update(number, weight, event.at)
        counted += 1
    return counted


class OnlineLearning:
    """A thread beside the recommender; survives a database or a folder that is away for a while."""

    def __init__(
        self,
        recommender: Recommender,
        events: NewEvents,
        folder: Path,
        *,
        look_seconds: float = LOOK_SECONDS,
        load: Callable[[Path], Model] = Model.load,
        rewards: Callable[[], Iterable[Outcome]] = tuple,
    ) -> None:
        self._recommender = recommender
        self._events = events
        self._folder = folder
        self._look_seconds = look_seconds
        self._load = load
        self._rewards = rewards
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recommender-online", daemon=True)

    def start(self) -> "OnlineLearning":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def step(self) -> None:
        """Take up a newer model if there is one, then count what is new."""
        try:
            newest = artifact.read_manifest(self._folder, KIND).version
            if newest != self._recommender.model.version:
                self._recommender.swap(self._load(self._folder))
                log.info("recommender %s is live", newest)
        except ArtifactError:
            log.warning("the recommender in %s cannot be read; the one in memory goes on", self._folder)
        fold_in(self._recommender.model, self._events.look())
        if self._recommender.bandit is not None:
            self._recommender.bandit.update(self._rewards())

    def _run(self) -> None:
        while not self._stopped.wait(self._look_seconds):
            try:
                self.step()
            except Exception:  # the loop must survive a database that is away
                log.exception("following new behaviour failed; trying again")
