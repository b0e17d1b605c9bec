"""The action server: `python -m actions.wiring`. Reads settings, opens what actions need, serves on loopback."""

import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from actions.rasa_actions.catalog import all_actions
from actions.rasa_actions.drafts import NluDrafts
from actions.rasa_actions.server import PortTaken, serve
from actions.rasa_actions.services import Services
from actions.recommendation.recommender import Recommender
from actions.risk.assessor import Assessor
from bot import settings as bot_settings
from bot.database.engine import open_engine, open_readers, open_sessions
from bot.settings import Settings
from ensemble.artifact import ArtifactError
from nlu_models.encoders import open_encoder
from retrieval.search import Search

THREADS = 16
Loaded = TypeVar("Loaded")


class NotPrepared(Exception):
    """A model or index is missing or damaged; the message names the command that makes it."""


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = bot_settings.load()
        services = wire(settings)
        serve(all_actions(services), int(settings.actions_port))
    except (bot_settings.SettingError, NotPrepared, PortTaken) as error:
        print(f"actions: {error}", file=sys.stderr)
        return 1
    return 0


def wire(settings: Settings) -> Services:
    """Everything actions work with.

    Raises:
        NotPrepared: an index or a model cannot be loaded.
    """
    engine = open_engine(str(settings.database_url), pool_size=THREADS)
    models = settings.models
    encoder = loaded("python -m nlu_models.encoders prepare", open_encoder, models / "encoder")
    search = loaded("python -m retrieval.build", Search.open, models / "index", encoder)
    recommender = loaded("python -m actions.recommendation.train", Recommender.load, models / "recommendation")
    assessor = loaded("python -m actions.risk.train", Assessor.load, models / "risk")
    return Services(
        sessions=open_sessions(engine),
        readers=open_readers(engine),
        search=search,
        recommender=recommender,
        assess=assessor.assess,
        drafts=NluDrafts(settings.nlu_url),
        threads=ThreadPoolExecutor(THREADS, thread_name_prefix="action"),
    )


def loaded(command: str, load: Callable[..., Loaded], folder: Path, *more: Any) -> Loaded:
    """Load, or say which command makes what is missing."""
    try:
        return load(folder, *more)
    except (ArtifactError, FileNotFoundError) as error:
        raise NotPrepared(f"{error}; make it with `{command}`") from error


if __name__ == "__main__":
    sys.exit(main())
