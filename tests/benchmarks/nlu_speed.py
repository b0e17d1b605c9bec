"""Kefu's nlu process beside Rasa's DIET, both asked over HTTP as a dialogue asks; and a GPU, where there is one."""

import asyncio
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlu_models import training
from nlu_models.intent import KIND
from nlu_models.training import Trained
from tests.benchmarks import diet, report
from tests.benchmarks.http_client import Connection
from tests.benchmarks.report import Row
from tests.house import free_ports

if TYPE_CHECKING:
    from tests.benchmarks.nlu import Split

AT_ONCE = 16
ROUNDS = 3  # the systems take turns, so that a busy moment of the machine meets both


def device_of(wanted: str) -> str:
    from nlu_models.train import device_of as found

    return found(wanted)


def beside_diet(split: "Split", trained: Trained, work: Path, arguments: Namespace) -> list[Row]:
    """DIET's accuracy on the same test rows, and the speed of both."""
    from bot.database.base import Base
    from bot.database.engine import open_engine

    home = work / "home"
    training.save(trained, home / "models" / KIND, data_sha256=split.name, metrics={})
    engine = open_engine(f"sqlite:///{home / 'kefu.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()
    folder = arguments.diet_folder or work / "diet"
    model, seconds = diet.train(split.train, folder, arguments.diet_epochs)
    theirs, name = free_ports(2), f"diet, {arguments.diet_epochs} epochs"
    texts = [example.text for example in split.test]
    with diet.kefu(home, theirs[0]), diet.served(folder, model, theirs[1]):
        said, _ = asyncio.run(_ask(theirs[1], texts, 1))
        measured = _take_turns({"kefu": theirs[0], name: theirs[1]}, texts)
    right = np.array([one == example.label for one, example in zip(said, split.test, strict=True)])
    rows = [Row(split.name, name, "accuracy", *report.interval(right, rounds=300))]
    if seconds is not None:
        rows.append(Row(split.name, name, "train_seconds", seconds))
    for system, (rates, singles) in measured.items():
        rows.append(Row(split.name, system, f"parses_per_second_at_{AT_ONCE}", float(np.median(rates))))
        rows += [
            Row(split.name, system, f"single_p{share}_ms", float(np.percentile(singles, share)) * 1000)
            for share in (50, 95)
        ]
    (our_rates, ours), (their_rates, others) = measured["kefu"], measured[name]
    faster = np.array(our_rates) / np.array(their_rates)
    slower = float(np.percentile(ours, 95) / np.percentile(others, 95))
    rows.append(Row(split.name, "kefu", "parses_per_second_ratio", float(np.median(faster)), min(faster), max(faster)))
    rows.append(Row(split.name, "kefu", "p95_ratio", slower))
    return rows


def _take_turns(ports: dict[str, int], texts: Sequence[str]) -> dict[str, tuple[list[float], list[float]]]:
    """(parses a second of each round, seconds of each single parse) by system; a first short round warms up."""
    for port in ports.values():
        asyncio.run(_ask(port, texts[:64], AT_ONCE))
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ports}
    for number in range(ROUNDS):
        for name, port in ports.items():
            part = texts[number::ROUNDS][:600]
            started = time.perf_counter()
            asyncio.run(_ask(port, part, AT_ONCE))
            found[name][0].append(len(part) / (time.perf_counter() - started))
            found[name][1].extend(asyncio.run(_ask(port, part[:200], 1))[1])
    return found


async def _ask(port: int, texts: Sequence[str], at_once: int) -> tuple[list[str], list[float]]:
    """(intent, seconds) of every text, `at_once` connections asking one after the other."""
    answers: list[str] = [""] * len(texts)
    seconds = [0.0] * len(texts)
    todo = iter(range(len(texts)))

    async def one() -> None:
        connection = Connection("127.0.0.1", port)
        for number in todo:
            started = time.perf_counter()
            status, body = await connection.post("/model/parse", {"text": texts[number]})
            if status != 200:
                raise RuntimeError(f"/model/parse answered {status}: {body}")
            seconds[number], answers[number] = time.perf_counter() - started, body["intent"]["name"]
        connection.close()

    await asyncio.gather(*(one() for _ in range(at_once)))
    return answers, seconds


def on_gpu(home: Path, arguments: Namespace) -> list[Row]:
    """Encoder and GPT-2 in bf16 on the GPU beside the CPU, at 1, 16 and 256 at once; nothing without a GPU.

    Speed does not depend on what weights hold: the encoder is as it came, the language model has random ones.
    """
    if device_of(arguments.device) == "cpu":
        return []
    rows = []
    for device in ("cuda", "cpu"):
        rows += [
            Row("speed", device, f"parses_per_second_at_{count}", parses(home, device, count)) for count in (1, 16, 256)
        ]
        rows.append(Row("speed", device, "drafts_per_second", drafts(device)))
    return rows


def parses(home: Path, device: str, at_once: int, *, encoder: str = "offline", rounds: int = 20) -> float:
    """Texts a second through encoder and head."""
    from nlu_models import bert, encoders

    parts = bert.load(encoders.resolve(encoder, home))
    head = bert.TunedUpper(parts.upper, parts.width, 77, 0.0)
    texts = [f"where is my order number {number}, it should have come last week" for number in range(at_once)]
    bert.predict(head, bert.Hidden(parts, texts, device), batch=at_once)  # warm-up
    started = time.perf_counter()
    for _ in range(rounds):
        bert.predict(head, bert.Hidden(parts, texts, device), batch=at_once)
    return at_once * rounds / (time.perf_counter() - started)


def drafts(device: str, *, tokens: int = 40, rounds: int = 5) -> float:
    """Replies of 40 tokens a second from a GPT-2 of our own size."""
    import tempfile

    from nlu_models import gpt2, lm

    with tempfile.TemporaryDirectory() as name:
        model: Any = gpt2.own_model(4096, gpt2.Gpt2Config(), 0)
        model.save_pretrained(name)
        loaded: Any = lm.TransformersLm(Path(name), device=device)
    started = time.perf_counter()
    for _ in range(rounds):
        logits, state = loaded.read(list(range(1, 20)))
        lm.generate(loaded, logits[-1], state, end=0, forbidden=[0], most=tokens)
    return rounds / (time.perf_counter() - started)
