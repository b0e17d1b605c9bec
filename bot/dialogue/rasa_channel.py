"""The one door of the dialogue: a turn in, its replies out. `POST /webhooks/kefu/turn` (DESIGN.md section 5, 6-8).

The caller (turns) has parsed the message already; Rasa runs no model. A message id that the tracker holds is not
run again: its recorded replies are returned. A turn that cannot be finished (database, action server away) leaves
nothing behind and answers 503, so that it can be tried again whole.
"""

import asyncio
import gc
import hmac
import logging
import os

from rasa.core.channels.channel import InputChannel, OutputChannel, UserMessage
from rasa.shared.core.events import BotUttered, SlotSet, UserUttered
from rasa_loopback import Away, Loopback
from sanic import Blueprint, response

# Above the action server's own budget, far below the patience of turns.
ACTION_TIMEOUT_SECONDS = float(os.environ.get("KEFU_ACTION_TIMEOUT_SECONDS", "12"))
# Intents that Rasa itself obeys. No model of ours has them as labels; nobody may smuggle them in.
RESERVED_INTENTS = ("restart", "back", "session_start")
KEPT_OF_PARSE = ("text", "intent", "entities", "language", "in_scope", "reply_draft")

logger = logging.getLogger(__name__)


class TurnAborted(BaseException):
    """The turn cannot go on and nothing of it may be kept.

    Not an `Exception`: Rasa's processor logs those, counts the action as done and goes on in silence.
    """


class Silent(OutputChannel):
    """Replies are read from the tracker afterwards, so the first answer and a repeated one are the same."""

    @classmethod
    def name(cls):
        return "kefu"

    async def send_response(self, recipient_id, message):
        pass


class PooledActions:
    """The action endpoint with one pool of connections and a time limit Rasa does not offer (it waits 300 s).

    Duck type of `rasa.utils.endpoints.EndpointConfig`.
    """

    def __init__(self, url):
        self.url = url
        self.kwargs = {"enable_selective_domain": True}  # the domain is not sent along
        self._server = Loopback(url)

    async def request(self, json=None, **_):
        try:
            status, answer = await self._server.post(json, ACTION_TIMEOUT_SECONDS)
        except asyncio.TimeoutError:
            logger.error("action %s hung", json["next_action"])
            return apology(json["next_action"], "timeout")
        except Away as error:
            raise TurnAborted(f"the action server is away ({error})") from error
        if status == 200:
            return answer
        if status == 400:
            return _rejection(answer)
        logger.error("action %s answered %s", json["next_action"], status)
        return apology(json["next_action"], "error")

    def close(self):
        self._server.close()


def _rejection(body):
    """A form that cannot use the message says so with status 400; Rasa wants it as this exception."""
    from rasa.core.actions.action import ActionExecutionRejection

    raise ActionExecutionRejection(body["action_name"], body.get("error"))


def apology(action_name, cause):
    """What a failed or hung action says: sorry, and a person. The form it stood in is left."""
    return {
        "events": [
            {"event": "active_loop", "name": None},
            {"event": "slot", "name": "requested_slot", "value": None},
        ],
        "responses": [
            {"response": "utter_action_failed"},
            {"custom": {"handoff": {"reason": "failure", "summary": {"action": action_name, "cause": cause}}}},
        ],
    }


class KefuInput(InputChannel):
    @classmethod
    def name(cls):
        return "kefu"

    @classmethod
    def from_credentials(cls, credentials):
        return cls((credentials or {}).get("token") or os.environ["KEFU_INTERNAL_TOKEN"])

    def __init__(self, token):
        self.token = token

    def blueprint(self, on_new_message):
        blueprint = Blueprint("kefu", __name__)

        @blueprint.listener("after_server_start")
        async def ready(app, loop):
            agent = app.ctx.agent
            if agent is None or not agent.is_ready():
                raise SystemExit("the dialogue has no model; train it: kefu train dialogue")
            actions = PooledActions(os.environ["KEFU_ACTIONS_URL"] + "/webhook")
            agent.action_endpoint = agent.processor.action_endpoint = actions
            # as in bot/ready.py: full collections looked through all of it for 200 ms, and nobody was answered
            gc.collect()
            gc.freeze()
            print("ready: dialogue", flush=True)

        @blueprint.listener("before_server_stop")
        async def stop(app, loop):
            endpoint = app.ctx.agent.processor.action_endpoint
            if isinstance(endpoint, PooledActions):
                endpoint.close()

        @blueprint.route("/health", methods=["GET"])
        async def health(request):
            agent = request.app.ctx.agent
            if agent is None or not agent.is_ready():
                return _error(503, "not_ready", "the dialogue has no model yet")
            return response.json({"status": "ok", "model": agent.processor.model_metadata.model_id})

        @blueprint.route("/turn", methods=["POST"])
        async def turn(request):
            offered = request.headers.get("authorization", "")
            if not hmac.compare_digest(offered.encode(), f"Bearer {self.token}".encode()):
                return _error(401, "unauthorized", "the internal token is missing or wrong")
            body = request.json
            agent = request.app.ctx.agent
            conversation_id = body["conversation_id"]
            store = agent.processor.tracker_store._tracker_store
            async with agent.lock_store.lock(conversation_id):
                try:
                    return response.json(await play(agent.processor, body))
                except (Exception, TurnAborted) as error:
                    store.forget(conversation_id)
                    # The text of the error may hold what the customer wrote: name its type only.
                    logger.error("turn %s failed: %s", body.get("message_id"), type(error).__name__)
                    if os.environ.get("KEFU_DEBUG"):
                        logger.exception("turn failed")
                    return _error(503, "turn_failed", f"{type(error).__name__}; nothing was kept, try again")
                except asyncio.CancelledError:
                    store.forget(conversation_id)
                    raise

        return blueprint


async def play(processor, body):
    """One turn on the processor; the caller holds the conversation's lock.

    Returns:
        `{"replies": [...], "active_loop": name or None, "repeated": bool}`.
    """
    conversation_id, message_id = body["conversation_id"], body["message_id"]
    metadata, parse = body["metadata"], {key: body["parse"][key] for key in KEPT_OF_PARSE if key in body["parse"]}
    if parse["intent"].get("name") in RESERVED_INTENTS:
        parse["intent"] = {"name": "nlu_fallback", "confidence": 0.0}
    if parse["intent"].get("name") == "nlu_fallback":  # only then it matters what else it may have been
        parse["intent_ranking"] = body["parse"].get("intent_ranking") or []
    tracker = await processor.get_tracker(conversation_id)
    recorded = replies(tracker, message_id)
    if recorded is not None:
        return {"replies": recorded, "active_loop": tracker.active_loop_name, "repeated": True}
    await processor._update_tracker_session(tracker, Silent(), None)
    language = metadata.get("language")
    if language and "language" in tracker.slots and tracker.get_slot("language") != language:
        tracker.update(SlotSet("language", language), processor.domain)
    message = UserMessage(
        text=body["text"],
        output_channel=Silent(),
        sender_id=conversation_id,
        parse_data=parse,
        input_channel=metadata.get("channel"),
        message_id=message_id,
        metadata=metadata,
    )
    await processor.handle_message(message)
    tracker = await processor.get_tracker(conversation_id)
    return {
        "replies": replies(tracker, message_id) or [],
        "active_loop": tracker.active_loop_name,
        "repeated": False,
    }


def replies(tracker, message_id):
    """What the bot said to this message, or None when the tracker does not hold it."""
    events = list(tracker.events)
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if isinstance(event, UserUttered) and event.message_id == message_id:
            break
    else:
        return None
    said = []
    for event in events[index + 1 :]:
        if isinstance(event, UserUttered):
            break
        if isinstance(event, BotUttered):
            said.append(_reply(event))
    return said


def _reply(event):
    reply = {name: value for name, value in event.data.items() if value and name in ("buttons", "image", "custom")}
    if event.text:
        reply["text"] = event.text
    if event.metadata.get("utter_action"):
        reply["response"] = event.metadata["utter_action"]
    return reply


def _error(status, code, message):
    return response.json({"error": {"code": code, "message": message}}, status=status)
