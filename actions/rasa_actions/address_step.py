"""A new address: one on file by a button, or one line of text, taken apart."""

import re
from collections.abc import Mapping
from typing import Any

from actions.order_desk import lookup
from actions.rasa_actions import wording
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.forms import Problem, Step, Turn

MOST_READ, MOST_SHOWN = 10, 4

COUNTRIES = {
    "DE": r"germany|deutschland|德国", "AT": r"austria|österreich|奥地利", "CH": r"switzerland|schweiz|瑞士",
    "FR": r"france|法国", "NL": r"netherlands|holland|荷兰", "BE": r"belgium|比利时", "LU": r"luxembourg|卢森堡",
    "DK": r"denmark|丹麦", "PL": r"poland|波兰", "CZ": r"czech(?: republic|ia)?|捷克", "IT": r"italy|意大利",
    "ES": r"spain|西班牙", "PT": r"portugal|葡萄牙", "IE": r"ireland|爱尔兰", "SE": r"sweden|瑞典",
    "NO": r"norway|挪威", "FI": r"finland|芬兰", "GB": r"united kingdom|great britain|england|uk|英国",
    "US": r"united states(?: of america)?|usa|u\.s\.a?\.?|美国", "CA": r"canada|加拿大",
    "CN": r"china|中国", "HK": r"hong kong|香港", "SG": r"singapore|新加坡",
}  # fmt: skip
_POSTCODE = re.compile(
    # not \w at the edges: a Chinese character may stand there ("邮编200030")
    r"(?<![A-Za-z0-9_-])(?:[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|\d{4} ?[A-Z]{2}|\d{4,6})(?![A-Za-z0-9_-])"
)
_LEAD = re.compile(
    r"^.*?\b(?:address(?: is| to| should be)?|(?:send|ship|deliver) (?:it |them |this )?to|live at|moved to)\b[:\s]*"
    r"|^.*?(?:地址(?:是|改成|改为|换成)?|寄到|送到|发到|改到)[:：\s]*",
    re.I,
)


def parse(text: str) -> dict[str, str]:
    """The parts of an address as written on one line: "Lindenweg 4, 10115 Berlin, Germany".

    Parts that are not found are left out; the order desk says which it needs.
    """
    text = _LEAD.sub("", text.strip(), count=1).strip(" .。")
    country, text = _country(text)
    found = list(_POSTCODE.finditer(text))
    parts: dict[str, str] = {"country": country} if country else {}
    if re.search(r"[\u4e00-\u9fff]", text):
        return parts | _chinese(text, found[-1].group() if found else "")
    if not found:
        pieces = [piece.strip() for piece in text.split(",") if piece.strip()]
        if pieces and re.search(r"\d", pieces[0]):
            parts["line1"] = pieces[0]
        if len(pieces) > 1:
            parts["city"] = pieces[-1]
        return parts
    last = found[-1]
    before = re.sub(r"\s+(in|at)$", "", text[: last.start()].strip(" ,"), flags=re.I)
    after = text[last.end() :].strip(" ,")
    pieces = [piece.strip() for piece in before.split(",") if piece.strip()]
    if not after and len(pieces) > 1:  # "12 High Street, Leeds, LS1 4AB"
        after = pieces.pop()
        region = re.fullmatch(r"[A-Z]{2}", after)
        if region and len(pieces) > 1:  # "..., Denver, CO 80201"
            parts["region"], after = after, pieces.pop()
    if pieces:
        parts["line1"] = pieces[0]
    if len(pieces) > 1:
        parts["line2"] = ", ".join(pieces[1:])
    city = re.split(r"[,\n]", after)[0].strip()
    return parts | {"postcode": last.group()} | ({"city": city} if city else {})


def _country(text: str) -> tuple[str | None, str]:
    for code, pattern in COUNTRIES.items():
        found = re.search(rf"[,，\s]*(?<!\w)(?:{pattern})(?!\w)\s*$|^(?:{pattern})(?=[\u4e00-\u9fff])", text, re.I)
        if found:
            return code, (text[: found.start()] + text[found.end() :]).strip(" ,，")
    return None, text


def _chinese(text: str, postcode: str) -> dict[str, str]:
    rest = re.sub(rf"[,，\s]*(?:邮政编码|邮编)?[:：是为]?\s*{postcode}", "", text).strip(" ,，。") if postcode else text
    city = re.match(r"(?:(?P<region>[\u4e00-\u9fff]{2,7}?(?:省|自治区))\s*)?(?P<city>[\u4e00-\u9fff]{2,7}?市)?", rest)
    parts = {name: value for name, value in (city.groupdict() if city else {}).items() if value}
    line = rest[city.end() :].strip(" ,，") if city else rest
    return parts | ({"line1": line} if line else {}) | ({"postcode": postcode} if postcode else {})


class AddressStep(Step):
    """Asks for what is missing only; what was said before is kept."""

    name = "address"
    words = r"address|street|postcode|地址|邮编"
    free = True
    mistaken_for = ("change_address", "edit_account")
    needed = ("line1", "postcode", "city")

    def __init__(self, base: Mapping[str, Any]) -> None:
        self.base = base

    def read(self, turn: Turn, *, asked: bool) -> dict[str, Any] | Problem | None:
        call = turn.call
        place = call.one("choice")
        if asked and place is not None and str(place).startswith("address_"):
            on_file = self._on_file(turn)
            at = int(str(place).removeprefix("address_"))
            return dict(on_file[at]) if at < len(on_file) else None
        if turn.value(self.name) is not None and call.intent not in ("correct", "inform", "deny", "change_address"):
            return None
        parts = parse(call.text)
        if not asked and not {"line1", "postcode"} <= set(parts):
            return None
        known = {**turn.wish.get("address_parts", {}), **parts}
        missing = [part for part in self.needed if not known.get(part)]
        if not missing:
            turn.wish.pop("address_parts", None)
            return known
        if not asked or not parts:
            return None
        if len(missing) == 1 and missing[0] == "city" and "line1" not in parts and "postcode" not in parts:
            return {**known, "city": call.text.strip()}
        turn.wish["address_parts"] = known
        names = ", ".join(call.pick(*PARTS[part]) for part in missing)
        return Problem(Answer.response("utter_address_incomplete", missing=names))

    def _on_file(self, turn: Turn) -> list[Mapping[str, Any]]:
        """The customer's own places: those of the account, then those that recent orders went to."""
        with turn.call.services.readers() as session:
            customer = lookup.customer(session, str(turn.customer_id))
            orders = lookup.orders_of(session, str(turn.customer_id), limit=MOST_READ)
        seen = {_place(self.base)}
        found: list[Mapping[str, Any]] = []
        for place in (*customer.addresses, *(order.ship_to for order in orders)):
            if _place(place) not in seen:
                seen.add(_place(place))
                found.append(place)
        return found[:MOST_SHOWN]

    def ask(self, turn: Turn) -> Answer:
        buttons = [
            button(wording.address(place), "inform", choice=f"address_{at}")
            for at, place in enumerate(self._on_file(turn))
        ]
        return Answer.response("utter_ask_address").buttons(*buttons)


def _place(address: Mapping[str, Any]) -> tuple[str, ...]:
    """Where it is, whoever lives there."""
    return tuple(str(address.get(part) or "").casefold() for part in ("line1", "line2", "postcode", "city"))


PARTS = {"line1": ("street and number", "街道门牌"), "postcode": ("postcode", "邮编"), "city": ("city", "城市")}
