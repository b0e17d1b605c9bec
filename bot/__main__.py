"""`kefu`: one command, one table of what it can do. Each verb is a module of its own, loaded when asked for."""

import os
import runpy
import sys
from typing import NamedTuple


class Command(NamedTuple):
    words: tuple[str, ...]
    module: str
    arguments: tuple[str, ...]
    help: str


COMMANDS = (
    Command(
        ("up",), "bot.supervisor", (), "Prepare, start everything, wait until it is ready; --smoke tries every skill."
    ),
    Command(("chat",), "bot.chat", (), "Talk to the desk in the terminal, through the gateway like any widget."),
    Command(("settings",), "bot.show_settings", (), "Show every setting, its value and where it comes from."),
    Command(
        ("import",), "bot.database.importing", (), "Import products, documents, customers or orders from CSV or JSONL."
    ),
    Command(("export",), "bot.database.exporting", (), "Export everything, or one customer's data, as JSONL."),
    Command(("erase",), "bot.database.erasing", (), "Erase one customer on request; orders stay for the books."),
    Command(("migrate",), "bot.database.migrate", (), "Bring the tables of the database up to date."),
    Command(("seed",), "bot.database.seed", (), "Fill an empty database with the demo shop."),
    Command(("agents",), "bot.handoff.agents", (), "Add, list and change the people who answer in the console."),
    Command(("gateway",), "bot.gateway", (), "Run the gateway alone."),
    Command(("turns",), "bot.turns_worker", (), "Run one turns worker alone."),
    Command(("courier",), "bot.courier", (), "Run the courier alone."),
    Command(("nlu",), "nlu_models.server", (), "Run the understanding process alone."),
    Command(("actions",), "actions.wiring", (), "Run the action server alone."),
    Command(
        ("train", "nlu"),
        "nlu_models.train",
        ("intent",),
        "Train the intent ensemble; it goes live only if it beats the one in place.",
    ),
    Command(("train", "reply"), "nlu_models.train", ("reply",), "Train the GPT-2 that words replies."),
    Command(("evaluate", "nlu"), "nlu_models.evaluate", (), "How the live intent model does on your labelled texts."),
    Command(("tune", "nlu"), "nlu_models.tune", (), "Search hyper-parameters: grid, random or Bayesian."),
    Command(("rollback",), "nlu_models.train", ("rollback",), "Put the previous model of a kind in place again."),
    Command(("train", "recommend"), "actions.recommendation.train", (), "Train the recommenders."),
    Command(("train", "risk"), "actions.risk.train", (), "Train the order-risk ensemble."),
    Command(("train", "dialogue"), "bot.dialogue_training", (), "Train Rasa's policies."),
    Command(("learn",), "actions.recommendation.learn", (), "Train the recommenders daily; a better one goes live."),
    Command(("index",), "retrieval.build", (), "Build the search index over products and help again."),
    Command(("bench", "turns"), "tests.benchmarks.turns", (), "Messages a second against a stock Rasa bot."),
    Command(("bench", "faults"), "tests.benchmarks.faults", (), "A thousand messages while processes are killed."),
    Command(("bench", "nlu"), "tests.benchmarks.nlu", (), "Intents, scope and speed on public data, beside DIET."),
    Command(("bench", "customers"), "tests.benchmarks.customers", (), "What is made of real customers' messages."),
    Command(("bench", "retrieval"), "tests.benchmarks.retrieval", (), "Search and answers on public data."),
    Command(("bench", "recommend"), "tests.benchmarks.recommend", (), "Recommenders on public data and the demo shop."),
    Command(("bench", "retail"), "tests.benchmarks.retail", (), "Public retail tasks played against the whole house."),
    Command(("bench", "risk"), "tests.benchmarks.risk", (), "Order risk on public data and the demo shop."),
)


def usage(verb: str = "") -> str:
    """All commands, or those of one verb."""
    commands = [command for command in COMMANDS if verb in ("", command.words[0])]
    width = max(len(" ".join(command.words)) for command in commands)
    rows = (f"  kefu {' '.join(command.words):<{width}}  {command.help}" for command in commands)
    return "Kefu, the customer-service desk of your shop.\n\n" + "\n".join(rows) + "\n\nEach has --help."


def find(words: list[str]) -> tuple[Command, list[str]] | None:
    """The command whose words come first, and what follows them."""
    for command in sorted(COMMANDS, key=lambda command: -len(command.words)):
        if tuple(words[: len(command.words)]) == command.words:
            return command, words[len(command.words) :]
    return None


def main() -> None:
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        sys.exit(0)
    found = find(words)
    if found is None:
        verb = words[0] if any(words[0] == command.words[0] for command in COMMANDS) else ""
        if verb and words[1:] in (["-h"], ["--help"]):
            print(usage(verb))
            sys.exit(0)
        print(f"kefu has no command {' '.join(words[:2])!r}\n\n{usage(verb)}", file=sys.stderr)
        sys.exit(2)
    command, rest = found
    # Models come from local folders and packages; a hub is asked only when its name is in a setting.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.argv = [f"kefu {' '.join(command.words)}", *command.arguments, *rest]
    runpy.run_module(command.module, run_name="__main__")


if __name__ == "__main__":
    main()
