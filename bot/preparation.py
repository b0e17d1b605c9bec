"""What must exist before the house can open: environments, database, demo shop, models, index.

Each step is a program of its own, does nothing when its inputs are unchanged, and leaves either the whole result
or none of it, so an interrupted preparation is finished by running it again.
"""

import collections
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bot.processes import DIALOGUE, DIALOGUE_PYTHON
from bot.settings import PROJECT, Settings

NEEDED_BYTES = 1_500_000_000  # models, index and databases of the demo shop; the environments come before
DIALOGUE_ENVIRONMENT_BYTES = 4_000_000_000


class PreparationError(Exception):
    """A step failed; the message names it and the remedy."""


@dataclass(frozen=True)
class Step:
    """One thing to make.

    `inputs` are files and folders (below the project) whose content decides whether it must be made again, `made`
    is the file that exists once it was, `after` names steps whose result it is built from.
    """

    name: str
    what: str
    command: Callable[[Settings], list[str]]
    inputs: tuple[str, ...]
    made: Callable[[Settings], Path]
    settings: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def _module(*words: str) -> Callable[[Settings], list[str]]:
    return lambda settings: [sys.executable, "-u", "-m", *words]


def _model(kind: str) -> Callable[[Settings], Path]:
    return lambda settings: settings.models / kind / "manifest.json"


def _database(settings: Settings) -> Path:
    """The database file; of a server's database only the step itself can tell what it holds."""
    url = str(settings.database_url)
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else Path(settings.home)


STEPS = (
    Step(
        "dialogue environment",
        "Python 3.10 with Rasa",
        lambda settings: [find_uv(), "sync", "--no-dev", "--project", str(DIALOGUE)],
        ("bot/dialogue/pyproject.toml",),
        lambda settings: DIALOGUE_PYTHON,
    ),
    Step(
        "database",
        "tables",
        _module("bot.database.migrate"),
        ("bot/database",),
        _database,
        ("database_url",),
    ),
    Step(
        "demo shop",
        "products, customers, orders, help",
        _module("bot.database.seed"),
        ("bot/database",),
        _database,
        ("database_url",),
        ("database",),
    ),
    Step(
        "first account",
        "the owner's account of the console",
        _module("bot.handoff.agents", "first"),
        (),
        lambda settings: Path(settings.home) / "keys" / "console-password",
        ("database_url",),
        ("database",),
    ),
    Step(
        "encoder",
        "multilingual and English BERT",
        _module("nlu_models.encoders", "prepare"),
        ("nlu_models/encoders.py",),
        lambda settings: settings.models / "encoder",
        ("encoder",),
    ),
    Step(
        "intents",
        "BERT, GPT-2 and their ensemble",
        _module("nlu_models.train", "intent"),
        ("nlu_models", "ensemble", "bot/dialogue/data/nlu"),
        _model("intent"),
        ("encoder", "gpt2", "train_size"),
        ("encoder",),
    ),
    Step(
        "replies",
        "GPT-2 that words replies",
        _module("nlu_models.train", "reply"),
        ("nlu_models", "ensemble"),
        _model("reply"),
        ("gpt2", "train_size"),
    ),
    Step(
        "index",
        "FAISS and BM25 over products and help",
        _module("retrieval.build"),
        ("retrieval", "ensemble"),
        _model("index"),
        ("encoder", "database_url"),
        ("encoder", "demo shop"),
    ),
    Step(
        "recommendations",
        "recommenders and their ensemble",
        _module("actions.recommendation.train"),
        ("actions/recommendation", "ensemble", "retrieval/paired.py", "retrieval/encoder.py"),  # reads the index's rows
        _model("recommendation"),
        ("encoder", "database_url"),
        ("demo shop", "index"),
    ),
    Step(
        "risk",
        "order-risk ensemble",
        _module("actions.risk.train"),
        ("actions/risk", "ensemble"),
        _model("risk"),
        ("database_url",),
        ("demo shop",),
    ),
    Step(
        "dialogue",
        "Rasa policies",
        lambda settings: [sys.executable, "-u", "-m", "bot.dialogue_training"],
        ("config.yml", "bot/dialogue/domain", "bot/dialogue/data", "bot/dialogue/rasa_nlu.py"),
        lambda settings: settings.models / "dialogue" / "dialogue.tar.gz",
        (),
        ("dialogue environment",),
    ),
)


def prepare(settings: Settings, say: Callable[[str], None], *, only: Iterable[str] = (), force: bool = False) -> None:
    """Make what is missing or stale, in order.

    Raises:
        PreparationError: with one sentence that names the step and what to do.
    """
    prints = _load_prints(settings)
    chosen = [step for step in STEPS if not only or step.name in only]
    again: set[str] = set()
    for number, step in enumerate(chosen, 1):
        fingerprint = _fingerprint(step, settings)
        # a database that was deleted is there again once its tables are, and holds no shop
        built_on_new = any(before in again for before in step.after)
        if not force and not built_on_new and prints.get(step.name) == fingerprint and step.made(settings).exists():
            continue
        again.add(step.name)
        refuse_full_disk(settings, step)
        say(f"[{number}/{len(chosen)}] {step.name}: {step.what}")
        began = time.monotonic()
        _run(step, settings, force)
        say(f"[{number}/{len(chosen)}] {step.name}: done in {time.monotonic() - began:.1f} s")
        prints[step.name] = fingerprint
        _save_prints(settings, prints)


def find_uv() -> str:
    """The uv program: the one that runs us, or the first on the path.

    Raises:
        PreparationError: there is none.
    """
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        raise PreparationError("uv is not installed, which makes the dialogue's environment; run: pip install uv")
    return found


def refuse_full_disk(settings: Settings, step: Step) -> None:
    needed = DIALOGUE_ENVIRONMENT_BYTES if step.name == "dialogue environment" else NEEDED_BYTES
    if step.made(settings).exists():
        needed = NEEDED_BYTES // 3
    free = shutil.disk_usage(settings.home).free
    if free < needed:
        raise PreparationError(
            f"the disk is nearly full: {free // 1_000_000} MB free in {settings.home}, step '{step.name}' needs about "
            f"{needed // 1_000_000} MB; free some space and run it again"
        )


def _run(step: Step, settings: Settings, force: bool) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environ |= {"HF_HUB_OFFLINE": environ.get("HF_HUB_OFFLINE", "1"), "TOKENIZERS_PARALLELISM": "false"}
    words = step.command(settings)
    if force and step.name not in ("dialogue environment", "database"):
        words = [*words, "--force"]
    try:
        process = subprocess.Popen(words, cwd=PROJECT, env=environ, stderr=subprocess.PIPE, text=True, errors="replace")
    except FileNotFoundError:
        raise PreparationError(
            f"step '{step.name}' needs the program {words[0]}, which is missing; install it"
        ) from None
    last: collections.deque[str] = collections.deque(maxlen=12)

    def follow() -> None:
        for line in process.stderr or ():
            last.append(line.rstrip())
            sys.stderr.write(line)

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    try:
        code = process.wait()
    except BaseException:  # Ctrl-C: the step leaves nothing half made, but it must not go on without us
        process.terminate()
        process.wait()
        raise
    reader.join(2)
    if code:
        raise PreparationError(_failure(step, settings, code, "\n".join(last)))


def _failure(step: Step, settings: Settings, code: int, last: str) -> str:
    again = "run it again: what is finished is kept"
    if "No space left" in last or "disk is full" in last or "disk I/O error" in last:
        return f"step '{step.name}' failed because the disk of {settings.home} is full; free some space and {again}"
    if step.name == "dialogue environment" and ("No interpreter found" in last or "python-version" in last.lower()):
        return f"step '{step.name}' found no Python 3.10; install one (uv python install 3.10) and {again}"
    sentence = last.strip().splitlines()[-1] if last.strip() else "it printed nothing"
    return f"step '{step.name}' failed with code {code}: {sentence}\nmend that and {again}"


def _fingerprint(step: Step, settings: Settings) -> str:
    digest = hashlib.sha256()
    for before in step.after:
        digest.update(_fingerprint(next(other for other in STEPS if other.name == before), settings).encode())
    for name in step.settings:
        digest.update(f"{name}={getattr(settings, name)}".encode())
    for root in step.inputs:
        for file in _files(PROJECT / root):
            digest.update(file.relative_to(PROJECT).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    return sorted(
        file
        for file in root.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and ".venv" not in file.parts
    )


def _load_prints(settings: Settings) -> dict[str, str]:
    file = Path(settings.home) / "prepared.json"
    try:
        return dict(json.loads(file.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _save_prints(settings: Settings, prints: dict[str, str]) -> None:
    file = Path(settings.home) / "prepared.json"
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(prints, indent=1))
    fresh.replace(file)
