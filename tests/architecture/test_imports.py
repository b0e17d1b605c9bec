"""The arrows of the house: which package may import which, and the one home of each library."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.settings import PROJECT

OURS = ("bot", "actions", "nlu_models", "retrieval", "ensemble", "tests")

# The longest prefix of a module's name decides. A module may always import its own package.
ARROWS: dict[str, tuple[str, ...]] = {
    "ensemble": (),
    "nlu_models": ("ensemble",),
    "nlu_models.server": ("ensemble", "bot.settings", "bot.database", "bot.ready", "retrieval.same_words"),
    "nlu_models.train": ("ensemble", "bot.settings", "bot.database"),
    "nlu_models.evaluate": ("ensemble", "bot.settings", "bot.database"),
    "nlu_models.encoders": ("ensemble", "bot.settings"),
    "retrieval": ("ensemble",),
    "retrieval.build": ("ensemble", "bot.settings", "bot.database", "nlu_models.encoders"),
    "retrieval.evaluate": ("ensemble", "bot.settings", "bot.database", "nlu_models.encoders"),
    "retrieval.fit": ("ensemble", "bot.settings", "bot.database"),
    # Each library of models has one module that reads the shop's tables into its plain types.
    "retrieval.shop_source": ("ensemble", "bot.database"),
    "nlu_models.catalogue": ("ensemble", "bot.database", "retrieval.same_words"),  # words for things are one list
    "nlu_models.tune": ("ensemble", "bot.settings"),
    "actions.recommendation.shop_source": ("ensemble", "retrieval.index", "retrieval.metrics", "bot.database"),
    "actions.recommendation.campaign_source": ("bot.database",),
    "actions.risk.reading": ("ensemble", "bot.database"),
    "actions.recommendation": ("ensemble", "retrieval.index", "retrieval.metrics"),
    "actions.recommendation.train": ("actions", "ensemble", "retrieval", "nlu_models", "bot.settings", "bot.database"),
    "actions.recommendation.learn": ("ensemble", "retrieval", "bot.settings", "bot.database"),
    "actions.risk": ("ensemble",),
    "actions.risk.train": ("actions", "ensemble", "retrieval", "nlu_models", "bot.settings", "bot.database"),
    "actions.order_desk": ("bot.database", "actions.risk.types"),
    "actions.identity": ("bot.database",),
    "actions.wiring": ("actions", "ensemble", "retrieval", "nlu_models", "bot.settings", "bot.database"),
    "actions.rasa_actions": (
        "actions",
        "ensemble",
        "retrieval",
        "nlu_models",
        "bot.settings",
        "bot.database",
        "bot.ready",
    ),
    "bot.settings": (),
    "bot.ready": (),
    "bot.database": (),
    "bot.messaging": ("bot.database",),
    "bot.channels": ("bot.messaging", "bot.database"),
    "bot.handoff": ("bot.messaging", "bot.database"),
    "bot.widget": ("bot.channels", "bot.messaging", "bot.database"),
    "bot": ("bot",),
    "tests": OURS,
}
# Mains of `bot.database` and `bot.handoff` read the settings, like every CLI.
CLIS = (
    "bot.database.erasing",
    "bot.database.migrate",
    "bot.database.seed",
    "bot.database.importing",
    "bot.database.exporting",
    "bot.handoff.agents",
)

HOMES: dict[str, tuple[str, ...]] = {
    "rasa_sdk": ("actions.rasa_actions", "actions.wiring"),
    "rasa": (),
    "starlette": (
        "bot.gateway",
        "bot.channels.routes",
        "bot.channels.web.routes",
        "bot.handoff.routes",
        "bot.widget",
        "nlu_models.server",
        "actions.rasa_actions.server",
        "actions.wiring",
    ),
    "sqlalchemy": (
        "bot.database",
        "bot.messaging",
        "bot.handoff",
        "bot.channels",
        "bot.gateway",  # these three meet its outages
        "bot.turns_worker",
        "bot.courier",
        "bot.widget.demo",
        "actions.order_desk",
        "actions.identity",
        "actions.rasa_actions",  # the type of a session
        "actions.wiring",
        "actions.risk.reading",
        "actions.risk.assessor",  # writes its decisions in the caller's transaction
        "actions.recommendation.shop_source",
        "actions.recommendation.campaign_source",
        "retrieval.shop_source",
        "nlu_models.catalogue",
        "nlu_models.train",  # these mains turn its outages into a sentence
        "retrieval.build",
        "actions.recommendation.learn",
        "actions.recommendation.train",
        "actions.risk.train",
    ),
    "torch": ("nlu_models", "actions.recommendation.sequence_training"),
    "transformers": ("nlu_models",),
    "sentence_transformers": ("nlu_models", "retrieval.encoder"),
    "faiss": ("retrieval.index",),
    "lightgbm": ("actions.risk", "actions.recommendation"),
    "onnxruntime": ("nlu_models", "retrieval.encoder"),
}


def modules() -> Iterator[tuple[str, Path]]:
    for package in OURS[:-1]:
        for file in sorted((PROJECT / package).rglob("*.py")):
            parts = file.relative_to(PROJECT).with_suffix("").parts
            if parts[:2] == ("bot", "dialogue") or "versions" in parts:
                continue
            name = ".".join(part for part in parts if part != "__init__")
            yield name, file


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names)


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def longest(name: str, table: dict[str, tuple[str, ...]]) -> str:
    return max((key for key in table if below(name, key)), key=len)


def room(name: str) -> str:
    """The package a module lives in: `actions.risk`, `bot.messaging`, `nlu_models`."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] in ("bot", "actions") and len(parts) > 1 else parts[0]


def forbidden(name: str, target: str) -> bool:
    if target.split(".")[0] not in OURS or below(target, room(name)):
        return False
    if name in CLIS and below(target, "bot.settings"):
        return False
    return not any(below(target, allowed) for allowed in ARROWS[longest(name, ARROWS)])


@pytest.mark.parametrize(("name", "file"), list(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_module_imports_only_along_the_arrows(name, file):
    wrong = [target for target in imported(file) if forbidden(name, target)]
    assert not wrong, f"{name} may not import {wrong}"


def test_bot_never_imports_actions_and_only_the_dialogue_imports_rasa():
    for name, file in modules():
        for target in imported(file):
            if name.startswith("bot."):
                assert not below(target, "actions"), f"{name} imports {target}"
                assert not below(target, "bot.dialogue"), f"{name} imports {target}"


def test_each_library_stays_at_home():
    for name, file in modules():
        for target in imported(file):
            library = target.split(".")[0]
            homes = HOMES.get(library)
            if homes is not None:
                assert any(below(name, home) for home in homes), f"{name} imports {library}, whose home is {homes}"


def test_the_dialogue_imports_nothing_of_ours():
    for file in (PROJECT / "bot" / "dialogue").glob("*.py"):
        for target in imported(file):
            assert target.split(".")[0] not in OURS, f"{file.name} imports {target}"


def test_no_module_is_a_drawer_for_everything():
    names = {file.stem for _, file in modules()}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "manager"}


def test_every_init_is_empty():
    for _, file in modules():
        if file.name == "__init__.py":
            assert not file.read_text().strip(), file
