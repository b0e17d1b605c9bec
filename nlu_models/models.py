"""The models a running nlu process holds, and how newer ones take their place."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ensemble import artifact
from ensemble.artifact import ArtifactError
from nlu_models import intent
from nlu_models.gazetteer import Gazetteer
from nlu_models.intent import IntentModel
from nlu_models.parse import Parser

log = logging.getLogger(__name__)

Names = Callable[[], Gazetteer]


class Models:
    """Each attribute is replaced as a whole, so a request sees one model from its beginning to its end."""

    def __init__(self, folder: Path, names: Names, model: IntentModel, *, threads: int, device: str) -> None:
        self.folder, self.names, self.threads, self.device = folder, names, threads, device
        self.parser = Parser(model, names())
        self._refused: set[str] = set()

    @classmethod
    def load(cls, folder: Path, names: Names, *, threads: int = 1, device: str = "auto") -> "Models":
        """Load what is in `folder` (the models folder of the home).

        Raises:
            ArtifactError: no intent model, or a damaged one.
        """
        device = "cuda" if device in ("cuda", "auto") and _cuda() else "cpu"
        model = IntentModel.load(folder / intent.KIND, threads=threads, device=device)
        return cls(folder, names, model, threads=threads, device=device)

    def parse(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        return self.parser.parse(texts)

    def approved(self, answer: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any] | None:
        """The draft that goes with a parse: only for intents that need no facts."""
        return None

    def draft(self, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """A guarded reply worded from facts and passages, or None."""
        return None

    def versions(self) -> dict[str, str]:
        return {"intent": self.parser.model.version}

    def refresh(self) -> list[str]:
        """Take up a newer model or changed names; what happened, in words. A damaged model is refused once, by name."""
        done = []
        if (model := self._newer()) is not None:
            done.append(f"intent {self.parser.model.version} -> {model.version}")
            model.predict(["hello"])  # warm before anybody waits for it
            self.parser = Parser(model, self.parser.gazetteer)
        names = self.names()
        if names is not self.parser.gazetteer:
            self.parser = Parser(self.parser.model, names)
            done.append("names of the catalogue")
        return done

    def _newer(self) -> IntentModel | None:
        folder = self.folder / intent.KIND
        try:
            version = artifact.read_manifest(folder, intent.KIND).version
        except ArtifactError:  # between two renames, or removed: the loaded one goes on
            return None
        if version == self.parser.model.version or version in self._refused:
            return None
        try:
            return IntentModel.load(folder, threads=self.threads, device=self.device)
        except ArtifactError as error:
            self._refused.add(version)
            log.error("the new intent model is not taken up: %s", error)
            return None


def _cuda() -> bool:
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()
