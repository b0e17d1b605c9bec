"""The models a running nlu process holds, and how newer ones take their place."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ensemble import artifact
from ensemble.artifact import ArtifactError
from nlu_models import intent, reply
from nlu_models.gazetteer import Gazetteer
from nlu_models.intent import Decision, IntentModel
from nlu_models.parse import Parser
from nlu_models.reply import ReplyWriter

log = logging.getLogger(__name__)

Names = Callable[[], Gazetteer]


class Models:
    """Each attribute is replaced as a whole, so a request sees one model from its beginning to its end."""

    def __init__(self, folder: Path, names: Names, *, threads: int = 1, device: str = "cpu") -> None:
        self.folder, self.names, self.threads, self.device = folder, names, threads, device
        self._refused: set[str] = set()
        self._alone = IntentModel.load(folder / intent.KIND, threads=threads, device=device)
        self.writer = self._load_writer()
        self.parser = Parser(with_gpt2(self._alone, self.writer, folder / reply.KIND), names())

    @classmethod
    def load(cls, folder: Path, names: Names, *, threads: int = 1, device: str = "auto") -> "Models":
        """Load what is in `folder` (the models folder of the home).

        Raises:
            ArtifactError: no intent model, or a damaged one. A missing reply model only means that nothing is worded.
        """
        return cls(folder, names, threads=threads, device="cuda" if device in ("cuda", "auto") and _cuda() else "cpu")

    def parse(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        return self.parser.parse(texts)

    def approved(self, answer: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any] | None:
        """The draft that goes with a parse: only for intents that need no facts, from what the shop approved."""
        if self.writer is None:
            return None
        language = answer["language"] or metadata.get("language") or "en"
        draft = self.writer.small_talk(answer["text"], answer["intent"]["name"], str(language))
        return None if draft is None else draft.to_json()

    def draft(self, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """A guarded reply worded from facts and passages, or None."""
        if self.writer is None:
            return None
        draft = self.writer.write(reply.request_from(wanted), self._alike)
        return None if draft is None else draft.to_json()

    def _alike(self, text: str, others: Sequence[str]) -> np.ndarray:
        """Likeness of sentences, 0 to 1: the pretrained cosine, of which E5 uses only the upper quarter."""
        encoder = self.parser.model.members.encoder
        encoded = encoder.encode([text, *others])
        vectors = encoder.pretrained(encoded, np.arange(len(others) + 1))
        return np.asarray(np.clip((vectors[1:] @ vectors[0] - 0.75) / 0.25, 0.0, 1.0))

    def warm(self) -> None:
        """Ask everything once before anybody waits: first runs allocate, compile and read from disk."""
        texts = ["where is my order?", "\u6211\u7684\u8ba2\u5355\u5230\u54ea\u91cc\u4e86"]
        self.parse(texts)
        self.parser.model.members.ask(texts)  # all of them: examples, and what is clear, are answered without most
        self._warm_drafts()

    def _warm_drafts(self) -> None:
        """A draft worded from facts (GPT-2 writes) and one out of a passage, in both languages."""
        for language, passage in (
            ("en", "You can send it back within 30 days."),
            ("zh", "\u7b7e\u6536\u540e\u4e09\u5341\u5929\u5185\u53ef\u4ee5\u9000\u8d27\u3002"),
        ):
            intents = [name for name, tongue in self.writer.by_intent if tongue == language] if self.writer else []
            for passages in ([], [{"text": passage, "url": ""}]):
                for name in intents[:1]:
                    wanted = {"text": passage, "intent": name, "language": language, "facts": {}, "passages": passages}
                    self.draft(wanted)

    def versions(self) -> dict[str, str]:
        found = {"intent": self.parser.model.version}
        return found if self.writer is None else {**found, "reply": self.writer.version}

    def refresh(self) -> list[str]:
        """Take up newer models or changed names; what happened, in words. A damaged model is refused once, by name."""
        done = []
        if self._is_newer(intent.KIND, self._alone.version):
            model = self._take_up(
                intent.KIND,
                lambda: IntentModel.load(self.folder / intent.KIND, threads=self.threads, device=self.device),
            )
            if model is not None:
                model.members.ask(["hello"])  # warm before anybody waits for it
                done.append(f"intent {self._alone.version} -> {model.version}")
                self._alone = model
        if self._is_newer(reply.KIND, self.writer.version if self.writer else ""):
            writer = self._take_up(reply.KIND, lambda: ReplyWriter.load(self.folder / reply.KIND))
            if writer is not None:
                done.append(f"reply -> {writer.version}")
                self.writer = writer
                self._warm_drafts()
        names = self.names()
        if done:
            model = with_gpt2(self._alone, self.writer, self.folder / reply.KIND)
            self.parser = _warmed(Parser(model, names))
        elif names is not self.parser.gazetteer:
            self.parser = _warmed(Parser(self.parser.model, names))
            done.append("names of the catalogue")
        return done

    def _is_newer(self, kind: str, version: str) -> bool:
        try:
            found = artifact.read_manifest(self.folder / kind, kind).version
        except ArtifactError:  # between two renames, or removed: the loaded one goes on
            return False
        return found != version and found not in self._refused

    def _take_up(self, kind: str, load: Callable[[], Any]) -> Any:
        try:
            return load()
        except ArtifactError as error:
            self._refused.add(artifact.read_manifest(self.folder / kind, kind).version)
            log.error("the new %s model is not taken up: %s", kind, error)
            return None

    def _load_writer(self) -> ReplyWriter | None:
        try:
            return ReplyWriter.load(self.folder / reply.KIND)
        except ArtifactError as error:
            log.warning("no replies are worded: %s", error)
            return None


def with_gpt2(model: IntentModel, writer: ReplyWriter | None, folder: Path) -> IntentModel:
    """The intent model with GPT-2 as a member, when the reply model was fitted to exactly this one."""
    if writer is None:
        return model
    try:
        fitted = artifact.load(folder, reply.KIND).json("decision.json")
    except ArtifactError:
        return model
    if fitted["decision"] is None or fitted["intent_version"] != model.version:
        return model
    labels = model.labels
    members = replace(model.members, gpt2=lambda texts: writer.opinions(texts, labels))
    return IntentModel(members, Decision.from_json(fitted["decision"]), model.version, model.seen)


def _cuda() -> bool:
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _warmed(parser: Parser) -> Parser:
    """With its indexes of names made (seconds, of 100,000 products) before anybody waits for them."""
    parser.parse(["where is my tent?"])
    return parser
