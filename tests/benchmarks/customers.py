"""`kefu bench customers`: what the house's own model makes of messages that real customers wrote to other shops.

Each message is read alone, as the first of a conversation. Of the Chinese ones (JDDC) this project holds labels alone,
found again by the checksum of their text; half of them were read while examples were written (part `seen`), the others
were labelled and never looked at (`unseen`). The English ones (HINT3 SOFMattress) come with the labels of their shop;
`SHOP` says which of our intents would serve each. Its test is unseen.

at_once  an intent that serves the message
offered  not sure enough, but the right wish is among the buttons
lost     not understood, or taken for off topic
wrong    another intent is acted on
"""

import csv
import gzip
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from actions.rasa_actions.guesses import likely
from bot import settings
from bot.database.engine import open_engine, open_readers
from nlu_models.catalogue import Catalogue
from nlu_models.intent import IntentModel
from nlu_models.parse import FALLBACK, Parser
from tests.benchmarks import report
from tests.benchmarks.report import Row

LABELS = Path(__file__).parent / "data" / "real_customers_zh.csv"
SYSTEM = "kefu"
ENDS = ("at_once", "offered", "lost", "wrong")
SHOP = {
    "100_NIGHT_TRIAL_OFFER": "ask_faq|refund_policy|promotions|return_order",
    "ABOUT_SOF_MATTRESS": "ask_faq|product_search",
    "CANCEL_ORDER": "cancel_order",
    "CHECK_PINCODE": "delivery_options|ask_faq|delivery_time",
    "COD": "payment_methods|payment_problem",
    "COMPARISON": "compare_products",
    "DELAY_IN_DELIVERY": "track_order|complaint|delivery_time",
    "DISTRIBUTORS": "ask_faq|delivery_options|check_stock",
    "EMI": "payment_methods",
    "ERGO_FEATURES": "product_question|product_search",
    "LEAD_GEN": "talk_to_person|product_search|recommend",
    "MATTRESS_COST": "check_price|product_search|product_refine",
    "OFFERS": "promotions",
    "ORDER_STATUS": "track_order|delivery_time|inform",
    "ORTHO_FEATURES": "product_question|recommend|product_search",
    "PILLOWS": "product_search|recommend|product_question|check_stock",
    "PRODUCT_VARIANTS": "product_search|recommend|product_question",
    "RETURN_EXCHANGE": "return_order|exchange_order|refund_policy",
    "SIZE_CUSTOMIZATION": "ask_faq|size_fit|product_question|product_refine|check_stock|product_search",
    "WARRANTY": "warranty",
    "WHAT_SIZE_TO_ORDER": "size_fit|product_question|recommend",
}


@dataclass(frozen=True)
class Message:
    """`intents`: any of these serves it."""

    data: str
    text: str
    intents: frozenset[str]


def messages(data: Path) -> Iterator[Message]:
    """All that the folder of data sets has; none where it has none of them."""
    chats = data / "jddc_sample_zh" / "train.jsonl.gz"
    if chats.exists():
        with LABELS.open(encoding="utf-8", newline="") as file:
            labels = {row["sha256"]: row for row in csv.DictReader(file)}
        for text in _said(chats):
            row = labels.pop(checksum(text), None)
            if row is not None:
                yield Message(f"jddc_{row['part']}", text, frozenset(row["intents"].split("|")))
    for part, name in (("train", "seen"), ("test", "unseen")):
        file_of = data / "hint3" / f"sofmattress_v2_{part}.csv"
        if file_of.exists():
            with file_of.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    if row["label"] in SHOP:
                        yield Message(f"sofmattress_{name}", row["sentence"], frozenset(SHOP[row["label"]].split("|")))


def _said(chats: Path) -> Iterator[str]:
    """Every piece of every chat, once or more."""
    with gzip.open(chats, "rt", encoding="utf-8") as file:
        for line in file:
            for piece in json.loads(line)["context"].split(","):
                yield piece.strip().strip("'’ ")


def checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def end_of(message: Message, parsed: dict[str, Any]) -> str:
    """One of ENDS."""
    intent = parsed["intent"]["name"]
    if intent in message.intents:
        return "at_once"
    if intent == FALLBACK:
        return "offered" if message.intents & set(likely(parsed["intent_ranking"])) else "lost"
    return "lost" if intent == "out_of_scope" else "wrong"


def measured(found: Iterable[Message], parse: Callable[[Sequence[str]], list[dict[str, Any]]]) -> list[Row]:
    """A row for every data set and end."""
    of_data: dict[str, list[Message]] = {}
    for message in found:
        of_data.setdefault(message.data, []).append(message)
    rows = []
    for data, those in sorted(of_data.items()):
        parsed = parse([message.text for message in those])
        ends = [end_of(message, answer) for message, answer in zip(those, parsed, strict=True)]
        rows += [Row(data, SYSTEM, end, *report.interval([float(each == end) for each in ends])) for end in ENDS]
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    arguments = report.parser("customers", "real customers' messages, read by the house's own model").parse_args(argv)
    found = list(messages(arguments.data))
    if not found:
        print(f"bench customers: {arguments.data} has neither jddc_sample_zh nor hint3; give --data", file=sys.stderr)
        return 1
    chosen = settings.load()
    engine = open_engine(chosen.database_url, pool_size=1)
    parser = Parser(IntentModel.load(Path(chosen.models) / "intent"), Catalogue(open_readers(engine)).gazetteer())
    rows = measured(found, parser.parse)
    engine.dispose()
    Console().print(f"{len(found)} messages; model {parser.model.version}")
    report.write(rows, title="customers", json_file=arguments.json, plots=arguments.plots)
    return 0


if __name__ == "__main__":
    sys.exit(main())
