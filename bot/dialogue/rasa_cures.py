"""Faults of Rasa 3.6.21 that have no setting, each cured in one place. Every cure has a regression test.

All are of version 3.6.21, the last of its line; each may go with the release that mends it.
"""

import functools

import jsonschema
from rasa.core.actions.action import RemoteAction
from rasa.core.tracker_store import FailSafeTrackerStore
from rasa.engine.exceptions import GraphRunError
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.shared.core.events import Event


def apply():
    compile_the_result_validator()
    remember_event_classes()
    let_database_errors_through()
    run_the_graph_directly()


def compile_the_result_validator():
    """The schema of an action's result is constant, yet is checked and compiled anew for each call (25 ms CPU).

    It also tries each event against all two dozen kinds to find that one of them fits (0.6 ms): the kind is read from
    the event, and only that one's schema is tried. What is valid stays the same.
    """
    specification = RemoteAction.action_response_format_spec()
    event_schema = specification["properties"]["events"]["items"]
    compiled = jsonschema.validators.validator_for(specification)
    kinds = {
        kind["properties"]["event"]["const"]: compiled({**event_schema, "oneOf": [kind]})
        for kind in event_schema["oneOf"]
    }
    events = {"type": "array", "items": {"type": "object", "required": ["event"]}}
    result_validator = compiled({**specification, "properties": {**specification["properties"], "events": events}})
    unknown = compiled(event_schema)

    def validate(self, result):
        result_validator.validate(result)
        for event in result.get("events", ()):
            kind = event["event"]
            (kinds.get(kind, unknown) if isinstance(kind, str) else unknown).validate(event)
        return True

    RemoteAction._validate_action_result = validate


def remember_event_classes():
    """`resolve_by_type` walks all subclasses for each event of each turn (6-20 % of a turn)."""
    Event.resolve_by_type = staticmethod(functools.lru_cache(None)(Event.resolve_by_type))


def let_database_errors_through():
    """The wrapper answers a database outage with an empty memory. The turn must fail instead, and be tried again."""

    async def retrieve(self, sender_id):
        return await self._tracker_store.retrieve(sender_id)

    async def retrieve_full_tracker(self, sender_id):
        return await self._tracker_store.retrieve_full_tracker(sender_id)

    async def save(self, tracker):
        await self._tracker_store.save(tracker)

    FailSafeTrackerStore.retrieve = retrieve
    FailSafeTrackerStore.retrieve_full_tracker = retrieve_full_tracker
    FailSafeTrackerStore.save = save


def run_the_graph_directly():
    """Each prediction builds a dask graph, schedules it and starts no thread: a fifth of a turn for two nodes in a row.

    The nodes are called one after another in an order found once; what they get and give is the same.
    """

    def run(self, inputs=None, targets=None):
        names = tuple(targets or self._graph_schema.target_names)
        plans = self.__dict__.setdefault("_plans", {})
        if names not in plans:
            plans[names] = _plan(self._graph_schema.minimal_graph_schema(list(names)).nodes)
        known = {name: (name, value) for name, value in (inputs or {}).items()}
        try:
            for node, needs in plans[names]:
                known[node] = self._instantiated_nodes[node](*(known.get(need, need) for need in needs))
        except RuntimeError as error:
            raise GraphRunError("Error running runner.") from error
        return dict(known[name] for name in names)

    DaskGraphRunner.run = run


def _plan(nodes):
    """[(node, the names it needs)], each after all it needs. A name that is no node is an input."""
    ordered = {}

    def place(name):
        if name in nodes and name not in ordered:
            for need in nodes[name].needs.values():
                place(need)
            ordered[name] = tuple(nodes[name].needs.values())

    for name in nodes:
        place(name)
    return list(ordered.items())
