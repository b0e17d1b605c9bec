"""The action server: `python -m actions.wiring`. Reads settings, opens what actions need, serves on loopback."""

import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from actions.rasa_actions.catalog import all_actions
from actions.rasa_actions.drafts import NluDrafts
from actions.rasa_actions.server import PortTaken, serve
from actions.rasa_actions.services import Services
from actions.recommendation.bandit import Bandit
from actions.recommendation.campaign_source import Rewards
from actions.recommendation.online import OnlineLearning
from actions.recommendation.recommender import Recommender
from actions.recommendation.shop_source import FreshEvents, LiveShop
from actions.recommendation.train import text_rows
from actions.risk.assessor import Assessor
from bot import settings as bot_settings
from bot.database.engine import Sessions, open_engine, open_readers, open_sessions
from bot.settings import Settings
from ensemble.artifact import ArtifactError
from retrieval.encoder import EncoderError, search_encoder
from retrieval.lexicon import COLORS
from retrieval.live import Follower
from retrieval.same_words import SameWordsError, of_home
from retrieval.search import Search
from retrieval.shop_source import ShopChanges

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
    readers = open_readers(engine)
    models = settings.models
    names = settings.encoder, models, settings.english_encoder
    encoder = loaded("python -m nlu_models.encoders prepare", search_encoder, *names)
    search = loaded("kefu index", Search.open, models / "index", encoder)
    try:
        search.same_words = of_home(Path(settings.home))
    except SameWordsError as error:
        raise NotPrepared(str(error)) from error
    recommender = loaded(
        "kefu train recommend",
        Recommender.load,
        models / "recommendation",
        LiveShop(readers),
        lambda ids: text_rows(search.product_side.dense, ids),
    )
    recommender.diversity = float(settings.recommend_spread)
    recommender.bandit = Bandit() if settings.recommend_bandit else None
    recommender.color_families = {word: color for color, words in COLORS.items() for word in words}
    assessor = Assessor.load(models / "risk")
    if not assessor.ready:
        raise NotPrepared(f"{assessor.problem}; make it with `kefu train risk`")
    follow(search, readers)
    OnlineLearning(recommender, FreshEvents(readers), models / "recommendation", rewards=Rewards(readers).look).start()
    return Services(
        sessions=open_sessions(engine),
        readers=readers,
        search=search,
        recommender=recommender,
        assess=assessor.assess,
        drafts=NluDrafts(settings.nlu_url),
        threads=ThreadPoolExecutor(THREADS, thread_name_prefix="action"),
    )


def follow(search: Search, readers: Sessions) -> None:
    """Let the index follow the shop; what changed since it was built is caught up with first.

    Raises:
        NotPrepared: the database cannot be read.
    """
    source = ShopChanges(readers)
    try:
        source.start()
    except SQLAlchemyError as error:
        raise NotPrepared(
            f"the database cannot be read ({type(error).__name__}); make it with `kefu migrate`"
        ) from error
    Follower(search, source).start()


def loaded(command: str, load: Callable[..., Loaded], *place: Any) -> Loaded:
    """Load, or say which command makes what is missing."""
    try:
        return load(*place)
    except (ArtifactError, EncoderError, FileNotFoundError) as error:
        raise NotPrepared(f"{error}; make it with `{command}`") from error
    except (KeyError, TypeError) as error:  # whole and undamaged, but its fields are not those this code reads
        raise NotPrepared(f"{place[0]} was made by another version; make it again with `{command} --force`") from error


if __name__ == "__main__":
    sys.exit(main())
