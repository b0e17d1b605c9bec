"""How a customer of the retail tasks says things: full sentences, fragments, and with a mind that changes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from random import Random

from tests.benchmarks.retail_wishes import Thing, Wish, listed

STYLES = ("sentences", "fragments", "changing")
GREETING = ("Hi, ", "Hello, ", "", "", "Hey, ")
VERBS = {"change": ("modify", "change", "exchange"), "exchange": ("exchange", "swap")}
OPENING = {
    "cancel": (
        "I'd like to cancel my order{of}.",
        "please cancel the order{of}.",
        "I want to cancel the order{of}.",
    ),
    "return": (
        "I'd like to return {things}{of}.",
        "I want to send back {things}{of}.",
        "can I return {things}{of}?",
    ),
    "change": (
        "I'd like to {verb} {things} in my pending order{number}.",
        "can you {verb} {things} in the order{number} that has not shipped yet?",
    ),
    "exchange": (
        "I'd like to {verb} {things} I received{of}.",
        "I want to {verb} {things} from my order{number}.",
    ),
    "address": (
        "I need to change the shipping address of my order{of}.",
        "the address of my order{of} is wrong, please change it.",
    ),
    "home": (
        "I'd like to change the default address of my account.",
        "please update the address in my profile.",
    ),
    "payment": (
        "I'd like to pay my order{of} with {method} instead.",
        "please change the payment method of the order{of} to {method}.",
    ),
}
SHORT = {
    "cancel": "cancel order{of}",
    "return": "return {things}",
    "change": "{verb} {things}, pending order{number}",
    "exchange": "{verb} {things}{number}",
    "address": "change delivery address, order{of}",
    "home": "change my default address",
    "payment": "order{of}: pay with {method}",
}
ASIDE = (
    "What does the gift card policy say?",
    "How long do refunds usually take?",
    "Which payment methods do you take?",
)
YES = {
    "sentences": ("Yes, please.", "Yes, go ahead.", "That's right, please do it."),
    "fragments": ("yes", "ok yes", "yep"),
    "changing": ("Yes, please.", "yes", "Yes, do that."),
}
WAIT = ("Hold on, no, I'm not sure.", "No, wait a second.", "no, not yet")


def opening(wish: Wish, style: str, random: Random, words: Mapping[str, str] | None = None) -> str:
    """The first words about a wish."""
    if wish.words:
        return wish.words
    told = details(wish, random)
    if style == "fragments":
        text = SHORT[wish.kind].format(**told)
        return text if random.random() < 0.5 or not _wanted(wish) else f"{text}: {_wanted(wish)}"
    text = random.choice(OPENING[wish.kind]).format(**told)
    if wish.kind in ("change", "exchange") and random.random() < 0.5:
        text += f" I want {swaps(wish.things)}."
    lead = random.choice(GREETING)
    return lead + (text if lead else text[0].upper() + text[1:])


def details(wish: Wish, random: Random) -> dict[str, str]:
    number = f" {wish.number}" if wish.knows_number else ""
    goods = f" with {listed(wish.things[:2])}" if wish.things else ""
    return {
        "number": number,
        "of": number or (goods if wish.kind in ("cancel", "address", "payment") else ""),
        "things": listed(wish.things) if wish.things else "it",
        "verb": random.choice(VERBS.get(wish.kind, ("change",))),
        "method": wish.method.spoken if wish.method else "",
    }


def _wanted(wish: Wish) -> str:
    return swaps(wish.things) if wish.kind in ("change", "exchange") else ""


def swaps(things: Sequence[Thing]) -> str:
    """ "the tablet in black, storage 64GB; the lamp ..."."""
    if len(things) == 1:
        return f"one with {described(things[0].differing)}"
    return "; ".join(f"for {full_name(thing)}: {described(thing.differing)}" for thing in things)


def full_name(thing: Thing) -> str:
    return f"the {thing.name.lower()}"


def described(options: Mapping[str, str]) -> str:
    """ "color black, size 8 and waterproof yes"."""
    parts = [f"{name} {value}" for name, value in options.items()]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else "the same options"


def values(options: Mapping[str, str]) -> str:
    """Only the values, where they speak for themselves: "black, leather"; a yes or a no keeps its name."""
    return ", ".join(f"{name} {value}" if value in ("yes", "no", "none") else value for name, value in options.items())


def apart(things: Iterable[Thing]) -> str:
    """Things told apart by what they are: "the tablet (10-inch, 128GB, black)"."""
    return " and ".join(f"the {thing.name.lower()} ({values(thing.options)})" for thing in things)


def address(place: Mapping[str, object]) -> str:
    street = ", ".join(str(place[part]) for part in ("line1", "line2") if place.get(part))
    return f"{street}, {place['city']}, {place['region']} {place['postcode']}, USA"


def first_person(text: str) -> str:
    """The scenario's "you want to return your lamp" as its customer says it."""
    for pattern, said in (
        (r"\bYou are\b", "I am"), (r"\byou are\b", "I am"), (r"\byou're\b", "I'm"), (r"\bYou're\b", "I'm"),
        (r"\bYour\b", "My"), (r"\byour\b", "my"), (r"\byou(?:'d)\b", "I'd"), (r"\bYou\b", "I"), (r"\byou\b", "I"),
    ):  # fmt: skip
        text = re.sub(pattern, said, text)
    return " ".join(text.split())
