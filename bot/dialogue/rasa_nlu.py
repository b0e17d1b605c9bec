"""The graph component behind `rasa shell`, `rasa test` and every other Rasa tool: it asks the nlu process.

Turns of customers never come here: their parse is made before the turn and handed over (rasa_channel.py).
"""

import json
import os
import urllib.error
import urllib.request
from typing import Any, Dict, List, Text

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.training_data.message import Message

TIMEOUT_SECONDS = 10


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class KefuNLU(IntentClassifier, GraphComponent):
    """Ask `POST {url}/model/parse`; nothing is trained here, so nothing is stored in Rasa's model."""

    def __init__(self, config: Dict[Text, Any]) -> None:
        self.url = os.environ.get("KEFU_NLU_URL") or config["url"]

    @staticmethod
    def get_default_config() -> Dict[Text, Any]:
        return {"url": "http://127.0.0.1:8091"}

    @classmethod
    def create(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "KefuNLU":
        return cls(config)

    def process(self, messages: List[Message]) -> List[Message]:
        for message in messages:
            text = message.get("text") or ""
            if text.startswith("/"):
                continue  # a button payload: Rasa's own handler reads it
            for name, value in self._parse(text).items():
                if name in ("intent", "entities", "intent_ranking", "language", "in_scope"):
                    message.set(name, value, add_to_output=True)
        return messages

    def _parse(self, text: Text) -> Dict[Text, Any]:
        request = urllib.request.Request(
            self.url + "/model/parse",
            json.dumps({"text": text}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.URLError as error:
            raise ConnectionError(
                f"the nlu process does not answer at {self.url} ({error}); start it: kefu nlu"
            ) from error
