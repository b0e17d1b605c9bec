"""The nlu process: micro-batching, back-pressure, hot swap; over real HTTP semantics."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from typing import ClassVar

import httpx
import pytest
from starlette.testclient import TestClient

from ensemble import artifact
from nlu_models import training
from nlu_models.batching import Batcher, Full
from nlu_models.gazetteer import Gazetteer
from nlu_models.models import Models
from nlu_models.server import make_app

NOTHING_NAMED = Gazetteer()


def no_names():
    return NOTHING_NAMED


def test_requests_that_come_together_are_computed_together():
    batches = []

    def double(given):
        batches.append(list(given))
        return [2 * each for each in given]

    async def ask():
        batcher = Batcher(double, window_seconds=0.02, largest=4)
        answers = await asyncio.gather(*(batcher.ask(number) for number in range(6)))
        await batcher.close()
        return answers

    assert asyncio.run(ask()) == [0, 2, 4, 6, 8, 10]
    assert [len(batch) for batch in batches] == [4, 2]


def test_a_lone_request_does_not_wait_for_company():
    async def run():
        batcher = Batcher(lambda given: given, window_seconds=3600.0)
        for number in range(4):  # and neither does one that follows at once on the answer to the last
            assert await asyncio.wait_for(batcher.ask(number), 60) == number
        await batcher.close()

    asyncio.run(run())


def test_a_full_queue_refuses_at_once_and_serves_what_it_took():
    async def ask():
        def slow(given):
            time.sleep(0.05)
            return list(given)

        batcher = Batcher(slow, window_seconds=0.0, largest=1, most_waiting=3)
        asked = [asyncio.create_task(batcher.ask(number)) for number in range(8)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        await batcher.close()
        return done, batcher.counts

    done, counts = asyncio.run(ask())
    refused = [one for one in done if isinstance(one, Full)]
    assert refused
    assert all(one.retry_after_seconds >= 1 for one in refused)
    assert [one for one in done if not isinstance(one, Full)] == [*range(8 - len(refused))]
    assert counts.refused == len(refused)


def test_a_batch_that_fails_fails_its_requests_and_not_the_next_ones():
    async def ask():
        def fussy(given):
            if "bad" in given:
                raise ValueError("bad batch")
            return list(given)

        batcher = Batcher(fussy, window_seconds=0.0)
        with pytest.raises(ValueError, match="bad batch"):
            await batcher.ask("bad")
        answer = await batcher.ask("good")
        await batcher.close()
        return answer

    assert asyncio.run(ask()) == "good"


@pytest.fixture
def own_models(models_folder, tmp_path):
    shutil.copytree(models_folder, tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def client(own_models):
    with TestClient(make_app(Models.load(own_models, no_names, device="cpu"))) as made:
        yield made


def test_a_message_is_parsed(client):
    answer = client.post("/model/parse", json={"text": "please track my order parcel K-100200", "message_id": "m1"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["intent"]["name"] == "track_order"
    assert body["entities"][0]["value"] == "K-100200"
    assert client.get("/health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json", "must be JSON"),
        (b"[]", "JSON object"),
        (b'{"text": 5}', "text must be a string"),
        (b'{"text": "' + b"x" * 4001 + b'"}', "at most 4000"),
    ],
)
def test_a_wrong_request_gets_the_one_error_shape(client, content, message):
    answer = client.post("/model/parse", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"
    assert message in answer.json()["error"]["message"]


def test_an_unknown_address_gets_the_one_error_shape(client):
    assert client.get("/nothing").json()["error"]["code"] == "not_found"


def test_without_a_reply_model_there_is_no_draft_and_no_error(client):
    answer = client.post("/draft", json={"text": "hello", "intent": "greet", "language": "en"})
    assert answer.json() == {"draft": None}
    assert client.post("/draft", json={"text": "hello", "language": "fr"}).status_code == 400


def test_a_full_queue_is_a_503_that_says_when_to_come_back(own_models):
    with TestClient(make_app(Models.load(own_models, no_names, device="cpu"), most_waiting=0)) as client:
        answer = client.post("/model/parse", json={"text": "hello"})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"]["code"] == "busy"


def test_a_new_model_is_taken_up_and_a_damaged_one_is_not(own_models, trained):
    models = Models.load(own_models, no_names, device="cpu")
    old = models.versions()["intent"]
    assert models.refresh() == []
    time.sleep(1.1)  # a version is told by its second
    saved = training.save(trained, own_models / "intent", data_sha256="two", metrics={})
    assert saved.version != old
    assert models.refresh() == [f"intent {old} -> {saved.version}"]
    time.sleep(1.1)  # a version is told by its second
    third = training.save(trained, own_models / "intent", data_sha256="three", metrics={})
    (own_models / "intent/ngrams.npz").write_bytes(b"broken")
    assert models.refresh() == []
    assert models.versions()["intent"] == saved.version != third.version
    assert models.parse(["track my order parcel"])[0]["intent"]["name"] == "track_order"
    artifact.rollback(own_models / "intent", "intent")
    assert models.versions()["intent"] == saved.version


def test_no_request_is_lost_while_models_are_swapped(own_models, trained):
    models = Models.load(own_models, no_names, device="cpu")
    with TestClient(make_app(models, window_seconds=0.0)) as client:
        for turn in range(6):
            if turn == 2:
                time.sleep(1.0)
                training.save(trained, own_models / "intent", data_sha256="new", metrics={})
                models.refresh()
            assert client.post("/model/parse", json={"text": "track my order parcel"}).status_code == 200


def started(home, port):
    environ = {**os.environ, "KEFU_HOME": str(home), "KEFU_NLU_PORT": str(port), "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "nlu_models.server"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_process_says_ready_answers_and_stops_when_told(models_folder, tmp_path):
    from bot.database.base import Base
    from bot.database.engine import open_engine

    shutil.copytree(models_folder, tmp_path / "models")
    engine = open_engine(f"sqlite:///{tmp_path / 'kefu.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()
    port = free_port()
    process = started(tmp_path, port)
    try:
        assert process.stdout.readline() == "ready: nlu\n"
        answer = httpx.post(f"http://127.0.0.1:{port}/model/parse", json={"text": "track my order parcel"}, timeout=30)
        assert answer.json()["intent"]["name"] == "track_order"
    finally:
        process.terminate()
        assert process.wait(30) in (0, -15)


def test_a_missing_model_is_one_sentence_that_names_the_command(tmp_path):
    process = started(tmp_path, free_port())
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert out == ""
    assert "kefu train nlu" in err
    assert "Traceback" not in err


def test_drafts_are_warmed_up_in_both_languages_before_anybody_waits(own_models):
    models = Models.load(own_models, no_names, device="cpu")
    models.warm()  # without a reply model only parsing is warmed
    asked = []

    class Writer:
        version = "made"
        by_intent: ClassVar = {("greet", "en"): [], ("greet", "zh"): []}

        def write(self, request, similarity):
            asked.append((request.language, bool(request.passages)))
            assert similarity("hello", ["hi"]).shape == (1,)

    models.writer = Writer()
    models.warm()
    assert asked == [("en", False), ("en", True), ("zh", False), ("zh", True)]


def test_two_workers_share_what_waits_and_answer_everybody():
    sizes = []

    async def ask():
        def slow(given):
            sizes.append(len(given))
            time.sleep(0.02)
            return [2 * each for each in given]

        batcher = Batcher(slow, window_seconds=0.01, largest=8, workers=2)
        answers = await asyncio.gather(*(batcher.ask(number) for number in range(12)))
        await batcher.close()
        return answers

    assert asyncio.run(ask()) == [2 * number for number in range(12)]
    assert sizes[:2] == [6, 6]
