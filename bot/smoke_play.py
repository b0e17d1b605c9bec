"""Playing a script of the smoke run: its customer is made, its steps are sent, its expectations compared."""

import email
import email.policy
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.channels import shop_token
from bot.database import trial
from bot.database.base import utc_now
from bot.database.engine import Sessions
from bot.database.trial import Trial
from bot.settings import Settings
from bot.smoke_script import Script
from bot.widget_client import GatewayError, Line, WidgetClient

REPLY_SECONDS = 45.0
MAIL_SECONDS = 20.0
ROW_SECONDS = 5.0
PATIENCE_SECONDS = 90.0


class Missed(Exception):
    """A step did not do what the script expects; the message says what was expected and what came."""


@dataclass
class Played:
    """What became of a script: `record` holds (author, text, seconds)."""

    script: Script
    record: list[tuple[str, str, float | None]] = field(default_factory=list)
    fault: str = ""
    conversation_id: str = ""
    seconds: float = 0.0


class Stage:
    """Where scripts are played: makes their customers, and erases them."""

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self.settings = settings
        self.sessions = sessions
        self.run = f"{int(time.time()) % 10**6:06d}"
        self.conversations: list[str] = []
        self.stock: dict[str, int] = {}
        self._numbers: Iterator[int] = iter(range(900000 + int(time.time()) % 90 * 1000, 10**6, 4))

    def clear(self) -> None:
        with self.sessions.begin() as session:
            trial.erase(session, self.conversations)
            trial.restock(session, self.stock)

    def play(self, script: Script) -> Played:
        """Play one script; a fault of any kind ends it and is told in `fault`."""
        played = Played(script)
        began = time.monotonic()
        try:
            customer = None if script.orders is None else self._customer(script)
            with WidgetClient(self.settings.gateway_url, patience_seconds=PATIENCE_SECONDS) as client:
                opened = client.open(language=script.language, customer_token=self._token(script, customer))
                played.conversation_id = opened.conversation_id
                self.conversations.append(opened.conversation_id)
                Performance(self, client, customer, played).perform()
        except (Missed, GatewayError, trial.NoGoods) as error:
            played.fault = str(error)
        played.seconds = time.monotonic() - began
        return played

    def _customer(self, script: Script) -> Trial:
        mark = f"{script.skill.replace('_', '-')}-{script.language}-{self.run}"
        with self.sessions.begin() as session:
            made = trial.enrol(
                session,
                script.language,
                script.orders or (),
                mark=mark,
                first_number=next(self._numbers),
                now=utc_now(),
            )
        for sku, count in made.stock.items():
            self.stock.setdefault(sku, count)
        return made

    def _token(self, script: Script, customer: Trial | None) -> str:
        if customer is None or not script.signed:
            return ""
        return shop_token.sign(customer.customer_id, self.settings.shop_secret, expires_at=time.time() + 600)


class Performance:
    """One conversation as it goes on."""

    def __init__(self, stage: Stage, client: WidgetClient, customer: Trial | None, played: Played) -> None:
        self.stage = stage
        self.client = client
        self.customer = customer
        self.played = played
        self.replies: list[Line] = []
        self.holder = "bot"
        self.used_codes: set[str] = set()

    def perform(self) -> None:
        for step in self.played.script.steps:
            if "when" in step and not re.search(step["when"], self._text(), re.I):
                continue
            self._send(step)
            self._compare(step.get("expect", {}))
            for row in step.get("rows", ()):
                self._look(row)
        for row in self.played.script.rows:
            self._look(row)

    def _text(self) -> str:
        return "\n".join(shown(reply) for reply in self.replies)

    def _send(self, step: Mapping[str, Any]) -> None:
        payload = None
        if "press" in step:
            button = self._button(self._filled(step["press"]))
            text, payload = str(button["title"]), str(button["payload"])
        else:
            text = self._filled(step["say"])
        self.played.record.append(("press" if payload else "customer", text, None))
        began = time.monotonic()
        position = self.client.write(text, payload=payload)
        self.replies, self.holder = self.client.wait(position, seconds=REPLY_SECONDS)
        seconds: float | None = time.monotonic() - began
        for reply in self.replies:
            self.played.record.append((reply.author, shown(reply), seconds))
            seconds = None

    def _button(self, pattern: str) -> Mapping[str, Any]:
        offered = [choice for line in self.replies for choice in line.choices if choice.get("payload")]
        for choice in offered:
            if re.search(pattern, str(choice["title"]), re.I):
                return choice
        raise Missed(f"no button like {pattern!r} among {[choice['title'] for choice in offered]}")

    def _compare(self, expect: Mapping[str, Any]) -> None:
        text = self._text()
        for pattern in _listed(expect.get("text")):
            if not re.search(self._filled(pattern, quoted=True), text, re.I):
                raise Missed(f"expected {pattern!r}")
        for pattern in _listed(expect.get("not_text")):
            if re.search(self._filled(pattern, quoted=True), text, re.I):
                raise Missed(f"did not expect {pattern!r}")
        for pattern in _listed(expect.get("buttons")):
            self._button(self._filled(pattern, quoted=True))
        kinds = {str(card.get("kind")) for reply in self.replies for card in reply.cards}
        for kind in _listed(expect.get("cards")):
            if kind not in kinds:
                raise Missed(f"expected a card of kind {kind!r}, got {sorted(kinds) or 'none'}")
        if expect.get("holder", self.holder) != self.holder:
            raise Missed(f"expected the holder to be {expect['holder']}, it is {self.holder}")

    def _look(self, row: Mapping[str, Any]) -> None:
        """A row of the database must have these values, now or within moments (mails are written by the courier)."""
        where = {name: self._filled_value(value) for name, value in row["where"].items()}
        wanted = {name: self._filled_value(value) for name, value in row.get("has", {}).items()}
        deadline = time.monotonic() + ROW_SECONDS
        while True:
            with self.stage.sessions() as session:
                found = trial.values(session, row["table"], where)
            if any(all(each.get(name) == value for name, value in wanted.items()) for each in found):
                return
            if time.monotonic() > deadline:
                raise Missed(
                    f"expected {wanted or 'a row'} in {row['table']} where {where}; there are {len(found)} rows"
                )
            time.sleep(0.1)

    def _filled_value(self, value: Any) -> Any:
        return self._filled(value) if isinstance(value, str) else value

    def _filled(self, text: str, *, quoted: bool = False) -> str:
        """The text with its names in braces filled; only known names, so that `\\d{2}` stays."""

        def value(match: re.Match[str]) -> str:
            known = self._value(match.group(1))
            if known is None:
                return match.group()
            return re.escape(known) if quoted else known

        return re.sub(r"\{([a-z_]+\d?)\}", value, text)

    def _value(self, name: str) -> str | None:
        mark = f"{self.played.script.skill.replace('_', '-')}-{self.played.script.language}-{self.stage.run}"
        if name == "mark":
            return mark
        if name == "email" and self.customer is None:
            return f"{mark}{trial.DOMAIN}"
        if self.customer is None:
            return None
        goods, zh = self.customer.goods, self.played.script.language == "zh"
        if name == "code":
            return self._code()
        if re.fullmatch(r"order\d?", name):
            return self.customer.orders[int(name[5:] or 1) - 1]
        return {
            "email": self.customer.email,
            "customer": self.customer.customer_id,
            "product": goods.name_zh if zh else goods.name,
            "sku": goods.first.sku,
            "other_sku": goods.other.sku,
            "size": str(goods.first.options["size"]),
            "other_size": str(goods.other.options["size"]),
        }.get(name)

    def _code(self) -> str:
        folder = Path(self.stage.settings.home) / "mailbox"
        return mailed_code(folder, self.customer.email if self.customer else "", self.used_codes)


def mailed_code(folder: Path, to: str, used: set[str]) -> str:
    """The six digits of the newest mail to this address that were not `used` yet; waits for the courier to write it.

    Raises:
        Missed: no such mail came.
    """
    deadline = time.monotonic() + MAIL_SECONDS
    while time.monotonic() < deadline:
        for file in sorted(folder.glob("*.eml"), reverse=True):
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            body = mail.get_body()
            code = re.search(r"\b\d{6}\b", str(body.get_content()) if body else "")
            if mail["To"] == to and code and code.group() not in used:
                used.add(code.group())
                return code.group()
        time.sleep(0.1)
    raise Missed(f"no mail with a code within {MAIL_SECONDS:.0f} s")


def _listed(value: str | Sequence[str] | None) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def shown(line: Line) -> str:
    """A reply as text: what it says, its cards, its buttons."""
    parts = [line.text] if line.text else []
    for card in line.cards:
        shown_parts = (card.get("title"), card.get("price"), card.get("badge"), card.get("text"))
        parts.append("▪ " + " · ".join(str(part) for part in shown_parts if part))
    titles = [str(choice.get("title")) for choice in line.choices]
    if titles:
        parts.append("[" + "] [".join(titles) + "]")
    return "\n".join(parts)
