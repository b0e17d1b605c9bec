"""Questions many forms share: which order, which items, one of a few choices, a free text, "shall I?"."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from actions.order_desk import lookup
from actions.order_desk.outcomes import OrderNotFound
from actions.order_desk.views import LineView, OrderView
from actions.rasa_actions import wording
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.forms import FormEnds, Problem, Step, Turn
from actions.rasa_actions.named_lines import everything_but, lines_named, mentions, without_wanted
from actions.rasa_actions.skills import FORM_INTENTS
from actions.rasa_actions.spoken import position
from actions.rasa_actions.spoken_options import options_said

MOST_SHOWN = 5
MOST_READ = 15  # newest orders looked through for fitting ones
_NUMBER = re.compile(r"\bK-?\s?(\d{4,9})\b", re.I)
_ALL = re.compile(r"\b(all|both|everything|whole|entire)\b|全部|所有|都(?:要|退|换)?|整单", re.I)
_EVERYTHING = re.compile(  # the same in a first message, where "all" may be about anything
    r"\b(everything|(all|every) (of )?(the |my |those )?(items?|things?|products?)|(whole|entire) order)\b"
    r"|全部商品|所有商品|整单",
    re.I,
)
_ONLY = re.compile(r"\b(only|just|not)\b|只|仅|不是|不要", re.I)
_ALSO = re.compile(r"\b(also|too|as well|add|plus)\b|还有|也要|加上", re.I)
_WAITING = re.compile(
    r"\b(pending|not (yet )?(shipped|sent)|has(n'?t| not) (shipped|left))\b|还没发货|未发货|待发货", re.I
)
_ARRIVED = re.compile(r"\b(received|delivered|arrived|got)\b|收到|到货|已送达", re.I)
_LATEST = re.compile(r"\b(last|latest|newest|most recent)\b|最近|最新|最后|上一", re.I)
_OTHER = re.compile(r"\b(other|another|different|wrong)\b.{0,12}\b(order|one)\b|(另|别|其他).{0,3}(单|个)", re.I)


def spoken_number(turn: Turn) -> str | None:
    """An order number in the message, spelt as the shop spells it."""
    value = turn.call.one("order_number")
    found = _NUMBER.search(str(value) if value else turn.call.text)
    if found:
        return f"K-{found.group(1)}"
    return str(value).upper() if value else None


def spoken_position(turn: Turn, count: int) -> int | None:
    return position(turn.call.one("ordinal"), turn.call.text, count)


def names_of(line: LineView) -> str:
    """Everything a customer may call it."""
    return " ".join([line.name, line.name_zh or "", *map(str, line.options.values())])


class OrderStep(Step):
    """Which order. Only the customer's own; a number of somebody else's is as unknown as one nobody has."""

    name = "order"
    words = r"order|订单"
    mistaken_for = ("product_search", "recommend", "order_history")

    def __init__(
        self, can: str | None = None, none: str = "utter_no_orders", *, single: bool = True, instead: str | None = None
    ) -> None:
        self.can = can  # what the order's state must allow to be offered; a typed number is always taken
        self.none = none
        self.single = single  # take the only candidate without asking
        self.instead = instead  # what else would serve the wish: changing what was not sent, exchanging what arrived

    def read(self, turn: Turn, *, asked: bool) -> str | Problem | None:
        number = spoken_number(turn)
        if number is not None:
            return self._own(turn, number)
        settled = turn.value(self.name)
        changing = settled is not None and turn.call.intent in ("correct", "deny") and _OTHER.search(turn.call.text)
        if settled is not None and not changing:
            return None
        candidates = self.candidates(turn)
        if self.instead is not None and not candidates:
            candidates = self.candidates(turn, self.instead)
        if changing:
            others = [order.number for order in candidates if order.number != settled]
            if len(others) == 1:
                return others[0]
            turn.drop(self.name)
            return None
        if not candidates:
            raise FormEnds(Answer.response(self.none))
        return self._picked(turn, candidates, asked)

    def _own(self, turn: Turn, number: str) -> str | Problem:
        with turn.call.services.readers() as session:
            try:
                return lookup.find(session, str(turn.customer_id), number).number
            except OrderNotFound:
                return Problem(Answer.response("utter_order_not_found", number=number))

    def _picked(self, turn: Turn, candidates: list[OrderView], asked: bool) -> str | Problem | None:
        call = turn.call
        if asked:
            shown = self._offered(turn)
            place = spoken_position(turn, len(shown))
            if place is not None:
                return shown[place].number
        if (asked or call.text) and _LATEST.search(call.text):
            return candidates[0].number
        was_unclear = turn.wish.get("unclear_orders")
        best = self._named(turn, candidates, asked)
        if best is not None:
            return best
        unclear = turn.wish.get("unclear_orders")
        if asked and unclear != was_unclear:
            return Problem(Answer())  # several hold what is named: they are shown, and no other
        if asked:
            return candidates[0].number if len(candidates) == 1 and call.intent == "affirm" else None
        before = call.slot("order_number")  # the one we have just talked about
        if before in (unclear or [order.number for order in candidates]):
            return str(before)
        if unclear:
            return None
        return candidates[0].number if len(candidates) == 1 and self.single else None

    def _named(self, turn: Turn, candidates: list[OrderView], asked: bool) -> str | None:
        """The order whose goods the message names: one that can be dealt with, or one that the desk refuses."""
        text = turn.call.text
        if self.instead is not None and not asked:
            text = without_wanted(text)  # what it should become does not tell which order it is in
        other = self.candidates(turn, self.instead) if self.instead is not None else []
        hint = _WAITING if self.instead == "change_items" else _ARRIVED
        pools = [candidates, other] if not hint.search(text) else [other, candidates]
        if turn.wish.get("unclear_orders"):
            pools.insert(0, self._offered(turn))
        best = next((best for pool in pools if (best := self._best_by_goods(text, pool))), [])
        if len(best) > 1:
            turn.wish["unclear_orders"] = [order.number for order in best]
            return None
        if not best:  # perhaps in an order that cannot be dealt with: the desk says why
            best = self._best_by_goods(text, self.candidates(turn, None))
        if len(best) != 1:
            return None
        turn.wish.pop("unclear_orders", None)
        return best[0].number

    def _best_by_goods(self, text: str, candidates: list[OrderView]) -> list[OrderView]:
        """Those that hold most of the goods named, and of them those whose options are named most."""
        scores = [goods_score(text, order) for order in candidates]
        best = max(scores, default=(0, 0))
        return [order for order, score in zip(candidates, scores, strict=True) if best > (0, 0) and score == best]

    def candidates(self, turn: Turn, can: str | None = "") -> list[OrderView]:
        """Newest first. `can` is the step's own unless another is given; None leaves out no order."""
        wanted = self.can if can == "" else can
        with turn.call.services.readers() as session:
            orders = lookup.orders_of(session, str(turn.customer_id), limit=MOST_READ)
        fitting = [order for order in orders if wanted is None or wanted in order.can]
        return fitting[:MOST_SHOWN]

    def _offered(self, turn: Turn) -> list[OrderView]:
        other = self.candidates(turn, self.instead) if self.instead else []
        own, unclear = self.candidates(turn), turn.wish.get("unclear_orders", ())
        return [order for order in (*own, *other) if order.number in unclear] or own or other

    def ask(self, turn: Turn) -> Answer:
        language = turn.call.language
        choose = turn.call.pick("This one", "就是这个")
        cards = [
            wording.order_card(order, language, [button(choose, "inform", order_number=order.number)])
            for order in self._offered(turn)
        ]
        if not cards:
            raise FormEnds(Answer.response(self.none))
        return Answer.response("utter_ask_order").cards(cards)


def goods_score(text: str, order: OrderView) -> tuple[int, int]:
    """How many products of an order a message names, and how many of their options."""
    names = {name for mention in mentions(text, order.lines) for name in mention.names}
    options = [len(options_said(text, [line.options], {})) for line in order.lines if line.name in names]
    return len(names), max(options, default=0)


SPEAKING_OF_ITEMS = (
    "correct", "inform", "deny", "affirm", "nlu_fallback", "change_items", "exchange_order", "return_order",
)  # fmt: skip


class ItemsStep(Step):
    """Which lines of the order, as `[{line_id, quantity}]`; the only line is taken without asking."""

    name = "items"
    words = r"\b(items?|products?|things?|article)\b|商品|东西|件"

    mistaken_for = ("product_search", "recommend")
    stays = r"reason|variant_.*|said_.*"

    def __init__(
        self, order: OrderView, lines: Sequence[LineView], *, several: bool = True, swapping: bool = False
    ) -> None:
        self.order = order
        self.lines = lines
        self.several = several
        self.swapping = swapping  # a first message may also say what the items should become

    def read(self, turn: Turn, *, asked: bool) -> list[dict[str, Any]] | Problem | None:
        settled = turn.value(self.name) is not None
        if settled and turn.call.intent not in SPEAKING_OF_ITEMS:
            return None
        if not self.lines:
            return None
        was_unclear = turn.wish.get("unclear_items")
        chosen = self._chosen(turn, asked)
        if not chosen and turn.wish.get("unclear_items") not in (None, was_unclear):
            return Problem(Answer())  # understood, but it fits several: the question names them
        if settled and chosen:
            chosen = self._corrected(turn, chosen)
        if not chosen:
            return None if settled or len(self.lines) > 1 else self._taken(turn, [0])
        return self._taken(turn, chosen if self.several else chosen[:1])

    def _corrected(self, turn: Turn, chosen: list[int]) -> list[int]:
        """Lines named after some were settled: added ("also"), or instead. A part of them alone is being talked about
        ("the lamp in red, please"), unless it is said to be all."""
        before = [
            place
            for place, line in enumerate(self.lines)
            for part in turn.value(self.name)
            if part["line_id"] == line.id
        ]
        if _ALSO.search(turn.call.text):
            return sorted({*before, *chosen})
        return before if set(chosen) < set(before) and not _ONLY.search(turn.call.text) else chosen

    def _chosen(self, turn: Turn, asked: bool) -> list[int]:
        text = turn.call.text
        kept = everything_but(text, self.lines) if self.several and (asked or _ALL.search(text)) else None
        if kept is not None:
            return list(kept)
        if asked:
            if self.several and (turn.call.one("ordinal") == "all" or self._all_meant(text)):
                return list(range(len(self.lines)))
            said = turn.call.all("ordinal") if self.several else []
            places = [place for each in said if (place := position(each, "", len(self.lines))) is not None]
            if len(places) > 1:
                return list(dict.fromkeys(places))
            place = spoken_position(turn, len(self.lines))
            if place is not None:
                return self._with_sure(turn, [place])
        elif (
            self.several
            and turn.value(self.name) is None
            and _EVERYTHING.search(text)
            and not lines_named(text, self.lines)
        ):
            return list(range(len(self.lines)))
        return self._clear(turn, text, asked=asked)

    def _all_meant(self, text: str) -> bool:
        """ "both" is said of everything unless it names what both are ("both tablets")."""
        return bool(_ALL.search(text)) and not lines_named(text, self.lines)

    def _clear(self, turn: Turn, text: str, *, asked: bool) -> list[int]:
        """The lines named, when none of them is unclear; else what is clear is kept until that is asked for."""
        before = turn.wish.get("unclear_items") or {}
        within = [place for place, line in enumerate(self.lines) if line.id in before.get("of", ())]
        pool = within or list(range(len(self.lines)))
        lines = [self.lines[place] for place in pool]
        found = lines_named(text, lines, swapping=self.swapping and not asked, by_options=asked)
        chosen = self._with_sure(turn, [pool[place] for place in found.chosen])
        if not found.unclear:
            if chosen:
                turn.wish.pop("unclear_items", None)
            return chosen if found.chosen else []
        ids = [self.lines[pool[place]].id for place in found.unclear]
        turn.wish["unclear_items"] = {"of": ids, "sure": [self.lines[place].id for place in chosen]}
        return []

    def _with_sure(self, turn: Turn, places: list[int]) -> list[int]:
        """These and what an earlier message had made clear."""
        sure = (turn.wish.get("unclear_items") or {}).get("sure", ())
        return [place for place, line in enumerate(self.lines) if place in places or (places and line.id in sure)]

    def _taken(self, turn: Turn, positions: list[int]) -> list[dict[str, Any]]:
        quantity = str(turn.call.one("quantity"))
        wanted = int(quantity) if quantity.isdecimal() else None
        return [
            {
                "line_id": self.lines[place].id,
                "quantity": wanted if wanted and 0 < wanted < self.lines[place].quantity else None,
            }
            for place in positions
        ]

    def ask(self, turn: Turn) -> Answer:
        call = turn.call
        unclear = (turn.wish.get("unclear_items") or {}).get("of", ())
        buttons = [
            button(wording.line(line, call.language), "inform", ordinal=str(place))
            for place, line in enumerate(self.lines, start=1)
            if not unclear or line.id in unclear
        ]
        if unclear:
            return Answer.response("utter_ask_which_of_them").buttons(*buttons)
        if self.several and len(self.lines) > 1:
            buttons.append(button(call.pick("All of them", "全部"), "inform", ordinal="all"))
        return Answer.response("utter_ask_items", number=self.order.number).buttons(*buttons)


@dataclass(frozen=True)
class Choice:
    value: str
    label: str
    words: str = ""  # regular expression; empty: the label itself


class ChoiceStep(Step):
    """One of a few things; buttons, a position, a word of it."""

    def __init__(
        self, name: str, response: str, choices: Sequence[Choice], *, words: str = "", none: str = "", **facts: Any
    ) -> None:
        self.name = name
        self.none = none  # what is said when there is nothing to choose from
        self.words = words
        self.response = response
        self.choices = choices
        self.facts = facts

    def read(self, turn: Turn, *, asked: bool) -> str | None:
        settled = turn.value(self.name) is not None
        picked = turn.call.one("choice")
        if asked and picked in [choice.value for choice in self.choices]:
            return str(picked)
        if settled and turn.call.intent not in ("correct", "inform", "deny"):
            return None
        text = turn.call.text
        hits = [choice for choice in self.choices if re.search(choice.words or re.escape(choice.label), text, re.I)]
        if len(hits) == 1:
            return hits[0].value
        place = spoken_position(turn, len(self.choices)) if asked else None
        return self.choices[place].value if place is not None else None

    def ask(self, turn: Turn) -> Answer:
        if not self.choices and self.none:
            raise FormEnds(Answer.response(self.none))
        buttons = [button(choice.label, "inform", choice=choice.value) for choice in self.choices]
        return Answer.response(self.response, **self.facts).buttons(*buttons)


class TextStep(Step):
    """Any text, as the customer wrote it."""

    free = True

    def __init__(
        self,
        name: str,
        response: str,
        *,
        words: str = "",
        most: int = 1000,
        buttons: Iterable[dict[str, str]] = (),
        **facts: Any,
    ) -> None:
        self.name = name
        self.response = response
        self.words = words
        self.most = most
        self.own_buttons = tuple(buttons)
        self.facts = facts

    def read(self, turn: Turn, *, asked: bool) -> str | None:
        text = turn.call.text.strip()
        return text[: self.most] if asked and text and not text.startswith("/") else None

    def ask(self, turn: Turn) -> Answer:
        return Answer.response(self.response, **self.facts).buttons(*self.own_buttons)


class ReasonStep(ChoiceStep):
    """A reason, as a code. The shop's list is offered; what else is said is taken too, and the order desk refuses it
    when the shop does not accept it."""

    free = True
    mistaken_for = ("never_mind",)  # "no longer needed"

    def __init__(self, response: str, codes: Sequence[str], language: str) -> None:
        every = [Choice(code, wording.of(wording.REASONS, code, language), said) for code, said in REASON_WORDS.items()]
        named = [choice for choice in every if choice.value in codes]
        unnamed = [Choice(code, code.replace("_", " ")) for code in codes if code not in REASON_WORDS]
        super().__init__("reason", response, [*named, *unnamed], words=r"reason|原因|理由")
        self.others = [choice for choice in every if choice.value not in codes]

    def read(self, turn: Turn, *, asked: bool) -> str | None:
        value = super().read(turn, asked=asked)
        if value is not None or not asked or turn.call.intent in ("affirm", "deny", "correct", "never_mind"):
            return value
        hits = [choice.value for choice in self.others if re.search(choice.words, turn.call.text, re.I)]
        return hits[0] if len(hits) == 1 else "other"


REASON_WORDS = {
    "no_longer_needed": r"no longer|not need|don'?t need|don'?t want|no use|不需要|不想要|不要了|用不着",
    "ordered_by_mistake": r"mistake|accident|twice|wrong (item|one|order)|误|下错|点错|买错|拍错|重复",
    "found_cheaper": r"cheaper|better price|less elsewhere|更便宜|贵|降价",
    "too_slow": r"too (slow|long)|takes? (too|so) long|waiting|太慢|太久|等不",
    "wrong_size": r"\bsize\b|too (small|big|large|tight|loose|short|long)|doesn'?t fit|尺码|尺寸|太小|太大|不合",
    "not_as_described": r"describ|picture|different (from|than|to)|not what|expected|描述|不符|图片|不一样",
    "damaged": r"damage|broke|fault|defect|torn|scratch|doesn'?t work|stopped working|坏|破|瑕疵|损|划痕|质量",
    "changed_mind": r"changed? my mind|don'?t like|no longer|don'?t (need|want)|不喜欢|改变主意|不想要|不需要",
    "arrived_late": r"too late|arrived late|late\b|太晚|来晚|迟",
    "other": r"\bother\b|another reason|其他|其它",
}


# What a form does, as somebody says who does not want it: "don't cancel it" sounds like the wish to cancel.
_VERBS = {
    "cancel_order": r"cancel|stop|取消|撤",
    "cancel_return": r"cancel|withdraw|stop|取消|撤",
    "return_order": r"return|send|退",
    "exchange_order": r"exchange|swap|换",
    "reorder": r"order|buy|下单|买",
    "delete_account": r"delete|close|删|注销",
}
_BEFORE = r"^\W*(?:(?:actually|oh|no|nope|wait|stop|sorry|please|ok|then|hm+)\W+)"
_KEEP = re.compile(_BEFORE + r"+(?:keep|leave)(?:\s+\w+){0,4}\W*$|^\W*保留\w{0,6}\W*$", re.I)


def unwanted(text: str, intent: str) -> bool:
    """Whether a message says only that what the form of `intent` does is not to be done."""
    verbs = _VERBS.get(intent, r"change|改|换")
    english = rf"{_BEFORE}*(?:do not|don'?t|rather not)\s+(?:{verbs}|do)(?:\s+\w+){{0,3}}\W*$"
    chinese = rf"^\W*(?:等等|等下|还是|先|那|请)?(?:不用|不要|不必|别|不)(?:{verbs})\w{{0,5}}\W*$"
    return bool(_KEEP.search(text) or re.search(f"{english}|{chinese}", text, re.I))


class ConfirmStep(Step):
    """The read-back: what would happen, in full, and "shall I?". Only a yes goes on."""

    name = "confirmed"
    mistaken_for = FORM_INTENTS

    def __init__(self, read_back: Callable[[Turn], Answer], intent: str) -> None:
        self.read_back, self.intent = read_back, intent

    def read(self, turn: Turn, *, asked: bool) -> bool | None:
        if not asked or turn.changed:  # a yes or a no to something else than what is wished now
            return None
        if unwanted(turn.call.text, self.intent):
            raise FormEnds(Answer.response("utter_nothing_changed"))
        if turn.call.intent == "affirm":
            return True
        if turn.call.intent == "deny" and len(turn.call.entities) == 0 and not _OTHER.search(turn.call.text):
            raise FormEnds(Answer.response("utter_nothing_changed"))
        return None

    def ask(self, turn: Turn) -> Answer:
        call = turn.call
        return self.read_back(turn).buttons(
            button(call.pick("Yes, please", "是的，确认"), "affirm"),
            button(call.pick("No", "不"), "deny"),
        )


def own_order(session: Session, turn: Turn) -> OrderView:
    """The order the form is about.

    Raises:
        OrderNotFound: it is gone, or was never this customer's.
    """
    return lookup.find(session, str(turn.customer_id), str(turn.value("order")))
