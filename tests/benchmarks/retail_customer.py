"""A scripted customer of the retail tasks: it reads what is on its screen and answers from its task's facts.

It knows words and buttons as a person sees them and nothing of how the desk works: what is asked is told by key words,
a button is pressed for its title, an order is told by the goods on its card. Its manner (sentences, fragments, a mind
that changes) and whether it types or presses are drawn from a seed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bot.widget_client import Line, NoReply, WidgetClient
from tests.benchmarks import retail_phrases as phrases
from tests.benchmarks.retail_wishes import Method, Thing, Wish, mentions

REPLY_SECONDS = 90.0
MOST_TURNS = 14  # of one wish; nobody talks longer
PATIENCE = 2  # times a wish is put again after it was not understood or not done

DONE = re.compile(
    r"^\s*(done\b|all done|all set)|\b(is|are) (now )?(cancelled|set up|changed|updated)\b|\bset up\b", re.I
)
CONFIRM = re.compile(r"\b(shall i|confirm|go ahead|is that (right|correct)|should i|proceed)\b", re.I)
NO_WAY = re.compile(
    r"can'?t|cannot|not possible|no longer possible|isn'?t possible|only (be|possible|go|once)|unable|not available|"
    r"sorry|nothing (was|has been) changed|already|isn'?t|don'?t see|hasn'?t",
    re.I,
)
ASKS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("code", re.compile(r"\bcode\b.*(mail|type|enter)|type it here", re.I | re.S)),
    ("part", re.compile(r"what would you like to change|which (detail|part)|change.*(name|phone)", re.I)),
    ("thing", re.compile(r"which item|which (one|product)s? (is|are)|what would you like to (return|exchange)", re.I)),
    ("option", re.compile(r"instead of|which (version|variant|option)|what would you like instead", re.I)),
    ("order", re.compile(r"which order|order number", re.I)),
    ("reason", re.compile(r"\bwhy\b|reason", re.I)),
    ("method", re.compile(r"payment method|where should the (money|refund)|how would you like to pay|pay with", re.I)),
    ("address", re.compile(r"where should it go|address|street|postcode|i still need", re.I)),
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    author: str
    text: str


@dataclass
class Outcome:
    """How a wish ended: done | refused | handed over | given up."""

    wish: Wish
    end: str = "given up"
    agreed: bool = False  # whether the customer said yes to a read-back


@dataclass
class Customer:
    """One conversation. `code` reads the one-time code from the customer's own mailbox."""

    client: WidgetClient
    position: int
    random: Random
    code: Callable[[], str]
    record: list[Said] = field(default_factory=list)
    holder: str = "bot"

    def __post_init__(self) -> None:
        self.style = self.random.choice(phrases.STYLES)

    def tell(self, wishes: Sequence[Wish]) -> list[Outcome]:
        """Bring every wish forward, one after the other, until a person takes over."""
        outcomes = []
        for wish in wishes:
            outcomes.append(Outcome(wish))
            if self.holder == "bot":
                Talk(self, outcomes[-1]).go()
            else:
                outcomes[-1].end = "handed over"
        return outcomes

    def say(self, text: str, payload: str | None = None) -> list[Line]:
        """Send a text or press a button, and read what comes back."""
        self.record.append(Said("customer", f"[{text}]" if payload else text))
        try:
            sent = self.client.write(text, payload=payload)
            lines, self.holder = self.client.wait(sent, seconds=REPLY_SECONDS)
        except NoReply:
            self.record.append(Said("bot", "(no reply)"))
            self.holder = "nobody"
            return []
        for line in lines:
            self.record.append(Said(line.author, _shown(line)))
        return lines


class Talk:
    """One wish being talked about."""

    def __init__(self, customer: Customer, outcome: Outcome) -> None:
        self.customer = customer
        self.random = customer.random
        self.outcome = outcome
        self.wish = outcome.wish
        self.again = 0  # how often the wish was put again
        self.open = list(self.wish.things)  # things whose options were not told yet
        self.asked: dict[str, int] = {}
        changes = customer.style == "changing" and not self.wish.refused
        self.hesitates = changes and self.random.random() < 0.6
        self.aside = changes and not self.hesitates

    def go(self) -> None:
        lines = self.customer.say(phrases.opening(self.wish, self.customer.style, self.random))
        for _ in range(MOST_TURNS):
            if self.customer.holder != "bot" or not lines:
                self.outcome.end = "handed over" if lines else "given up"
                return
            answer = self.answer(lines)
            if answer is None:
                return
            lines = self.customer.say(*answer)
        self.customer.say("Never mind, forget it.")

    def answer(self, lines: Sequence[Line]) -> tuple[str, str | None] | None:
        """What to say to these lines; None when the wish is over, one way or the other."""
        text = "\n".join(line.text for line in lines)
        buttons = [button for line in lines for button in line.choices if button.get("payload")]
        yes = [button for button in buttons if re.match(r"yes\b", str(button["title"]), re.I)]
        if self.wish.refused and NO_WAY.search(text) and not yes:
            self.outcome.end = "refused"
            return ("Never mind then.", None) if self._asked(lines) else None
        if yes or (CONFIRM.search(text) and text.rstrip().endswith("?")):
            return self._confirm(lines, yes)
        if DONE.search(text):
            self.outcome.end = "done"
            return None
        what = self._asked(lines)
        if what is not None:
            self.asked[what] = self.asked.get(what, 0) + 1
            if self.asked[what] > 4:
                return self._put_again()
            said: tuple[str, str | None] | None = getattr(self, f"_say_{what}")(lines, buttons)
            return said
        if self.wish.refused:
            self.outcome.end = "refused"
            return None
        return self._put_again(refused=bool(NO_WAY.search(text)))

    def _asked(self, lines: Sequence[Line]) -> str | None:
        """What the last question is about; choices without a question count as one."""
        for line in reversed(lines):
            if any(card.get("kind") == "order" and card.get("buttons") for card in line.cards) and "?" in line.text:
                return "order"
            for what, pattern in ASKS:
                if pattern.search(line.text) and (
                    "?" in line.text or line.buttons or "please" in line.text.lower() or "need" in line.text
                ):
                    return what
        return None

    def _put_again(self, refused: bool = False) -> tuple[str, str | None] | None:
        """Not done, not asked: say it once more with everything that may help, then give up."""
        self.again += 1
        if self.again > PATIENCE or self.wish.refused:
            self.outcome.end = "refused"
            return None
        self.asked.clear()
        self.open = list(self.wish.things)
        order = f" in order {self.wish.number}" if self.wish.number else ""
        kinds = {
            "cancel": f"Please cancel order {self.wish.number}.",
            "return": f"I want to return {phrases.listed(self.wish.things)}{order}." if self.wish.things else "",
            "change": f"Please change {phrases.listed(self.wish.things)}{order}." if self.wish.things else "",
            "exchange": f"I want to exchange {phrases.listed(self.wish.things)}{order}." if self.wish.things else "",
            "address": f"Please change the delivery address of order {self.wish.number}.",
            "home": "Please change the default address of my account.",
            "payment": f"Please change the payment method of order {self.wish.number}.",
        }
        return kinds[self.wish.kind], None

    def _confirm(self, lines: Sequence[Line], yes: Sequence[Mapping[str, Any]]) -> tuple[str, str | None] | None:
        text = "\n".join(line.text for line in lines)  # what is said; the card shows the order as it is
        if self.wish.refused and not self._as_refused_wish(text):
            self.outcome.end = "refused"
            return "No, then leave everything as it is.", None
        fault = None if self.wish.refused else self.fault(text)
        if fault is not None and self.asked.get("fault", 0) < 3:
            self.asked["fault"] = self.asked.get("fault", 0) + 1
            return fault, None
        if fault is not None:
            self.outcome.end = "given up"
            return "No, leave it.", None
        if self.hesitates:
            self.hesitates = False
            self.again -= 1
            return self.random.choice(phrases.WAIT), None
        if self.aside:
            self.aside = False
            return self.random.choice(phrases.ASIDE), None
        self.outcome.agreed = True
        if yes and self.random.random() < 0.4:
            return str(yes[0]["title"]), str(yes[0]["payload"])
        return self.random.choice(phrases.YES[self.customer.style]), None

    def _as_refused_wish(self, text: str) -> bool:
        """Whether what is offered is the very thing that should be refused: then the customer takes it."""
        if self.wish.kind == "refund":
            return (
                self.wish.method is not None
                and bool(self.wish.method.last_four or self.wish.method.kind != "credit_card")
                and self.wish.method.named_in(text)
            )
        if self.wish.kind in ("exchange", "change", "return", "cancel", "address"):
            return self.fault(text) is None
        if self.wish.kind == "part":
            return not any(mentions(text, name) for name in self.wish.others)
        return False

    def fault(self, text: str) -> str | None:
        """What is wrong with a read-back, as the customer puts it; None when it says what is wanted."""
        wish, said = self.wish, text.lower()
        numbers = re.findall(r"\b[a-z]{1,2}-?\d{5,}\b", said)
        if wish.number and numbers and wish.number.lstrip("#").lower() not in numbers:
            return f"No, the other order, {wish.number}."
        if wish.kind in ("return", "change", "exchange"):
            lost = [thing for thing in wish.things if not mentions(text, thing.name)]
            if lost:
                return f"No, also {phrases.apart(lost)}, please."
            own = {thing.name for thing in wish.things}
            more = [name for name in wish.others if name not in own and mentions(text, name)]
            if more:
                return f"No, not the {more[0].lower()}. Only {phrases.listed(wish.things)}."
        if wish.kind in ("change", "exchange"):
            after = " ".join(re.findall(r"→([^→]*)", text)) or text
            before = " ".join(re.findall(r"([^→]*)→", text))
            for thing in wish.things:
                if any(value.lower() not in after.lower() for value in thing.differing.values()):
                    return f"No, I want {phrases.full_name(thing)} with {phrases.described(thing.differing)}."
                if "→" in text and any(value.lower() not in before.lower() for value in thing.options.values()):
                    return f"No, I mean {phrases.apart([thing])}."
        if wish.kind in ("address", "home") and str(wish.address["line1"]).lower() not in said:
            return f"No, the address is {phrases.address(wish.address)}."
        money_moves = wish.kind == "return" or re.search(r"costs|charged|you get back", said)
        if wish.method is not None and wish.method != wish.original and money_moves and not wish.method.named_in(text):
            return f"No, I want it on {wish.method.spoken}."
        if wish.method is not None and wish.method == wish.original and self._other_method_named(text):
            return f"No, I want it on {wish.method.spoken}."
        return None

    def _other_method_named(self, text: str) -> bool:
        """Whether the money would go somewhere else than to what paid for the order."""
        method = self.wish.method
        if method is None or self.wish.kind == "payment":
            return False
        others = [Method("gift_card"), Method("paypal")]
        return not method.named_in(text) and any(other.named_in(text) for other in others if other.kind != method.kind)

    # Answers to questions. Each gets the lines and the buttons on screen.

    def _say_order(self, lines: Sequence[Line], buttons: Sequence[Mapping[str, Any]]) -> tuple[str, str | None] | None:
        if self.wish.knows_number or self.asked["order"] > 2:
            return (self.wish.number or "the latest one"), None
        cards = [card for line in lines for card in line.cards if card.get("buttons")]
        fitting = [card for card in cards if self._on(card)]
        if fitting and self.random.random() < 0.7:
            button = fitting[0]["buttons"][0]
            return str(button["title"]), str(button["payload"])
        if not self.wish.things:
            return "the latest one", None
        return f"The one with {phrases.apart(self.wish.things[:2])}.", None

    def _on(self, card: Mapping[str, Any]) -> bool:
        shown = f"{card.get('title', '')} {card.get('text', '')}"
        if self.wish.number.lstrip("#") in shown:
            return True
        names = [thing.name for thing in self.wish.things]
        return bool(names) and not self.wish.number and all(mentions(shown, name) for name in names[:2])

    def _say_thing(self, lines: Sequence[Line], buttons: Sequence[Mapping[str, Any]]) -> tuple[str, str | None] | None:
        things = list(self.wish.things)
        if not things:
            return "all of them", None
        fitting = [button for button in buttons if self._is(things[0], str(button["title"]))]
        everything = [button for button in buttons if re.match(r"all\b", str(button["title"]), re.I)]
        if not self.wish.others and len(things) > 1 and everything and self.random.random() < 0.5:
            return str(everything[0]["title"]), str(everything[0]["payload"])
        if len(things) == 1 and len(fitting) == 1 and self.random.random() < 0.6:
            return str(fitting[0]["title"]), str(fitting[0]["payload"])
        twice = len({thing.name for thing in things}) < len(things)
        like = [name for name in self.wish.others if name in {thing.name for thing in things}]
        if twice or like or self.asked["thing"] > 1:
            return phrases.apart(things), None
        return phrases.listed(things), None

    def _is(self, thing: Thing, title: str) -> bool:
        return mentions(title, thing.name) and all(
            str(value).lower() in title.lower() for value in thing.options.values()
        )

    def _say_option(self, lines: Sequence[Line], buttons: Sequence[Mapping[str, Any]]) -> tuple[str, str | None] | None:
        question = next(line.text for line in reversed(lines) if line.text)
        about = [thing for thing in self.open if mentions(question, thing.name)] or [
            thing for thing in self.wish.things if mentions(question, thing.name)
        ]
        if not about or about[0].new_options is None:
            return "never mind", None
        exact = [thing for thing in about if all(str(v).lower() in question.lower() for v in thing.options.values())]
        thing = (exact or about)[0]
        wanted = thing.new_options or {}
        if thing in self.open:
            self.open.remove(thing)
        fitting = [
            button
            for button in buttons
            if all(
                re.search(rf"(?<![\w.]){re.escape(str(value))}(?![\w%])", str(button["title"]), re.I)
                for value in wanted.values()
            )
        ]
        if len(fitting) == 1 and self.random.random() < 0.5:
            return str(fitting[0]["title"]), str(fitting[0]["payload"])
        told = thing.differing if self.asked["option"] < 3 else wanted
        if self.customer.style == "fragments":
            return phrases.values(told), None
        return f"The one with {phrases.described(told)}, please.", None

    def _say_reason(self, lines: Sequence[Line], buttons: Sequence[Mapping[str, Any]]) -> tuple[str, str | None] | None:
        wanted = self.wish.reason or "changed my mind"
        fitting = [button for button in buttons if wanted.lower() in str(button["title"]).lower()]
        if fitting and self.random.random() < 0.5:
            return str(fitting[0]["title"]), str(fitting[0]["payload"])
        sentences = {"no longer needed": "I no longer need it.", "ordered by mistake": "I ordered it by mistake."}
        if self.customer.style == "fragments":
            return wanted, None
        return sentences.get(wanted, "I changed my mind."), None

    def _say_method(self, lines: Sequence[Line], buttons: Sequence[Mapping[str, Any]]) -> tuple[str, str | None] | None:
        method = self.wish.method or self.wish.original
        if method is None:
            return "the original payment method", None
        fitting = [button for button in buttons if method.named_in(str(button["title"]))]
        way_back = [button for button in buttons if re.search(r"the way i paid|original", str(button["title"]), re.I)]
        if method == self.wish.original and way_back and not fitting:
            fitting = way_back
        if len(fitting) == 1 and self.random.random() < 0.5:
            return str(fitting[0]["title"]), str(fitting[0]["payload"])
        if self.customer.style == "fragments":
            return method.spoken.removeprefix("the "), None
        return f"Please use {method.spoken}.", None

    def _say_address(
        self, lines: Sequence[Line], buttons: Sequence[Mapping[str, Any]]
    ) -> tuple[str, str | None] | None:
        if not self.wish.address:
            return "never mind", None
        street = str(self.wish.address["line1"]).lower()
        fitting = [button for button in buttons if street in str(button["title"]).lower()]
        if fitting and self.random.random() < 0.5:
            return str(fitting[0]["title"]), str(fitting[0]["payload"])
        return phrases.address(self.wish.address), None

    def _say_part(self, lines: Sequence[Line], buttons: Sequence[Mapping[str, Any]]) -> tuple[str, str | None] | None:
        fitting = [button for button in buttons if "address" in str(button["title"]).lower()]
        if fitting and self.random.random() < 0.5:
            return str(fitting[0]["title"]), str(fitting[0]["payload"])
        return "the address", None

    def _say_code(self, lines: Sequence[Line], buttons: Sequence[Mapping[str, Any]]) -> tuple[str, str | None] | None:
        return self.customer.code(), None


def _shown(line: Line) -> str:
    """A line as it stands on the screen."""
    parts = [line.text]
    for card in line.cards:
        shown = (card.get("title"), card.get("price"), card.get("badge"), card.get("text"))
        parts.append("▪ " + " · ".join(str(part) for part in shown if part))
        parts += [f"   [{button['title']}]" for button in card.get("buttons", ())]
    parts += [f"[{button['title']}]" for button in line.buttons]
    return "\n".join(part for part in parts if part)
