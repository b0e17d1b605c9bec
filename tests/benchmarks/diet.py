"""Rasa's DIETClassifier on the rows of a data set: trained and served in the dialogue environment, asked over HTTP.

The pipeline is the one `rasa init` of 3.6 comments in (whitespace tokens, lexical features, count vectors), without
what is not about intents, and without the fallback, which would take right answers away.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from bot.processes import DIALOGUE_PYTHON
from nlu_models import dataset
from nlu_models.dataset import Example
from tests.benchmarks.stock_rasa import environ, understanding

START_SECONDS = 300


def config(epochs: int) -> dict[str, object]:
    return {
        "recipe": "default.v1",
        "assistant_id": "diet",
        "language": "en",
        "pipeline": understanding(epochs),
        "policies": [],
    }


def nlu(examples: Sequence[Example]) -> dict[str, object]:
    """Training data as Rasa writes it: one item a line. Line breaks become spaces, brackets (entity marks) round."""
    found = []
    for label in dataset.labels_of(examples):
        texts = (" ".join(example.text.split()) for example in examples if example.label == label)
        items = "".join(f"- {text.replace('[', '(').replace(']', ')')}\n" for text in texts)
        found.append({"intent": label, "examples": items})
    return {"version": "3.1", "nlu": found}


def train(examples: Sequence[Example], folder: Path, epochs: int) -> tuple[Path, float | None]:
    """(model, seconds it took); a model of the same rows and epochs in `folder` is taken again, then seconds is None.

    Raises:
        RuntimeError: Rasa could not train; the message ends with what it said.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    parts = {
        folder / "config.yml": config(epochs),
        folder / "domain.yml": {"version": "3.1", "intents": dataset.labels_of(examples)},
        folder / "data" / "nlu.yml": nlu(examples),
    }
    for path, content in parts.items():
        path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    name = hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()[:16]
    model = folder / "models" / f"{name}.tar.gz"
    if model.exists():
        return model, None
    started = time.monotonic()
    command = (str(DIALOGUE_PYTHON), "-m", "rasa", "train", "nlu", "--fixed-model-name", name)
    done = subprocess.run(
        command, cwd=folder, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode or not model.exists():
        raise RuntimeError(f"DIET could not be trained:\n{done.stdout[-2000:]}")
    return model, time.monotonic() - started


@contextlib.contextmanager
def served(folder: Path, model: Path, port: int) -> Iterator[None]:
    """Rasa with its HTTP interface on `port` (loopback) while the block runs: `POST /model/parse`."""
    command = (str(DIALOGUE_PYTHON), "-m", "rasa", "run", "--enable-api", "-m", str(model), "-i", "127.0.0.1")
    with running((*command, "-p", str(port)), environ(), "server is up and running", folder):
        yield


@contextlib.contextmanager
def kefu(home: Path, port: int) -> Iterator[None]:
    """Kefu's own nlu process over the models of `home`, as `kefu up` starts it."""
    wanted = {"KEFU_HOME": str(home), "KEFU_NLU_PORT": str(port), "HF_HUB_OFFLINE": "1"}
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("KEFU_")}, **wanted}
    with running((sys.executable, "-u", "-m", "nlu_models.server"), environment, "ready: nlu", home):
        yield


@contextlib.contextmanager
def running(command: Sequence[str], environment: dict[str, str], ready: str, folder: Path) -> Iterator[None]:
    """A process from the moment its output holds `ready` to the end of the block.

    Its output goes to a file, since a pipe nobody reads would stop it.

    Raises:
        RuntimeError: it ended or was not ready in time; the message ends with what it said.
    """
    # one name a process: two servers of one folder do not write into each other's file
    log = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
    project = Path(__file__).resolve().parent.parent.parent
    with log.open("wb") as out:
        cwd = folder if "rasa" in command else project
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + START_SECONDS
        while ready not in (said := log.read_text(errors="replace")):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{' '.join(command[:4])} is not ready:\n{said[-2000:]}")
            time.sleep(0.2)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
