"""The dialogue process: Rasa with our channel, tracker and cures. A small domain, a real Rasa, a real action server.

Each cure of RASA-NOTES has its test here; those that can be switched off are shown to fail without it.
"""

import collections
import contextlib
import http.server
import json
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.dialogue_training import train
from bot.processes import DIALOGUE, DIALOGUE_PYTHON, Group, ProcessSpec
from tests.house import free_ports

TOY = Path(__file__).parent / "toy_dialogue"
TOKEN = "a-token-of-this-test"

pytestmark = pytest.mark.skipif(
    not DIALOGUE_PYTHON.exists(), reason="the dialogue's environment is missing; make it: kefu up --prepare-only"
)


class Actions:
    """An action server that counts its calls and does what the message's text says: fail, hang, reject."""

    def __init__(self) -> None:
        self.calls: collections.Counter[str] = collections.Counter()
        self.tracker_sizes: list[int] = []
        self.release = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                message = body["tracker"]["latest_message"]
                outer.calls[message["message_id"]] += 1
                outer.tracker_sizes.append(len(body["tracker"]["events"]))
                code, answer = outer.answer(message["text"])
                data = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

            def handle(self) -> None:
                # the dialogue may hang up on us: tests of just that
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    super().handle()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, text: str) -> tuple[int, dict[str, Any]]:
        if "hang" in text:
            self.release.wait(60)
        if "fail" in text:
            return 500, {"error": "a bug"}
        return 200, {"events": [], "responses": [{"text": "on its way", "custom": {"cards": [{"title": "K-1"}]}}]}

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


class Dialogue:
    def __init__(self, model: Path, database: Path, actions_port: int) -> None:
        (port,) = free_ports(1)
        self.database = database
        self.url = f"http://127.0.0.1:{port}/webhooks/kefu"
        self.group = Group(lambda line: None)
        command = (str(DIALOGUE_PYTHON), "-u", "rasa_launch.py", "run", "--model", str(model))
        command += ("--endpoints", "endpoints.yml", "--credentials", "credentials.yml", "-i", "127.0.0.1")
        environ = {
            "KEFU_INTERNAL_TOKEN": TOKEN,
            "KEFU_TRACKER_URL": f"sqlite:///{database}",
            "KEFU_ACTIONS_URL": f"http://127.0.0.1:{actions_port}",
            "KEFU_ACTION_TIMEOUT_SECONDS": "2",
        }
        self.spec = ProcessSpec("dialogue", (*command, "-p", str(port)), DIALOGUE, environ, port)
        self.group.start([self.spec])
        self.group.wait_ready(90)
        self.client = httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=40)

    def post(
        self, message_id: str, intent: str, text: str = "x", conversation: str = "c", **more: Any
    ) -> httpx.Response:
        entities = [{"entity": name, "value": value} for name, value in more.get("entities", {}).items()]
        parse = {"text": text, "intent": {"name": intent, "confidence": 1.0}, "entities": entities}
        metadata = {"language": more.get("language", "en"), "channel": "web", "conversation_id": conversation}
        body = {
            "conversation_id": conversation,
            "message_id": message_id,
            "text": text,
            "parse": parse,
            "metadata": metadata,
        }
        return self.client.post(f"{self.url}/turn", json=body)

    def say(
        self, message_id: str, intent: str, text: str = "x", conversation: str = "c", **more: Any
    ) -> dict[str, Any]:
        response = self.post(message_id, intent, text, conversation, **more)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def texts(self, *args: Any, **more: Any) -> list[str]:
        return [reply.get("text", "") for reply in self.say(*args, **more)["replies"]]

    def kill_and_restart(self) -> None:
        self.group.kill("dialogue")
        self.group.restart("dialogue")
        self.group.wait_ready(90)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("toy") / "dialogue"
    train(out, data=TOY / "data", domain=TOY / "domain")
    return out


@pytest.fixture(scope="module")
def actions() -> Iterator[Actions]:
    made = Actions()
    yield made
    made.close()


@pytest.fixture(scope="module")
def dialogue(model: Path, actions: Actions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dialogue]:
    made = Dialogue(model, tmp_path_factory.mktemp("tracker") / "dialogue.db", actions.port)
    yield made
    made.client.close()
    made.group.stop()


def in_rasa(code: str, *arguments: str) -> str:
    """Run `code` in the dialogue's environment, with its modules at hand; its output."""
    start = "import rasa_stub_tensorflow, warnings; rasa_stub_tensorflow.install(); warnings.simplefilter('ignore')\n"
    done = subprocess.run(
        [str(DIALOGUE_PYTHON), "-c", start + code, *arguments],
        cwd=DIALOGUE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_the_parse_made_before_the_turn_decides_and_no_model_is_asked(dialogue):
    assert dialogue.texts("a1", "greet", "words that no model has seen", "parse") == ["Hello"]


def test_replies_come_in_the_language_of_the_conversation(dialogue):
    reply = dialogue.say("b1", "greet", conversation="language", language="zh")["replies"][0]
    assert reply["text"] == "你好"
    assert reply["buttons"] == [{"title": "订单", "payload": "/track_order"}]
    assert dialogue.texts("b2", "greet", conversation="language", language="en") == ["Hello"]


def test_a_repeated_message_gets_its_recorded_reply_and_runs_nothing(dialogue, actions):
    first = dialogue.say("r1", "track_order", conversation="repeat")
    again = dialogue.say("r1", "track_order", conversation="repeat")
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert first["replies"] == again["replies"]
    assert again["replies"][0]["custom"] == {"cards": [{"title": "K-1"}]}
    assert actions.calls["r1"] == 1


def test_a_stranger_without_the_token_is_refused(dialogue):
    answer = httpx.post(f"{dialogue.url}/turn", json={}, headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize("command", ["restart", "session_start", "back"])
def test_an_intent_that_rasa_itself_obeys_is_never_obeyed(dialogue, command):
    conversation = f"slash-{command}"
    dialogue.say("s1", "change_name", conversation=conversation)
    dialogue.say("s2", command, f"/{command}", conversation=conversation)
    # `/restart` would have emptied the memory; the form still stands and asks again
    assert dialogue.texts("s3", "inform", "Ada", conversation=conversation) == ["Which street?"]


def test_an_action_that_fails_reaches_the_customer_as_an_apology_and_a_person(dialogue):
    replies = dialogue.say("f1", "track_order", "please fail", "failing")["replies"]
    assert replies[0]["text"] == "Sorry"
    assert replies[1]["custom"]["handoff"] == {
        "reason": "failure",
        "summary": {"action": "action_track", "cause": "error"},
    }


def test_an_action_that_hangs_reaches_the_customer_as_an_apology_and_a_person(dialogue, actions):
    replies = dialogue.say("h1", "track_order", "please hang", "hanging")["replies"]
    assert replies[0]["text"] == "Sorry"
    assert replies[1]["custom"]["handoff"]["summary"]["cause"] == "timeout"
    actions.release.set()


def test_an_action_server_that_is_away_fails_the_turn_whole_and_it_can_be_tried_again(model, tmp_path):
    (port,) = free_ports(1)
    dialogue = Dialogue(model, tmp_path / "dialogue.db", port)
    try:
        answer = dialogue.post("w1", "track_order")
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "turn_failed"
        assert dialogue.say("w1", "greet")["repeated"] is False
    finally:
        dialogue.client.close()
        dialogue.group.stop()


def test_a_long_conversation_keeps_its_form_and_slots_and_its_row_does_not_grow(dialogue, actions):
    conversation = "long"
    dialogue.say("l0", "inform", "K-7", conversation, entities={"order_number": "K-7"})
    for turn in range(40):
        dialogue.say(f"l1-{turn}", "greet", conversation=conversation)
    sizes = []
    for turn in range(40):
        dialogue.say(f"l2-{turn}", "track_order", conversation=conversation)
        sizes.append(actions.tracker_sizes[-1])
    assert max(sizes) < 150  # 80 turns would be over 400 events
    dialogue.say("l3", "change_name", conversation=conversation)
    for turn in range(20):
        texts = dialogue.texts(f"l4-{turn}", "track_order" if turn % 2 else "greet", conversation=conversation)
        assert texts[-1] == "Which name?"  # the digression is answered and the form goes on
    dialogue.kill_and_restart()  # from the row, not from memory
    assert dialogue.texts("l5", "inform", "Ada", conversation) == ["Which street?"]
    assert dialogue.texts("l6", "inform", "Lane 9", conversation) == ["Ada, Lane 9, K-7"]


def test_a_killed_dialogue_remembers_finished_turns_and_repeats_unfinished_ones(dialogue, actions):
    actions.release.clear()
    assert dialogue.texts("k1", "track_order", conversation="killed") == ["on its way"]
    with ThreadPoolExecutor(1) as pool:
        half_done = pool.submit(dialogue.post, "k2", "track_order", "please hang", "killed")
        while not actions.calls["k2"]:
            time.sleep(0.01)
        dialogue.group.kill("dialogue")
        with pytest.raises(httpx.TransportError):
            half_done.result()
    actions.release.set()
    dialogue.group.restart("dialogue")
    dialogue.group.wait_ready(90)
    assert dialogue.say("k1", "track_order", conversation="killed")["repeated"] is True
    finished = dialogue.say("k2", "track_order", "please hang", "killed")
    assert finished["repeated"] is False
    assert finished["replies"][0]["text"] == "on its way"
    assert actions.calls == {**actions.calls, "k1": 1, "k2": 2}


def test_a_database_outage_fails_the_turn_and_is_never_an_empty_memory(dialogue):
    dialogue.say("d1", "inform", "K-9", "outage", entities={"order_number": "K-9"})
    dialogue.say("d2", "change_name", conversation="outage")
    dialogue.kill_and_restart()  # nothing left in memory
    rename = "ALTER TABLE {} RENAME TO {}"
    with sqlite3.connect(dialogue.database) as database:
        database.execute(rename.format("dialogue_trackers", "gone"))
    answer = dialogue.post("d3", "inform", "Ada", "outage")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "turn_failed")
    with sqlite3.connect(dialogue.database) as database:
        database.execute(rename.format("gone", "dialogue_trackers"))
    assert dialogue.texts("d3", "inform", "Ada", "outage") == ["Which street?"]
    assert dialogue.texts("d4", "inform", "Lane 1", "outage") == ["Ada, Lane 1, K-9"]


def test_messages_of_one_conversation_at_once_are_answered_one_after_another(dialogue):
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda n: dialogue.say(f"o{n}", "greet", conversation="burst"), range(5)))
    assert all(answer["replies"][0]["text"] == "Hello" for answer in answers)
    assert all(dialogue.say(f"o{n}", "greet", conversation="burst")["repeated"] for n in range(5))


MEASURE = """
import asyncio, dask, json, jsonschema
import rasa_cures, rasa_tracker
import rasa.core.processor, rasa.shared.core.events as events, rasa.shared.utils.common as common, sys
from rasa.core.actions.action import RemoteAction
from rasa.core.lock_store import InMemoryLockStore
from rasa.core.tracker_store import FailSafeTrackerStore, InMemoryTrackerStore
from rasa.engine.graph import GraphComponent, GraphSchema, SchemaNode
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.shared.core.domain import Domain

sleep = asyncio.sleep

async def lock(store):
    "Order of five waiters, and how often one slept."
    order, slept = [], []
    async def counted(seconds, *rest):
        slept.append(seconds)
        await sleep(0)
    async def turn(n):
        async with store.lock("c"):
            order.append(n)
            for _ in range(5):
                await sleep(0)
    asyncio.sleep = counted
    await asyncio.gather(*(turn(n) for n in range(5)))
    asyncio.sleep = sleep
    return [order, bool(slept)]

def validator():
    "Schemas compiled in four validations, the last of a wrong result."
    kind = jsonschema.validators.validator_for({})
    real, checked = kind.check_schema, []
    kind.check_schema = classmethod(lambda cls, schema, *a, **k: checked.append(1) or real(schema, *a, **k))
    action = RemoteAction("a", None)
    for _ in range(3):
        action._validate_action_result({"events": [], "responses": []})
    try:
        action._validate_action_result({"events": "no list"})
    except jsonschema.ValidationError:
        return len(checked)
    finally:
        kind.check_schema = real

def classes():
    "Walks over all event classes for fifty events."
    real, walks = common.all_subclasses, []
    def counted(cls):
        walks.append(1)
        return real(cls)
    common.all_subclasses = counted
    for _ in range(50):
        events.Event.from_parameters({"event": "slot", "name": "a", "value": 1})
    common.all_subclasses = real
    return len(walks)

class Broken(InMemoryTrackerStore):
    async def retrieve(self, sender_id):
        raise ConnectionError("database away")

def outage():
    try:
        return asyncio.run(FailSafeTrackerStore(Broken(Domain.empty())).retrieve("c"))
    except ConnectionError:
        return "error"

def graph():
    "What two nodes in a row and an unused one give, and how often a scheduler was started."
    def node(name, *needs):
        wanted = {need: need for need in needs}
        return SchemaNode(needs=wanted, uses=GraphComponent, constructor_name="", fn="", config={})
    runner, ran = DaskGraphRunner.__new__(DaskGraphRunner), []
    runner._graph_schema = GraphSchema(
        {"last": node("last", "first", "given"), "first": node("first", "given"), "unused": node("unused", "given")}
    )
    runner._execution_context = None
    def made(name):
        def call(*inputs):
            ran.append(name)
            return name, [name, *(value for _, value in inputs)]
        return call
    runner._instantiated_nodes = {name: made(name) for name in ("first", "last", "unused")}
    real, started = dask.get, []
    dask.get = lambda *a, **k: started.append(1) or real(*a, **k)
    given = [runner.run({"given": n}, ["last"]) for n in (1, 2)]
    dask.get = real
    return [given, ran, len(started)]

found = {"stock": [validator(), classes(), outage(), asyncio.run(lock(InMemoryLockStore())), graph()]}
rasa_cures.apply()
found["cured"] = [validator(), classes(), outage(), asyncio.run(lock(rasa_tracker.ConversationLocks())), graph()]
found["tensorflow"] = getattr(sys.modules.get("tensorflow"), "__file__", "stand-in")
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return dict(json.loads(in_rasa(MEASURE).splitlines()[-1]))


def test_the_result_validator_is_compiled_once(measured):
    assert measured["cured"][0] == 0
    assert measured["stock"][0] == 4  # what it cures


def test_the_class_of_an_event_is_looked_up_once(measured):
    assert measured["stock"][1] >= 50 * max(1, measured["cured"][1])


def test_a_failing_tracker_store_is_not_hidden(measured):
    assert measured["cured"][2] == "error"
    assert measured["stock"][2] is None  # an empty memory


def test_a_waiting_turn_is_woken_in_order_and_does_not_poll_the_lock(measured):
    assert measured["cured"][3] == [[0, 1, 2, 3, 4], False]
    assert measured["stock"][3][1] is True


def test_the_graph_runs_its_nodes_without_a_scheduler_and_gives_the_same(measured):
    (stock, stock_ran, stock_started), (cured, cured_ran, cured_started) = measured["stock"][4], measured["cured"][4]
    assert cured == stock == [{"last": ["last", ["first", n], n]} for n in (1, 2)]
    assert cured_ran == stock_ran == ["first", "last"] * 2
    assert (stock_started, cured_started) == (2, 0)


def test_tensorflow_is_left_out(measured):
    assert measured["tensorflow"] == "stand-in"


SPEED = """
import copy, json, random, sys
import rasa_cures, rasa_speed
rasa_cures.apply()
from rasa.core.actions.action import RemoteAction
from rasa.core.policies.rule_policy import RulePolicy
from rasa.core.processor import MessageProcessor
from rasa.shared.core.events import *
from rasa.shared.core.trackers import DialogueStateTracker

_, metadata, runner = MessageProcessor._load_model(sys.argv[1])
nodes = (getattr(node, "_component", None) for node in runner._instantiated_nodes.values())
policy, domain = next(node for node in nodes if isinstance(node, RulePolicy)), metadata.domain
rng = random.Random(7)

def heard(tracker):
    name = rng.choice(["greet", "track_order", "change_name", "inform", "inform", "nlu_fallback"])
    parse = {"text": "K-1", "intent": {"name": name}, "entities": []}
    tracker.update(UserUttered("K-1", {"name": name, "confidence": 1.0}, [], parse, message_id="m"))

def conversation():
    "Turns as the policy plays them, and now and then as it does not; cut off anywhere."
    tracker = DialogueStateTracker("c", domain.slots)
    opening = [ActionExecuted("action_session_start"), SessionStarted(), ActionExecuted("action_listen")]
    tracker.update_with_events(opening, domain)
    for _ in range(rng.randrange(1, 7)):
        heard(tracker)
        for _ in range(rng.randrange(0, 4)):
            prediction = policy._predict(tracker, domain)[0]
            name = domain.action_names_or_texts[prediction.max_confidence_index]
            if rng.random() < 0.2:
                name = rng.choice(["utter_noted", "action_track", "name_form"])
            tracker.update_with_events([*prediction.events, ActionExecuted(name)], domain)
            if name == "name_form":
                tracker.update(ActiveLoop("name_form" if rng.random() < 0.7 else None))
                tracker.update(SlotSet("requested_slot", "name"))
            if rng.random() < 0.2:
                tracker.update(ActionExecutionRejected(name))
            if rng.random() < 0.03:
                tracker.update(rng.choice([UserUtteranceReverted, ActionReverted, SessionStarted])())
            tracker.update(BotUttered("said", metadata={"utter_action": "utter_noted"}))
            if name == "action_listen":
                break
        else:
            if rng.random() < 0.8:
                tracker.update(ActionExecuted("action_listen"))
    return tracker

def predicted(tracker):
    made, source = policy._predict(tracker, domain)
    events = [event.type_name for event in made.events]
    return [made.probabilities, events, made.hide_rule_turn, made.is_end_to_end_prediction, made.is_no_user_prediction]

def counted(tracker):
    "States made for one prediction."
    stock, made = type(domain).get_active_state, []
    type(domain).get_active_state = lambda *a, **k: made.append(1) or stock(*a, **k)
    policy._predict(tracker, domain)
    type(domain).get_active_state = stock
    return len(made)

RESULTS = [
    {}, {"events": []}, {"events": [{"event": "slot", "name": "a", "value": 1}], "responses": [{"text": "x"}]},
    {"events": "no"}, {"events": [{"event": "no_such"}]}, {"events": [{"name": "x"}]}, {"events": [{"event": "slot"}]},
    {"events": [{"event": 3}]}, {"responses": [1]}, [], None,
    {"events": [{"event": "active_loop", "name": None, "timestamp": "now"}]},
]

def valid(result):
    try:
        return RemoteAction("a", None)._validate_action_result(result)
    except jsonschema.ValidationError:
        return False

import jsonschema, jsonschema.validators
specification = RemoteAction.action_response_format_spec()
stock_validator = jsonschema.validators.validator_for(specification)(specification)
conversations = [conversation() for _ in range(300)]
long = max(conversations, key=lambda tracker: len(tracker.events))
found = {"stock": [predicted(each) for each in conversations], "stock_states": counted(long)}
found["stock_applied"] = [[str(event) for event in each.applied_events()] for each in conversations]
found["stock_copies"] = [each.copy().current_state() for each in conversations]
found["stock_valid"] = [stock_validator.is_valid(result) for result in RESULTS]
rasa_speed.apply()
found["fast"] = [predicted(each) for each in conversations]
found["fast_states"] = counted(long)
found["fast_applied"] = [[str(event) for event in each.applied_events()] for each in conversations]
copies = [each.copy() for each in conversations]
found["fast_copies"] = [each.current_state() for each in copies]
before = [each.current_state() for each in conversations]
for each in copies:
    each.update_with_events([ActiveLoop("name_form"), LoopInterrupted(True), SlotSet("name", "other")], domain)
found["untouched"] = [each.current_state() for each in conversations] == before
found["valid"] = [valid(result) for result in RESULTS]
call = RemoteAction("action_track", None)._action_call_format(long, domain)["tracker"]
found["told"] = call["events"]
found["heard"] = sum(isinstance(event, UserUttered) for event in long.events)
found["latest"] = call["latest_message"]["intent"]["name"] == long.latest_message.intent_name
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def sped(model: Path) -> dict[str, Any]:
    return dict(json.loads(in_rasa(SPEED, str(next(model.glob("*.tar.gz")))).splitlines()[-1]))


def test_rules_found_by_their_last_state_predict_the_same(sped):
    assert sped["fast"] == sped["stock"]
    assert sped["fast_applied"] == sped["stock_applied"]
    kinds = {json.dumps(prediction) for prediction in sped["stock"]}
    assert len(kinds) > 5  # several actions, in forms and outside
    assert sped["fast_states"] < sped["stock_states"] / 2


def test_a_tracker_is_copied_with_its_state_and_shares_none_of_it(sped):
    assert sped["fast_copies"] == sped["stock_copies"]
    assert sped["untouched"]


def test_a_result_of_an_action_is_valid_where_the_stock_validator_says_so(sped):
    assert sped["valid"] == sped["stock_valid"]
    assert set(sped["valid"]) == {True, False}


def test_an_action_is_told_the_last_turns_and_what_was_asked_for_before(sped):
    users = [event for event in sped["told"] if event["event"] == "user"]
    assert len(users) == sped["heard"] > 2
    assert all(set(event) == {"event", "timestamp", "text", "parse_data"} for event in users)
    place = [number for number, event in enumerate(sped["told"]) if event["event"] == "user"]
    assert {event["event"] for event in sped["told"][: place[-2]]} <= {"user", "active_loop"}
    assert {"bot", "action"} <= {event["event"] for event in sped["told"][place[-2] :]}
    assert sped["latest"]
